//! What is between two nodes, and can fail: a listener that passes on what it gets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::support::loopback;

/// Which way bytes go.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    ToMaster = 0,
    ToFollower = 1,
}

/// The way from a follower to one of its masters.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    to: SocketAddr,
    is_cut: AtomicBool,
    has_ended: AtomicBool,
    stalled: [AtomicBool; 2],
    /// How often it was cut: what belongs to an earlier time is dropped.
    cuts: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// A whole cable to `to`.
    pub fn new(to: SocketAddr) -> Self {
        let address = loopback();
        let listener = TcpListener::bind(address).unwrap();
        let inside = Arc::new(Inside {
            to,
            is_cut: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            stalled: Default::default(),
            cuts: AtomicU64::new(0),
            connections: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&inside);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.has_ended.load(Ordering::SeqCst) {
                    return;
                }
                shared.connect(stream.unwrap());
            }
        });
        Self { address, inside }
    }

    /// Where the follower connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, with what is under way on them, and takes no new ones.
    pub fn cut(&self) {
        self.inside.is_cut.store(true, Ordering::SeqCst);
        self.inside.drop_all();
    }

    /// Holds back what goes one way. The connections stay, and new ones are taken.
    pub fn stall(&self, way: Way) {
        self.inside.stalled[way as usize].store(true, Ordering::SeqCst);
    }

    /// Makes it whole again. What was held back goes on.
    pub fn heal(&self) {
        self.inside.is_cut.store(false, Ordering::SeqCst);
        self.inside.stalled.iter().for_each(|stalled| stalled.store(false, Ordering::SeqCst));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.inside.has_ended.store(true, Ordering::SeqCst);
        self.inside.drop_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Inside {
    fn drop_all(&self) {
        let mut connections = self.connections.lock().unwrap();
        self.cuts.fetch_add(1, Ordering::SeqCst);
        for stream in connections.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn connect(self: &Arc<Self>, follower: TcpStream) {
        // A master that is not there looks like one that closes at once.
        let Ok(master) = TcpStream::connect(self.to) else { return };
        let mut connections = self.connections.lock().unwrap();
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let cuts = self.cuts.load(Ordering::SeqCst);
        for (way, from, to) in [(Way::ToMaster, &follower, &master), (Way::ToFollower, &master, &follower)] {
            let (inside, from, to) = (Arc::clone(self), from.try_clone().unwrap(), to.try_clone().unwrap());
            to.set_nodelay(true).unwrap();
            thread::spawn(move || inside.pass(way, from, to, cuts));
        }
        connections.extend([follower, master]);
    }

    fn pass(&self, way: Way, mut from: TcpStream, mut to: TcpStream, cuts: u64) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.stalled[way as usize].load(Ordering::SeqCst) && self.is_current(cuts) {
                sleep(Duration::from_millis(1));
            }
            if !self.is_current(cuts) || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // One end is gone, so the other goes too.
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn is_current(&self, cuts: u64) -> bool {
        self.cuts.load(Ordering::SeqCst) == cuts
    }
}
