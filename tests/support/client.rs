//! A blocking client: raw bytes both ways, and a call for each command. Calls fail the test on anything
//! that is no reply; the raw half leaves that to the caller.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::node::Address;
use super::wire;

/// How long a node that lives may take for an answer, on a busy machine.
pub const ANSWER: Duration = Duration::from_secs(60);

/// A connection to a node.
pub struct Client {
    input: BufReader<Stream>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }
}

impl Client {
    /// Connects.
    pub fn open(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(ANSWER))?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(ANSWER))?;
                Stream::Unix(stream)
            }
        };
        stream.set_timeout(ANSWER)?;
        Ok(Self { input: BufReader::with_capacity(64 << 10, stream) })
    }

    /// Another handle of the same connection, to send from a second thread.
    pub fn sender(&self) -> impl FnMut(&[u8]) -> io::Result<()> + Send + 'static {
        let mut stream = match self.input.get_ref() {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone().unwrap()),
            Stream::Unix(stream) => Stream::Unix(stream.try_clone().unwrap()),
        };
        move |bytes| stream.write_all(bytes)
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.input.get_mut().write_all(bytes)
    }

    pub fn try_take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The value of `key`, as long as the connection lasts.
    pub fn try_get(&mut self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.try_send(&wire::get(key))?;
        if self.try_take::<1>()? != [0] {
            return Ok(None);
        }
        let mut value = vec![0; u32::from_be_bytes(self.try_take()?) as usize];
        self.input.read_exact(&mut value)?;
        Ok(Some(value))
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("cannot send {}: {error}", shown(bytes)));
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        if let Err(error) = self.input.read_exact(&mut bytes) {
            panic!("no {len} bytes came: {error}");
        }
        bytes
    }

    /// Whether bytes are here that nobody asked for, as far as is known without waiting.
    pub fn has_more(&self) -> bool {
        !self.input.buffer().is_empty()
    }

    /// Sends a request; exactly `reply` must come.
    pub fn ask(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        let got = self.take(reply.len());
        assert!(got == reply, "{} got {} and not {}", shown(request), shown(&got), shown(reply));
        assert!(!self.has_more(), "{} got more than {}", shown(request), shown(reply));
    }

    /// All that still comes until the node closes the connection. That it resets it is as good.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.input.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                panic!("not closed, {} came: {error}", shown(&bytes))
            }
            _ => bytes,
        }
    }

    /// Nothing comes for `time`, and the connection stays open.
    pub fn is_silent(&mut self, time: Duration) -> bool {
        self.set_timeout(time);
        let came = self.try_take::<1>();
        self.set_timeout(ANSWER);
        matches!(came, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }

    pub fn set_timeout(&self, timeout: Duration) {
        self.input.get_ref().set_timeout(timeout).unwrap();
    }

    /// Says that no more will be sent.
    pub fn shut_down_sending(&self) {
        match self.input.get_ref() {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
        }
    }

    fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn long(&mut self) -> u64 {
        u64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn field(&mut self) -> Vec<u8> {
        let size = self.word() as usize;
        self.take(size)
    }

    /// Sends a request and reads the code of its reply: true for success.
    pub fn succeeds(&mut self, request: &[u8]) -> bool {
        self.send(request);
        match self.take(1)[0] {
            0 => true,
            1 => false,
            code => panic!("{} got code {code}", shown(request)),
        }
    }

    /// A request whose successful reply is one field.
    pub fn field_of(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        self.succeeds(request).then(|| self.field())
    }

    /// A request whose reply is a list of fields. Only misc has a count behind its failure.
    pub fn list_of(&mut self, request: &[u8]) -> Option<Vec<Vec<u8>>> {
        let succeeds = self.succeeds(request);
        if !succeeds && request[1] != 0x90 {
            return None;
        }
        let count = self.word();
        assert!(succeeds || count == 0, "a failed list has {count} elements");
        succeeds.then(|| (0..count).map(|_| self.field()).collect())
    }

    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        self.succeeds(&wire::put(key.as_ref(), value.as_ref()))
    }

    pub fn out(&mut self, key: impl AsRef<[u8]>) -> bool {
        self.succeeds(&wire::out(key.as_ref()))
    }

    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.field_of(&wire::get(key.as_ref()))
    }

    /// The value as text, which the tests' values are.
    pub fn text(&mut self, key: impl AsRef<[u8]>) -> Option<String> {
        self.get(key).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    pub fn vsiz(&mut self, key: impl AsRef<[u8]>) -> Option<i32> {
        self.succeeds(&wire::vsiz(key.as_ref())).then(|| self.word().cast_signed())
    }

    pub fn mget(&mut self, keys: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        assert!(self.succeeds(&wire::mget(keys)));
        let count = self.word();
        (0..count)
            .map(|_| {
                let sizes = [self.word(), self.word()];
                let [key, value] = sizes.map(|size| self.take(size as usize));
                (key, value)
            })
            .collect()
    }

    pub fn iternext(&mut self) -> Option<Vec<u8>> {
        self.field_of(&wire::iternext())
    }

    /// iterinit, then every key to the end.
    pub fn keys(&mut self) -> Vec<Vec<u8>> {
        assert!(self.succeeds(&wire::iterinit()));
        let mut keys = Vec::new();
        while let Some(key) = self.iternext() {
            keys.push(key);
        }
        keys
    }

    pub fn fwmkeys(&mut self, prefix: &[u8], max: i32) -> Vec<Vec<u8>> {
        self.list_of(&wire::fwmkeys(prefix, max)).expect("fwmkeys never fails")
    }

    pub fn addint(&mut self, key: impl AsRef<[u8]>, number: i32) -> Option<i32> {
        self.succeeds(&wire::addint(key.as_ref(), number)).then(|| self.word().cast_signed())
    }

    pub fn adddouble(&mut self, key: impl AsRef<[u8]>, integ: i64, fract: i64) -> Option<(i64, i64)> {
        let succeeds = self.succeeds(&wire::adddouble(key.as_ref(), integ, fract));
        succeeds.then(|| (self.long().cast_signed(), self.long().cast_signed()))
    }

    pub fn ext(
        &mut self,
        name: &str,
        options: u32,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Option<Vec<u8>> {
        self.field_of(&wire::ext(name.as_bytes(), options, key.as_ref(), value.as_ref()))
    }

    pub fn misc(&mut self, name: &str, args: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        self.list_of(&wire::misc(name.as_bytes(), 0, args))
    }

    pub fn rnum(&mut self) -> u64 {
        assert!(self.succeeds(&wire::rnum()));
        self.long()
    }

    pub fn size(&mut self) -> u64 {
        assert!(self.succeeds(&wire::database_size()));
        self.long()
    }

    /// The lines of `stat` as names and values.
    pub fn stat(&mut self) -> Vec<(String, String)> {
        let text = String::from_utf8(self.field_of(&wire::stat()).expect("stat never fails")).unwrap();
        assert!(text.ends_with('\n'), "{text:?}");
        let pair = |line: &str| {
            let (name, value) =
                line.split_once('\t').unwrap_or_else(|| panic!("a line without a tab: {line:?}"));
            (name.to_owned(), value.to_owned())
        };
        text.lines().map(pair).collect()
    }

    /// One line of `stat`.
    pub fn stat_of(&mut self, name: &str) -> Option<String> {
        self.stat().into_iter().find(|(line, _)| line == name).map(|(_, value)| value)
    }

    /// One counter of `stat`.
    pub fn count_of(&mut self, name: &str) -> u64 {
        self.stat_of(name).unwrap_or_else(|| panic!("stat has no {name}")).parse().unwrap()
    }
}

/// Bytes for a message: hexadecimal, cut where they are many.
pub fn shown(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().take(40).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > 40 { format!("{hex}... ({} bytes)", bytes.len()) } else { hex }
}
