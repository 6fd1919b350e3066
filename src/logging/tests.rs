use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::line::MAX_LINE;
use super::*;
use crate::system;

/// Logs into a file with `log` and gives its lines without their dates.
fn logged(levels: &Levels, log: impl FnOnce(&Logging, &Path)) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let (logging, subscriber) = open(&path, levels).unwrap();
    tracing::subscriber::with_default(subscriber, || log(&logging, &path));
    lines(&path)
}

fn open(path: &Path, levels: &Levels) -> Result<(Logging, impl Subscriber + use<>), LoggingError> {
    Logging::open(&LogTarget::File(path.to_owned()), LogForm::Text, levels)
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
    let shown = |levels: &str| logged(&levels.parse().unwrap(), one_of_each).join(" ");
    assert_eq!(shown("debug"), "DEBUG\td INFO\ti WARN\tw ERROR\te SYSTEM\ts 1");
    assert_eq!(shown("info"), "INFO\ti WARN\tw ERROR\te SYSTEM\ts 1");
    assert_eq!(shown("warn"), "WARN\tw ERROR\te SYSTEM\ts 1");
    assert_eq!(shown("error"), "ERROR\te SYSTEM\ts 1");
}

#[test]
fn levels_of_parts() {
    let lines = logged(&"error,replication=debug,server=warn".parse().unwrap(), |_, _| {
        tracing::debug!(target: "lcnode::replication::link", "shown");
        tracing::info!(target: "lcnode::server", "hidden");
        tracing::warn!(target: "lcnode::server::listener", "shown too");
        tracing::warn!(target: "lcnode_storage", "hidden");
        system!("always");
    });
    assert_eq!(lines, ["DEBUG\tshown", "WARN\tshown too", "SYSTEM\talways"]);
}

#[test]
fn levels_change_while_lines_are_logged() {
    let of_all = |text: &str| {
        tracing::debug!("debug {text}");
        tracing::info!("info {text}");
        tracing::warn!(target: "lcnode::scripts", "script {text}");
    };
    let lines = logged(&"info,scripts=error".parse().unwrap(), |logging, _| {
        of_all("1");
        logging.toggle_debug("a signal");
        assert_eq!(logging.levels(), Levels::DEBUG);
        of_all("2");
        assert_eq!(logging.set_levels("warn", "me"), Ok("warn".parse().unwrap()));
        of_all("3");
        logging.set_levels("scripts=loud", "me").unwrap_err();
        logging.toggle_debug("a signal");
        logging.clone().toggle_debug("a signal");
        assert_eq!(logging.levels().to_string(), "info,scripts=error");
        of_all("4");
    });
    let expected = [
        "INFO\tinfo 1",
        "SYSTEM\tlog level: debug from now on, info,scripts=error until now, changed by a signal",
        "DEBUG\tdebug 2",
        "INFO\tinfo 2",
        "WARN\tscript 2",
        "SYSTEM\tlog level: warn from now on, debug until now, changed by me",
        "WARN\tscript 3",
        "SYSTEM\tlog level: debug from now on, warn until now, changed by a signal",
        "SYSTEM\tlog level: info,scripts=error from now on, debug until now, changed by a signal",
        "INFO\tinfo 4",
    ];
    assert_eq!(lines, expected);
}

fn as_json(log: impl FnOnce()) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let (_logging, subscriber) =
        Logging::open(&LogTarget::File(path.clone()), LogForm::Json, &Levels::DEBUG).unwrap();
    tracing::subscriber::with_default(subscriber, log);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("}\n"));
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn json_has_members_of_their_own_types() {
    let lines = as_json(|| {
        let error = io::Error::other("no \"such\"\nluck");
        let nobody: Option<u8> = None;
        tracing::info!(target: "lcnode::server", port = 5u16, by = -3, ok = true, part = 0.5, %error, "hello {}", "there");
        tracing::error!(
            level = "mine",
            huge = u64::MAX,
            none = f64::NAN,
            ?nobody,
            cause = &error as &dyn std::error::Error
        );
        system!(pid = 7, "started");
    });
    let read = |line: &String| -> serde_json::Value { serde_json::from_str(line).unwrap() };
    let shape = |line: &String| line.split_once(r#"","level""#).unwrap().1.to_owned();
    assert_eq!(
        lines.iter().map(shape).collect::<Vec<_>>(),
        [
            r#":"INFO","target":"server","message":"hello there","port":5,"by":-3,"ok":true,"part":0.5,"error":"no \"such\"\nluck"}"#,
            r#":"ERROR","level_":"mine","huge":18446744073709551615,"none":null,"nobody":"None","cause":"no \"such\"\nluck"}"#,
            r#":"SYSTEM","message":"started","pid":7}"#,
        ]
    );
    for line in &lines {
        let time = read(line)["time"].as_str().unwrap().to_owned();
        assert_eq!(time.len(), "2026-11-22T16:55:45.123456Z".len(), "{time}");
        let age = Timestamp::now().duration_since(time.parse::<Timestamp>().unwrap());
        assert!((0..60).contains(&age.as_secs()), "{time}");
    }
}

#[test]
fn json_is_whole_whatever_is_in_it() {
    let foreign =
        String::from_utf8_lossy(b"\x00\x1b[31m\"\\\n\r\t\x7f \xc2\x9b \xff \xf0\x9f\x98\x80").into_owned();
    for times in [0, 1, 100, 300, 400, 9000] {
        let text = foreign.repeat(times);
        let lines = as_json(|| {
            tracing::info!(number = 1, text, "{text}");
            tracing::info!("next");
        });
        let line = &lines[0];
        assert!(line.len() < MAX_LINE && !line.contains(char::is_control), "{line}");
        let read: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let message = read["message"].as_str().unwrap();
        assert!(text.starts_with(message));
        let is_cut = read["cut"] == true;
        assert_eq!(is_cut, times >= 100, "{times}");
        if is_cut {
            assert!(line.len() > MAX_LINE - 400, "{}", line.len());
        } else {
            assert_eq!((message, &read["number"], &read["text"]), (&*text, &1.into(), &text.as_str().into()));
        }
        assert!(lines[1].ends_with(r#""message":"next"}"#));
    }
}

/// What a hidden line would say is not even put together.
#[test]
fn hidden_lines_cost_nothing() {
    let lines = logged(&Levels::ERROR, |logging, _| {
        let asked = std::cell::Cell::new(0);
        let say = || tracing::debug!("{}", asked.replace(asked.get() + 1));
        say();
        assert_eq!(asked.get(), 0);
        logging.toggle_debug("a signal");
        say();
        logging.toggle_debug("a signal");
        say();
        assert_eq!(asked.get(), 1);
    });
    assert_eq!(lines.len(), 3);
}

#[test]
fn fields_follow_the_message() {
    let lines = logged(&Levels::INFO, |_, _| {
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
    let lines = logged(&Levels::INFO, |_, _| {
        tracing::info!("a\nb\r\tc\0d\x1b[31m\u{7f}\u{85}é");
    });
    assert_eq!(lines, [r"INFO	a\nb\r\tc\u{0}d\u{1b}[31m\u{7f}\u{85}é"]);
}

#[test]
fn long_lines_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for (message, least) in [
        ("x".repeat(9000), MAX_LINE - 8),
        ("é".repeat(9000), MAX_LINE - 9),
        ("\n".repeat(9000), MAX_LINE - 9),
    ] {
        fs::write(&path, "").unwrap();
        tracing::subscriber::with_default(open(&path, &Levels::INFO).unwrap().1, || {
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
    let (logging, subscriber) = open(&path, &Levels::INFO).unwrap();
    let subscriber = Arc::new(subscriber);
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
    let error = open(&path, &Levels::INFO).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");

    // Rotation into a directory that is gone: the old file goes on.
    fs::create_dir(path.parent().unwrap()).unwrap();
    let (logging, subscriber) = open(&path, &Levels::INFO).unwrap();
    fs::rename(path.parent().unwrap(), directory.path().join("moved")).unwrap();
    logging.reopen().unwrap_err();
    tracing::subscriber::with_default(subscriber, || tracing::info!("still here"));
    assert_eq!(lines(&directory.path().join("moved/log")), ["INFO\tstill here"]);
}
