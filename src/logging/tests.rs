use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::line::MAX_LINE;
use super::*;
use crate::system;

/// Logs into a file with `log` and gives its lines without their dates.
fn logged(verbosity: Verbosity, log: impl FnOnce(&Logging, &Path)) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let logging = Logging::open(&LogTarget::File(path.clone())).unwrap();
    tracing::subscriber::with_default(logging.subscriber(verbosity), || log(&logging, &path));
    lines(&path)
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| line.split_once('\t').unwrap().1.to_owned()).collect()
}

fn one_of_each(_: &Logging, _: &Path) {
    tracing::trace!("t");
    tracing::debug!("d");
    tracing::info!("i");
    tracing::warn!("w");
    tracing::error!("e");
    system!("s {}", 1);
}

#[test]
fn levels() {
    let shown = |verbosity| logged(verbosity, one_of_each).join(" ");
    assert_eq!(shown(Verbosity::Debug), "DEBUG\td INFO\ti WARN\tw ERROR\te SYSTEM\ts 1");
    assert_eq!(shown(Verbosity::Info), "INFO\ti WARN\tw ERROR\te SYSTEM\ts 1");
    assert_eq!(shown(Verbosity::Error), "ERROR\te SYSTEM\ts 1");
}

#[test]
fn fields_follow_the_message() {
    let lines = logged(Verbosity::Info, |_, _| {
        let error = io::Error::other("no such\nluck");
        tracing::info!(port = 5, name = "a", text = "a b", empty = "", %error, "hello {}", "there");
        tracing::info!(error = &error as &dyn std::error::Error);
        system!(pid = 7, "started");
    });
    let hello = r#"INFO	hello there port=5 name=a text="a b" empty="" error=no such\nluck"#;
    assert_eq!(lines, [hello, r"INFO	error=no such\nluck", "SYSTEM\tstarted pid=7"]);
}

#[test]
fn one_event_is_one_line() {
    let lines = logged(Verbosity::Info, |_, _| {
        tracing::info!("a\nb\r\tc\0d\x1b[31m\u{7f}\u{85}é");
    });
    assert_eq!(lines, [r"INFO	a\nb\r\tc\u{0}d\u{1b}[31m\u{7f}\u{85}é"]);
}

#[test]
fn long_lines_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let logging = Logging::open(&LogTarget::File(path.clone())).unwrap();
    for (message, least) in [
        ("x".repeat(9000), MAX_LINE - 8),
        ("é".repeat(9000), MAX_LINE - 9),
        ("\n".repeat(9000), MAX_LINE - 9),
    ] {
        fs::write(&path, "").unwrap();
        tracing::subscriber::with_default(logging.subscriber(Verbosity::Info), || {
            tracing::info!(more = 1, "{message}");
            tracing::info!("next");
        });
        let text = fs::read_to_string(&path).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        assert!((least..MAX_LINE).contains(&first.len()), "{}", first.len());
        assert!(!first.contains("more"));
        assert!(second.ends_with("\tnext\n"), "{second}");
    }
}

#[test]
fn dates() {
    for (hours, minutes, expected) in [
        (9, 0, "2026-11-22T16:55:45+09:00"),
        (0, 0, "2026-11-22T07:55:45Z"),
        (-3, -30, "2026-11-22T04:25:45-03:30"),
        (0, -30, "2026-11-22T07:25:45-00:30"),
    ] {
        let offset = Offset::from_seconds(hours * 3600 + minutes * 60).unwrap();
        let now = Timestamp::from_second(1_795_334_145).unwrap().to_zoned(TimeZone::fixed(offset));
        let mut date = String::new();
        line::write_date(&mut date, &now).unwrap();
        assert_eq!(date, expected);
    }
}

#[test]
fn rotation_loses_no_line() {
    const EACH: usize = 2000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let logging = Logging::open(&LogTarget::File(path.clone())).unwrap();
    let subscriber = Arc::new(logging.subscriber(Verbosity::Info));
    let rotated = |n: usize| directory.path().join(format!("log.{n}"));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let subscriber = Arc::clone(&subscriber);
            scope.spawn(move || {
                tracing::subscriber::with_default(subscriber, || {
                    for n in 0..EACH {
                        tracing::info!(thread, "line {n}");
                    }
                });
            });
        }
        for n in 0..20 {
            fs::rename(&path, rotated(n)).unwrap();
            logging.reopen().unwrap();
            std::thread::yield_now();
        }
    });
    let mut all = lines(&path);
    (0..20).for_each(|n| all.extend(lines(&rotated(n))));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 3 * EACH);
}

#[test]
fn a_file_that_cannot_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing/log");
    let error = Logging::open(&LogTarget::File(path.clone())).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");

    // Rotation into a directory that is gone: the old file goes on.
    fs::create_dir(path.parent().unwrap()).unwrap();
    let logging = Logging::open(&LogTarget::File(path.clone())).unwrap();
    fs::rename(path.parent().unwrap(), directory.path().join("moved")).unwrap();
    logging.reopen().unwrap_err();
    tracing::subscriber::with_default(logging.subscriber(Verbosity::Info), || tracing::info!("still here"));
    assert_eq!(lines(&directory.path().join("moved/log")), ["INFO\tstill here"]);
}
