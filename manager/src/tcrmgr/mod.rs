//! The commands of tcrmgr: what is done with a single node, by its address.
//!
//! From here: `spelling` rewrites the line for clap; each command is a struct of arguments with a `run` that writes what
//! it has to say; `failed` is how they fail, `text` how bytes and numbers are typed and shown.

mod admin;
mod call;
mod failed;
mod http;
mod importtsv;
mod list;
mod records;
mod repl;
mod spelling;
mod text;
mod tool;
mod usage;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use failed::Failed;
use tool::Tool;

/// The commands that are lcmgr's too.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Backs the database of a node up, while it serves
    Copy(admin::Copy),
    /// Calls a function of a node's scripts
    Ext(call::Ext),
    /// Shows the value of a record of a node
    Get(records::Get),
    /// Fetches a page by HTTP
    Http(http::Http),
    /// Stores records from lines of text on a node: a key, a TAB, a value
    #[command(name = "importtsv")]
    ImportTsv(importtsv::ImportTsv),
    /// Tells how many records a node has and how large it is
    Inform(admin::Inform),
    /// Lists keys of a node
    List(list::List),
    /// Shows records of several keys of a node
    Mget(records::Mget),
    /// Calls a function of a node's database
    Misc(call::Misc),
    /// Reorganises the database of a node
    Optimize(admin::Optimize),
    /// Removes a record from a node
    Out(records::Out),
    /// Stores a record on a node
    Put(records::Put),
    /// Shows the changes of a node, those in its update log and new ones as they come
    Repl(repl::Repl),
    /// Sets the master that a node follows
    Setmst(admin::Setmst),
    /// What a node was told is on its disk when this returns
    Sync(admin::Plain),
    /// Removes all records of a node
    Vanish(admin::Plain),
    /// Says which version this is
    Version {
        /// Without a meaning
        #[arg(hide = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

/// All commands of tcrmgr. lcmgr has a `restore` of its own.
#[derive(Debug, Subcommand)]
pub enum TcrmgrCommand {
    #[command(flatten)]
    Node(NodeCommand),
    /// Replays update logs of an original server on a node
    Restore(admin::Restore),
}

/// All commands of tcrmgr, by its names
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Tcrmgr {
    #[command(subcommand)]
    command: TcrmgrCommand,
}

#[derive(Debug, Parser)]
#[command(name = "tcrmgr", disable_help_flag = true, disable_help_subcommand = true)]
struct Link {
    #[command(subcommand)]
    command: TcrmgrCommand,
}

const OWN: Tool = Tool { program: "lcmgr", is_link: false };
const LINK: Tool = Tool { program: "tcrmgr", is_link: true };
/// Exit code for a line that is no command.
const USAGE: u8 = 2;

/// Whether the program was called by the name tcrmgr.
pub fn is_link(program: Option<&OsString>) -> bool {
    program.is_some_and(|program| Path::new(program).file_name().is_some_and(|name| name == LINK.program))
}

/// Runs the program as tcrmgr.
pub async fn run_link(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = Link::command();
    let words: Vec<_> = words.into_iter().collect();
    let is_version = words.get(1).is_some_and(|word| word == "--version");
    let words = if is_version { vec![LINK.program.into(), "version".into()] } else { words };
    match Link::try_parse_from(modernise(&command, words)) {
        Ok(link) => run_any(link.command, LINK).await,
        Err(_) => {
            eprintln!("{}", usage::usage(LINK.program, &command));
            ExitCode::FAILURE
        }
    }
}

/// Runs a command as one of lcmgr.
pub async fn run(command: NodeCommand) -> ExitCode {
    run_any(TcrmgrCommand::Node(command), OWN).await
}

impl Tcrmgr {
    /// Runs the command as one of lcmgr.
    pub async fn run(self) -> ExitCode {
        run_any(self.command, OWN).await
    }
}

/// Rewrites a line of tcrmgr for clap, the program's name first. Lines of other commands stay as they are.
pub fn modernise(command: &clap::Command, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut modern: Vec<_> = words.by_ref().take(1).collect();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        modern.push(word);
        if matches!(&text[..], "-c" | "--config") {
            modern.extend(words.next());
        } else if !text.starts_with('-') && text != "tcrmgr" {
            let known = <Link as CommandFactory>::command();
            // The name is one of tcrmgr's, and no other command's here.
            let is_ours = |name: &str| {
                <NodeCommand as Subcommand>::has_subcommand(name)
                    || modern.iter().any(|word| word == LINK.program)
                    || command.get_name() == LINK.program
            };
            return match known.find_subcommand(&text).filter(|_| is_ours(&text)) {
                Some(known) => {
                    modern.extend(spelling::modernise(known, words));
                    modern
                }
                None => {
                    modern.extend(words);
                    modern
                }
            };
        }
    }
    modern
}

async fn run_any(command: TcrmgrCommand, tool: Tool) -> ExitCode {
    let mut out = BufWriter::new(io::stdout());
    let outcome = carry_out(command, &tool, &mut out).await;
    let written = out.flush();
    let outcome = outcome.and(written.map_err(Failed::Output));
    let Err(failed) = outcome else { return ExitCode::SUCCESS };
    if let Some(text) = failed.say(tool.program, !tool.is_link) {
        eprintln!("{text}");
    }
    match failed {
        // Who closed the pipe has had enough.
        Failed::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Failed::Usage(_) if !tool.is_link => ExitCode::from(USAGE),
        _ => ExitCode::FAILURE,
    }
}

async fn carry_out(command: TcrmgrCommand, tool: &Tool, out: &mut impl Write) -> Result<(), Failed> {
    let command = match command {
        TcrmgrCommand::Restore(args) => return args.run(tool).await,
        TcrmgrCommand::Node(command) => command,
    };
    match command {
        NodeCommand::Copy(args) => args.run(tool).await,
        NodeCommand::Ext(args) => args.run(tool, out).await,
        NodeCommand::Get(args) => args.run(tool, out).await,
        NodeCommand::Http(args) => args.run(tool, out).await,
        NodeCommand::ImportTsv(args) => args.run(tool, out).await,
        NodeCommand::Inform(args) => args.run(tool, out).await,
        NodeCommand::List(args) => args.run(tool, out).await,
        NodeCommand::Mget(args) => args.run(tool, out).await,
        NodeCommand::Misc(args) => args.run(tool, out).await,
        NodeCommand::Optimize(args) => args.run(tool).await,
        NodeCommand::Out(args) => args.run(tool).await,
        NodeCommand::Put(args) => args.run(tool, out).await,
        NodeCommand::Repl(args) => args.run(tool, out).await,
        NodeCommand::Setmst(args) => args.run(tool).await,
        NodeCommand::Sync(args) => args.sync(tool).await,
        NodeCommand::Vanish(args) => args.vanish(tool).await,
        NodeCommand::Version { .. } => admin::version(out),
    }
}
