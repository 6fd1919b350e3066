//! Connections of a real node, in memory, while another thread has something reserved.

use std::sync::mpsc;
use std::thread;

use lcnode::replication::Replication;
use lcnode_protocol::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::config::Config;
use crate::dispatch::ErrorNumber;
use crate::server::budget::Budget;
use crate::server::watch::{Watch, Who};
use crate::server::{Shared, connection};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(20);

fn node() -> Arc<Node> {
    let config = Config::from_args(["lcnode", "*"].map(Into::into)).unwrap();
    let store = Arc::new(crate::open(&config).unwrap());
    let replication = Replication::start(Arc::clone(&store), crate::replication(&config, 0)).unwrap();
    Arc::new(crate::node(&config, store, replication, 0, Instant::now()))
}

/// Runs connections to a node on one event loop.
fn run<F: Future<Output = ()>>(node: &Arc<Node>, test: impl FnOnce(Arc<Shared>) -> F) {
    let shared = Shared {
        node: Arc::clone(node),
        timeout: None,
        budget: Budget::new(1 << 30),
        slow: Semaphore::new(SLOW),
        watch: Arc::new(Watch::new(1, "tcp", Who { measures: false, are_alone: true }, None)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, test(Arc::new(shared))).await.unwrap() });
}

fn connect(shared: &Arc<Shared>) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(connection::serve(theirs, Arc::clone(shared), "test".to_owned(), 0, 0));
    ours
}

/// What a thread has reserved until this is dropped: a key, or all.
struct Held {
    let_go: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Held {
    fn new(node: &Arc<Node>, key: Option<&[u8]>) -> Self {
        let (let_go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (node, key) = (Arc::clone(node), key.map(<[u8]>::to_vec));
        let thread = thread::spawn(move || {
            let _reserved = match &key {
                Some(key) => node.store.reserve(key, Instant::now()),
                None => node.store.reserve_all(Instant::now()),
            }
            .unwrap();
            tell.send(()).unwrap();
            // An error: it was dropped.
            let _ = wait.recv();
        });
        told.recv().unwrap();
        Self { let_go: Some(let_go), thread: Some(thread) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go.take();
        self.thread.take().map(|thread| thread.join());
    }
}

fn request(id: u8, words: &[u32], fields: &[&[u8]]) -> Vec<u8> {
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    [&[0xC8, id][..], &words, &fields.concat()].concat()
}

fn put(id: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    request(id, &[key.len() as u32, value.len() as u32], &[key, value])
}

fn misc(name: &[u8], args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = request(0x90, &[name.len() as u32, 0, args.len() as u32], &[name]);
    for arg in args {
        bytes.extend_from_slice(&(arg.len() as u32).to_be_bytes());
        bytes.extend_from_slice(arg);
    }
    bytes
}

/// A get, and its reply where the value is this.
fn get(key: &[u8], value: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    let reply = value.map(|value| [&[0][..], &(value.len() as u32).to_be_bytes(), value].concat());
    (request(0x30, &[key.len() as u32], &[key]), reply.unwrap_or_else(|| vec![1]))
}

async fn is_silent(connection: &mut DuplexStream) -> bool {
    tokio::time::timeout(SHORT, connection.read_u8()).await.is_err()
}

async fn expect(connection: &mut DuplexStream, reply: &[u8], what: &str) {
    let mut found = vec![0; reply.len()];
    connection.read_exact(&mut found).await.unwrap();
    assert_eq!(found, reply, "{what}");
}

/// Name, request, value of `key` before, reply, value after.
type Case = (&'static str, Vec<u8>, Option<&'static [u8]>, Vec<u8>, Option<&'static [u8]>);

fn cases() -> Vec<Case> {
    let (done, listed) = (vec![0], vec![0; 5]);
    let long_list: Vec<&[u8]> =
        std::iter::repeat_n([&b"other"[..], b"v", b"key", b"v"], 300).flatten().collect();
    let one_and_a_half: &[u8] = &[0, 0, 0, 0, 0, 0, 0xF8, 0x3F];
    let sum = [&[0][..], &1_u64.to_be_bytes(), &500_000_000_000_u64.to_be_bytes()].concat();
    let double = request(0x61, &[3, 0, 1, 116, 1_783_793_664], &[b"key"]);
    vec![
        ("put", put(0x10, b"key", b"v"), None, done.clone(), Some(b"v")),
        ("putkeep", put(0x11, b"key", b"v"), None, done.clone(), Some(b"v")),
        ("putkeep of one that is there", put(0x11, b"key", b"v"), Some(b"old"), vec![1], Some(b"old")),
        ("putcat", put(0x12, b"key", b"c"), Some(b"ab"), done.clone(), Some(b"abc")),
        ("putshl", request(0x13, &[3, 1, 2], &[b"key", b"c"]), Some(b"ab"), done.clone(), Some(b"bc")),
        ("putnr", put(0x18, b"key", b"v"), None, vec![], Some(b"v")),
        ("out", request(0x20, &[3], &[b"key"]), Some(b"v"), done.clone(), None),
        (
            "addint",
            request(0x60, &[3, 5], &[b"key"]),
            Some(&[2, 0, 0, 0]),
            vec![0, 0, 0, 0, 7],
            Some(&[7, 0, 0, 0]),
        ),
        ("adddouble", double, None, sum, Some(one_and_a_half)),
        ("vanish", request(0x72, &[], &[]), Some(b"v"), done, None),
        ("misc put", misc(b"put", &[b"key", b"v"]), None, listed.clone(), Some(b"v")),
        ("misc putkeep", misc(b"putkeep", &[b"key", b"v"]), None, listed.clone(), Some(b"v")),
        ("misc putcat", misc(b"putcat", &[b"key", b"c"]), Some(b"ab"), listed.clone(), Some(b"abc")),
        ("misc out", misc(b"out", &[b"key"]), Some(b"v"), listed.clone(), None),
        ("putlist", misc(b"putlist", &[b"other", b"v", b"key", b"v"]), None, listed.clone(), Some(b"v")),
        ("a long putlist", misc(b"putlist", &long_list), None, listed.clone(), Some(b"v")),
        ("outlist", misc(b"outlist", &[b"key", b"none"]), Some(b"v"), listed.clone(), None),
        ("misc vanish", misc(b"vanish", &[]), Some(b"v"), listed, None),
    ]
}

#[test]
fn every_change_waits_is_made_once_and_keeps_its_place() {
    for all in [false, true] {
        for (what, bytes, before, reply, after) in cases() {
            let node = node();
            if let Some(value) = before {
                node.store.put(b"key", value).unwrap();
            }
            run(&node, async |shared| {
                let held = Held::new(&node, (!all).then_some(b"key"));
                let (get_before, value_before) = get(b"key", before);
                let (get_after, value_after) = get(b"key", after);
                let mut connection = connect(&shared);
                // One in front of it in the same read, and one behind it.
                connection.write_all(&[&get_before[..], &bytes, &get_after].concat()).await.unwrap();
                expect(&mut connection, &value_before, what).await;
                assert!(is_silent(&mut connection).await, "{what}");
                let mut other = connect(&shared);
                other.write_all(&get_before).await.unwrap();
                expect(&mut other, &value_before, "others go on").await;
                drop(held);
                expect(&mut connection, &reply, what).await;
                expect(&mut connection, &value_after, what).await;
                assert!(is_silent(&mut connection).await, "{what}");
            });
            let calls: u64 = Command::ALL.iter().map(|&command| node.counters.calls(command)).sum();
            assert_eq!(calls, 4, "{what}");
            let gets = 2 * u32::from(before.is_none()) + u32::from(after.is_none());
            let puts = u32::from(reply == [1]);
            let misses = format!("cnt_put_miss\t{puts}\ncnt_out_miss\t0\ncnt_get_miss\t{gets}\n");
            assert!(node.counters.text().ends_with(&misses), "{what}: {}", node.counters.text());
            node.replication.stop();
        }
    }
}

#[test]
fn a_thousand_connections_wait_without_threads() {
    let node = node();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    run(&node, async |shared| {
        let held = Held::new(&node, Some(b"key"));
        let before = threads();
        let mut connections: Vec<_> = (0..1_000).map(|_| connect(&shared)).collect();
        for connection in &mut connections {
            connection.write_all(&[put(0x12, b"key", b"1"), put(0x12, b"key", b"2")].concat()).await.unwrap();
        }
        for connection in connections.iter_mut().step_by(100) {
            assert!(is_silent(connection).await);
        }
        // Tests beside this one have threads too.
        assert!(threads() < before + 100, "{before} threads, then {}", threads());
        // Some give up.
        connections.truncate(900);
        drop(held);
        for connection in &mut connections {
            expect(connection, &[0, 0], "putcat").await;
        }
    });
    let value = node.store.get(b"key", <[u8]>::to_vec).unwrap().unwrap();
    assert!(value.len() >= 1_800 && value.len() <= 2_000, "{}", value.len());
    node.replication.stop();
}

#[test]
fn it_fails_when_it_has_waited_for_too_long() {
    let node = node();
    let mut session = Session { waits: true, ..Session::default() };
    run(&node, async |_| {
        let held = Held::new(&node, Some(b"key"));
        let slow = Semaphore::new(SLOW);
        let blocked = Why::Blocked(Blocked::Reserved(node.store.scope_of(b"key")));
        let vanish = request(0x72, &[], &[]);
        for (bytes, why) in [(put(0x10, b"key", b"v"), blocked), (vanish.clone(), Why::Slow)] {
            session.last_error = ErrorNumber::Success;
            let started = Instant::now();
            let reply = execute(&node, &slow, &mut session, bytes, why, SHORT).await.unwrap();
            assert_eq!((reply, session.last_error), (vec![1], ErrorNumber::Other));
            assert!(started.elapsed() >= SHORT && session.waits && session.blocked.is_none());
        }
        drop(held);
        let reply = execute(&node, &slow, &mut session, vanish, Why::Slow, SHORT).await.unwrap();
        assert_eq!(reply, [0]);
    });
    node.replication.stop();
}

/// Threads that reserve the same key again and again, one after the other, let connections through.
#[test]
fn a_stream_of_reservations_lets_connections_through() {
    let node = node();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let is_over = || stop.load(std::sync::atomic::Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over() {
                    let _reserved = node.store.reserve(b"key", Instant::now() + LONG).unwrap();
                    thread::sleep(Duration::from_micros(500));
                }
            });
        }
        run(&node, async |shared| {
            let mut connection = connect(&shared);
            for _ in 0..200 {
                connection.write_all(&put(0x12, b"key", b"1")).await.unwrap();
                expect(&mut connection, &[0], "putcat").await;
            }
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(node.store.get(b"key", <[u8]>::len).unwrap(), Some(200));
    node.replication.stop();
}
