//! Peers that send what they must not: the link ends with a reason, nothing is applied by half, the node goes on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lcnode_protocol::peer::{
    Epoch, FollowerFrame, FollowerHello, LeaderFrame, LeaderHello, Mode, Position, Step, VERSION,
};
use lcnode_storage::{Stamp, tombstone};

use super::mesh::{AGREE, Mesh, peer};
use crate::support::{Address, Client, Node, SMALL, eventually, folder};

/// Where frames lead that a test makes up.
const NEXT: Position = Position { segment: 1, offset: 1000 };

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

fn hello(clock: u64) -> Vec<u8> {
    let at = Position { segment: 1, offset: 64 };
    let hello = LeaderHello {
        version: VERSION,
        mode: Mode::Full,
        sid: 77,
        identity: 5,
        clock,
        from: Epoch { id: 9, position: at },
        end: at,
        collected: 0,
        reason: "",
    };
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    bytes
}

fn records(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    LeaderFrame::Records { next: NEXT, ts: now(), passed: 1, records: bytes }.encode(&mut frame);
    frame
}

/// A node that follows a master which answers `answer` each time, and then keeps silent.
fn follow(answer: Vec<u8>, test: impl FnOnce(&Node, &mut Client)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut hello = [0; 47];
            if stream.read_exact(&mut hello).is_ok() && stream.write_all(&answer).is_ok() {
                std::thread::spawn(move || {
                    // Until the node has had enough.
                    let _ = stream.read_to_end(&mut Vec::new());
                });
            }
        }
    });
    let folder = folder();
    let node = Node::start(folder.path(), &[&["--master", &address], &SMALL[..]].concat());
    let mut client = node.client();
    test(&node, &mut client);
    assert!(client.put("goes", "on"));
    drop(client);
    node.stop();
}

/// The node says why it does not go on with the master, and has none of its records.
fn is_refused(answer: Vec<u8>, why: &str) {
    follow(answer, |_, client| {
        eventually(why, AGREE, || {
            peer(client, "role", "master").get("error").is_some_and(|error| error.contains(why))
        });
        assert_eq!(client.rnum(), 0, "{why}");
    });
}

#[test]
fn a_leader_that_sends_garbage_or_from_the_future_is_left() {
    let hour = 3_600_000_000;
    is_refused(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "not an lcnode's");
    is_refused(hello(now() + hour), "ALARM");
    is_refused([hello(now()), vec![0xFF; 100]].concat(), "unknown type");
    let mut damaged = records(&tombstone(b"key", Stamp { ts: now(), origin: 77 }));
    *damaged.last_mut().unwrap() ^= 1;
    is_refused([hello(now()), damaged].concat(), "checksum");
    let mut record = tombstone(b"key", Stamp { ts: now(), origin: 77 });
    *record.last_mut().unwrap() ^= 1;
    is_refused([hello(now()), records(&record)].concat(), "damaged or none");
    is_refused([hello(now()), records(&record[..record.len() - 1])].concat(), "damaged or none");
    let year_2100 = tombstone(b"key", Stamp { ts: 4_102_444_800_000_000, origin: 77 });
    is_refused([hello(now()), records(&year_2100)].concat(), "ALARM");
    let mut back = Vec::new();
    LeaderFrame::Records { next: Position { segment: 1, offset: 64 }, ts: 0, passed: 0, records: &[] }
        .encode(&mut back);
    is_refused([hello(now()), records(&[]), back].concat(), "out of order");
}

#[test]
fn a_leader_that_hangs_in_the_middle_is_left() {
    let record = tombstone(b"key", Stamp { ts: now(), origin: 77 });
    let mut half = [hello(now()), records(&record)].concat();
    half.truncate(half.len() - 1);
    is_refused(half, "nothing came");
}

#[test]
fn two_nodes_with_one_id_refuse_each_other() {
    let mesh = Mesh::start_all(2, &[&["-sid", "7"], &SMALL[..]].concat());
    for number in 0..2 {
        let mut client = mesh.client(number);
        assert!(client.put(format!("k{number}"), "v"));
        eventually("the refusal", AGREE, || {
            let master = peer(&mut client, "role", "master");
            master.get("error").is_some_and(|error| error.contains("server id 7") && error.contains("--sid"))
        });
        assert_eq!(client.rnum(), 1);
    }
}

#[test]
fn a_node_that_is_to_follow_itself_says_so() {
    let mut mesh = Mesh::new(1, &SMALL);
    mesh.start_following(0, &[0]);
    let mut client = mesh.client(0);
    eventually("the refusal", AGREE, || {
        peer(&mut client, "role", "master")
            .get("error")
            .is_some_and(|error| error.contains("this node itself"))
    });
}

/// A connection of a follower that was let in.
fn follower(node: &Node, sid: u16) -> TcpStream {
    let Address::Tcp(address) = node.address() else { panic!("not over TCP") };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    FollowerHello { version: VERSION, sid, identity: 3, clock: now(), position: None, mine: false }
        .encode(&mut bytes);
    stream.write_all(&bytes).unwrap();
    let mut answer = [0; 75];
    stream.read_exact(&mut answer).unwrap();
    let step = LeaderHello::decode(&answer).unwrap();
    assert!(matches!(step, Step::Whole { item, .. } if item.mode == Mode::Full), "{step:?}");
    stream
}

#[test]
fn a_follower_that_sends_garbage_or_nothing_is_dropped() {
    let folder = folder();
    let node = Node::start(folder.path(), &SMALL);
    let mut client = node.client();
    let mut ahead = Vec::new();
    let applied = Position { segment: 1000, offset: 0 };
    FollowerFrame::Ack { applied, own: Epoch::default() }.encode(&mut ahead);
    for bytes in [vec![0xC8; 500], ahead, Vec::new()] {
        let mut stream = follower(&node, 700);
        stream.write_all(&bytes).unwrap();
        // Frames, then the end.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(client.put("goes", "on"));
    }
    for why in ["unknown type", "acknowledges", "nothing came"] {
        eventually(why, AGREE, || node.log().contains(why));
    }
    // A newer connection takes the place of an older one.
    let mut old = follower(&node, 700);
    let _new = follower(&node, 700);
    let _ = old.read_to_end(&mut Vec::new());
    eventually("the end of the old one", AGREE, || node.log().contains("has connected anew"));
    node.stop();
}
