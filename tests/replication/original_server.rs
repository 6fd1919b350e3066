//! Nodes with a real server of the original, version 1.1.41, as master, as slave and as both, under load and through
//! restarts. `LCNODE_ORIGINAL` names its program.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::mesh::peer;
use crate::support::{Address, Client, Launch, Node, eventually, folder, lcnode, loopback, rng};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server of either kind, with a place of its own.
struct Server {
    folder: TempDir,
    address: SocketAddr,
    program: PathBuf,
    args: Vec<String>,
    node: Option<Node>,
}

impl Server {
    fn new(program: &Path, address: SocketAddr, sid: u16, master: Option<SocketAddr>) -> Self {
        let folder = folder();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let mut args: Vec<String> =
            ["-ulog", "logs", "-rts", "a.rts", "-sid", &sid.to_string()].map(str::to_owned).into();
        if let Some(master) = master {
            let (host, port) = (master.ip().to_string(), master.port().to_string());
            args.extend(["-mhost".to_owned(), host, "-mport".to_owned(), port]);
        }
        args.push("a.tch#bnum=10000".to_owned());
        let mut server = Self { folder, address, program: program.to_owned(), args, node: None };
        server.start();
        server
    }

    fn start(&mut self) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let launch = Launch::new(self.folder.path(), &args).program(&self.program);
        self.node = Some(launch.address(Address::Tcp(self.address)).start());
    }

    /// Ends and starts again: an lcnode by a kill, the original, which does not survive one, in order.
    fn restart(&mut self) {
        let node = self.node.take().unwrap();
        if self.program == lcnode() {
            node.kill()
        } else {
            node.stop()
        }
        self.start();
    }

    fn client(&self) -> Client {
        self.node.as_ref().unwrap().client()
    }

    fn contents(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut client = self.client();
        let keys = client.fwmkeys(b"", -1);
        keys.into_iter().filter_map(|key| Some((key.clone(), client.get(&key)?))).collect()
    }
}

fn original() -> PathBuf {
    std::env::var_os("LCNODE_ORIGINAL").expect("LCNODE_ORIGINAL names a server of the original").into()
}

/// Every kind of change at random, on keys of its own but for two numbers, until told to stop.
fn load(address: &Address, name: &str, vanishes: bool, stop: &AtomicBool) -> u32 {
    let mut client = Client::open(address).unwrap();
    let mut random = rng(name);
    let mut changes = 0;
    while !stop.load(Ordering::Relaxed) {
        let (key, value) = (format!("{name}{}", random.u8(..)), vec![b'v'; random.usize(0..200)]);
        match random.u8(..) {
            0 if vanishes && random.u8(..) == 0 => _ = client.succeeds(&crate::support::wire::vanish()),
            0..40 => _ = client.out(&key),
            40..80 => _ = client.succeeds(&crate::support::wire::putcat(key.as_bytes(), &value)),
            80..100 => _ = client.succeeds(&crate::support::wire::putkeep(key.as_bytes(), &value)),
            100..120 => _ = client.succeeds(&crate::support::wire::putshl(key.as_bytes(), &value, 100)),
            120..140 => _ = client.addint("common", random.i32(-9..99)),
            140..150 => _ = client.adddouble("double", random.i64(-9..9), 250_000_000_000),
            150..160 => _ = client.misc("putlist", &[key.as_bytes(), &value]),
            160..165 => _ = client.misc("get", &[b"none"]),
            165..170 => _ = client.put(&key, "x".repeat(random.usize(0..100_000))),
            _ => _ = client.put(&key, &value),
        }
        changes += 1;
    }
    changes
}

/// Puts load on some servers for a while, twice, with restarts of `restarted` in between.
fn work(servers: &mut [Server], loaded: &[usize], restarted: &[usize]) {
    for round in 0..2 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for &number in loaded {
                let (address, stop) = (Address::Tcp(servers[number].address), &stop);
                let vanishes = loaded.len() == 1;
                threads.push(scope.spawn(move || load(&address, ["a", "b"][number], vanishes, stop)));
            }
            std::thread::sleep(Duration::from_secs(3));
            stop.store(true, Ordering::Relaxed);
            for thread in threads {
                let changes = thread.join().unwrap();
                assert!(changes > 100, "{changes}");
            }
        });
        if round == 0 {
            restarted.iter().for_each(|number| servers[*number].restart());
        }
    }
}

fn assert_same(servers: &[Server]) {
    let mut contents = [BTreeMap::new(), BTreeMap::new()];
    let end = Instant::now() + PATIENCE;
    while contents[0].is_empty() || contents[0] != contents[1] {
        contents = [servers[0].contents(), servers[1].contents()];
        if Instant::now() > end {
            let [one, other] = &contents;
            let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for key in keys.into_iter().filter(|key| one.get(*key) != other.get(*key)) {
                let show = |value: Option<&Vec<u8>>| {
                    value.map(|value| value[..value.len().min(20)].escape_ascii().to_string())
                };
                eprintln!("{}: {:?} {:?}", key.escape_ascii(), show(one.get(key)), show(other.get(key)));
            }
            panic!("not the same records");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(contents[0].len() > 50, "{}", contents[0].len());
}

#[test]
#[ignore = "needs a server of the original: LCNODE_ORIGINAL"]
fn an_lcnode_follows_an_original() {
    let (master, slave) = (loopback(), loopback());
    let mut servers =
        [Server::new(&original(), master, 3, None), Server::new(lcnode(), slave, 4, Some(master))];
    work(&mut servers, &[0], &[1, 0]);
    assert_same(&servers);
    servers[1].restart();
    work(&mut servers, &[0], &[0, 1]);
    assert_same(&servers);
}

#[test]
#[ignore = "needs a server of the original: LCNODE_ORIGINAL"]
fn an_original_follows_an_lcnode() {
    let (master, slave) = (loopback(), loopback());
    let mut servers =
        [Server::new(lcnode(), master, 3, None), Server::new(&original(), slave, 4, Some(master))];
    work(&mut servers, &[0], &[1, 0]);
    assert_same(&servers);
    servers[1].restart();
    work(&mut servers, &[0], &[0, 1]);
    assert_same(&servers);
}

#[test]
#[ignore = "needs a server of the original: LCNODE_ORIGINAL"]
fn an_original_and_an_lcnode_are_each_others_masters() {
    let (a, b) = (loopback(), loopback());
    let mut servers = [Server::new(&original(), a, 3, Some(b)), Server::new(lcnode(), b, 4, Some(a))];
    // One that is sent all is sent sums, which are put over what it has counted meanwhile.
    for role in ["original-master", "original-follower"] {
        eventually(role, PATIENCE, || {
            let shown = peer(&mut servers[1].client(), "role", role);
            shown.get("state").is_some_and(|state| state == "live")
        });
    }
    work(&mut servers, &[0, 1], &[]);
    assert_same(&servers);
    work(&mut servers, &[0, 1], &[1]);
    assert_same(&servers);
}
