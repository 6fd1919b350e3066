//! The ring against the published placement: vectors, and an independent way of computing it.

// Tests may fail loudly.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use lightcloud::ring::{MAX_NODES, Ring, RingError};
use md5::{Digest, Md5};

fn ring(kind: &str, nodes: usize) -> Ring {
    Ring::new((1..=nodes).map(|number| format!("{kind}{number}_A"))).unwrap()
}

/// The order of nodes for a key as digits.
fn order(ring: &Ring, key: &str) -> String {
    ring.nodes(key.as_bytes())
        .map(|name| name.trim_start_matches(char::is_alphabetic).chars().next().unwrap())
        .collect()
}

/// Key, its hash, its node of two storage nodes, its order on three and on four, and on three lookup nodes.
const VECTORS: [(&str, u32, &str, &str, &str, &str); 29] = [
    ("", 3649838548, "2", "231", "2431", "132"),
    ("a", 3111502092, "2", "321", "4321", "231"),
    ("b", 4267699090, "2", "231", "4231", "312"),
    ("A", 1885521279, "1", "312", "4312", "321"),
    ("0", 2216742351, "2", "213", "4213", "231"),
    ("1", 943901380, "2", "213", "4213", "312"),
    ("hello", 708854109, "2", "213", "2143", "231"),
    ("world", 925923709, "2", "213", "2413", "231"),
    ("foo", 3675831724, "2", "231", "4231", "321"),
    ("bar", 421377335, "1", "132", "4132", "231"),
    ("key0", 4060279841, "2", "231", "2314", "123"),
    ("key1", 2497097154, "1", "312", "3142", "132"),
    ("key2", 2854615160, "2", "213", "2413", "321"),
    ("key100", 2194529328, "2", "213", "4213", "231"),
    ("user:1", 282964413, "2", "321", "3214", "312"),
    ("user:2", 3264788475, "2", "321", "4321", "231"),
    ("user:1000", 781738503, "1", "132", "1342", "132"),
    ("ll_hello", 83663521, "1", "123", "4123", "132"),
    ("ll_my_fixed_list", 1769849950, "2", "321", "3214", "321"),
    ("last_id", 2228538224, "2", "213", "2134", "231"),
    ("http://example.com/", 1461174182, "2", "321", "3241", "231"),
    ("~", 387937868, "1", "123", "1234", "123"),
    ("|", 3157563577, "2", "231", "4231", "123"),
    ("5|ll_x", 4068424942, "2", "231", "2314", "123"),
    ("The quick brown fox", 927924386, "2", "213", "2413", "231"),
    ("é", 2546851174, "2", "321", "3421", "132"),
    ("日本", 3872570957, "2", "213", "4213", "132"),
    ("llo", 1943691888, "2", "321", "3421", "321"),
    ("counter", 1001876360, "2", "321", "3241", "213"),
];

#[test]
fn keys_are_where_the_published_ring_has_them() {
    let storage = [2, 3, 4].map(|nodes| ring("storage", nodes));
    let lookup = ring("lookup", 3);
    let long = "x".repeat(100);
    let all = VECTORS.into_iter().chain([(&long[..], 3965965742, "1", "123", "4123", "123")]);
    for (key, hash, of_two, of_three, of_four, of_lookup) in all {
        assert_eq!(Ring::hash(key.as_bytes()), hash, "{key}");
        assert_eq!(&order(&storage[0], key)[..1], of_two, "{key}");
        assert_eq!(order(&storage[1], key), of_three, "{key}");
        assert_eq!(order(&storage[2], key), of_four, "{key}");
        assert_eq!(order(&lookup, key), of_lookup, "{key}");
    }
    assert_eq!((Ring::hash(b"w896"), storage[1].node(b"w896")), (4293247595, "storage3_A"), "past the end");
}

#[test]
fn weights() {
    let shares = |weight| {
        let nodes = [("storage1_A", weight), ("storage2_A", 1), ("storage3_A", 1)];
        Ring::weighted(nodes).unwrap().points()
    };
    assert_eq!((shares(1), shares(2), shares(3)), (360, 180 + 90 + 90, 216 + 72 + 72));
}

/// The published algorithm in its plainest form: a map from places to names.
fn plainly(nodes: &[(String, u32)], key: &[u8]) -> Vec<String> {
    let word = |bytes: &[u8], at: usize| {
        (0..4).fold(0_u64, |word, byte| word | u64::from(bytes[at + byte]) << (8 * byte))
    };
    let sum: u32 = nodes.iter().map(|node| node.1).sum();
    let mut places = BTreeMap::new();
    for (name, weight) in nodes {
        let digests = (f64::from(40 * nodes.len() as u32 * weight) / f64::from(sum)).floor() as u32;
        for number in 0..digests {
            let digest = Md5::digest(format!("{name}-{number}").as_bytes());
            for part in 0..3 {
                places.insert(word(&digest, 4 * part), name.clone());
            }
        }
    }
    let hash = word(&Md5::digest(key), 0);
    let mut order = Vec::new();
    for (_, name) in places.range(hash + 1..).chain(places.range(..=hash)) {
        if !order.contains(name) {
            order.push(name.clone());
        }
    }
    order
}

#[test]
fn random_rings_are_as_published() {
    let seed = std::env::var("LCNODE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    eprintln!("LCNODE_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..200 {
        let count = rng.usize(1..12);
        let is_weighted = rng.bool();
        let node = |number: usize, rng: &mut fastrand::Rng| {
            let name: String = (0..rng.usize(..8)).map(|_| rng.alphanumeric()).collect();
            (format!("{name}{number}"), if is_weighted { rng.u32(1..6) } else { 1 })
        };
        let nodes: Vec<(String, u32)> = (0..count).map(|number| node(number, &mut rng)).collect();
        let ring = Ring::weighted(nodes.clone()).unwrap();
        for _ in 0..20 {
            let key: Vec<u8> = (0..rng.usize(..20)).map(|_| rng.u8(..)).collect();
            let order: Vec<String> = ring.nodes(&key).map(str::to_owned).collect();
            assert_eq!(order, plainly(&nodes, &key), "{nodes:?} {key:?}");
            assert_eq!(ring.node(&key), order[0]);
        }
    }
}

#[test]
fn what_is_no_ring_is_refused() {
    assert_eq!(Ring::new(Vec::<String>::new()), Err(RingError::Empty));
    assert_eq!(Ring::new(["a", "b", "a"]), Err(RingError::Duplicate("a".to_owned())));
    let weight = |weight| Ring::weighted([("a", weight)]).map(|ring| ring.points());
    assert_eq!(weight(0), Err(RingError::Weight { name: "a".to_owned(), weight: 0 }));
    assert_eq!(weight(1000), Ok(120));
    assert!(weight(1001).is_err());
    assert_eq!(Ring::new((0..=MAX_NODES).map(|number| number.to_string())), Err(RingError::TooMany));
}
