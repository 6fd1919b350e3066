//! `lcmgr migrate`: everything from a running server to another, or into the cluster, and then its changes.
//!
//! The time of the source is noted, all records are copied (`walk`), then its update log is followed from that time on
//! (`follow`), so that what was changed during the copy is made good. `changes` says why nothing counts twice.

mod changes;
mod copy;
mod follow;
mod in_step;
mod progress;
mod source;
mod state;
mod stop;
mod target;
mod walk;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use lightcloud::Address;
use lightcloud::tyrant::{ErrorKind, Server, ServerOptions};

use crate::clock;
use crate::context::{Context, Failure};
use progress::say;
use source::Source;
use state::State;
use stop::Stop;
use target::Target;

/// Takes everything from a running server to another one or into the cluster, and follows its changes until stopped
///
/// The source is an lcnode, a Tokyo Tyrant, or any server of that protocol; it keeps serving. The records are copied,
/// then the update log is followed from the time at which the copy began, so nothing is lost. A source without one is
/// only copied: stop its writers before. What a record was set to is taken from the log, the result of additions and
/// appendings is read from the source, so nothing counts twice. Once it is in step: stop the writers, wait until it is
/// in step again (or run it with --state and --until-caught-up), and let them go on with the target.
///
/// While records are copied from a Tokyo Tyrant no other client should iterate over it: all of them share one iterator.
#[derive(Debug, Args)]
pub struct Migrate {
    /// The source
    #[arg(long, value_name = "HOST:PORT")]
    from: Address,
    /// The target, a server. Records that it has stay, those with the same keys are replaced
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "cluster", conflicts_with = "cluster")]
    to: Option<Address>,
    /// The target is the cluster
    #[arg(long)]
    cluster: bool,
    /// Which system of the cluster
    #[arg(long, value_name = "NAME", default_value = lightcloud::config::DEFAULT_SYSTEM, requires = "cluster")]
    system: String,
    /// Remembers here how far it is: it can be interrupted and run again
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Ends once all changes are there that the source has made
    #[arg(long)]
    until_caught_up: bool,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The operator wanted it.
    Stopped,
    /// All is there.
    CaughtUp,
}

/// A migration under way.
#[derive(Debug)]
struct Migration {
    source: Source,
    target: Target,
    state: State,
    path: Option<PathBuf>,
    stop: Stop,
    /// What the clock of the source is ahead of the one here, in microseconds.
    clock_offset: i64,
    /// Entries that were carried out.
    followed: u64,
    /// Whether it was said that the log does not go back far enough.
    has_gap: bool,
    /// Functions that were named already.
    unknown: BTreeSet<String>,
}

/// Carries it out.
pub async fn run(args: Migrate, context: &Context) -> Result<ExitCode, Failure> {
    let server = |address: &Address| {
        // A copy or an optimize that holds everything up there takes its time.
        let timeout = Duration::from_secs(60);
        let connect_timeout = Duration::from_secs(10);
        Server::new(address.clone(), ServerOptions { connect_timeout, timeout, ..ServerOptions::default() })
    };
    let target = match &args.to {
        Some(to) if *to == args.from => {
            return Err(format!("{to} is the source and the target: name another server with --to").into());
        }
        Some(to) => Target::Server(server(to)),
        None => Target::cluster(&context.cluster()?, &args.system)?,
    };
    let from = args.from.to_string();
    let to = match &args.to {
        Some(to) => to.to_string(),
        None => format!("system {} of {}", args.system, context.config.display()),
    };
    let source = Source::open(server(&args.from)).await?;
    let now = source.time().await?;
    let known = args.state.as_ref().map(|path| State::load(path, &from, &to)).transpose()?.flatten();
    let is_new = known.is_none();
    let state = known.unwrap_or_else(|| State::new(&from, &to, now));
    let clock_offset = now.cast_signed().saturating_sub(clock::now().cast_signed());
    let mut migration = Migration {
        source,
        target,
        state,
        path: args.state,
        stop: Stop::listen()?,
        clock_offset,
        followed: 0,
        has_gap: false,
        unknown: BTreeSet::new(),
    };
    if is_new {
        migration.greet().await?;
    }
    migration.save()?;
    migration.carry(args.until_caught_up).await
}

impl Migration {
    /// Says what is to be known before the first copy.
    async fn greet(&self) -> Result<(), Failure> {
        if let Some(records) = self.target.records().await?.filter(|&records| records > 0) {
            say(&format!("{} has {records} records already: they stay, unless replaced", self.state.to));
        }
        if self.source.database == "B+ tree" {
            say(&format!(
                "{} is a B+ tree: of several records with one key only the first is taken",
                self.state.from
            ));
        }
        Ok(())
    }

    async fn carry(&mut self, until_caught_up: bool) -> Result<ExitCode, Failure> {
        let has_log = self.has_log().await?;
        if !self.state.is_copied {
            if let Ended::Stopped = self.copy().await? {
                let again = match &self.path {
                    Some(_) => "run it again to go on",
                    None => "it begins anew next time, as there is no --state",
                };
                say(&format!("interrupted after {} records: {again}", self.state.records));
                return Ok(ExitCode::FAILURE);
            }
            print(&format!(
                "copied {} records from {} to {}",
                self.state.records, self.state.from, self.state.to
            ))?;
        }
        if !has_log {
            print("only the copy was made, as the source has no update log")?;
            return Ok(ExitCode::SUCCESS);
        }
        let ended = self.follow(until_caught_up).await?;
        let how = match ended {
            Ended::Stopped => "stopped",
            Ended::CaughtUp => "caught up",
        };
        print(&format!("{how} after {} changes", self.followed))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Whether the source can be followed. It says so where not.
    async fn has_log(&self) -> Result<bool, Failure> {
        match self.source.follow(self.state.began.max(self.state.position)).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, ErrorKind::NoUpdateLog | ErrorKind::Refused) => {
                say(&format!(
                    "{error}. Only a copy is made: what is changed there meanwhile, or afterwards, may be missing; \
                     stop its writers before"
                ));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the state, where it is wanted.
    fn save(&self) -> Result<(), Failure> {
        if let Some(path) = &self.path {
            self.state.save(path)?;
        }
        Ok(())
    }
}

/// A line on stdout. Who closed the pipe wants none.
fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
