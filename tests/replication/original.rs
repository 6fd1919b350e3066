//! Nodes and servers of the original: what one sends is applied, what one asks for is sent. The servers here
//! are made up byte by byte; see `original_server.rs` for real ones.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::support::{Address, Client, HASH, Node, SMALL, eventually, folder, wire};

use super::mesh::peer;

const PATIENCE: Duration = Duration::from_secs(30);
/// A time stamp, long ago.
const T: u64 = 1_700_000_000_000_000;

/// An entry of the stream: a request as it was sent, and that it worked.
fn entry(ts: u64, sid: u32, request: &[u8]) -> Vec<u8> {
    let size = (request.len() as u32 + 1).to_be_bytes();
    [&[0xC9][..], &ts.to_be_bytes(), &sid.to_be_bytes(), &size, request, &[0]].concat()
}

/// A server that answers as an original of id 3 does: what an lcnode asks, not at all. Each `repl` is told, with the
/// connection.
fn master() -> (SocketAddr, Receiver<(u64, u32, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, told) = (stream.unwrap(), told.clone());
            std::thread::spawn(move || serve(stream, &told));
        }
    });
    (address, asked)
}

fn serve(mut stream: TcpStream, told: &Sender<(u64, u32, TcpStream)>) {
    loop {
        let mut head = [0; 2];
        if stream.read_exact(&mut head).is_err() {
            return;
        }
        match head {
            [0xC8, 0x90] => {
                let mut sizes = [0; 12];
                stream.read_exact(&mut sizes).unwrap();
                let mut name = vec![0; usize::from(sizes[3])];
                stream.read_exact(&mut name).unwrap();
                stream.write_all(&[1, 0, 0, 0, 0]).unwrap();
            }
            [0xC8, 0xA0] => {
                let (mut ts, mut sid) = ([0; 8], [0; 4]);
                stream.read_exact(&mut ts).unwrap();
                stream.read_exact(&mut sid).unwrap();
                stream.write_all(&[0, 0, 0, 3, 0xCA]).unwrap();
                // Nobody may be listening any more.
                _ = told.send((u64::from_be_bytes(ts), u32::from_be_bytes(sid), stream));
                return;
            }
            // It takes an unknown command for the beginning of a line, and waits for the end of that.
            _ => _ = stream.read_to_end(&mut Vec::new()),
        }
    }
}

fn options(address: SocketAddr) -> [String; 4] {
    ["-mhost".into(), address.ip().to_string(), "-mport".into(), address.port().to_string()]
}

fn start(folder: &std::path::Path, address: SocketAddr, more: &[&str]) -> Node {
    let options = options(address);
    let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Node::start(folder, &options)
}

fn text_is(client: &mut Client, key: &str, value: Option<&str>) {
    eventually(&format!("{key} is {value:?}"), PATIENCE, || client.text(key).as_deref() == value);
}

#[test]
fn an_original_is_followed_and_each_entry_counts_once() {
    let folder = folder();
    let (address, asked) = master();
    let more = [&["-sid", "9"], &SMALL[..]].concat();
    let node = start(folder.path(), address, &more);
    let (ts, sid, mut stream) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!((ts, sid), (1, 9));
    let mut client = node.client();
    stream.write_all(&entry(T, 3, &wire::put(b"k", b"1"))).unwrap();
    stream.write_all(&entry(T + 1, 4, &wire::putcat(b"k", b"2"))).unwrap();
    stream.write_all(&entry(T + 2, 3, &wire::addint(b"n", 5))).unwrap();
    text_is(&mut client, "k", Some("12"));
    eventually("n", PATIENCE, || client.addint("n", 0) == Some(5));
    eventually("rts", PATIENCE, || client.stat_of("rts") == Some((T + 2).to_string()));
    assert_eq!(client.stat_of("mport"), Some(address.port().to_string()));
    let shown = peer(&mut client, "host", &address.to_string());
    assert_eq!((&*shown["role"], &*shown["sid"], &*shown["state"]), ("original-master", "3", "live"));
    // Half of an entry, and then nothing: it is asked for again.
    let whole = entry(T + 3, 3, &wire::put(b"half", b"v"));
    stream.write_all(&whole[..20]).unwrap();
    drop(stream);
    let (ts, sid, mut stream) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!((ts, sid, client.text("half")), (T + 3, 9, None));
    stream.write_all(&whole).unwrap();
    text_is(&mut client, "half", Some("v"));
    node.kill();
    let node = start(folder.path(), address, &more);
    let (ts, ..) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ts, T + 4, "what was applied is remembered with it");
    assert_eq!(node.client().addint("n", 0), Some(5));
}

#[test]
fn garbage_ends_the_link_and_not_the_node() {
    let folder = folder();
    let (address, asked) = master();
    let node = start(folder.path(), address, &["-sid", "9", HASH]);
    let mut client = node.client();
    for (bytes, part) in [
        (b"\x47".to_vec(), "begins with 0x47"),
        (entry(4_102_444_800_000_000, 3, &wire::put(b"late", b"v")), "ahead of the clock"),
        (entry(T, 3, b"\xC8\x15"), "0x15"),
        ([&[0xC9][..], &T.to_be_bytes(), &[0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF]].concat(), "4294967295"),
    ] {
        let (ts, _, mut stream) = asked.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ts, 1, "nothing counts");
        stream.write_all(&bytes).unwrap();
        eventually(part, PATIENCE, || peer(&mut client, "role", "original-master")["error"].contains(part));
    }
    assert!(client.put("k", "v"));
    assert_eq!(client.rnum(), 1);
}

#[test]
fn rcc_stops_at_the_first_difference_until_setmst() {
    let folder = folder();
    let (address, asked) = master();
    let node = start(folder.path(), address, &["-sid", "9", "-rcc", HASH]);
    let mut client = node.client();
    let (_, _, mut stream) = asked.recv_timeout(PATIENCE).unwrap();
    stream.write_all(&entry(T, 3, &wire::out(b"none"))).unwrap();
    eventually("stopped", PATIENCE, || peer(&mut client, "role", "original-master")["state"] == "stopped");
    assert!(node.log().contains("detected inconsistency"), "{}", node.log());
    assert!(asked.recv_timeout(Duration::from_secs(3)).is_err(), "it stays so");
    let ip = address.ip().to_string();
    client.ask(&wire::setmst(ip.as_bytes(), address.port().into(), 0, 0), &[0]);
    let (ts, ..) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ts, T + 1, "the entry counts, as in the original");
}

#[test]
fn setmst_replaces_the_master_and_the_position() {
    let folder = folder();
    let (first, asked_first) = master();
    let (second, asked_second) = master();
    let rts = folder.path().join("old.rts");
    std::fs::write(&rts, format!("{T}\n")).unwrap();
    let node = start(folder.path(), first, &["-sid", "9", "-rts", rts.to_str().unwrap(), HASH]);
    let mut client = node.client();
    let (ts, _, mut stream) = asked_first.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ts, T + 1, "the time stamp that an original has left");
    assert!(node.log().contains("the database is empty"), "{}", node.log());
    stream.write_all(&entry(T + 5, 3, &wire::put(b"k", b"first"))).unwrap();
    text_is(&mut client, "k", Some("first"));
    let mut set = |address: Option<SocketAddr>, ts| {
        let host = address.map_or(String::new(), |address| address.ip().to_string());
        let port = address.map_or(1978, |address| address.port());
        client.ask(&wire::setmst(host.as_bytes(), port.into(), ts, 0), &[0]);
    };
    set(Some(second), 0);
    let (ts, ..) = asked_second.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ts, T + 6, "the position is kept");
    set(Some(second), 41);
    assert_eq!(asked_second.recv_timeout(PATIENCE).unwrap().0, 42);
    set(None, 0);
    assert!(asked_second.recv_timeout(Duration::from_secs(3)).is_err());
    assert_eq!(node.client().stat_of("mhost"), None);
    // The first has had its connection closed.
    assert!(matches!(stream.read_to_end(&mut Vec::new()), Ok(_) | Err(_)));
    assert_eq!(std::fs::read_to_string(&rts).unwrap(), format!("{T}\n"), "the file is only read");
}

/// What a node sends to a slave: entries as (time stamp, id, block without the result).
fn entries(stream: &mut TcpStream, count: usize) -> Vec<(u64, u32, Vec<u8>)> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let mut magic = [0];
        stream.read_exact(&mut magic).unwrap();
        if magic == [0xCA] {
            continue;
        }
        assert_eq!(magic, [0xC9]);
        let (mut ts, mut sid, mut size) = ([0; 8], [0; 4], [0; 4]);
        stream.read_exact(&mut ts).unwrap();
        stream.read_exact(&mut sid).unwrap();
        stream.read_exact(&mut size).unwrap();
        let mut block = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut block).unwrap();
        assert_eq!(block.pop(), Some(0));
        entries.push((u64::from_be_bytes(ts), u32::from_be_bytes(sid), block));
    }
    entries
}

fn ask(node: &Node, ts: u64, sid: u32) -> TcpStream {
    let Address::Tcp(address) = node.address() else { unreachable!() };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&wire::repl(ts, sid)).unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0, 0, 0, 9, 0xCA]);
    stream
}

#[test]
fn a_slave_is_sent_what_it_lacks_and_what_comes() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-sid", "9", HASH]);
    let mut client = node.client();
    assert!(client.put("a", "1") && client.put("b", "2"));
    let mut slave = ask(&node, 1, 5);
    let before = entries(&mut slave, 2);
    assert!(client.put("c", "3") && client.out("a") && !client.out("none"));
    assert_eq!(client.addint("n", 4), Some(4));
    assert_eq!(client.adddouble("d", -1, -500_000_000_000), Some((-1, -500_000_000_000)));
    assert!(client.succeeds(&wire::putcat(b"c", b"4")) && client.succeeds(&wire::vanish()));
    let live = entries(&mut slave, 6);
    let all = [before, live].concat();
    let blocks: Vec<_> = all.iter().map(|(_, _, block)| block.clone()).collect();
    let expected = [
        wire::put(b"a", b"1"),
        wire::put(b"b", b"2"),
        wire::put(b"c", b"3"),
        wire::out(b"a"),
        wire::addint(b"n", 4),
        wire::adddouble(b"d", -1, -500_000_000_000),
        wire::put(b"c", b"34"),
        wire::vanish(),
    ];
    assert_eq!(blocks, expected);
    assert!(all.is_sorted_by(|one, next| one.0 < next.0) && all.iter().all(|(_, sid, _)| *sid == 9));
    let mut tool = ask(&node, all[4].0, i32::MAX as u32);
    assert_eq!(entries(&mut tool, 4), all[4..]);
    let shown = peer(&mut client, "role", "original-follower");
    assert_eq!(shown["state"], "live");
}

#[test]
fn a_silent_slave_is_kept_alive() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-sid", "9", HASH]);
    let mut slave = ask(&node, 1, 5);
    let start = std::time::Instant::now();
    let mut beats = [0; 2];
    slave.read_exact(&mut beats).unwrap();
    assert_eq!(beats, [0xCA, 0xCA]);
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
}
