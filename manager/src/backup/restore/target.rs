//! A server whose database is restored, and what is done on its host.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lightcloud::tyrant::{self, ErrorKind};

use super::swap;
use crate::backup::host::{self, Host, REMOVE, Running, quoted};
use crate::config::{Cluster, Server};
use crate::context::Failure;

/// With what the name of the directory beside a database begins in which another is made; the server and the time
/// follow, behind an @ each. So nobody whom a killed restore has left at work meets the next one.
const WORK: &str = "lcmgr-restore@";
/// What a database that was moved aside has behind its name, before the time.
const BEFORE: &str = ".before-";

/// A server whose database is restored.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where what it has goes.
    pub before: PathBuf,
    address: lightcloud::Address,
    host: Host,
    /// The directory of its database.
    database: PathBuf,
    work: PathBuf,
    program: PathBuf,
}

impl Target {
    /// A server, at a restore of this time.
    pub fn new(cluster: &Cluster, server: &Server, time: &str) -> Result<Self, Failure> {
        let host = Host::of(server)?;
        let database = server.database();
        let mut before = database.clone().into_os_string();
        before.push(format!("{BEFORE}{time}"));
        Ok(Self {
            name: server.name.clone(),
            before: before.into(),
            address: server.address(),
            program: host::program(cluster, &host),
            host,
            work: server.data_dir.join(format!("{WORK}{}@{time}", server.name)),
            database,
        })
    }

    /// Nothing may listen at its address.
    pub async fn check_is_stopped(&self, timeout: Duration) -> Result<(), Failure> {
        let options = tyrant::ServerOptions { timeout, ..Default::default() };
        let answer = tyrant::Server::new(self.address.clone(), options).rnum().await;
        match answer.map_err(|error| error.kind) {
            Err(ErrorKind::Connect(_) | ErrorKind::ConnectTimeout(_)) => Ok(()),
            _ => {
                Err(format!("{} runs at {}: stop it first, as with `lcmgr stop`", self.name, self.address)
                    .into())
            }
        }
    }

    /// Nobody may have its database open.
    pub fn check_lock(&self) -> Result<(), Failure> {
        match &self.host {
            Host::Here => hold(&self.database).map(drop),
            Host::Ssh(_) => {
                let lock = quoted(&self.database.join("LOCK"))?;
                let script = format!("[ ! -e {lock} ] || flock -n {lock} true");
                let held = self.host.run(&script);
                held.map(|_| ()).map_err(|error| format!("{}: {error}", in_use(&self.database)).into())
            }
        }
    }

    /// Clears away what interrupted restores left. Returns the databases that they had replaced already, and that are
    /// moved aside now, as they are not to be removed.
    pub fn settle(&self) -> Result<Vec<String>, Failure> {
        let any = self.work.with_file_name(format!("{WORK}{}@", self.name));
        let (any, database) = (quoted(&any)?, quoted(&self.database)?);
        // Once its `meta` was noted, `new.tch` is the new database only if that is still the same.
        let script = format!(
            "set -e; {REMOVE}\n\
             for w in {any}*; do\n\
             if [ ! -d \"$w\" ]; then continue; fi\n\
             if [ -d \"$w/new.tch\" ] && [ -e \"$w/new.meta\" ] && ! cmp -s \"$w/new.meta\" \"$w/new.tch/meta\"; then\n\
             b={database}{BEFORE}${{w##*@}}\n\
             if [ -e \"$b\" ]; then echo \"$b is in the way\" >&2; exit 1; fi\n\
             mv \"$w/new.tch\" \"$b\"; echo \"$b\"\n\
             fi\n\
             remove \"$w\"\n\
             done"
        );
        Ok(self.host.run(&script)?.lines().map(str::to_owned).collect())
    }

    /// It must have no database, unless that may be moved aside.
    pub fn check_is_free(&self, force: bool) -> Result<(), Failure> {
        let database = quoted(&self.database)?;
        let found =
            self.host.run(&format!("if [ -e {database} ] || [ -L {database} ]; then echo found; fi"))?;
        if found.trim() == "found" && !force {
            return Err(format!(
                "it has a database, {}: with --force that is moved aside, to {}",
                self.database.display(),
                self.before.display()
            )
            .into());
        }
        Ok(())
    }

    /// Begins to take the files of a copy, as a stream of `tar`.
    pub fn receive(&self) -> Result<Running, Failure> {
        let folder = quoted(&self.work.join("copy.tch"))?;
        let script = format!("set -e; mkdir -p {folder}; exec tar -C {folder} -xf -");
        self.host.start(&script, Stdio::piped(), Stdio::null())
    }

    /// Makes a database of what was received.
    pub fn make(&self) -> Result<(), Failure> {
        let [copy, new] = ["copy.tch", "new.tch"].map(|name| quoted(&self.work.join(name)));
        let (copy, new, program) = (copy?, new?, quoted(&self.program)?);
        // Full segments are linked, so they must be on the disk before.
        let script =
            format!("set -e; {{ sync -f {copy} 2>/dev/null || sync; }}; {program} restore {copy} {new}");
        self.host.run(&script).map(|_| ())
    }

    /// Puts the new database in its place. True where there was one, which is moved aside.
    pub fn swap(&self) -> Result<bool, Failure> {
        match &self.host {
            Host::Here => swap::here(&self.database, &self.work, &self.before),
            Host::Ssh(_) => swap::there(&self.host, &self.database, &self.work, &self.before),
        }
    }

    /// Removes what a restore needed meanwhile.
    pub fn clear(&self) -> Result<(), Failure> {
        self.settle().map(|_| ()).map_err(|error| format!("{}: {error}", self.name).into())
    }
}

/// Takes the lock of a database here, if it is there.
pub fn hold(database: &Path) -> Result<Option<File>, Failure> {
    let path = database.join("LOCK");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot open {}: {error}", path.display()).into()),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(in_use(database).into()),
        Err(TryLockError::Error(error)) => Err(format!("cannot lock {}: {error}", path.display()).into()),
    }
}

fn in_use(database: &Path) -> String {
    format!("{} is in use: stop its server first, as with `lcmgr stop`", database.display())
}
