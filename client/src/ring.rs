//! Consistent hashing, point for point as LightCloud's `hash_ring` places nodes and keys.
//!
//! A node is known by its name alone: another name places everything anew, another address nothing. A node has 120 points
//! on a circle of 2^32 (more or fewer with a weight), a key belongs to the node of the first point behind its own.

use std::collections::HashSet;

use md5::{Digest, Md5};
use thiserror::Error;

/// Digests of a node of average weight.
const DIGESTS: u64 = 40;
/// Points that are made of a digest: its last 4 bytes are not used.
const POINTS: usize = 3;
/// The most nodes of a ring.
pub const MAX_NODES: usize = 4096;
/// The largest weight of a node.
pub const MAX_WEIGHT: u32 = 1000;

/// Where keys belong among nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// In the order in which they were given.
    names: Vec<String>,
    /// By their place on the circle; of equal places the node that came last has all.
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    place: u32,
    /// Its number among the names.
    node: usize,
}

/// Why there is no ring.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RingError {
    /// Keys would belong nowhere.
    #[error("a ring needs at least one node")]
    Empty,
    /// Two nodes cannot have one name, as it decides where they are.
    #[error("two nodes of a ring are named {0}: give each a name of its own")]
    Duplicate(String),
    /// [`MAX_NODES`].
    #[error("a ring has at most {MAX_NODES} nodes")]
    TooMany,
    /// [`MAX_WEIGHT`].
    #[error("the weight of {name} is {weight}: give one of 1 to {MAX_WEIGHT}")]
    Weight {
        /// The node.
        name: String,
        /// What it was given.
        weight: u32,
    },
}

impl Ring {
    /// A ring of nodes of equal weight.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, RingError> {
        Self::weighted(names.into_iter().map(|name| (name, 1)))
    }

    /// A ring of nodes with weights, 1 to [`MAX_WEIGHT`]: one with twice the weight gets about twice the keys.
    pub fn weighted<N: Into<String>>(nodes: impl IntoIterator<Item = (N, u32)>) -> Result<Self, RingError> {
        let mut names = Vec::new();
        let mut weights = Vec::new();
        let mut seen = HashSet::new();
        for (name, weight) in nodes {
            let name = name.into();
            if !(1..=MAX_WEIGHT).contains(&weight) {
                return Err(RingError::Weight { name, weight });
            }
            if !seen.insert(name.clone()) {
                return Err(RingError::Duplicate(name));
            }
            if names.len() == MAX_NODES {
                return Err(RingError::TooMany);
            }
            names.push(name);
            weights.push(u64::from(weight));
        }
        if names.is_empty() {
            return Err(RingError::Empty);
        }
        let sum: u64 = weights.iter().sum();
        let mut points = Vec::new();
        for (node, (name, weight)) in names.iter().zip(&weights).enumerate() {
            let digests = DIGESTS * names.len() as u64 * weight / sum;
            for number in 0..digests {
                let digest = Md5::digest(format!("{name}-{number}"));
                let places = digest.as_chunks::<4>().0.iter().take(POINTS);
                points.extend(places.map(|bytes| Point { place: u32::from_le_bytes(*bytes), node }));
            }
        }
        // Stable, so that of equal places the node that came last is the last.
        points.sort_by_key(|point| point.place);
        for at in (1..points.len()).rev() {
            if points[at - 1].place == points[at].place {
                points[at - 1].node = points[at].node;
            }
        }
        Ok(Self { names, points })
    }

    /// The place of a key on the circle.
    pub fn hash(key: &[u8]) -> u32 {
        let digest = Md5::digest(key);
        u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
    }

    /// The node that a key belongs to.
    pub fn node(&self, key: &[u8]) -> &str {
        self.nodes(key).next().unwrap_or_default()
    }

    /// All nodes with a point, each once, in the order in which a key would belong to them were those before not there.
    pub fn nodes(&self, key: &[u8]) -> impl Iterator<Item = &str> {
        let hash = Self::hash(key);
        let start = self.points.partition_point(|point| point.place <= hash);
        let (before, from) = self.points.split_at(start);
        let mut seen = vec![false; self.names.len()];
        let round = from.iter().chain(before);
        round
            .filter(move |point| !std::mem::replace(&mut seen[point.node], true))
            .map(|point| &self.names[point.node][..])
    }

    /// The names of all nodes, in the order in which they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.points.len()
    }
}
