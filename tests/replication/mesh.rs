//! Nodes that all follow each other, as child processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::cable::Cable;
use crate::support::{Address, Client, Launch, Node, eventually, folder, loopback};

/// How long nodes may take until they have the same, on a busy machine.
pub const AGREE: Duration = Duration::from_secs(60);

/// Some nodes, each with a folder and an address of its own.
pub struct Mesh {
    /// Before their folders, which have the logs that a failing test prints.
    nodes: Vec<Option<Node>>,
    places: Vec<(TempDir, SocketAddr)>,
    /// What is between them, by follower and master; nothing where they reach each other directly.
    cables: BTreeMap<(usize, usize), Cable>,
    args: Vec<String>,
}

impl Mesh {
    /// `count` masters of each other with the options and the database `args`, none of them started.
    pub fn new(count: usize, args: &[&str]) -> Self {
        Self {
            places: (0..count).map(|_| (folder(), loopback())).collect(),
            cables: BTreeMap::new(),
            nodes: (0..count).map(|_| None).collect(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        }
    }

    /// The same, started.
    pub fn start_all(count: usize, args: &[&str]) -> Self {
        let mut mesh = Self::new(count, args);
        (0..count).for_each(|number| mesh.start(number));
        mesh
    }

    /// The same, started, each connected to each other by a cable.
    pub fn start_all_cabled(count: usize, args: &[&str]) -> Self {
        let mut mesh = Self::new(count, args);
        for follower in 0..count {
            for master in (0..count).filter(|master| *master != follower) {
                mesh.cables.insert((follower, master), Cable::new(mesh.address(master)));
            }
        }
        (0..count).for_each(|number| mesh.start(number));
        mesh
    }

    /// The cable by which `follower` reaches `master`.
    pub fn cable(&self, follower: usize, master: usize) -> &Cable {
        &self.cables[&(follower, master)]
    }

    /// The cables of a node, both where it follows and where it is followed.
    pub fn cables_of(&self, number: usize) -> impl Iterator<Item = &Cable> {
        let is_of = move |(ends, _): &(&(usize, usize), _)| ends.0 == number || ends.1 == number;
        self.cables.iter().filter(is_of).map(|(_, cable)| cable)
    }

    /// Heals all cables.
    pub fn heal(&self) {
        self.cables.values().for_each(Cable::heal);
    }

    /// Where a node has its files.
    pub fn folder(&self, number: usize) -> &Path {
        self.places[number].0.path()
    }

    pub fn address(&self, number: usize) -> SocketAddr {
        self.places[number].1
    }

    /// Starts a node that follows all others.
    pub fn start(&mut self, number: usize) {
        let others = (0..self.places.len()).filter(|other| *other != number);
        self.start_following(number, &others.collect::<Vec<_>>());
    }

    /// Starts a node that follows some others.
    pub fn start_following(&mut self, number: usize, masters: &[usize]) {
        self.nodes[number] = Some(self.launch(number, masters).start());
    }

    /// How a node that follows some others is started.
    pub fn launch(&self, number: usize, masters: &[usize]) -> Launch {
        let reached = |other: &usize| match self.cables.get(&(number, *other)) {
            Some(cable) => cable.address(),
            None => self.places[*other].1,
        };
        let masters = masters.iter().flat_map(|other| ["--master".to_owned(), reached(other).to_string()]);
        let args: Vec<String> = masters.chain(self.args.iter().cloned()).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (folder, address) = &self.places[number];
        Launch::new(folder.path(), &args).address(Address::Tcp(*address))
    }

    pub fn kill(&mut self, number: usize) {
        self.nodes[number].take().unwrap().kill();
    }

    pub fn stop(&mut self, number: usize) {
        self.nodes[number].take().unwrap().stop();
    }

    pub fn node(&self, number: usize) -> &Node {
        self.nodes[number].as_ref().unwrap()
    }

    pub fn client(&self, number: usize) -> Client {
        self.node(number).client()
    }

    /// Waits until all nodes that run have the same digest, then compares all records. Says what they are.
    pub fn agree(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut clients: Vec<Client> = self.nodes.iter().flatten().map(Node::client).collect();
        eventually("equal digests", AGREE, || {
            let digests: Vec<String> = clients.iter_mut().map(digest).collect();
            digests.iter().all(|digest| *digest == digests[0])
        });
        let mut all = clients.iter_mut().map(contents);
        let first = all.next().unwrap();
        for other in all {
            assert!(first == other, "equal digests, but other records");
        }
        first
    }
}

/// One number for all records of a node.
pub fn digest(client: &mut Client) -> String {
    let list = client.misc("digest", &[]).expect("a digest");
    String::from_utf8(list.into_iter().next().unwrap()).unwrap()
}

/// All records of a node.
pub fn contents(client: &mut Client) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let list = client.misc("regex", &[b""]).expect("a walk");
    let (pairs, rest) = list.as_chunks::<2>();
    assert!(rest.is_empty());
    pairs.iter().cloned().map(|[key, value]| (key, value)).collect()
}

/// The lines of `stat` about the peer whose line `name` ends with `value`; empty where there is none.
pub fn peer(client: &mut Client, name: &str, value: &str) -> BTreeMap<String, String> {
    let stat = client.stat();
    let number = stat.iter().find_map(|(line, is)| {
        let (number, field) = line.strip_prefix("peer_")?.split_once('_')?;
        (field == name && is.ends_with(value)).then(|| number.to_owned())
    });
    let Some(number) = number else { return BTreeMap::new() };
    let prefix = format!("peer_{number}_");
    let field = |(line, is): (String, String)| Some((line.strip_prefix(&prefix)?.to_owned(), is));
    stat.into_iter().filter_map(field).collect()
}
