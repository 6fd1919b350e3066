use std::os::unix::fs::symlink;

use super::*;
use crate::meter::Unlimited;

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A directory with these below it; a name that ends in a slash is a directory.
fn directory(names: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        let at = directory.path().join(name);
        match name.ends_with('/') {
            true => std::fs::create_dir_all(at).unwrap(),
            false => std::fs::write(at, "abc").unwrap(),
        }
    }
    directory
}

#[test]
fn patterns_find_what_was_observed() {
    let names = ["b/c/", "b/d/", "x/", "A/c/", "ab/", "a[b/", "a\\b/", ".hid/", "]", "^", "x!", "file"];
    let directory = directory(&names);
    symlink("/nowhere", directory.path().join("link")).unwrap();
    symlink("b", directory.path().join("y")).unwrap();
    let root = bytes(directory.path());
    for (pattern, expected) in [
        ("*", "A ] ^ a[b a\\b ab b file link x x! y"),
        ("a*", "a[b a\\b ab"),
        ("?", "A ] ^ b x y"),
        ("[ab]", "b"),
        ("[!a]", "A ] ^ b x y"),
        ("[^a]", "A ] ^ b x y"),
        ("[a-z]*", "a[b a\\b ab b file link x x! y"),
        ("{a,b}", ""),
        (".*", ". .. .hid"),
        ("*/", "A/ a[b/ a\\b/ ab/ b/ x/ y/"),
        ("*/*", "A/c b/c b/d y/c y/d"),
        ("*/c", "A/c b/c y/c"),
        ("**/c", "A/c b/c y/c"),
        ("b", "b"),
        ("b/", "b/"),
        ("b//", "b/"),
        ("b//*", "b//c b//d"),
        ("*/../[b]", "A/../b a[b/../b a\\b/../b ab/../b b/../b x/../b"),
        ("./b/../b", "./b/../b"),
        ("nothere", ""),
        ("nothere*", ""),
        ("nothere/*", ""),
        ("link", "link"),
        ("li*", "link"),
        ("link/*", ""),
        ("fi*/", ""),
        ("fi*/x", ""),
        ("a\\[b", "a[b"),
        ("a[[]b", "a[b"),
        ("a[b", "a[b"),
        ("a[", ""),
        ("[", ""),
        ("a\\\\b", "a\\b"),
        ("*\\b", "a[b a\\b ab b"),
        ("*\\", ""),
        ("a*\0x", "a[b a\\b ab"),
        ("[[:alpha:]]", "A b x y"),
        ("[[:upper:]]", "A"),
        ("[[:upper:]b]", "A b"),
        ("[[:no:]]", ""),
        ("[]]", "]"),
        ("[!]b]", "A ^ x y"),
        ("[]a^]", "] ^"),
        ("[\\]]", "]"),
        ("[[.].]]", "]"),
        ("x[a!]", "x!"),
        ("[z-a]", ""),
        ("[a-]*", "a[b a\\b ab"),
        ("[.]hid", ""),
        ("?hid", ""),
        (".[a-z]id", ".hid"),
        ("[b/c]", ""),
        ("*x*!*", "x!"),
        ("*a*b*", "a[b a\\b ab"),
    ] {
        let mut found = glob(&[root.as_slice(), b"/", pattern.as_bytes()].concat(), &Unlimited).unwrap();
        found.sort();
        let prefix = root.len() + 1;
        let names: Vec<_> = found.iter().map(|path| String::from_utf8_lossy(&path[prefix..])).collect();
        // Of a link to a directory that is in it, the parent is the same.
        let names: Vec<_> =
            names.iter().filter(|name| !name.starts_with("y/..")).map(|name| &**name).collect();
        assert_eq!(names.join(" "), expected, "{pattern}");
    }
    assert!(glob(b"", &Unlimited).unwrap().is_empty());
    assert_eq!(glob(b"/", &Unlimited).unwrap(), [b"/"]);
    assert!(glob(b"~root", &Unlimited).unwrap().is_empty());
    // Below the current directory.
    assert!(glob(b"Cargo.t*", &Unlimited).unwrap().contains(&b"Cargo.toml".to_vec()));
    assert!(glob(b"./Cargo.t*", &Unlimited).unwrap().contains(&b"./Cargo.toml".to_vec()));
}

#[test]
fn long_patterns_end() {
    let directory = directory(&["a/"]);
    let root = bytes(directory.path());
    let up = [root.clone(), b"/*/..".repeat(5000)].concat();
    assert!(glob(&up, &Unlimited).unwrap().is_empty(), "no path is that long");
    let stars = [root.clone(), b"/".to_vec(), b"*".repeat(100_000), b"b".to_vec()].concat();
    assert!(glob(&stars, &Unlimited).unwrap().is_empty());
    assert!(glob(&[root, b"/a".repeat(100_000)].concat(), &Unlimited).unwrap().is_empty());
}

#[test]
fn a_stat_has_what_was_observed() {
    let directory = directory(&["dir/", "file"]);
    let root = directory.path().canonicalize().unwrap();
    symlink("/nowhere", root.join("dangling")).unwrap();
    symlink("file", root.join("link")).unwrap();
    let of = |name: &str| stat(&bytes(&root.join(name)));
    let flags = |name: &str| of(name).unwrap().flags.map(|(_, is)| is);
    let number = |name: &str, number: &str| {
        of(name).unwrap().numbers.iter().find(|(name, _)| *name == number).unwrap().1
    };
    assert_eq!(flags("file"), [true, false, true, true, false]);
    assert_eq!(flags("dir"), [false, true, true, true, true]);
    assert_eq!(flags("link"), [false, false, true, true, true]);
    assert_eq!(flags("dangling"), [false, false, true, true, true]);
    assert_eq!(of("link").unwrap().real_path, bytes(&root.join("file")));
    assert_eq!(of("dangling").unwrap().real_path, bytes(&root.join("dangling")));
    assert_eq!(of("dir/../file").unwrap().real_path, bytes(&root.join("file")));
    assert_eq!(number("file", "size"), 3.0);
    assert_eq!(number("dangling", "size"), 8.0);
    assert_eq!(number("file", "nlink"), 1.0);
    assert_eq!(number("file", "mode") as u32 & 0o170_000, 0o100_000);
    assert_eq!(number("link", "mode") as u32, 0o120_777);
    assert!(number("file", "mtime") > 1.6e9);
    assert_eq!(stat(b""), None);
    assert_eq!(of("nothere"), None);
    assert_eq!(of("file/"), None);
    assert!(of("file\0x").is_some());
}

#[test]
fn directories_are_made_and_removed_as_observed() {
    let directory = directory(&["tree/a/b/", "tree/a/x", "tree/.h", "kept/", "kept/file"]);
    let at = |name: &str| bytes(&directory.path().join(name));
    let exists = |name: &str| stat(&at(name)).is_some();
    assert!(make_directory(&at("new")));
    assert!(!make_directory(&at("new")));
    assert!(make_directory(&at("slash/")));
    assert!(!make_directory(&at("no/deeper")));
    assert!(!make_directory(b""));
    assert!(make_directory(&at("cut\0off")) && exists("cut"));

    let removed = |name: &str| remove(&at(name), &Unlimited).unwrap();
    symlink(directory.path().join("kept"), directory.path().join("tree/a/link")).unwrap();
    symlink(directory.path().join("kept"), directory.path().join("link")).unwrap();
    assert!(removed("tree") && !exists("tree"));
    assert!(removed("link") && exists("kept/file"));
    assert!(!removed("kept/file/") && exists("kept/file"));
    assert!(!removed("nothere"));
    assert!(!remove(b"", &Unlimited).unwrap());
    assert!(removed("new/\0x") && !exists("new"));
    assert!(removed("kept") && !exists("kept"));
}
