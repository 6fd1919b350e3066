//! The log: its form, its levels, its file and the rotation by SIGHUP.

use std::fs;

use nix::sys::signal::Signal;

use crate::command_line::assert_refused;
use crate::support::{ANSWER, HASH, Launch, MEMORY, Node, eventually, folder, wire};

fn levels(log: &str) -> Vec<&str> {
    let mut levels: Vec<&str> = log.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

#[test]
fn lines_are_those_of_the_original() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-pid", "a.pid", "-ld", HASH]);
    node.client().put("k", "v");
    let pid = node.pid();
    node.stop();
    let log = fs::read_to_string(folder.path().join("node.log")).unwrap();
    for line in log.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), 3, "{line:?}");
        let (date, offset) = fields[0].split_at(19);
        let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "9999-99-99T99:99:99", "{line:?}");
        assert!(offset == "Z" || offset.len() == 6, "{line:?}");
        assert!(["DEBUG", "INFO", "WARN", "ERROR", "SYSTEM"].contains(&fields[1]), "{line:?}");
    }
    let mut rest = &*log;
    for part in [
        &format!("\tSYSTEM\t--------- logging started [{pid}] --------\n"),
        "\tSYSTEM\tprocess ID configuration: path=",
        "\tSYSTEM\tserver configuration: host=127.",
        "\tSYSTEM\tmaximum connection: ",
        "\tSYSTEM\topening the database: ",
        &format!("\tSYSTEM\tservice started: {pid}\n"),
        "\tSYSTEM\tlistening started\n",
        "\tINFO\tsignal interruption\n",
        "\tSYSTEM\tlistening finished\n",
        "\tSYSTEM\tclosing the database\n",
        "\tSYSTEM\tservice finished\n",
        &format!("\tSYSTEM\t--------- logging finished [{pid}] --------\n"),
    ] {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not in its place in {log}")).1;
    }
    assert_eq!(rest, "");
}

#[test]
fn levels_of_the_options() {
    for (options, shown) in [
        (&["-le"][..], &["SYSTEM"][..]),
        (&[], &["INFO", "SYSTEM"]),
        (&["-ld"], &["DEBUG", "INFO", "SYSTEM"]),
        (&["-ld", "-le"], &["SYSTEM"]),
        (&["-le", "-ld"], &["DEBUG", "INFO", "SYSTEM"]),
    ] {
        let folder = folder();
        let node = Node::start(folder.path(), &[options, &[HASH]].concat());
        node.client().ask(&wire::sync(), &[0]);
        node.stop();
        let log = fs::read_to_string(folder.path().join("node.log")).unwrap();
        assert_eq!(levels(&log), shown, "{options:?}: {log}");
    }
    // Errors are shown in each.
    let folder = folder();
    let node = Node::start(folder.path(), &["-le", HASH]);
    node.client().ask(&wire::copy(b"nowhere"), &[1]);
    assert_eq!(levels(&node.log()), ["ERROR", "SYSTEM"]);
}

#[test]
fn a_log_file_is_appended_to_and_opened_anew_at_sighup() {
    let folder = folder();
    let path = folder.path().join("a.log");
    fs::write(&path, "what was there\n").unwrap();
    let node = Node::start(folder.path(), &["-log", "a.log", HASH]);
    let mut client = node.client();
    assert!(client.put("k", "v") && client.succeeds(&wire::iterinit()));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    assert!(read("a.log").starts_with("what was there\n") && read("a.log").contains("listening started"));
    for round in 0..3 {
        let rotated = format!("a.log.{round}");
        fs::rename(&path, folder.path().join(&rotated)).unwrap();
        node.signal(Signal::SIGHUP);
        eventually("the log file is there again", ANSWER, || path.exists() && !read("a.log").is_empty());
        let before = read(&rotated);
        client.ask(&wire::sync(), &[0]);
        assert!(read("a.log").contains("doing sync command"), "round {round}");
        assert_eq!(read(&rotated), before, "round {round}");
    }
    // Records, the iterator, connections and counters stay.
    assert_eq!(client.text("k").as_deref(), Some("v"));
    assert_eq!(client.iternext().as_deref(), Some(&b"k"[..]));
    assert_eq!(client.count_of("cnt_put"), 1);
    node.stop();
    assert!(read("a.log").contains("logging finished"));
    assert_eq!(read("node.log"), "", "nothing went to standard output");
}

#[test]
fn sighup_without_a_log_file_ends_nothing() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    assert!(node.client().put("k", "v"));
    for _ in 0..3 {
        node.signal(Signal::SIGHUP);
    }
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
    node.stop();
}

/// If the file cannot be opened anew, lines go on to the old one.
#[test]
fn a_rotation_that_fails_loses_no_line() {
    let folder = folder();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let node = Node::start(folder.path(), &["-log", "logs/a.log", HASH]);
    fs::rename(folder.path().join("logs"), folder.path().join("moved")).unwrap();
    node.signal(Signal::SIGHUP);
    let read = || fs::read_to_string(folder.path().join("moved/a.log")).unwrap();
    eventually("the failure is in the old file", ANSWER, || read().contains("cannot be opened"));
    node.client().ask(&wire::sync(), &[0]);
    assert!(read().contains("doing sync command"));
}

#[test]
fn a_log_file_that_cannot_be_opened_is_refused() {
    let folder = folder();
    for path in ["none/a.log", "."] {
        let output = Launch::new(folder.path(), &["-pid", "a.pid", "-log", path, HASH]).output();
        assert_refused(&output, &["the log file", "cannot be opened", "-log"], path);
        assert!(!folder.path().join(HASH).exists() && !folder.path().join("a.pid").exists());
    }
}

/// Whatever a client sends, a line stays a line.
#[test]
fn clients_cannot_forge_lines() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-ld", HASH]);
    let mut client = node.client();
    let forged = b"x\n2026-01-01T00:00:00Z\tSYSTEM\tall is well\r\n\x1b[31m\0";
    client.ask(&wire::copy(forged), &[1]);
    client.ask(&wire::restore(forged, 0, 0), &[1]);
    client.ask(&wire::setmst(forged, 1, 0, 0), &[0]);
    client.ask(&wire::restore(&[b'y'; 60_000], 0, 0), &[1]);
    let log = node.log();
    assert!(!log.contains("\tSYSTEM\tall is well") && !log.contains('\x1b') && !log.contains('\0'), "{log}");
    assert!(log.lines().all(|line| line.len() < 8192));
    assert!(log.contains("yyyy"), "and is cut, not dropped");
}

#[test]
fn levels_of_parts_and_of_lines_as_json() {
    let folder = folder();
    let options = ["--log-format", "json", "--log-level", "error,server=debug", HASH];
    let node = Node::start(folder.path(), &options);
    let mut client = node.client();
    client.ask(&wire::sync(), &[0]);
    client.ask(&wire::copy(b"no\"where\n\xff\x1b"), &[1]);
    drop(client);
    eventually("the connection is closed", ANSWER, || node.log().contains("connection finished"));
    node.stop();
    let log = fs::read_to_string(folder.path().join("node.log")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |level: &str| lines.iter().filter(|line| line["level"] == level).collect::<Vec<_>>();
    assert!(
        of("SYSTEM").iter().any(|line| line["message"] == "listening started" && line["target"].is_null())
    );
    assert!(of("DEBUG").iter().all(|line| line["target"] == "server") && !of("DEBUG").is_empty(), "{log}");
    let errors = of("ERROR");
    assert!(errors.len() == 1 && errors[0]["target"] == "commands", "{log}");
    assert!(errors[0]["message"].as_str().unwrap().starts_with("do_copy: "), "{log}");
    // Its doing is INFO of a part that shows errors only.
    assert!(!log.contains("doing sync command") && log.contains("signal interruption"));
    assert!(!log.contains('\x1b'));
}

#[test]
fn levels_that_mean_nothing_are_refused() {
    let folder = folder();
    for (levels, part) in
        [("loud", "is no level: write error, warn,"), ("sever=info", "the parts are admin, commands,")]
    {
        let output = Launch::new(folder.path(), &["--log-level", levels, HASH]).output();
        assert_refused(&output, &["--log-level", part], levels);
    }
}

#[test]
fn sigusr1_switches_to_debug_and_back() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--log-level", "error,scripts=info", HASH]);
    let doing = || {
        node.client().ask(&wire::sync(), &[0]);
        node.log().matches("\tINFO\tdoing sync command\n").count()
    };
    assert_eq!(doing(), 0);
    for round in 1..3 {
        node.signal(Signal::SIGUSR1);
        let line =
            "\tSYSTEM\tlog level: debug from now on, error,scripts=info until now, changed by SIGUSR1\n";
        eventually("debug", ANSWER, || node.log().matches(line).count() == round);
        assert_eq!(doing(), round);
        assert!(node.log().contains("\tDEBUG\tconnected: 127."));
        node.signal(Signal::SIGUSR1);
        let line =
            "\tSYSTEM\tlog level: error,scripts=info from now on, debug until now, changed by SIGUSR1\n";
        eventually("and back", ANSWER, || node.log().matches(line).count() == round);
        assert_eq!(doing(), round);
    }
    node.stop();
}
