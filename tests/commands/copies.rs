//! copy: a database that another node can open, only below `--backup-dir`, while writers go on.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{HASH, MEMORY, Node, folder, on_both, wire};

#[test]
fn a_copy_is_opened_by_a_second_node() {
    for database in [HASH, MEMORY] {
        let folder = folder();
        fs::create_dir_all(folder.path().join("backups/sub")).unwrap();
        let node = Node::start(folder.path(), &["--backup-dir", "backups", database]);
        let mut client = node.client();
        for number in 0..1000 {
            assert!(client.put(format!("k{number}"), format!("{number}")));
        }
        assert!(client.out("k7"));
        assert!(client.succeeds(&wire::copy(b"one.tch")), "relative to the backup directory");
        assert!(client.put("later", "v") && client.put("k1", "changed"));
        let absolute = folder.path().join("backups/sub/two.tch");
        assert!(
            client.succeeds(&wire::copy(absolute.to_str().unwrap().as_bytes())),
            "absolute and inside it"
        );

        // The first is as of then, and is a database of its own from now on.
        let copied = Node::start(folder.path(), &["backups/one.tch"]);
        let mut reader = copied.client();
        assert_eq!((reader.rnum(), reader.get("later"), reader.get("k7")), (999, None, None), "{database}");
        for number in (0..1000).filter(|&number| number != 7) {
            assert_eq!(reader.text(format!("k{number}")), Some(format!("{number}")));
        }
        assert!(reader.put("k2", "of the copy"));
        assert_eq!(client.text("k2").as_deref(), Some("2"));
        copied.stop();
        let copied = Node::start(folder.path(), &["backups/one.tch"]);
        assert_eq!(copied.client().text("k2").as_deref(), Some("of the copy"));
        let second = Node::start(folder.path(), &["backups/sub/two.tch"]);
        assert_eq!(second.client().text("k1").as_deref(), Some("changed"));
        assert_eq!(second.client().rnum(), 1000);
    }
}

#[test]
fn refused_copies_leave_nothing() {
    let folder = folder();
    let inside = folder.path().join("backups");
    fs::create_dir_all(inside.join("existing.tch")).unwrap();
    fs::write(inside.join("file.tch"), "precious").unwrap();
    symlink(folder.path(), inside.join("out")).unwrap();
    symlink(folder.path().join("nowhere"), inside.join("dangling.tch")).unwrap();
    let backups = inside.to_str().unwrap();
    on_both(&["--backup-dir", backups], |node| {
        let mut client = node.client();
        assert!(client.put("k", "v"));
        let outside = folder.path().join("outside.tch");
        let marker = folder.path().join("marker");
        for path in [
            "",
            ".",
            "/",
            "..",
            "../outside.tch",
            "sub/../../outside.tch",
            outside.to_str().unwrap(),
            backups,
            "none/a.tch",
            "out/outside.tch",
            "existing.tch",
            "file.tch",
            "file.tch/below.tch",
            "dangling.tch",
            "a\0b.tch",
            "@true",
            &format!("@touch {}", marker.display()),
            "casket.tch",
        ] {
            // The node's own database is in its working directory, which is not the one for copies; there,
            // that name is free.
            let allowed = path == "casket.tch";
            assert_eq!(client.succeeds(&wire::copy(path.as_bytes())), allowed, "{path:?}");
        }
        fs::remove_dir_all(inside.join("casket.tch")).unwrap();
        assert!(!outside.exists() && !marker.exists());
        let mut left: Vec<_> =
            fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dangling.tch", "existing.tch", "file.tch", "out"]);
        assert_eq!(fs::read(inside.join("file.tch")).unwrap(), b"precious");
        assert_eq!(client.text("k").as_deref(), Some("v"));
    });
}

/// The original empties a database that is copied onto itself.
#[test]
fn a_database_is_not_copied_onto_itself() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--backup-dir", ".", HASH]);
    let mut client = node.client();
    assert!(client.put("k", "v"));
    let own = folder.path().join(HASH);
    for path in ["casket.tch", "./casket.tch", own.to_str().unwrap(), "casket.tch/", "casket.tch/log"] {
        assert!(!client.succeeds(&wire::copy(path.as_bytes())), "{path}");
    }
    assert_eq!(client.text("k").as_deref(), Some("v"));
    node.stop();
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
}

#[test]
fn without_a_backup_directory_there_are_no_copies() {
    on_both(&[], |node| {
        let folder = folder();
        let path = folder.path().join("a.tch");
        let mut client = node.client();
        assert!(!client.succeeds(&wire::copy(path.to_str().unwrap().as_bytes())));
        assert!(!client.succeeds(&wire::copy(b"a.tch")));
        assert!(!path.exists());
        assert!(node.log().contains("--backup-dir"), "the log says how");
    });
}

/// Each writer counts up one key after the other: in a copy of one instant, a key's number is at most
/// that of the key before it, and at most one less.
#[test]
fn a_copy_under_writers_is_of_one_instant() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--backup-dir", ".", HASH]);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for writer in 0..2 {
            let (node, done) = (&node, &done);
            threads.spawn(move || {
                let mut client = node.client();
                let mut round = 0u32;
                while !done.load(Ordering::Relaxed) {
                    for key in 0..10 {
                        assert!(client.put(format!("w{writer}k{key}"), round.to_be_bytes()));
                    }
                    round += 1;
                }
            });
        }
        let mut client = node.client();
        let mut copies = Vec::new();
        for number in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let name = format!("copy{number}.tch");
            copies.push((name.clone(), client.succeeds(&wire::copy(name.as_bytes()))));
        }
        done.store(true, Ordering::Relaxed);
        assert!(copies.iter().all(|(_, done)| *done), "{copies:?}");
        for (name, _) in copies {
            let copied = Node::start(folder.path(), &[&name]);
            let mut reader = copied.client();
            for writer in 0..2 {
                let rounds: Vec<i64> = (0..10)
                    .map(|key| match reader.get(format!("w{writer}k{key}")) {
                        Some(round) => i64::from(u32::from_be_bytes(round.try_into().unwrap())),
                        None => -1,
                    })
                    .collect();
                let (first, last) = (rounds[0], rounds[9]);
                assert!(
                    rounds.is_sorted_by(|a, b| a >= b) && first - last <= 1,
                    "{name}, writer {writer}: {rounds:?}"
                );
                assert!(last >= 0, "{name} is empty");
            }
        }
    });
}
