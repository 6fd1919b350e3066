//! The commands, each a method.

use bytes::Bytes;
use lcnode_protocol::Command;
use lcnode_protocol::binary::client::{Answer, Elements};
use lcnode_protocol::request::{Items, Request};

use super::error::{ErrorKind, ServerError};
use super::server::Server;

type Result<T> = std::result::Result<T, ServerError>;

/// Fields as `mget` and `misc` send them.
fn wire_of<'i>(items: impl IntoIterator<Item = &'i [u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for item in items {
        // One that is too long is refused when the request is made.
        let size = i32::try_from(item.len()).unwrap_or(i32::MAX);
        wire.extend_from_slice(&size.to_be_bytes());
        wire.extend_from_slice(item);
    }
    wire
}

fn done(answer: Answer<'_>) -> Option<bool> {
    match answer {
        Answer::Success => Some(true),
        Answer::Failure => Some(false),
        _ => None,
    }
}

fn value(answer: Answer<'_>) -> Option<Option<Bytes>> {
    match answer {
        Answer::Value(value) => Some(Some(Bytes::copy_from_slice(value))),
        Answer::Failure => Some(None),
        _ => None,
    }
}

fn count(answer: Answer<'_>) -> Option<u64> {
    if let Answer::Count(count) = answer { Some(count) } else { None }
}

fn int(answer: Answer<'_>) -> Option<Option<i32>> {
    match answer {
        Answer::Int(number) => Some(Some(number)),
        Answer::Failure => Some(None),
        _ => None,
    }
}

fn owned(list: Elements<'_>) -> Vec<Bytes> {
    list.iter().map(Bytes::copy_from_slice).collect()
}

impl Server {
    /// `put`: stores a record, replacing the one that is there.
    pub async fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.succeed(Request::Put { key, value }).await
    }

    /// `putkeep`: stores a record; false where the key exists.
    pub async fn put_keep(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.call(Request::PutKeep { key, value }, done).await
    }

    /// `putcat`: appends to a value, or stores it.
    pub async fn put_cat(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.succeed(Request::PutCat { key, value }).await
    }

    /// `putshl`: appends to a value and keeps its last `width` bytes, at most 2147483647.
    pub async fn put_shl(&self, key: &[u8], value: &[u8], width: u32) -> Result<()> {
        self.succeed(Request::PutShl { key, value, width }).await
    }

    /// `putnr`: sends a record without waiting for anything: whether it was stored is not known.
    pub async fn put_nr(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.pipeline(std::iter::once(Request::PutNr { key, value }), |_, _| {}).await
    }

    /// `out`: removes a record; false where there is none.
    pub async fn out(&self, key: &[u8]) -> Result<bool> {
        self.call(Request::Out { key }, done).await
    }

    /// `get`: a value, where there is one.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.call(Request::Get { key }, value).await
    }

    /// `mget`: the records that are there, in the order of the keys, at most 1048576 of them.
    pub async fn mget<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> Result<Vec<(Bytes, Bytes)>> {
        let wire = wire_of(keys);
        let keys = self.items(&wire, Command::MGet)?;
        let records = |answer: Answer<'_>| match answer {
            Answer::Records(records) => Some(
                records.iter().map(|(k, v)| (Bytes::copy_from_slice(k), Bytes::copy_from_slice(v))).collect(),
            ),
            _ => None,
        };
        self.call(Request::MGet { keys }, records).await
    }

    /// `vsiz`: the bytes of a value, where there is one.
    pub async fn vsiz(&self, key: &[u8]) -> Result<Option<i32>> {
        self.call(Request::Vsiz { key }, int).await
    }

    /// `iterinit`: sets the iterator, which all clients of the server share, to the first key.
    pub async fn iter_init(&self) -> Result<()> {
        self.succeed(Request::IterInit).await
    }

    /// `iternext`: the next key of the iterator; none at the end, and where it was not set.
    pub async fn iter_next(&self) -> Result<Option<Bytes>> {
        self.call(Request::IterNext, value).await
    }

    /// `fwmkeys`: keys that begin with `prefix`, at most `max`.
    pub async fn fwmkeys(&self, prefix: &[u8], max: Option<u32>) -> Result<Vec<Bytes>> {
        self.call(Request::FwmKeys { prefix, max }, |answer| match answer {
            Answer::List(list) => Some(owned(list)),
            _ => None,
        })
        .await
    }

    /// `addint`: adds to an integer of 4 bytes and returns the sum; none where the value is none.
    pub async fn add_int(&self, key: &[u8], num: i32) -> Result<Option<i32>> {
        self.call(Request::AddInt { key, num }, int).await
    }

    /// `adddouble`: adds to a floating-point number and returns the sum; none where the value is none.
    pub async fn add_double(&self, key: &[u8], num: f64) -> Result<Option<f64>> {
        self.call(Request::AddDouble { key, num }, |answer| match answer {
            Answer::Double(number) => Some(Some(number)),
            Answer::Failure => Some(None),
            _ => None,
        })
        .await
    }

    /// `ext`: calls a function of the server's scripts. Bit 0 of `options` locks the record, bit 1 all. None where
    /// it fails, which the log of the server explains.
    pub async fn ext(&self, name: &str, options: u32, key: &[u8], argument: &[u8]) -> Result<Option<Bytes>> {
        self.call(Request::Ext { name: name.as_bytes(), options, key, value: argument }, value).await
    }

    /// `sync`: what was stored is on the disk when it returns.
    pub async fn sync(&self) -> Result<()> {
        self.succeed(Request::Sync).await
    }

    /// `optimize`: reorganises the database, with tuning parameters.
    pub async fn optimize(&self, params: &str) -> Result<()> {
        self.succeed(Request::Optimize { params: params.as_bytes() }).await
    }

    /// `vanish`: removes all records.
    pub async fn vanish(&self) -> Result<()> {
        self.succeed(Request::Vanish).await
    }

    /// `copy`: backs the database up to a path on the server.
    pub async fn copy(&self, path: &[u8]) -> Result<()> {
        self.succeed(Request::Copy { path }).await
    }

    /// `restore`: replays update logs of the original, in a directory of the server, from a time in microseconds on.
    /// Bit 0 of `options` stops where an outcome differs.
    pub async fn restore(&self, path: &[u8], ts: u64, options: u32) -> Result<()> {
        self.succeed(Request::Restore { path, ts, options }).await
    }

    /// `setmst`: sets the master that is followed, from a time in microseconds on (0 for where it was); an empty
    /// host is none.
    pub async fn setmst(&self, host: &str, port: u32, ts: u64, options: u32) -> Result<()> {
        self.succeed(Request::SetMst { host: host.as_bytes(), port, ts, options }).await
    }

    /// `rnum`: how many records there are.
    pub async fn rnum(&self) -> Result<u64> {
        self.call(Request::Rnum, count).await
    }

    /// `size`: the bytes of the database.
    pub async fn size(&self) -> Result<u64> {
        self.call(Request::Size, count).await
    }

    /// `stat`: names and values of the state of the server, in its order.
    pub async fn stat(&self) -> Result<Vec<(String, String)>> {
        let text = self.call(Request::Stat, value).await?;
        let text = text.ok_or_else(|| self.error(ErrorKind::Failed(Command::Stat), true))?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// `misc`: calls a function of the database by name. Bit 0 of `options` leaves it out of an original's update log.
    /// None where it fails.
    pub async fn misc<'a>(
        &self,
        name: &str,
        options: u32,
        args: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Vec<Bytes>>> {
        let wire = wire_of(args);
        let args = self.items(&wire, Command::Misc)?;
        self.call(Request::Misc { name: name.as_bytes(), options, args }, |answer| match answer {
            Answer::List(list) => Some(Some(owned(list))),
            Answer::Failure => Some(None),
            _ => None,
        })
        .await
    }

    fn items<'w>(&self, wire: &'w [u8], command: Command) -> Result<Items<'w>> {
        Items::from_wire(wire).ok_or_else(|| self.error(ErrorKind::Unexpected(command), false))
    }

    async fn succeed(&self, request: Request<'_>) -> Result<()> {
        let command = request.command();
        if self.call(request, done).await? {
            return Ok(());
        }
        Err(self.error(ErrorKind::Failed(command), false))
    }
}
