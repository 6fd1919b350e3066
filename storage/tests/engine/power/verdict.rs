//! Opens what a power loss left, and holds it against what was promised.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use lcnode_storage::{Store, SyncMode};

use crate::power::disk::Image;
use crate::power::history::{History, fingerprint};
use crate::power::tape::Tape;
use crate::power::work::{keys, options};
use crate::random::Random;
use crate::scene::{self, Model};

/// Bytes of a record beside key and value, without and with a long key.
const HEADER: usize = 20;
const LONG_KEY: usize = 4;

/// Opens an image, which must be as after one of these moments; returns which. Then it is written to,
/// closed and opened again.
pub fn check(
    image: &Image,
    history: &History,
    moments: RangeInclusive<usize>,
    random: &mut Random,
) -> Result<usize, String> {
    let tape = Tape::silent(image);
    let store = open(&tape)?;
    let mut model = contents(&store)?;
    let Some(moment) = history.find(&model, moments.clone()) else {
        let earlier = history.find(&model, 0..=history.len());
        return Err(format!(
            "{} records are as at none of the moments {moments:?}, but at {earlier:?}",
            model.len()
        ));
    };
    check_live(&store, &model)?;
    for _ in 0..3 {
        let key = format!("key:{}", 2 + random.below(20)).into_bytes();
        if random.below(4) == 0 {
            store.delete(&key).map_err(|error| format!("a delete afterwards: {error}"))?;
            model.remove(&key);
        } else {
            let len = random.below(2_000);
            let value = random.bytes(len);
            store.put(&key, &value).map_err(|error| format!("a put afterwards: {error}"))?;
            model.insert(key, value);
        }
    }
    if random.below(8) == 0 {
        store.optimize().map_err(|error| format!("optimize afterwards: {error}"))?;
    }
    store.close().map_err(|error| format!("the close afterwards: {error}"))?;
    let again = open(&tape)?;
    let found = contents(&again)?;
    if fingerprint(&found) != fingerprint(&model) {
        return Err(format!("{} records after a clean reopen, not {}", found.len(), model.len()));
    }
    check_live(&again, &model)?;
    Ok(moment)
}

pub fn open(tape: &Arc<Tape>) -> Result<Store, String> {
    Store::on(tape.clone(), options(SyncMode::Never), None)
        .map_err(|error| format!("it does not open: {error}"))
}

/// All records, by a walk over the keys; a get of every key that can be there must say the same.
pub fn contents(store: &Store) -> Result<Model, String> {
    let get = |key: &[u8]| store.get(key, <[u8]>::to_vec).map_err(|error| format!("a get: {error}"));
    let mut model = Model::new();
    for key in scene::keys(store) {
        let value = get(&key)?.ok_or_else(|| format!("the walk gives {key:?}, which is not there"))?;
        if model.insert(key.clone(), value).is_some() {
            return Err(format!("the walk gives {key:?} twice"));
        }
    }
    for key in keys() {
        if get(&key)?.is_some() != model.contains_key(&key) {
            return Err(format!("{key:?} is there and the walk does not give it"));
        }
    }
    match store.records() == model.len() as u64 {
        true => Ok(model),
        false => Err(format!("{} records are counted, {} are there", store.records(), model.len())),
    }
}

/// Live bytes are those of the records and of the tombstones.
fn check_live(store: &Store, model: &Model) -> Result<(), String> {
    let long = |key: &Vec<u8>| if key.len() < 255 { 0 } else { LONG_KEY };
    let len = |(key, value): (&Vec<u8>, &Vec<u8>)| HEADER + long(key) + key.len() + value.len();
    let records: usize = model.iter().map(len).sum();
    let mut figures = store.figures();
    // Compaction counts what it is just moving twice.
    for _ in 0..200 {
        figures = store.figures();
        let tombstones = figures.entries.saturating_sub(figures.records) as usize;
        let most = tombstones * (HEADER + LONG_KEY + 300);
        let live = figures.live_bytes as usize;
        let fits = (records + tombstones * HEADER..=records + most).contains(&live);
        if fits && figures.live_bytes <= figures.log_bytes {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("live bytes do not fit records of {records} bytes: {figures:?}"))
}
