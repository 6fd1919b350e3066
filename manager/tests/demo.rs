//! `lcmgr demo`: what it promises, and that it leaves nothing.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::cluster::wait;
use crate::support::{lcmgr, lcnode};

/// Processes with a path below `folder` on their command line, besides lcmgr itself.
fn processes(folder: &Path) -> Vec<String> {
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = lines.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    let below = format!("{}/", folder.display());
    lines.filter(|line| line.contains(&below) && !line.contains("lcmgr demo")).collect()
}

/// The demo in `folder`, from a port on that tests run side by side do not share.
fn demo(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(lcmgr());
    // Ports of its own: one demo must not take that of a server which another one has killed.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id() * 8 + NEXT.fetch_add(1, Ordering::Relaxed);
    let port = (20_000 + own % 250 * 50).to_string();
    command.args(["demo", "--port", &port, "--program"]).arg(lcnode()).arg("--dir").arg(folder).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn rest(mut child: Child) -> (Option<i32>, String, String) {
    let end = wait(&mut child).expect("the demo ends");
    let (mut out, mut err) = Default::default();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (end.code(), out, err)
}

#[test]
fn nothing_stops_where_a_server_is_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("demo");
    let (code, out, err) = rest(demo(&folder, &["--seconds", "4"]).spawn().unwrap());
    assert_eq!((code, &err[..]), (Some(0), ""), "{out}");
    for part in [
        "10 nodes are up",
        "visitors: 3",
        "Ada, Grace, Edsger",
        "is killed with SIGKILL",
        "is back after",
        " calls, 0 errors",
        "both servers hold the same",
        "1,000 of 1,000 keys hold what was written last",
        "lightcloud.toml status",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains('\x1b'), "{out}");
    assert_eq!(processes(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[test]
fn whatever_ends_it_nothing_is_left() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("demo");
        let mut child = demo(&folder, &["--seconds", "600", "--keep"]).spawn().unwrap();
        // In the middle: two seconds of it were shown.
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.trim_start().starts_with("2 ") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "{:?}", wait(&mut child));
        }
        assert_eq!(processes(&folder).len(), 10);
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        child.stdout = Some(out.into_inner());
        let (code, out, err) = rest(child);
        assert_eq!(code, Some(1), "{signal}: {out} {err}");
        assert!(err.contains("the demo ends"), "{signal}: {err}");
        assert_eq!(processes(&folder), [""; 0], "{signal}");
        // Kept, because that was asked for.
        assert!(folder.join("lightcloud.toml").exists());
    }
}

#[test]
fn where_it_cannot_begin_it_says_why_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str], &str); 3] = [
        ("a", &["--port", "65530"], "no 10 free ports"),
        ("b", &["--program", "/bin/false"], "did not start: it ended with exit status: 1"),
        ("c", &["--program", "/nowhere/lcnode"], "--program"),
    ];
    for (name, words, why) in cases {
        let folder = temporary.path().join(name);
        let mut command = Command::new(lcmgr());
        command
            .arg("demo")
            .arg("--dir")
            .arg(&folder)
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !words.contains(&"--program") {
            command.arg("--program").arg(lcnode());
        }
        let (code, out, err) = rest(command.spawn().unwrap());
        assert_eq!(code, Some(1), "{words:?}: {out} {err}");
        assert!(err.contains(why), "{words:?}: {err}");
        assert!(!folder.exists(), "{words:?}");
    }
    let full = temporary.path().join("full");
    std::fs::create_dir(&full).unwrap();
    File::create(full.join("file")).unwrap();
    let (code, _, err) = rest(demo(&full, &[]).spawn().unwrap());
    assert!(code == Some(1) && err.contains("not empty"), "{err}");
    assert!(full.join("file").exists());
}

#[test]
fn a_taken_port_is_left_out() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("demo");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    if port > u16::MAX - 1000 {
        // Behind it there might be no ten; the test of the function covers that.
        return;
    }
    let mut command = Command::new(lcmgr());
    command.args(["demo", "--seconds", "3", "--port", &port.to_string(), "--program"]).arg(lcnode());
    command.arg("--dir").arg(&folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (code, out, err) = rest(command.spawn().unwrap());
    assert_eq!((code, &err[..]), (Some(0), ""), "{out}");
    assert!(!out.contains(&format!("127.0.0.1:{port} ")), "{out}");
}
