//! The server that everything is taken from.

use bytes::Bytes;
use lightcloud::tyrant::{Answer, ErrorKind, NO_SERVER, ReplStream, Request, Server, ServerError};

use crate::context::Failure;

/// Option of `misc` that leaves a call out of the update log.
pub const UNLOGGED: u32 = 1;
/// Time by which following begins before the place where it is to, as the times of a log that is written
/// asynchronously are not in order. In microseconds.
pub const OVERLAP: u64 = 10_000_000;

/// What the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An lcnode.
    Lcnode,
    /// An original, whose update log has all calls of `misc`.
    Original,
    /// One that does not tell, as `misc` is masked there.
    Unclear,
}

/// The server that everything is taken from.
#[derive(Debug)]
pub struct Source {
    pub server: Server,
    pub kind: Kind,
    /// What its `stat` calls its database.
    pub database: String,
}

impl Source {
    /// Looks at the server.
    ///
    /// Errors: it is not there, or not one whose records can be taken.
    pub async fn open(server: Server) -> Result<Self, Failure> {
        let stat = server.stat().await?;
        let of = |name: &str| stat.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let database = of("type").unwrap_or_default();
        match &database[..] {
            "table" => {
                let why = "has a table, whose records have columns; lcnode keeps none: nothing was done";
                return Err(format!("{} {why}", server.address()).into());
            }
            "void" => {
                let why = "has no database, see its log: nothing was done";
                return Err(format!("{} {why}", server.address()).into());
            }
            _ => {}
        }
        let kind = match server.misc("lcnode", UNLOGGED, []).await? {
            None => Kind::Original,
            Some(told) if told.is_empty() => Kind::Unclear,
            Some(_) => Kind::Lcnode,
        };
        Ok(Self { server, kind, database })
    }

    /// Its present time, in microseconds since the Unix epoch.
    pub async fn time(&self) -> Result<u64, Failure> {
        let stat = self.server.stat().await?;
        let time = stat.iter().find(|(name, _)| name == "time").and_then(|(_, value)| microseconds(value));
        time.ok_or_else(|| format!("{} does not tell its time in stat", self.server.address()).into())
    }

    /// Its changes, from a little before a time on.
    ///
    /// Errors: [`ErrorKind::NoUpdateLog`], [`ErrorKind::Refused`] and those of the connection.
    pub async fn follow(&self, from: u64) -> Result<ReplStream, ServerError> {
        let mut stream = self.server.replicate(from.saturating_sub(OVERLAP), NO_SERVER).await?;
        // It says at once that it is there, or closes the connection.
        stream.begun().await?;
        Ok(stream)
    }

    /// The present values of keys, in their order.
    pub async fn values(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, ServerError> {
        let mut values = Vec::with_capacity(keys.len());
        let mut wrong = false;
        let gets = keys.iter().map(|key| Request::Get { key });
        let take = |_, answer: Answer<'_>| match answer {
            Answer::Value(value) => values.push(Some(Bytes::copy_from_slice(value))),
            Answer::Failure => values.push(None),
            _ => wrong = true,
        };
        self.server.pipeline(gets, take).await?;
        if wrong || values.len() != keys.len() {
            let kind = ErrorKind::Unexpected(lightcloud::tyrant::Command::Get);
            return Err(ServerError { address: self.server.address().clone(), kind, may_be_done: false });
        }
        Ok(values)
    }
}

/// Microseconds of a time in seconds, as decimal text.
fn microseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        for (text, time) in [
            ("1795382734.123456", Some(1_795_382_734_123_456)),
            ("5", Some(5_000_000)),
            ("5.5", Some(5_500_000)),
            ("5.1234567", Some(5_123_456)),
            ("x", None),
            ("-1.0", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(microseconds(text), time, "{text}");
        }
    }
}
