//! `-dmn`, and the command lines that LightCloud's manager writes for a server named ttserver.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command_line::assert_refused;
use crate::support::{ANSWER, Address, Client, HASH, Launch, Node, eventually, folder, lcnode, loopback};

/// A node in the background, known by its pid file. Dropping it kills it.
struct Background {
    pid: Pid,
    address: Address,
}

impl Background {
    /// Starts it; it must answer as soon as the launcher has ended.
    fn start(launch: &Launch, address: Address, pid_file: &Path) -> Self {
        let output = launch.output();
        let printed = [&*output.stdout, &*output.stderr].concat();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&printed));
        assert_eq!(String::from_utf8_lossy(&printed), "", "the launcher has nothing to say");
        let pid = fs::read_to_string(pid_file).expect("the pid file is there when the launcher ends");
        let background = Self { pid: Pid::from_raw(pid.trim().parse().unwrap()), address };
        background.client().rnum();
        background
    }

    fn client(&self) -> Client {
        Client::open(&self.address).expect("the port answers")
    }

    fn stop(self, pid_file: &Path) {
        kill(self.pid, Signal::SIGTERM).unwrap();
        let gone = || !pid_file.exists() && has_ended(self.pid);
        eventually("the node in the background ends", ANSWER, gone);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !has_ended(self.pid) {
            // It may end just now.
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

/// Its parent is init, or this test where there is none that reaps.
fn has_ended(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("\nState:\tZ") || kill(pid, None) == Err(Errno::ESRCH)
}

fn address() -> Address {
    Address::Tcp(loopback())
}

#[test]
fn the_launcher_ends_with_0_once_the_port_answers() {
    let folder = folder();
    let address = address();
    let launch = Launch::new(folder.path(), &["-dmn", "-log", "a.log", HASH]).address(address.clone());
    // Without -pid the file is named after the program.
    let pid_file = folder.path().join("lcnode.pid");
    let node = Background::start(&launch, address, &pid_file);
    assert!(node.client().put("k", "v"));
    let proc = PathBuf::from(format!("/proc/{}", node.pid));
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), Path::new("/"));
    for descriptor in ["0", "1", "2"] {
        assert_eq!(fs::read_link(proc.join("fd").join(descriptor)).unwrap(), Path::new("/dev/null"));
    }
    let stat = fs::read_to_string(proc.join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(fields[3], node.pid.to_string(), "a session of its own");
    assert_eq!(fields[4], "0", "no terminal");
    assert!(folder.path().join("casket.tch/meta").is_file(), "relative paths mean what they mean in front");
    assert!(fs::read_to_string(folder.path().join("a.log")).unwrap().contains("listening started"));
    node.stop(&pid_file);
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
}

#[test]
fn the_launcher_ends_with_1_and_the_reason() {
    let folder = folder();
    let running = Node::start(folder.path(), &["-pid", "running.pid", "running.tch"]);
    let taken = running.address().clone();
    fs::write(folder.path().join("file.tch"), "no database").unwrap();
    let pid = running.pid().to_string();
    for (options, address, parts) in [
        (&["-dmn", HASH][..], taken, &["cannot listen on", "in use", "did not start"][..]),
        (&["-dmn", "file.tch"], address(), &["is not an lcnode database", "did not start"]),
        (&["-dmn", "running.tch"], address(), &["is in use", &pid, "did not start"]),
        (&["-dmn", "-pid", "running.pid", HASH], address(), &["may be already running", "did not start"]),
        (&["-dmn", "-log", "none/a.log", HASH], address(), &["the log file", "did not start"]),
        (&["-dmn", "a.tcb"], address(), &["B+ tree"]),
    ] {
        let start = Instant::now();
        let output = Launch::new(folder.path(), options).address(address).output();
        assert_refused(&output, parts, &format!("{options:?}"));
        assert!(start.elapsed().as_secs() < 20, "{options:?} took {:?}", start.elapsed());
        assert!(
            !folder.path().join("lcnode.pid").exists() && !folder.path().join(HASH).exists(),
            "{options:?}"
        );
    }
    assert!(running.client().put("k", "v"));
}

#[test]
fn kl_in_the_background_replaces_and_keeps_the_data() {
    let folder = folder();
    let address = address();
    let options = ["-dmn", "-kl", "-pid", "a.pid", "--segment-size", "1m", HASH];
    let launch = Launch::new(folder.path(), &options).address(address.clone());
    let pid_file = folder.path().join("a.pid");
    let first = Background::start(&launch, address.clone(), &pid_file);
    assert!(first.client().put("k", "v"));
    let second = Background::start(&launch, address, &pid_file);
    assert_ne!(first.pid, second.pid);
    assert!(has_ended(first.pid));
    assert_eq!(second.client().text("k").as_deref(), Some("v"));
    second.stop(&pid_file);
}

/// `manager.py all start`, then `stop`, and `start` again after a crash: with what it writes by default,
/// with DEBUG, and in its newer form.
#[test]
fn the_lines_of_lightclouds_manager() {
    let folder = folder();
    let data = folder.path().join("cloud");
    for sub in ["data", "logs/1", "extensions", "bin"] {
        fs::create_dir_all(data.join(sub)).unwrap();
    }
    fs::write(data.join("extensions/our.lua"), "function f() return 'called' end\n").unwrap();
    let ttserver = data.join("bin/ttserver");
    symlink(lcnode(), &ttserver).unwrap();
    let in_data = |name: &str| data.join(name).display().to_string();
    let [pid, logs, rts, ext] = ["lookup1_A.pid", "logs/1/", "data/1.rts", "extensions/our.lua"].map(in_data);
    let database = format!("{}#bnum=1000000#fpow=13#opts=ld", in_data("data/1.tch"));
    let debug_log = in_data("logs/1/debug_log");
    let head = ["-mhost", "127.0.0.1", "-mport", "51201", "-pid", &pid, "-dmn"];
    let tail = ["-sid", "1", "-rts", &rts, "-ulim", "128m", "-ext", &ext];
    let pid_file = data.join("lookup1_A.pid");
    for (round, forms) in [
        &["-le", "-ulog", &logs, "-thnum", "6", "-tout", "5"][..],
        &["-ld", "-log", &debug_log, "-ulog", &logs, "-thnum", "6", "-tout", "5"],
        &["-le", "-ulog", &logs, "-uas", "-thnum", "20", "-tout", "5"],
    ]
    .into_iter()
    .enumerate()
    {
        let address = address();
        let options = [&head[..], forms, &tail, &[&database]].concat();
        let launch = Launch::new(folder.path(), &options).program(&ttserver).address(address.clone());
        let node = Background::start(&launch, address.clone(), &pid_file);
        let mut client = node.client();
        assert_eq!(client.stat_of("sid").as_deref(), Some("1"));
        assert_eq!(client.rnum(), round as u64, "{forms:?}");
        assert!(client.put([round as u8], "v"));
        // The manager finds the process by these words in the process list.
        let line = fs::read(format!("/proc/{}/cmdline", node.pid)).unwrap();
        let line: Vec<_> = line.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
        let Address::Tcp(address) = address else { unreachable!() };
        let port = address.port().to_string();
        assert!(line[0].ends_with("/ttserver"), "{line:?}");
        assert!(line.windows(2).any(|two| two == ["-port", &*port]), "{line:?}");
        assert_eq!(client.ext("f", 0, "", "").as_deref(), Some(&b"called"[..]));
        node.stop(&pid_file);
    }
}
