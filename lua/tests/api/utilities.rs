//! Functions that only compute, and those on files, against what the original answered.
//!
//! A line of `observed/*.txt` is an expression in Lua and, after `  =>  `, what the original was seen to give for
//! it, written by `observed/show.lua`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lcnode_lua::{Allowed, Limits, Scripts};

use crate::answers::call;
use crate::host::{Memory, MemoryHost, settings};

const SHOW: &str = include_str!("observed/show.lua");

fn scripts(allowed: Allowed) -> Scripts {
    let mut settings = settings(SHOW);
    settings.allowed = allowed;
    settings.limits = Limits { time: Duration::from_secs(5), ..settings.limits };
    Scripts::load(Arc::new(MemoryHost(Arc::new(Memory::default()))), settings).unwrap()
}

fn with_files() -> Scripts {
    scripts(Allowed { files: true, processes: false })
}

/// What an expression gives.
fn shown(scripts: &Scripts, expression: &str) -> String {
    match call(scripts, "run", expression.as_bytes(), b"") {
        Some(shown) => String::from_utf8_lossy(&shown).into_owned(),
        None => "FAILED".to_owned(),
    }
}

fn check(observed: &str) {
    let scripts = with_files();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in observed.lines() {
        let (expression, expected) = line.split_once("  =>  ").expect("two parts");
        let given = shown(&scripts, expression);
        if given != expected {
            wrong.push(format!("{expression}\n  original: {expected}\n  here:     {given}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 10);
}

#[test]
fn packing_is_as_observed() {
    check(include_str!("observed/pack.txt"));
    check(include_str!("observed/unpack.txt"));
}

#[test]
fn text_functions_are_as_observed() {
    check(include_str!("observed/text.txt"));
}

#[test]
fn codecs_are_as_observed() {
    check(include_str!("observed/codec.txt"));
}

#[test]
fn hashes_and_bits_are_as_observed() {
    check(include_str!("observed/numbers.txt"));
}

#[test]
fn regular_expressions_are_as_observed() {
    check(include_str!("observed/regex.txt"));
}

#[test]
fn sets_are_as_observed() {
    check(include_str!("observed/sets.txt"));
}

#[test]
fn arguments_of_file_functions_are_as_observed() {
    check(include_str!("observed/files.txt"));
}
