//! `lcmgr demo`: a cluster on this machine, of which a node is killed while it is in use.
//!
//! From here: `layout` is what is written to disk, `processes` the servers, `workload` the clients, `story` what happens
//! and is shown, in its order.

mod layout;
mod processes;
mod story;
mod workload;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::context::{Context, Failure};
use layout::Folder;
use processes::Processes;
use story::Story;

/// What is typed after `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where all files go: a new or empty directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Leave the files there at the end
    #[arg(long)]
    keep: bool,
    /// The first of ten ports; those that are taken are left out
    #[arg(long, value_name = "PORT", default_value = "44201", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// For how long clients read and write
    #[arg(long, value_name = "N", default_value = "12", value_parser = clap::value_parser!(u32).range(3..=86_400))]
    seconds: u32,
    /// Leave the cluster running until Ctrl-C, as is done on a terminal
    #[arg(long)]
    stay: bool,
    /// The program of a node [default: lcnode beside lcmgr, or found by PATH]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// Shows a cluster, and leaves nothing of it. 1 if anything went wrong, or it was interrupted.
pub async fn run(args: DemoArgs, _: &Context) -> Result<ExitCode, Failure> {
    // From here on nothing ends the demo but itself.
    let mut signals = Signals::new()?;
    let program = processes::find_program(args.program.as_deref())?;
    let folder = Folder::new(args.dir.as_deref(), args.keep)?;
    let mut processes = Processes::new(&program, folder.path());
    let story = Story::new(&args, &folder, &program);
    let outcome = tokio::select! {
        outcome = story.tell(&mut processes) => outcome,
        name = signals.next() => Err(format!("{name}: the demo ends").into()),
    };
    let outcome = match outcome {
        Ok(told) => story.stay(&told, &mut processes, &mut signals).await.map(|()| told.is_fine),
        Err(error) => Err(error),
    };
    processes.end().await;
    match outcome {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        // Whoever closed the pipe wants to know no more.
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    }
}

fn is_closed_pipe(error: &Failure) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What asks the demo to end: Ctrl-C, SIGTERM, the terminal being closed.
struct Signals([(&'static str, Signal); 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            ("interrupted", signal(SignalKind::interrupt())?),
            ("terminated", signal(SignalKind::terminate())?),
            ("hung up", signal(SignalKind::hangup())?),
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let [(interrupt, a), (terminate, b), (hangup, c)] = &mut self.0;
        tokio::select! {
            _ = a.recv() => *interrupt,
            _ = b.recv() => *terminate,
            _ = c.recv() => *hangup,
        }
    }
}
