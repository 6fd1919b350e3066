//! memcached through a plain client: one connection, one call after the other, nothing besides the protocol.

use bytes::BytesMut;
use lightcloud::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// A connection.
pub struct Memcached {
    stream: TcpStream,
    output: Vec<u8>,
    input: BytesMut,
}

impl Memcached {
    pub async fn connect(address: &Address) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address.to_string()).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, output: Vec::new(), input: BytesMut::new() })
    }

    /// Whether the value is the one that is expected.
    pub async fn get_is(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Failure> {
        self.output.clear();
        self.output.extend_from_slice(b"get ");
        self.output.extend_from_slice(key);
        self.output.extend_from_slice(b"\r\n");
        let reply = self.call(b"END\r\n").await?;
        // VALUE KEY FLAGS BYTES, a line end, the value, a line end, END.
        let mut lines = reply[..].split(|byte| *byte == b'\n');
        Ok(lines.nth(1).and_then(|line| line.strip_suffix(b"\r")) == Some(value))
    }

    /// Whether it was stored.
    pub async fn set(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Failure> {
        self.output.clear();
        self.output.extend_from_slice(b"set ");
        self.output.extend_from_slice(key);
        self.output.extend_from_slice(format!(" 0 0 {}\r\n", value.len()).as_bytes());
        self.output.extend_from_slice(value);
        self.output.extend_from_slice(b"\r\n");
        Ok(&self.call(b"\r\n").await?[..] == b"STORED\r\n")
    }

    /// Sends what was made, and reads up to what ends the reply. Values have no line ends in them.
    async fn call(&mut self, end: &[u8]) -> Result<BytesMut, Failure> {
        self.stream.write_all(&self.output).await?;
        while !self.input.ends_with(end) {
            self.input.reserve(4096);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err("memcached has closed the connection".into());
            }
        }
        Ok(self.input.split())
    }
}
