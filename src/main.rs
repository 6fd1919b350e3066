//! `lcnode`: a storage node that speaks the Tokyo Tyrant protocol.
//!
//! From here: `config` says what was typed, `process` detaches and writes the pid file, `server` owns
//! sockets and threads, `dispatch` carries requests out on the store. `tools` does what needs no node.

mod admin;
mod config;
mod dispatch;
mod logging;
mod process;
mod scripts;
mod server;
mod tools;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lcnode::replication::original::position::{Slot, read_time_stamp};
use lcnode::replication::peers::Bounds;
use lcnode::replication::{self, Replication};
use lcnode_protocol::Limits;
use lcnode_storage::{Hold, Options, Place, Store};
use parking_lot::Mutex;

use admin::Admin;
use config::{Config, DatabaseKind, Listen, MasterAddress};
use dispatch::{Commands, Counters, DelayedFlush, NamedMaster, Node};
use logging::Logging;
use process::activation::Inherited;
use process::daemon::{self, Ready, Role};
use process::systemd::{self, Manager};
use process::{limits, pid_file::PidFile};
use server::{Listener, Settings, Signals};

fn main() -> ExitCode {
    if let Some(code) = tools::run(std::env::args_os()) {
        return code;
    }
    let config = match Config::from_args(std::env::args_os()) {
        Ok(config) => config,
        Err(error) if error.is_answer() => {
            let printed = writeln!(std::io::stdout(), "{error}");
            return ExitCode::from(u8::from(printed.is_err()));
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(error.exit_status());
        }
    };
    let served = daemon::detach_if_asked(&config).map_err(Into::into).and_then(|role| match role {
        Role::Server(ready) => serve(&config, ready),
        Role::Launcher => Ok(()),
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if config.log_target != config::LogTarget::Stdout {
                tracing::error!("{error}");
            }
            systemd::failed(&error.to_string());
            eprintln!("{}: {error}", config.identity.program());
            ExitCode::FAILURE
        }
    }
}

/// A node's life: log, pid file, database, socket, requests, and all of it back again.
fn serve(config: &Config, ready: Ready) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    // Before there is any thread.
    let inherited = Inherited::take()?;
    let logging = Logging::install(&config.log_target, config.log_form, &config.levels)?;
    let pid = std::process::id();
    system!("--------- logging started [{pid}] --------");
    let _pid_file =
        config.pid_file.as_deref().map(|path| PidFile::claim(path, config.replace_running)).transpose()?;
    if let Some(path) = &config.pid_file {
        system!("process ID configuration: path={} pid={pid}", path.display());
    }
    let manager = Manager::default();
    let signals = Signals::obey(logging.clone(), manager.clone())?;
    let address = inherited.as_ref().map_or_else(|| address(&config.listen), address_of_inherited);
    system!("server configuration: {address}");
    if inherited.is_some() && config.listen_is_given {
        tracing::warn!("--host and --port have no effect: the socket is the one that systemd opened");
    }
    system!("maximum connection: {}", limits::raise_open_files()?);
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    if let Some(folder) = config.replication.update_logs.as_deref().filter(|folder| !folder.is_dir()) {
        tracing::info!(
            "-ulog {}: no such directory; nothing is written there, so none is needed",
            folder.display()
        );
    }
    if !config.database.ignored.is_empty() {
        tracing::info!("tuning without a meaning here: {}", config.database.ignored.join(", "));
    }
    scripts::check(&config.scripts)?;
    // Bound before the database is opened: a port in use must not cost a recovery.
    let admin = config
        .admin
        .as_deref()
        .map(|address| Admin::start(address, &config.database.name, logging))
        .transpose()?;
    let listener = match inherited {
        Some(socket) => Listener::Inherited(socket),
        None => Listener::bind(&config.listen)?,
    };
    let opening = manager.phase("opening the database");
    let store = Arc::new(open(config)?);
    if config.mask != config::Mask::NONE {
        system!("command bit mask: {}", config.mask);
    }
    let begin = time_stamp(config);
    let replication = Replication::start(Arc::clone(&store), replication(config, begin))?;
    let node = node(config, store, replication, begin, started);
    let settings = Settings {
        threads: config.threads,
        timeout: config.timeout,
        max_buffered: config.max_buffered,
        measures: admin.is_some(),
        slow_log: config.slow_log,
    };
    system!("service started: {pid}");
    let mut told = Ok(());
    let mut stopping = None;
    let ready = |shared| {
        if let Some(admin) = &admin {
            admin.serving(shared);
        }
        system!("listening started");
        told = ready.signal();
        drop(opening);
        manager.ready(&format!("serving {} on {address}", config.database.name));
    };
    let node = server::run(node, &config.scripts, listener, settings, &signals, ready, || {
        if let Some(admin) = &admin {
            admin.stopping();
        }
        stopping = Some(manager.stopping());
    })?;
    told?;
    system!("listening finished");
    let Node { store, replication, .. } = node;
    replication.stop();
    drop(replication);
    let failure = store.failure();
    system!("closing the database");
    close(store)?;
    system!("service finished");
    system!("--------- logging finished [{pid}] --------");
    match failure {
        Some(why) => Err(why.into()),
        None => Ok(()),
    }
}

fn address_of_inherited(socket: &Inherited) -> String {
    format!("socket of systemd, {}", socket.address())
}

fn address(listen: &Listen) -> String {
    match listen {
        Listen::Tcp { host, port } => format!("host={} port={port}", host.as_deref().unwrap_or("(any)")),
        Listen::Unix(path) => format!("socket={}", path.display()),
    }
}

/// Opens the database that the command line names.
fn open(config: &Config) -> Result<Store, lcnode_storage::Error> {
    let spec = &config.database;
    let place = match &spec.kind {
        DatabaseKind::Memory => Place::Memory,
        DatabaseKind::Directory(path) => Place::Directory(path.clone()),
    };
    match &place {
        Place::Memory => system!("opening the database: * (in memory: its records end with this process)"),
        Place::Directory(path) => system!("opening the database: {}", path.display()),
    }
    let defaults = Options::new(place);
    Store::open(Options {
        sync: match config.sync {
            config::SyncMode::Always => lcnode_storage::SyncMode::Always,
            config::SyncMode::Every(interval) => lcnode_storage::SyncMode::Every(interval),
            config::SyncMode::Never => lcnode_storage::SyncMode::Never,
        },
        segment_size: config.segment_size,
        buckets: spec.bnum.unwrap_or(defaults.buckets),
        origin: config.server_id,
        read_only: !spec.mode.write,
        create: spec.mode.create,
        truncate: spec.mode.truncate,
        max_records: spec.capnum,
        max_bytes: spec.capsiz,
        // Until it is known who follows.
        hold: Hold::ALL,
        ..defaults
    })
}

/// Closes the database, once work for peers that was under way has noticed that it is over.
fn close(mut store: Arc<Store>) -> Result<(), Box<dyn Error>> {
    for _ in 0..1000 {
        match Arc::try_unwrap(store) {
            Ok(store) => return Ok(store.close()?),
            Err(shared) => store = shared,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("the database is still in use 10 s after the stop: the next start reads the log".into())
}

/// What replication is told; `begin` is where to begin with `-mhost`, if that is an original server.
fn replication(config: &Config, begin: u64) -> replication::Settings {
    let told = &config.replication;
    let master = |address: &MasterAddress, slot: Slot, begin: u64| replication::Master {
        host: address.host.clone(),
        port: address.port,
        slot,
        begin,
        check: told.check_consistency,
    };
    let masters = told.masters.iter().map(|address| master(address, Slot::of(&address.to_string()), 0));
    let named = told.named_master.as_ref().filter(|address| !told.masters.contains(address));
    let named = named.map(|address| master(address, Slot::named(), begin));
    replication::Settings {
        masters: masters.filter(|_| told.follow).collect(),
        named: named.filter(|_| told.follow),
        limits: Limits { max_key: config.max_key, max_value: config.max_value },
        max_skew: told.max_skew,
        bounds: Bounds { bytes: told.keep_bytes, age: told.keep_for },
    }
}

/// The time stamp of `-rts`; 0, the beginning, where there is none.
fn time_stamp(config: &Config) -> u64 {
    let Some(path) = &config.replication.time_stamp_file else { return 0 };
    read_time_stamp(path).unwrap_or_else(|error| {
        tracing::info!(
            "-rts {}: {error}; without a position, a master is followed from its beginning",
            path.display()
        );
        0
    })
}

fn node(config: &Config, store: Arc<Store>, replication: Replication, begin: u64, started: Instant) -> Node {
    Node {
        store,
        replication,
        mask: config.mask,
        acknowledges_durable: config.sync == config::SyncMode::Always,
        counters: Counters::new(config.threads),
        limits: Limits { max_key: config.max_key, max_value: config.max_value },
        honours_exptime: config.honours_exptime,
        delayed_flush: DelayedFlush::new(),
        threads: config.threads,
        max_reply: usize::try_from(config.max_buffered).unwrap_or(usize::MAX),
        backup_dir: config.backup_dir.clone(),
        update_logs: config.replication.update_logs.clone(),
        commands: Commands::new(config.allowed_commands.clone(), config.command_timeout),
        database_name: config.database.name.clone(),
        started,
        iterator: Mutex::new(None),
        master: NamedMaster::new(&config.replication, begin),
        scripts: OnceLock::new(),
    }
}
