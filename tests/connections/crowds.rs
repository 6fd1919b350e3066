//! Many connections at once.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::support::{Client, HASH, Node, folder, wire};

/// Connections of the crowd.
const CROWD: usize = 2000;

fn crowd(node: &Node, many: usize) -> Vec<Client> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    assert!(hard > 2 * many as u64, "the limit of open files, {hard}, is too low for {many} connections");
    (0..many).map(|_| node.client()).collect()
}

#[test]
fn two_thousand_idle_connections() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let before = node.resident();
    let start = Instant::now();
    let mut idle = crowd(&node, CROWD);
    let connected = start.elapsed();
    assert!(connected < Duration::from_secs(20), "connecting took {connected:?}");
    let mut client = node.client();
    let start = Instant::now();
    for _ in 0..100 {
        assert!(client.put("k", "v"));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?} for 100 puts beside them", start.elapsed());
    // Every one of them is still served.
    for client in &mut idle {
        client.ask(&wire::get(b"k"), &[0, 0, 0, 0, 1, b'v']);
    }
    let each = node.resident().saturating_sub(before) / CROWD as u64;
    assert!(each < 16 << 10, "{each} bytes of memory for each idle connection");
    // And none of them is in the way of the end.
    let start = Instant::now();
    node.stop_by(Signal::SIGTERM);
    assert!(start.elapsed() < Duration::from_secs(10), "the end took {:?}", start.elapsed());
    for client in idle.iter_mut().take(20) {
        assert_eq!(client.rest(), b"");
    }
}

/// All at once, as after a restart, while the node is busy with something else: they are let in as soon as the
/// system allows, and need not try again a second later.
#[test]
fn a_stampede_of_clients_is_let_in() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let most =
        std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse::<usize>().unwrap();
    let count = most.min(1000) * 9 / 10;
    let pause = Duration::from_secs(10);
    node.signal(Signal::SIGSTOP);
    let (connected_all, told) = mpsc::channel::<()>();
    std::thread::scope(|threads| {
        let node = &node;
        threads.spawn(move || {
            // Else a client that is not let in would wait for minutes.
            let _ = told.recv_timeout(pause);
            node.signal(Signal::SIGCONT);
        });
        let start = Instant::now();
        let mut clients = crowd(node, count);
        let connected = start.elapsed();
        drop(connected_all);
        assert!(connected < pause * 8 / 10, "{count} clients needed {connected:?} to connect");
        for client in &mut clients {
            client.rnum();
        }
    });
}

#[test]
fn a_crowd_that_works() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-thnum", "2", HASH]);
    let mut clients = crowd(&node, 300);
    for round in 0..5u32 {
        // All have a request under way before any reply is read.
        for (number, client) in clients.iter_mut().enumerate() {
            let key = format!("k{number}");
            client.send(&[wire::putcat(key.as_bytes(), &[round as u8]), wire::vsiz(key.as_bytes())].concat());
        }
        for client in &mut clients {
            assert_eq!(client.take(6), [0, 0, 0, 0, 0, round as u8 + 1]);
        }
    }
    assert_eq!(node.client().rnum(), 300);
}

#[test]
fn the_end_comes_while_clients_are_busy() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-thnum", "2", "--segment-size", "1m", HASH]);
    let stop = Instant::now() + Duration::from_millis(500);
    let address = node.address().clone();
    let acknowledged: Vec<u32> = std::thread::scope(|threads| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let address = &address;
                threads.spawn(move || {
                    let mut client = Client::open(address).unwrap();
                    let mut done = 0u32;
                    loop {
                        let put = wire::put(format!("w{writer}-{done}").as_bytes(), &done.to_be_bytes());
                        match client.try_send(&put).and_then(|()| client.try_take::<1>()) {
                            Ok(code) => assert_eq!(code, [0]),
                            Err(_) => return done,
                        }
                        done += 1;
                    }
                })
            })
            .collect();
        std::thread::sleep(stop.saturating_duration_since(Instant::now()));
        node.stop();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let node = Node::start(folder.path(), &[HASH]);
    let mut client = node.client();
    let found = client.rnum();
    let sum: u32 = acknowledged.iter().sum();
    assert!((u64::from(sum)..=u64::from(sum) + 3).contains(&found), "{found} of {acknowledged:?}");
    for (writer, done) in acknowledged.iter().enumerate() {
        for number in 0..*done {
            assert_eq!(client.get(format!("w{writer}-{number}")), Some(number.to_be_bytes().to_vec()));
        }
    }
}
