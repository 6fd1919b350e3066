//! `lcmgr start`, `stop`, `restart`: processes are started and stopped, and nobody else's are.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::cluster::{Cluster, eventually};
use crate::support::daemons::{Daemons, said};

const PAIR: [(&str, usize); 2] = [("lookup1_A", 1), ("storage1_A", 2)];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A process that has nothing to do with it.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn assert_lives(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "a stranger was killed");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not for one that has ended and that nobody has waited for, which has no command line any more.
fn is_alive(pid: Pid) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| !words.is_empty())
}

#[test]
fn servers_are_started_left_alone_restarted_and_stopped() {
    let cluster = Daemons::new(&PAIR);
    let text = cluster.succeed(&["start"]);
    assert_eq!(text.matches(": ").count() + text.matches(" started in ").count(), 3, "{text}");
    let names: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["lookup1_A-1", "storage1_A-1", "storage1_A-2"], "in the order of the file");
    let pids = ["lookup1_A-1", "storage1_A-1", "storage1_A-2"].map(|name| cluster.pid(name));
    let runtime = runtime();
    let one = cluster.servers[1].client();
    runtime.block_on(one.put(b"key", b"value")).unwrap();

    let text = cluster.succeed(&["start", "all"]);
    assert_eq!(text.matches("is running already").count(), 3, "{text}");
    assert_eq!(pids[1], cluster.pid("storage1_A-1"));

    // The other one has the record when the first is restarted, and follows it again.
    let text = cluster.succeed(&["restart", "storage1_A"]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines().all(|line| line.contains("stopped in ") && line.contains(", started in ")),
        "{text}"
    );
    assert_eq!(cluster.pid("lookup1_A-1"), pids[0]);
    for (at, name) in [(1, "storage1_A-1"), (2, "storage1_A-2")] {
        assert_ne!(cluster.pid(name), pids[at]);
        assert!(!is_alive(pids[at]));
        let value = runtime.block_on(cluster.servers[at].client().get(b"key")).unwrap();
        assert_eq!(value.as_deref(), Some(&b"value"[..]), "{name}");
    }

    let pids = ["lookup1_A-1", "storage1_A-1", "storage1_A-2"].map(|name| cluster.pid(name));
    let text = cluster.succeed(&["stop", "storage1_A-2"]);
    assert!(text.starts_with("storage1_A-2 ") && text.contains("stopped in "), "{text}");
    assert!(!is_alive(pids[2]) && is_alive(pids[1]));
    let text = cluster.succeed(&["stop"]);
    assert_eq!(
        (text.matches("stopped in").count(), text.matches("is not running").count()),
        (2, 1),
        "{text}"
    );
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn names_that_are_none_are_refused() {
    let cluster = Daemons::new(&PAIR);
    let text = cluster.fail(&["start", "storage1-A"]);
    assert!(text.contains("has no node or server storage1-A; did you mean storage1_A"), "{text}");
    assert_eq!(cluster.run(&["start", "--wait", "0"]).0, 2);
    std::fs::remove_file(cluster.file()).unwrap();
    assert!(cluster.fail(&["stop"]).contains("write one, or name it with --config"));
}

#[test]
fn an_old_pid_file_harms_nobody() {
    let cluster = Daemons::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    cluster.succeed(&["stop", "storage1_A"]);
    let mut stranger = Stranger::new();
    std::fs::write(cluster.pid_file("storage1_A-1"), format!("{}\n", stranger.0.id())).unwrap();
    let text = cluster.succeed(&["stop", "storage1_A", "--force"]);
    assert!(text.contains("is not running") && text.contains("is another program"), "{text}");
    stranger.assert_lives();
    // Nor is it in the way of a start.
    cluster.succeed(&["start", "storage1_A"]);
    stranger.assert_lives();
    // With the id of a stranger in place of its own, the one that serves is not stopped, nor is the stranger.
    let pid = cluster.pid("storage1_A-1");
    std::fs::write(cluster.pid_file("storage1_A-1"), format!("{}\n", stranger.0.id())).unwrap();
    let text = cluster.fail(&["stop", "storage1_A"]);
    assert!(text.contains(&format!("(process {pid}) who was not started from here")), "{text}");
    stranger.assert_lives();
    assert!(is_alive(pid));
    kill(pid, Signal::SIGKILL).unwrap();
    eventually("the end", || !is_alive(pid));
    for content in ["", "no number\n", "99999999999999999999\n"] {
        std::fs::write(cluster.pid_file("storage1_A-1"), content).unwrap();
        assert!(cluster.succeed(&["stop", "storage1_A"]).contains("is not running"));
    }
}

#[test]
fn a_port_that_is_taken_is_said_by_whom() {
    let cluster = Daemons::new(&[("lookup1_A", 1), ("storage1_A", 3)]);
    // By a server of another database.
    let mut other = Cluster::new(&[("storage9_A", 1)], &["--segment-size", "256k"]);
    other.servers[0].address = cluster.servers[1].address;
    other.servers[0].start();
    // By something that says nothing, and by something that says something else.
    let _mute = TcpListener::bind(cluster.servers[2].address).unwrap();
    let web = TcpListener::bind(cluster.servers[3].address).unwrap();
    std::thread::spawn(move || {
        for stream in web.incoming() {
            let mut stream = stream.unwrap();
            // Whoever asked may be gone.
            let _ = stream.read(&mut [0; 9]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for word in ["start", "stop"] {
        let text = cluster.fail(&[word]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[4], "lcmgr: 3 of 4 failed", "{text}");
        if word == "start" {
            assert!(lines[0].contains("started in"), "{text}");
            assert!(
                lines[1].contains("is taken by a server of ") && lines[1].contains("storage9_A-1.tch"),
                "{text}"
            );
            assert!(lines[2].contains("gave no answer within 2s"), "{text}");
            assert!(lines[3].contains("is taken by something else (not a Tokyo Tyrant server"), "{text}");
        } else {
            assert!(lines[0].contains("stopped in"), "{text}");
            assert!(lines[1..4].iter().all(|line| line.contains("who was not started from here")), "{text}");
        }
    }
    other.servers[0].stop();
}

#[test]
fn a_program_that_does_not_serve_is_shown_with_what_it_said() {
    let cluster = Daemons::new(&[("lookup1_A", 1), ("storage1_A", 1)]);
    let options = "options = [";
    for (program, said) in [
        ("/bin/true", "says that it serves, but within 1s it did not"),
        ("/bin/false", "/bin/false ended with code 1: no message"),
        ("./nothere", "nothere cannot be run ("),
        ("/dev/null", "/dev/null cannot be run ("),
    ] {
        cluster.edit(options, &format!("program = {program:?}\n{options}"));
        let text = cluster.fail(&["start", "storage1_A", "--wait", "1"]);
        assert!(text.contains("FAILED: ") && text.contains(said), "{text}");
        cluster.edit(&format!("program = {program:?}\n"), "");
    }
    // One that takes too long.
    let slow = cluster.folder().join("slow");
    std::fs::write(&slow, "#!/bin/sh\nexec sleep 5\n").unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    cluster.edit(options, &format!("program = \"slow/../slow\"\n{options}"));
    cluster.edit("slow/../slow", "./slow");
    let since = Instant::now();
    let text = cluster.fail(&["start", "storage1_A", "--wait", "1"]);
    assert!(text.contains("was not done within 1s; look at "), "{text}");
    assert!(since.elapsed() < Duration::from_secs(5));
    cluster.edit("program = \"./slow\"\n", "");
    // lcnode's own words, and the end of its log.
    cluster.edit("\"256k\"", "\"1\"");
    assert!(cluster.fail(&["start", "storage1_A"]).contains("invalid value '1' for '--segment-size <SIZE>'"));
    cluster.edit("\"1\"", "\"256k\"");
    std::fs::write(cluster.servers[1].database(), "not a directory").unwrap();
    let text = cluster.fail(&["start", "storage1_A"]);
    assert!(text.contains("end of ") && text.contains("storage1_A-1.log:\n    "), "{text}");
    assert!(text.contains("ERROR"), "{text}");
}

#[test]
fn one_that_does_not_end_is_killed_only_if_asked() {
    let cluster = Daemons::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    runtime().block_on(cluster.servers[1].client().put(b"key", b"value")).unwrap();
    cluster.signal("storage1_A-1", Signal::SIGSTOP);
    let text = cluster.fail(&["stop", "storage1_A", "--wait", "1"]);
    assert!(text.contains("was told to end and has not") && text.contains("stop --force"), "{text}");
    // It is there still, and says nothing.
    assert!(cluster.fail(&["start", "storage1_A"]).contains("gave no answer within 2s"));
    let text = cluster.succeed(&["stop", "storage1_A", "--wait", "1", "--force"]);
    assert!(text.contains("killed after"), "{text}");
    cluster.succeed(&["start", "storage1_A"]);
    let value = runtime().block_on(cluster.servers[1].client().get(b"key")).unwrap();
    assert_eq!(value.as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_restart_that_fails_leaves_the_other_of_the_pair() {
    let cluster = Daemons::start(&PAIR);
    let pid = cluster.pid("storage1_A-2");
    cluster.edit("\"256k\"", "\"1\"");
    let text = cluster.fail(&["restart", "storage1_A"]);
    assert!(text.contains("storage1_A-2") && text.contains("left as it is, as the one before it"), "{text}");
    assert!(is_alive(pid));
}

#[test]
fn redis_is_left_to_its_own_tools() {
    let cluster = Daemons::new(&[("lookup1_A", 1), ("storage1_A", 1)]);
    cluster.edit("name = \"storage1_A\"", "name = \"storage1_A\"\nkind = \"redis\"");
    let text = cluster.succeed(&["start"]);
    assert!(text.contains("lookup1_A-1") && !text.contains("storage1_A-1"), "{text}");
    assert!(cluster.fail(&["start", "storage1_A"]).contains("is of Redis"));
}

#[test]
fn other_hosts_are_reached_by_ssh_alone() {
    let cluster = Daemons::new(&[("lookup1_A", 1), ("storage1_A", 2)]);
    // It does with the words behind its destination what sshd does: joins them by blanks for a shell.
    let bin = cluster.folder().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\necho \"$@\" | head -n 1 >>\"$SSH_LOG\"\nwhile [ \"$1\" = -o ]; do shift 2; done\n\
                  [ \"$1\" = op@db ] || { echo 'no such host' >&2; exit 255; }\nshift 2\nexec sh -c \"$*\"\n";
    std::fs::write(bin.join("ssh"), script).unwrap();
    std::fs::set_permissions(bin.join("ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let log = cluster.folder().join("ssh.log");
    let run = |words: &[&str]| {
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = cluster.lcmgr(words);
        said(words, command.env("PATH", path).env("SSH_LOG", &log).output().unwrap())
    };
    // A path that a careless shell would take apart.
    let folder = cluster.folder().join("it's $HOME of \"data\" ; exit");
    let port = |at: usize| format!("port = {}", cluster.servers[at].address.port());
    let program = crate::support::lcnode();
    cluster.edit("options = [", &format!("program = {program:?}\ndata-dir = {folder:?}\noptions = ["));
    cluster.edit(&port(1), &format!("{}, ssh = \"op@db\"", port(1)));
    cluster.edit(&port(2), &format!("{}, ssh = \"op@other\"", port(2)));
    let (code, text) = run(&["start"]);
    assert_eq!(code, 1, "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].starts_with("storage1_A-1") && lines[1].contains("started in"), "{text}");
    assert!(lines[2].contains("FAILED: ssh op@other failed: no such host"), "{text}");
    let used = std::fs::read_to_string(&log).unwrap();
    assert!(used.contains("-o BatchMode=yes") && used.contains("op@db -- sh -s -- "), "{used}");
    assert!(folder.join("storage1_A-1/storage1_A-1.tch/meta").exists());
    assert_eq!(run(&["purge-logs", "storage1_A-1"]).0, 0);
    assert!(folder.join("storage1_A-1/storage1_A-1.log.1").exists());
    assert!(run(&["delete-data", "--yes", "storage1_A-1"]).1.contains("it is running"));
    let (code, text) = run(&["stop", "storage1_A-1", "lookup1_A"]);
    assert!(code == 0 && text.matches("stopped in").count() == 2, "{text}");
    assert_eq!(run(&["delete-data", "--yes", "storage1_A-1"]).0, 0);
    assert!(!folder.join("storage1_A-1/storage1_A-1.tch").exists());
    // A host that is not this one (192.0.2.0/24 is nobody's), without ssh.
    cluster.edit(&format!("host = \"{}\"", cluster.servers[0].address.ip()), "host = \"192.0.2.1\"");
    let (code, text) = run(&["start", "lookup1_A"]);
    assert!(code == 1 && text.contains("host 192.0.2.1 is not this one: say ssh = "), "{text}");
}
