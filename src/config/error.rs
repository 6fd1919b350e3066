//! Why no [`Config`](super::Config) came of a command line.

use std::io;

use thiserror::Error;

use super::database::DatabaseError;

/// Why no [`Config`](super::Config) came of a command line.
///
/// The text of each is ready for the terminal and ends without a line feed.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No mistake: the help or the version was asked for and is the text. Exit status 0.
    #[error("{0}")]
    Shown(String),
    /// The command line cannot be understood. The text ends with the usage. Exit status 1.
    #[error("{0}")]
    Usage(String),
    /// Something was asked for that this program does not do. Exit status 1.
    #[error("error: {0}")]
    Unsupported(String),
    /// The database name stands for nothing that can be served. Exit status 1.
    #[error("error: {0}")]
    Database(#[from] DatabaseError),
    /// Relative paths mean nothing without a working directory. Exit status 1.
    #[error("error: the working directory cannot be found ({0}); change to one that exists and start again")]
    NoWorkingDirectory(#[source] io::Error),
}

impl ConfigError {
    /// The exit status of the process: 0 for a text that was asked for, else 1.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        u8::from(!self.is_answer())
    }

    /// Whether the text is what was asked for and belongs on standard output.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Shown(_))
    }
}

impl From<clap::Error> for ConfigError {
    fn from(error: clap::Error) -> Self {
        use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
        let text = error.render().to_string().trim_end().to_owned();
        match error.kind() {
            DisplayHelp | DisplayVersion => Self::Shown(text),
            _ => Self::Usage(text),
        }
    }
}
