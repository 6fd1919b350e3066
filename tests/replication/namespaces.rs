//! Two nodes on hosts of their own, as far as the network goes: network namespaces, with a switch in between.
//! Packets vanish where a link is down; nothing is told to anybody.
//!
//! Only root can make them. Where that is not possible this test shows nothing and says so; with `CI=true` root
//! must be able to.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use super::mesh::{contents, digest};
use super::rival::Rival;
use crate::crash::ledger::Ledger;
use crate::support::{Address, Client, Launch, Node, SMALL, folder, is_root, number_from_env, rng};

/// How soon after its healing a link is forgotten.
const HEALED: Duration = Duration::from_secs(5);

/// Between changes, lest it is the processor that is measured.
const PAUSE: Duration = Duration::from_millis(2);

/// Two hosts, 0 and 1, and the switch between them. Dropping it removes them.
struct Network {
    name: String,
}

/// What is down.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The link at a host, which sees that: it cannot send. The other host sees that nothing comes.
    Host(usize),
    /// The switch. Both hosts can send into it.
    Switch,
}

impl Network {
    fn new() -> Option<Self> {
        let network = Self { name: format!("lcnode-{}", std::process::id()) };
        let why = match network.build() {
            Ok(()) => return Some(network),
            Err(why) => why,
        };
        let must = is_root() && std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!must, "no network namespaces for the test of cut links: {why}");
        eprintln!("SKIPPED: no network namespaces for the test of cut links: {why}");
        None
    }

    fn build(&self) -> Result<(), String> {
        let switch = self.namespace("switch");
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for host in 0..2 {
            let (name, port) = (self.host(host), format!("port{host}"));
            let address = format!("{}/24", Self::address(host).ip());
            ip(&["netns", "add", &name])?;
            ip(&[
                "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "wire", "netns", &name,
            ])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch"])?;
            ip(&["-n", &switch, "link", "set", &port, "up"])?;
            ip(&["-n", &name, "address", "add", &address, "dev", "wire"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&["-n", &name, "link", "set", "wire", "up"])?;
        }
        Ok(())
    }

    fn namespace(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    fn host(&self, host: usize) -> String {
        self.namespace(&host.to_string())
    }

    fn address(host: usize) -> SocketAddr {
        SocketAddr::from(([10, 77, 0, 1 + host as u8], 44201 + host as u16))
    }

    /// Does something on a host: what it starts or connects belongs to its network.
    fn on<T: Send>(&self, host: usize, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.host(host))).unwrap();
        scope(|threads| {
            let thread = threads.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    fn start(&self, host: usize, folder: &TempDir) -> Node {
        let master = Self::address(1 - host).to_string();
        let args = [&["--master", &master], &SMALL[..]].concat();
        let launch = Launch::new(folder.path(), &args).address(Address::Tcp(Self::address(host)));
        self.on(host, || launch.start())
    }

    fn client(&self, host: usize, node: &Node) -> Client {
        self.on(host, || node.client())
    }

    fn set(&self, cut: Cut, state: &str) {
        let (namespace, link) = match cut {
            Cut::Host(host) => (self.host(host), "wire"),
            Cut::Switch => (self.namespace("switch"), "switch"),
        };
        ip(&["-n", &namespace, "link", "set", link, state]).unwrap();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [self.host(0), self.host(1), self.namespace("switch")] {
            if std::path::Path::new("/run/netns").join(&name).exists()
                && let Err(why) = ip(&["netns", "delete", &name])
            {
                eprintln!("{name} is still there: {why}");
            }
        }
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Both are written to all the time; the link is down for a while, and then the load ends: within 5 s they have the
/// same. `LCNODE_CUTS` says how often.
#[test]
fn a_link_that_was_cut_is_forgotten_within_5_seconds() {
    let mut rng = rng("a_link_that_was_cut_is_forgotten_within_5_seconds");
    let Some(network) = Network::new() else { return };
    let folders = [folder(), folder()];
    let nodes = [0, 1].map(|host| network.start(host, &folders[host]));
    let mut clients = [0, 1].map(|host| network.client(host, &nodes[host]));
    let mut ledgers = [0, 1].map(|writer| Ledger::new(writer, rng.u64(..)));
    let mut rivals: Vec<Rival> = (0..2).map(|name| Rival::new(name, rng.u64(..))).collect();
    let mut times = Vec::new();
    for number in 0..number_from_env("LCNODE_CUTS").unwrap_or(5) {
        let cut = [Cut::Host(0), Cut::Switch, Cut::Host(1)][number as usize % 3];
        // Shorter and longer than the patience of a node, which is 5 s.
        let lasts =
            Duration::from_millis(if rng.bool() { rng.u64(300..5_000) } else { rng.u64(5_000..9_000) });
        let over = AtomicBool::new(false);
        let mut healed = Instant::now();
        scope(|threads| {
            for ((ledger, rival), client) in ledgers.iter_mut().zip(&mut rivals).zip(&mut clients) {
                let over = &over;
                threads.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        ledger.write_some(client).unwrap();
                        rival.write_some(client).unwrap();
                        sleep(PAUSE);
                    }
                });
            }
            // It flaps first, which the load goes on through.
            for _ in 0..rng.u8(..3) {
                network.set(cut, "down");
                sleep(Duration::from_millis(rng.u64(..100)));
                network.set(cut, "up");
                sleep(Duration::from_millis(rng.u64(..100)));
            }
            sleep(Duration::from_millis(rng.u64(..1_000)));
            network.set(cut, "down");
            sleep(lasts);
            network.set(cut, "up");
            healed = Instant::now();
            over.store(true, Ordering::Relaxed);
        });
        let [a, b] = &mut clients;
        while digest(a) != digest(b) {
            assert!(
                healed.elapsed() < 2 * HEALED,
                "{cut:?} for {lasts:?}: not the same after {:?}",
                healed.elapsed()
            );
            sleep(Duration::from_millis(10));
        }
        let took = healed.elapsed();
        eprintln!("{cut:?} for {lasts:?}: the same {took:?} after the healing");
        times.push(took);
        let [records, others] = clients.each_mut().map(contents);
        assert!(records == others, "equal digests, but other records");
        for client in &mut clients {
            ledgers.iter_mut().for_each(|ledger| _ = ledger.compare(client).unwrap());
        }
        Rival::verify(&rivals, &records);
    }
    let own: u64 = ledgers.iter().map(|ledger| ledger.acknowledged).sum();
    let common: u64 = rivals.iter().map(|rival| rival.acknowledged).sum();
    times.sort_unstable();
    let longest = times.last().unwrap();
    eprintln!(
        "{} cuts, {} changes acknowledged; the same after {:?} (median), {longest:?} (longest)",
        times.len(),
        own + common,
        times[times.len() / 2]
    );
    assert!(*longest < HEALED, "{longest:?}");
}
