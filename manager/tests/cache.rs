//! The cache of the client, in front of real nodes.

use std::time::Duration;

use lightcloud::{CacheConfig, Config, Kind, LightCloud};

use crate::redis::servers::{Place, config, until};

const LIMIT: Duration = Duration::from_secs(30);

/// Two clients of the same nodes, the first with a cache.
fn clients(config: &Config, time_to_live: Duration) -> (LightCloud, LightCloud) {
    let cache = Some(CacheConfig { entries: 1000, time_to_live });
    let cached = LightCloud::new(Config { cache, ..config.clone() }).unwrap();
    (cached, LightCloud::new(config.clone()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_not_asked_for_and_own_changes_are_seen() {
    let mut place = Place::new();
    let (lookup, storage) = (place.lcnode(), place.lcnode());
    let mut config = config(Kind::Tyrant, &[&lookup], &[&storage]);
    config.server.connect_timeout = Duration::from_millis(500);
    let (cached, other) = clients(&config, Duration::from_secs(3600));

    other.set_many(&[("a", "1"), ("b", "2"), ("c", "3")]).await.unwrap();
    assert_eq!(cached.get(b"a").await.unwrap().unwrap(), "1");
    cached.set(b"d", b"4").await.unwrap();
    cached.list_add(b"list", &[b"x"], None).await.unwrap();
    assert_eq!(cached.list_get(b"list").await.unwrap(), ["x"]);
    assert_eq!(cached.get(b"missing").await.unwrap(), None);

    // What others change is not seen as long as an entry lives; a key that was missing is asked for.
    other.set_many(&[("a", "new"), ("d", "new"), ("missing", "new")]).await.unwrap();
    let values = cached.get_many(&["a", "b", "d", "missing", "nothing"]).await.unwrap();
    let values: Vec<_> = values.iter().map(|value| value.as_deref()).collect();
    let expected = [Some("1"), Some("2"), Some("4"), Some("new"), None];
    assert_eq!(values, expected.map(|value| value.map(str::as_bytes)));

    // Each of one's own changes is.
    assert_eq!(cached.incr(b"b", 40).await.unwrap(), 42);
    assert_eq!(cached.get(b"b").await.unwrap().unwrap(), "42");
    cached.list_add(b"list", &[b"y"], None).await.unwrap();
    assert_eq!(cached.list_get(b"list").await.unwrap(), ["x", "y"]);
    cached.list_remove(b"list", &[b"x"]).await.unwrap();
    assert_eq!(cached.list_get(b"list").await.unwrap(), ["y"]);
    assert!(cached.delete(b"a").await.unwrap());
    assert_eq!(cached.get(b"a").await.unwrap(), None);
    assert_eq!(cached.delete_many(&["d"]).await.unwrap(), [true]);
    assert_eq!(cached.get_many(&["d"]).await.unwrap(), [None]);
    cached.set_many(&[("e", "5")]).await.unwrap();

    // Nobody is asked: there is nobody.
    drop((lookup, storage));
    assert_eq!(cached.get(b"b").await.unwrap().unwrap(), "42");
    assert_eq!(cached.get(b"e").await.unwrap().unwrap(), "5");
    assert_eq!(cached.list_get(b"list").await.unwrap(), ["y"]);
    assert!(cached.get(b"missing too").await.is_err());
    // A write that failed is not read back.
    cached.set(b"e", b"6").await.unwrap_err();
    assert!(cached.get(b"e").await.is_err());
    assert_eq!(cached.get(b"b").await.unwrap().unwrap(), "42");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_give_way_to_what_others_have_written() {
    let mut place = Place::new();
    let (lookup, storage) = (place.lcnode(), place.lcnode());
    let (cached, other) = clients(&config(Kind::Tyrant, &[&lookup], &[&storage]), Duration::from_millis(100));
    cached.set(b"key", b"old").await.unwrap();
    other.set(b"key", b"new").await.unwrap();
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        until(LIMIT, || runtime.block_on(cached.get(b"key")).unwrap().unwrap() == "new");
    })
    .await
    .unwrap();
}
