//! One server that speaks the Tokyo Tyrant protocol.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lightcloud::tyrant::Server;
//!
//! let server = Server::new("localhost:44201".parse()?, Default::default());
//! server.put(b"hello", b"world").await?;
//! assert_eq!(server.get(b"hello").await?.as_deref(), Some(&b"world"[..]));
//! # Ok(())
//! # }
//! ```

mod commands;
mod connection;
mod error;
mod replicate;
mod server;

pub use error::{ErrorKind, ServerError};
pub use lcnode_protocol::Command;
pub use lcnode_protocol::binary::client::Answer;
pub use lcnode_protocol::request::{Items, Request};
pub use lcnode_protocol::update_log;
pub use replicate::{Entry, NO_SERVER, ReplStream};
pub use server::{Server, ServerOptions};
