//! One database seen through all three protocols at once.

mod document;
mod history;
mod record;
mod speaker;

use std::thread;
use std::time::Instant;

use fastrand::Rng;

use crate::support::{HASH, MEMORY, Node, folder, number_from_env, rng};
use history::{Event, History};
use record::{Operation, Outcome};
use speaker::{Speaker, Tongue};

const CLIENTS: usize = 6;
/// Keys that all clients fight for in a round.
const KEYS: usize = 4;
/// Operations of a client in a round. Those on one key must be 128 at most, and are so but for odds nobody will see.
const OPERATIONS: usize = 36;

/// What happens on each key could have happened one after the other, each operation at some moment while its client
/// waited for it, whatever the protocols.
#[test]
fn operations_of_all_protocols_are_linearizable() {
    let mut rng = rng("operations_of_all_protocols_are_linearizable");
    for database in [HASH, MEMORY] {
        let folder = folder();
        let node = Node::start(folder.path(), &["-thnum", "2", "--segment-size", "64k", database]);
        for round in 0..number_from_env("LCNODE_ROUNDS").unwrap_or(3) * 20 {
            let histories = fight(&node, &mut rng, round);
            for (key, history) in histories {
                assert!(history.is_linearizable(), "round {round}, key {key}:\n{history}");
            }
        }
        node.stop();
    }
}

/// A round: every client over its own connection, on keys of its own round, in a protocol chosen anew for each operation.
fn fight(node: &Node, rng: &mut Rng, round: u64) -> Vec<(String, History)> {
    let seeds: Vec<u64> = (0..CLIENTS).map(|_| rng.u64(..)).collect();
    let start = Instant::now();
    let events: Vec<(usize, Event)> = thread::scope(|threads| {
        let clients: Vec<_> = seeds
            .iter()
            .enumerate()
            .map(|(client, &seed)| {
                threads.spawn(move || client_of(node, client, Rng::with_seed(seed), round, start))
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    (0..KEYS)
        .map(|key| {
            let of_key = events.iter().filter(|(number, _)| *number == key).map(|(_, event)| event.clone());
            (format!("{round}:{key}"), History::new(of_key.collect()))
        })
        .collect()
}

fn client_of(node: &Node, client: usize, mut rng: Rng, round: u64, start: Instant) -> Vec<(usize, Event)> {
    let mut speaker = Speaker::new(node.client());
    let mut events = Vec::new();
    for number in 0..OPERATIONS {
        let key = rng.usize(..KEYS);
        // The first half of the keys hold numbers.
        let is_number = key < KEYS / 2;
        let name = format!("{round}:{key}%+");
        let value = match is_number {
            true => rng.u32(..1000).to_string(),
            // No two are the same, so that a comparison of ids is one of values.
            false => format!("<{client}.{number}>"),
        };
        let mut event = |speaker: &mut Speaker, tongue, operation: Operation| {
            let from = start.elapsed();
            let outcome = speaker.perform(tongue, &name, &operation);
            let told = outcome.clone();
            events.push((key, Event { from, to: start.elapsed(), client, tongue, operation, outcome }));
            told
        };
        if !is_number && rng.u8(..10) == 0 {
            // Reading the id is a get, storing by it an operation of its own.
            if let Outcome::Found(Some((seen, _))) = event(&mut speaker, Tongue::Memcached, Operation::Gets) {
                event(&mut speaker, Tongue::Memcached, Operation::Swap { value, flags: rng.u32(..3), seen });
            }
            continue;
        }
        let operation = Operation::random(&mut rng, is_number, value);
        let tongue = *rng.choice(operation.tongues()).unwrap();
        event(&mut speaker, tongue, operation);
    }
    events
}

#[test]
fn an_id_is_good_until_any_protocol_changes_the_record() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let mut speaker = Speaker::new(node.client());
    for tongue in Tongue::ALL {
        for change in [
            Operation::Put { value: "other".to_owned(), flags: 0 },
            Operation::Put { value: "one".to_owned(), flags: 0 },
            Operation::Delete,
            Operation::Append { value: "+".to_owned(), creates: tongue != Tongue::Memcached },
        ] {
            let put = Operation::Put { value: "one".to_owned(), flags: 7 };
            assert_eq!(speaker.perform(Tongue::Memcached, "key", &put), Outcome::Done(true));
            let unique = speaker.unique("key").unwrap();
            assert_eq!(speaker.unique("key"), Some(unique), "reading changes nothing");
            assert_eq!(speaker.perform(tongue, "key", &change), Outcome::Done(true), "{tongue:?} {change:?}");
            assert!(!speaker.compare_and_set("key", "two", 0, unique), "{tongue:?} {change:?}");
        }
        let put = Operation::Put { value: "one".to_owned(), flags: 0 };
        assert_eq!(speaker.perform(tongue, "key", &put), Outcome::Done(true));
        let unique = speaker.unique("key").unwrap();
        assert!(speaker.compare_and_set("key", "two", 0, unique), "{tongue:?}");
        assert!(!speaker.compare_and_set("key", "three", 0, unique), "{tongue:?}");
    }
}
