//! The same for programs that are not asynchronous.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lightcloud::blocking::LightCloud;
//! use lightcloud::{Config, NodeConfig, Role};
//!
//! let nodes = vec![
//!     NodeConfig::new("lookup1_A", Role::Lookup, ["localhost:41201".parse()?]),
//!     NodeConfig::new("storage1_A", Role::Storage, ["localhost:44201".parse()?]),
//! ];
//! let cloud = LightCloud::new(Config { nodes, ..Config::default() })?;
//! cloud.set(b"hello", b"world")?;
//! assert_eq!(cloud.get(b"hello")?.as_deref(), Some(&b"world"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! Connections are looked after by one thread in the background; calls of any number of threads are carried out at the
//! same time. Inside an asynchronous runtime, which a blocking call would hold up, each call is an
//! [`Error::InsideRuntime`]. Keys are moved by the asynchronous client alone.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::config::Config;
use crate::error::Error;
use crate::system::{Location, Scan};

/// A cluster, as [`crate::LightCloud`]. Clones share everything.
#[derive(Debug, Clone)]
pub struct LightCloud {
    cloud: crate::LightCloud,
    default: System,
}

/// One pair of rings, as [`crate::System`]. Clones share everything.
#[derive(Debug, Clone)]
pub struct System {
    system: crate::System,
    background: Arc<Background>,
}

/// A walk over all records of a system, as [`crate::Scan`]. Nothing follows an error.
#[derive(Debug)]
pub struct Records {
    /// None once the walk has ended.
    scan: Option<Scan>,
    page: std::vec::IntoIter<(Bytes, Bytes)>,
    background: Arc<Background>,
}

/// The runtime that connections live in.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Background {
    fn start() -> Result<Self, Error> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("lightcloud").enable_all().build();
        Ok(Self(Some(runtime.map_err(Error::Runtime)?)))
    }

    fn run<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if Handle::try_current().is_ok() {
            return Err(Error::InsideRuntime);
        }
        match &self.0 {
            Some(runtime) => runtime.block_on(call),
            None => Err(Error::InsideRuntime),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Not by waiting, which is forbidden inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl LightCloud {
    /// As [`crate::LightCloud::new`].
    pub fn new(config: Config) -> Result<Self, Error> {
        let background = Arc::new(Background::start()?);
        let cloud = crate::LightCloud::new(config)?;
        let default = System { system: (*cloud).clone(), background };
        Ok(Self { cloud, default })
    }

    /// As [`crate::LightCloud::reconfigure`].
    pub fn reconfigure(&self, config: Config) -> Result<(), Error> {
        self.cloud.reconfigure(config)
    }

    /// As [`crate::LightCloud::system`].
    pub fn system(&self, name: &str) -> Result<System, Error> {
        let background = Arc::clone(&self.default.background);
        Ok(System { system: self.cloud.system(name)?, background })
    }
}

impl Deref for LightCloud {
    type Target = System;

    fn deref(&self) -> &System {
        &self.default
    }
}

/// Operations that wait for those of the asynchronous system.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $output:ty;)*) => {
        impl System {
            $($(#[$doc])*
            pub fn $name(&self, $($arg: $type),*) -> Result<$output, Error> {
                self.background.run(self.system.$name($($arg),*))
            })*
        }
    };
}

operations! {
    /// As [`crate::System::get`].
    get(key: &[u8]) -> Option<Bytes>;
    /// As [`crate::System::set`].
    set(key: &[u8], value: &[u8]) -> ();
    /// As [`crate::System::delete`].
    delete(key: &[u8]) -> bool;
    /// As [`crate::System::incr`].
    incr(key: &[u8], delta: i64) -> i64;
    /// As [`crate::System::list_init`].
    list_init(key: &[u8]) -> ();
    /// As [`crate::System::list_add`].
    list_add(key: &[u8], items: &[&[u8]], limit: Option<usize>) -> ();
    /// As [`crate::System::list_remove`].
    list_remove(key: &[u8], items: &[&[u8]]) -> ();
    /// As [`crate::System::list_set`].
    list_set(key: &[u8], items: &[&[u8]]) -> ();
    /// As [`crate::System::list_get`].
    list_get(key: &[u8]) -> Vec<Bytes>;
    /// As [`crate::System::list_is_created`].
    list_is_created(key: &[u8]) -> bool;
    /// As [`crate::System::list_varnish`].
    list_varnish(key: &[u8]) -> bool;
    /// As [`crate::System::get_many`].
    get_many(keys: &[impl AsRef<[u8]>]) -> Vec<Option<Bytes>>;
    /// As [`crate::System::set_many`].
    set_many(records: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> ();
    /// As [`crate::System::delete_many`].
    delete_many(keys: &[impl AsRef<[u8]>]) -> Vec<bool>;
    /// As [`crate::System::locate`].
    locate(key: &[u8]) -> Location;
}

impl System {
    /// As [`crate::System::name`].
    pub fn name(&self) -> &str {
        self.system.name()
    }

    /// As [`crate::System::storage_nodes`].
    pub fn storage_nodes(&self) -> Vec<String> {
        self.system.storage_nodes()
    }

    /// A walk over all keys and values, as [`crate::System::scan`].
    pub fn records(&self) -> Records {
        let background = Arc::clone(&self.background);
        Records { scan: Some(self.system.scan()), page: Vec::new().into_iter(), background }
    }
}

impl Iterator for Records {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.page.next() {
                return Some(Ok(record));
            }
            match self.background.run(self.scan.as_mut()?.next_page()) {
                Ok(Some(page)) => self.page = page.into_iter(),
                Ok(None) => self.scan = None,
                Err(error) => {
                    self.scan = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NodeConfig, Role};
    use crate::node::NodeErrorKind;

    /// A cluster whose servers are not there.
    fn nowhere() -> LightCloud {
        let node = |name, role| {
            NodeConfig::new(name, role, [crate::Address::Unix(format!("/nonexistent/{name}").into())])
        };
        let nodes = vec![node("lookup1_A", Role::Lookup), node("storage1_A", Role::Storage)];
        LightCloud::new(Config { nodes, ..Config::default() }).unwrap()
    }

    #[test]
    fn calls_come_back_with_what_became_of_them() {
        let cloud = nowhere();
        let error = cloud.get(b"key").unwrap_err();
        assert!(
            matches!(&error, Error::Node(error) if matches!(error.kind, NodeErrorKind::Server(_))),
            "{error}"
        );
        let mut records = cloud.records();
        assert!(records.next().unwrap().is_err());
        assert!(records.next().is_none());
        assert!(cloud.system("other").is_err());
        assert_eq!(cloud.storage_nodes(), ["storage1_A"]);
    }

    #[test]
    fn inside_a_runtime_it_is_an_error_and_no_panic() {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let cloud = nowhere();
            assert!(matches!(cloud.get(b"key"), Err(Error::InsideRuntime)));
            assert!(matches!(cloud.records().next(), Some(Err(Error::InsideRuntime))));
            drop(cloud);
        });
    }
}
