//! One connection that speaks all three protocols, an operation at a time.

use super::record::{Operation, Outcome};
use crate::support::{Client, wire};

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    Binary,
    Memcached,
    Http,
}

impl Tongue {
    pub const ALL: [Self; 3] = [Self::Binary, Self::Memcached, Self::Http];
}

/// A client.
pub struct Speaker {
    client: Client,
    /// Of the last `Gets`.
    unique: u64,
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

impl Speaker {
    pub fn new(client: Client) -> Self {
        Self { client, unique: 0 }
    }

    pub fn perform(&mut self, tongue: Tongue, key: &str, operation: &Operation) -> Outcome {
        match tongue {
            Tongue::Binary => self.binary(key, operation),
            Tongue::Memcached => self.memcached(key, operation),
            Tongue::Http => self.http(key, operation),
        }
    }

    fn binary(&mut self, key: &str, operation: &Operation) -> Outcome {
        match operation {
            Operation::Put { value, flags: 0 } => Outcome::Done(self.client.put(key, value)),
            Operation::Add { value, flags: 0 } => {
                Outcome::Done(self.client.succeeds(&wire::putkeep(key.as_bytes(), value.as_bytes())))
            }
            Operation::Append { value, creates: true } => {
                Outcome::Done(self.client.succeeds(&wire::putcat(key.as_bytes(), value.as_bytes())))
            }
            Operation::Delete => Outcome::Done(self.client.out(key)),
            Operation::Get => Outcome::Found(self.client.get(key).map(|value| (text(value), None))),
            Operation::Length => Outcome::Length(self.client.vsiz(key).map(|size| size as usize)),
            other => panic!("the binary protocol has no {other:?}"),
        }
    }

    fn memcached(&mut self, key: &str, operation: &Operation) -> Outcome {
        let mut store = |verb: &str, value: &str, flags: u32| {
            self.client.send(format!("{verb} {key} {flags} 0 {}\r\n{value}\r\n", value.len()).as_bytes());
            Outcome::Done(match self.line().as_str() {
                "STORED" => true,
                "NOT_STORED" => false,
                other => panic!("{verb}: {other}"),
            })
        };
        match operation {
            Operation::Put { value, flags } => store("set", value, *flags),
            Operation::Add { value, flags } => store("add", value, *flags),
            Operation::Replace { value, flags } => store("replace", value, *flags),
            Operation::Append { value, creates: false } => store("append", value, 9),
            Operation::Prepend { value } => store("prepend", value, 9),
            Operation::Delete => {
                self.client.send(format!("delete {key}\r\n").as_bytes());
                Outcome::Done(match self.line().as_str() {
                    "DELETED" => true,
                    "NOT_FOUND" => false,
                    other => panic!("delete: {other}"),
                })
            }
            Operation::Get => {
                Outcome::Found(self.fetch("get", key).map(|(value, flags, _)| (value, Some(flags))))
            }
            Operation::Adjust { by } => {
                let verb = if *by < 0 { "decr" } else { "incr" };
                self.client.send(format!("{verb} {key} {}\r\n", by.abs()).as_bytes());
                match self.line().as_str() {
                    "NOT_FOUND" => Outcome::Sum(None),
                    number => Outcome::Sum(Some(number.parse().unwrap())),
                }
            }
            Operation::Gets => {
                let found = self.fetch("gets", key);
                self.unique = found.as_ref().map_or(0, |(_, _, unique)| *unique);
                Outcome::Found(found.map(|(value, flags, _)| (value, Some(flags))))
            }
            Operation::Swap { value, flags, .. } => {
                Outcome::Done(self.compare_and_set(key, value, *flags, self.unique))
            }
            other => panic!("memcached has no {other:?}"),
        }
    }

    fn http(&mut self, key: &str, operation: &Operation) -> Outcome {
        let mut put = |mode: &str, value: &str| match self.http_request("PUT", key, mode, value).0 {
            201 => Outcome::Done(true),
            409 => Outcome::Done(false),
            other => panic!("PUT: {other}"),
        };
        match operation {
            Operation::Put { value, flags: 0 } => put("0", value),
            Operation::Add { value, flags: 0 } => put("1", value),
            Operation::Append { value, creates: true } => put("2", value),
            Operation::Delete => Outcome::Done(self.http_request("DELETE", key, "0", "").0 == 200),
            Operation::Get => {
                let (status, body, _) = self.http_request("GET", key, "0", "");
                Outcome::Found((status == 200).then(|| (text(body), None)))
            }
            Operation::Length => {
                let (status, _, length) = self.http_request("HEAD", key, "0", "");
                Outcome::Length((status == 200).then_some(length))
            }
            other => panic!("HTTP has no {other:?}"),
        }
    }

    /// The id of a record.
    pub fn unique(&mut self, key: &str) -> Option<u64> {
        self.fetch("gets", key).map(|(_, _, unique)| unique)
    }

    pub fn compare_and_set(&mut self, key: &str, value: &str, flags: u32, unique: u64) -> bool {
        let len = value.len();
        self.client.send(format!("cas {key} {flags} 0 {len} {unique}\r\n{value}\r\n").as_bytes());
        match self.line().as_str() {
            "STORED" => true,
            "EXISTS" | "NOT_FOUND" => false,
            other => panic!("cas: {other}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.client.take(1));
        }
        line.truncate(line.len() - 2);
        text(line)
    }

    /// Value, flags and id, 0 where it was not asked for.
    fn fetch(&mut self, verb: &str, key: &str) -> Option<(String, u32, u64)> {
        self.client.send(format!("{verb} {key}\r\n").as_bytes());
        let line = self.line();
        if line == "END" {
            return None;
        }
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[0], words[1]), ("VALUE", key), "{line}");
        let value = text(self.client.take(words[3].parse().unwrap()));
        assert_eq!((self.client.take(2), self.line()), (b"\r\n".to_vec(), "END".to_owned()));
        let unique = words.get(4).map_or(0, |unique| unique.parse().unwrap());
        Some((value, words[2].parse().unwrap(), unique))
    }

    /// Status, body and announced length.
    fn http_request(&mut self, method: &str, key: &str, mode: &str, body: &str) -> (u16, Vec<u8>, usize) {
        let key = key.replace('%', "%25").replace('+', "%2B");
        let length =
            if method == "PUT" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        self.client.send(
            format!("{method} /{key} HTTP/1.1\r\nHost: x\r\nX-TT-PDMODE: {mode}\r\n{length}\r\n{body}")
                .as_bytes(),
        );
        let status: u16 = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            let line = self.line().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let body = if method == "HEAD" { Vec::new() } else { self.client.take(length) };
        (status, body, length)
    }
}
