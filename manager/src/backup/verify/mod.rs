//! `lcmgr verify`: an archive, or servers that should hold the same.

mod archive;
mod live;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::context::{Context, Failure};

/// Verifies an archive, or that the servers of each node hold the same
///
/// Of an archive every byte is read and every checksum compared. Servers are asked for a digest of all their records
/// while they serve; where writers keep digests from ever being the same, what the servers found when they compared
/// themselves counts.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 sound, or all agree; 1 servers differ or are down, or something cannot be read; 2 \
                        the archive or a database in it is damaged, or wrong words."
)]
pub struct Words {
    /// An archive, or nodes [default: all nodes]
    #[arg(value_name = "ARCHIVE | NODE")]
    what: Vec<String>,
    /// Unpack each database and check it with `lcnode check` too
    #[arg(long)]
    deep: bool,
    /// Where databases are unpacked for --deep, one after the other [default: the system's directory for such]
    #[arg(long, value_name = "DIR", requires = "deep")]
    temp: Option<PathBuf>,
    /// How often digests are compared until they are the same
    #[arg(long, value_name = "TIMES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tries: u32,
    /// Seconds that a server may take for a digest, for which it reads all records
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
}

/// Runs it.
pub async fn run(words: Words, context: &Context) -> Result<ExitCode, Failure> {
    match &words.what[..] {
        [path] if path.contains('/') || PathBuf::from(path).exists() => {
            archive::verify(path.into(), words.deep, words.temp, context).await
        }
        _ if words.deep => Err("--deep is for an archive, which must be there: name one".into()),
        nodes => live::verify(&context.cluster()?, nodes, words.tries, words.patience).await,
    }
}
