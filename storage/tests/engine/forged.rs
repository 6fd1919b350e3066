//! Checkpoints with valid CRCs that say what is not so: CRCs can be had by anybody who writes files.

use std::fs;
use std::path::Path;

use lcnode_storage::Store;
use lcnode_storage::examine::{Weight, inspect};

use crate::examine::Scene;
use crate::scene::{self, patch, small_segments};

const SEGMENT: usize = 1 << 16;

/// Gives a checkpoint its CRCs again, unless its sizes are not what they were; says whether it did.
pub fn forge(file: &Path) -> bool {
    let mut bytes = fs::read(file).unwrap();
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let (size, base, overflow, overflow_base) =
        (word(&bytes, 48), word(&bytes, 56), word(&bytes, 64), word(&bytes, 72));
    let sizes = [size, base, overflow, overflow_base, word(&bytes, 104)];
    if sizes.iter().any(|&size| size > 1 << 12) || base.max(overflow_base) > 12 {
        return false;
    }
    let second = 4096 + (64 << base);
    let tail = second + (64 << overflow_base);
    if bytes.len() < tail || size > 1 << base || overflow > 1 << overflow_base {
        return false;
    }
    let crcs: Vec<u8> = [&bytes[4096..4096 + size * 64], &bytes[second..second + overflow * 64]]
        .iter()
        .flat_map(|part| part.chunks(1 << 20))
        .flat_map(|block| crc32fast::hash(block).to_le_bytes())
        .collect();
    let at = tail + word(&bytes, 104) * 64;
    if bytes.len() != at + crcs.len() + word(&bytes, 136) {
        return false;
    }
    bytes[at..at + crcs.len()].copy_from_slice(&crcs);
    let tail_crc = u64::from(crc32fast::hash(&bytes[tail..])).to_le_bytes();
    bytes[112..120].copy_from_slice(&tail_crc);
    let crc = crc32fast::hash(&bytes[..4092]).to_le_bytes();
    bytes[4092..4096].copy_from_slice(&crc);
    fs::write(file, bytes).unwrap();
    true
}

#[test]
fn a_checkpoint_that_lies_is_found_out() {
    let scene = Scene::new(false);
    let file = scene.path.join("index/checkpoint");
    let before = fs::read(&file).unwrap();
    assert!(forge(&file));
    assert_eq!(fs::read(&file).unwrap(), before, "the test knows the format");
    let entry = (4096..).step_by(8).find(|&at| at % 64 < 56 && before[at..at + 8] != [0; 8]).unwrap();
    let lies: [(usize, u8, &str); 4] = [
        (entry, 0x04, "do not point at a whole record"),
        (entry + 6, 0x01, "do not point at a whole record"),
        (entry + 6, 0x02, "do not point at a whole record"),
        (88, 0x01, "it counts"),
    ];
    for (at, bits, part) in lies {
        eprintln!("{part}: {bits:#x} at {at}");
        patch(&file, at as u64, &[before[at] ^ bits]);
        assert!(forge(&file));
        scene.finds(Weight::Damage, &["index/checkpoint", part]);
        // A table to look things up in, or none; but an end.
        _ = inspect(&scene.path, &mut |_| ());
        fs::write(&file, &before).unwrap();
    }
}

/// A table that would hang look-ups, or grow for ever, is not used.
#[test]
fn a_checkpoint_that_would_hang_a_start_is_not_used() {
    let scene = Scene::new(false);
    let file = scene.path.join("index/checkpoint");
    let before = fs::read(&file).unwrap();
    let link = |index: usize| 4096 + index * 64 + 56;
    let next = |index: &usize| before[link(*index)];
    let chained: Vec<usize> = (0..64).filter(|index| next(index) > 0).take(2).collect();
    let ring = 4096 + (64 << before[56]) + next(&chained[0]) as usize * 64 + 56;
    let list = 4096 + (64 << before[56]) as usize + (64 << before[72]);
    // Where, and the byte there.
    let lies = [
        (link(5) + 4, before[link(5) + 4] ^ 0x10),
        (link(5) + 5, 1),
        (86, 1),
        (link(5), 0xff),
        (ring, next(&chained[0])),
        (link(chained[1]), next(&chained[0])),
        (list, 0xff),
    ];
    for lie in lies {
        patch(&file, lie.0 as u64, &[lie.1]);
        assert!(forge(&file), "{lie:?}");
        scene.finds(Weight::Mended, &["index/checkpoint"]);
        let copy = scene.folder.path().join("copy.tch");
        scene::copy_files(&scene.path, &copy);
        assert_eq!(inspect(&copy, &mut |_| ()).unwrap().records, scene.model.len() as u64);
        let store = Store::open(small_segments(&copy, SEGMENT)).unwrap();
        scene::check(&store, &scene.model, &format!("{lie:?}"));
        drop(store);
        fs::remove_dir_all(copy).unwrap();
        fs::write(&file, &before).unwrap();
    }
}
