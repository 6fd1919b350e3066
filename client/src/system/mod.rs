//! A pair of rings, and the nodes on them.

mod batch;
mod keys;
mod lists;
mod locate;
mod many;
mod moving;
mod places;
mod record;
mod scan;
mod sweeping;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use parking_lot::RwLock;

pub use locate::Location;
pub use moving::{Moved, Mover};
pub use scan::Scan;
pub use sweeping::{Sweeper, Swept};

use self::places::Places;
use crate::cache::{Cache, Writing};
use crate::config::{Config, ConfigError, DEFAULT_SYSTEM, NodeConfig, Role};
use crate::error::Error;
use crate::node::Node;
use crate::ring::Ring;

/// A cluster: one or more independent systems, each a pair of rings. Clones share everything.
///
/// It has all operations of its system `default` (or the first, where none is named so); [`system`](Self::system)
/// gives the others.
#[derive(Debug, Clone)]
pub struct LightCloud {
    shared: Arc<Shared>,
    default: System,
}

#[derive(Debug)]
struct Shared {
    systems: RwLock<HashMap<String, System>>,
}

/// One pair of rings: the *lookup ring* says where a key is, the *storage ring* has its value, and decides where keys
/// go that are new. Clones share everything.
#[derive(Debug, Clone)]
pub struct System {
    name: Arc<str>,
    rings: Arc<RwLock<Arc<Rings>>>,
}

/// The rings as configured at one time.
#[derive(Debug)]
struct Rings {
    lookup: Ring,
    storage: Ring,
    lookup_nodes: HashMap<String, Arc<Node>>,
    storage_nodes: HashMap<String, Arc<Node>>,
    config: Config,
    /// One for all systems.
    cache: Option<Cache>,
    places: Places,
}

impl LightCloud {
    /// A cluster as configured. Nothing is connected before the first call.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let labels: Vec<String> = config.systems().into_iter().map(str::to_owned).collect();
        let cache = config.cache.as_ref().map(Cache::new);
        let mut systems = HashMap::new();
        for label in &labels {
            let rings = Arc::new(Rings::new(label, &config, cache.clone(), None)?);
            let system = System { name: label[..].into(), rings: Arc::new(RwLock::new(rings)) };
            systems.insert(label.clone(), system);
        }
        let default = systems.get(DEFAULT_SYSTEM).or_else(|| systems.get(labels.first()?));
        let default = default.cloned().ok_or(ConfigError::Empty)?;
        Ok(Self { shared: Arc::new(Shared { systems: RwLock::new(systems) }), default })
    }

    /// Goes over to another configuration, for all clones and systems at once: calls under way end by the old one.
    /// Systems that are no longer configured stay as they are.
    pub fn reconfigure(&self, config: Config) -> Result<(), Error> {
        config.check()?;
        let mut made = Vec::new();
        let mut systems = self.shared.systems.write();
        let known = self.default.rings().cache.clone();
        let known = known.filter(|known| Some(known.config()) == config.cache.as_ref());
        let cache = known.or_else(|| config.cache.as_ref().map(Cache::new));
        for label in config.systems() {
            let old = systems.get(label).map(|system| system.rings());
            let rings = Rings::new(label, &config, cache.clone(), old.as_deref())?;
            made.push((label.to_owned(), Arc::new(rings)));
        }
        for (label, rings) in made {
            match systems.get(&label) {
                Some(system) => *system.rings.write() = rings,
                None => {
                    let system = System { name: label[..].into(), rings: Arc::new(RwLock::new(rings)) };
                    systems.insert(label, system);
                }
            }
        }
        Ok(())
    }

    /// The system with a label.
    pub fn system(&self, name: &str) -> Result<System, Error> {
        self.shared.systems.read().get(name).cloned().ok_or_else(|| Error::NoSystem(name.to_owned()))
    }
}

impl Deref for LightCloud {
    type Target = System;

    fn deref(&self) -> &System {
        &self.default
    }
}

impl System {
    /// Its label.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn rings(&self) -> Arc<Rings> {
        Arc::clone(&self.rings.read())
    }

    /// A change of a key begins: the cache forgets it, and learns nothing of it until the change has ended.
    fn begin_write(&self, rings: &Rings, key: &[u8]) -> Option<Writing> {
        rings.cache.as_ref().map(|cache| cache.begin_write(&self.name, key))
    }
}

impl Rings {
    /// The rings of a system. Nodes that have not changed are taken over with their connections.
    fn new(label: &str, config: &Config, cache: Option<Cache>, old: Option<&Self>) -> Result<Self, Error> {
        let nodes = |role| config.nodes.iter().filter(move |node| node.role == role && node.system == label);
        let ring = |role| {
            let weighted =
                nodes(role).filter(|node| node.weight > 0).map(|node| (&node.name[..], node.weight));
            Ring::weighted(weighted).map_err(|error| ConfigError::Ring { system: label.to_owned(), error })
        };
        let is_same =
            |old: &Self| old.config.server == config.server && old.config.read_from == config.read_from;
        let old = old.filter(|old| is_same(old));
        let make = |role, old: Option<&HashMap<String, Arc<Node>>>| {
            let make = |node: &NodeConfig| {
                let known = old.and_then(|old| old.get(&node.name));
                let known = known.filter(|known| {
                    known.config().replicas == node.replicas && known.config().kind == node.kind
                });
                let node = known
                    .map_or_else(|| Node::new(node, config).map(Arc::new), |known| Ok(Arc::clone(known)))?;
                Ok((node.name().to_owned(), node))
            };
            nodes(role).map(make).collect::<Result<HashMap<_, _>, ConfigError>>()
        };
        Ok(Self {
            lookup: ring(Role::Lookup)?,
            storage: ring(Role::Storage)?,
            lookup_nodes: make(Role::Lookup, old.map(|old| &old.lookup_nodes))?,
            storage_nodes: make(Role::Storage, old.map(|old| &old.storage_nodes))?,
            config: config.clone(),
            cache,
            places: Places::new(),
        })
    }

    /// The node that the storage ring has for a key.
    fn storage(&self, key: &[u8]) -> &Arc<Node> {
        // The rings are of the names of these nodes.
        &self.storage_nodes[self.storage.node(key)]
    }

    /// The nodes that the lookup ring has for a key: the first that is looked at, and the second.
    fn lookup(&self, key: &[u8]) -> [Option<&Arc<Node>>; 2] {
        let mut names = self.lookup.nodes(key);
        [(); 2].map(|()| names.next().and_then(|name| self.lookup_nodes.get(name)))
    }
}
