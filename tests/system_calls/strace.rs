//! Nodes under `strace`, which watches their system calls and has some of them fail.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Launch, Node, lcnode};

/// A call that fails.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub call: &'static str,
    pub error: &'static str,
    /// The how manieth call of each thread it is, from 1.
    pub when: u32,
    /// Only calls that concern these files of the working directory; all where there are none.
    pub paths: &'static [&'static str],
}

/// Whether processes can be traced here.
pub fn is_available() -> bool {
    let options = ["-D", "-qq", "-f", "--seccomp-bpf", "-e", "trace=fsync", "-o", "/dev/null", "true"];
    let tried = Command::new("strace").args(options).output();
    let why = match tried {
        Ok(output) if output.status.success() && output.stderr.is_empty() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!must, "strace cannot trace: {why}");
    eprintln!("SKIPPED: strace cannot trace: {why}");
    false
}

impl Fault {
    fn options(&self, folder: &Path, and_later: bool) -> Vec<String> {
        let Self { call, error, when, paths } = self;
        let mut options = vec!["-e".to_owned(), format!("trace={call}"), "-e".to_owned()];
        let later = if and_later { "+" } else { "" };
        options.push(format!("inject={call}:error={error}:when={when}{later}"));
        // strace compares paths as they are once links are resolved.
        let folder = folder.canonicalize().unwrap();
        for path in *paths {
            options.extend(["-P".to_owned(), folder.join(path).display().to_string()]);
        }
        options
    }
}

/// Starts `launch` under strace with these options. The node keeps its process id and its exit code.
pub fn traced(launch: Launch, folder: &Path, options: &[String]) -> Launch {
    let script = folder.join("traced.sh");
    let quoted: Vec<String> = options.iter().map(|option| format!("'{option}'")).collect();
    let node = lcnode().display();
    let text =
        format!("#!/bin/sh\nexec strace -D -qq -f --seccomp-bpf {} -- '{node}' \"$@\"\n", quoted.join(" "));
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    launch.program(script)
}

/// Starts `launch` so that a call fails.
pub fn failing(launch: Launch, folder: &Path, fault: &Fault) -> Launch {
    let _ = fs::remove_file(trace_of(folder));
    let output = ["-o".to_owned(), trace_of(folder).display().to_string()];
    traced(launch, folder, &[&output[..], &fault.options(folder, false)].concat())
}

fn trace_of(folder: &Path) -> PathBuf {
    folder.join("trace")
}

/// How many calls failed so far because they were made to.
pub fn injected(folder: &Path) -> usize {
    fs::read_to_string(trace_of(folder)).unwrap_or_default().matches("(INJECTED)").count()
}

/// A strace that watches a running node until it is dropped.
pub struct Tracer(Child);

/// Has a call of a running node fail; calls are counted from now on.
pub fn attach(node: &Node, folder: &Path, fault: &Fault) -> Tracer {
    attach_with(node, folder, &fault.options(folder, false))
}

/// The same for that call and all after it.
pub fn attach_for_good(node: &Node, folder: &Path, fault: &Fault) -> Tracer {
    attach_with(node, folder, &fault.options(folder, true))
}

fn attach_with(node: &Node, folder: &Path, options: &[String]) -> Tracer {
    let _ = fs::remove_file(trace_of(folder));
    let mut strace = Command::new("strace");
    strace.arg("-f").args(options).arg("-o").arg(trace_of(folder));
    strace.args(["-p", &node.pid().to_string()]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = strace.spawn().expect("strace can be run");
    let mut said = String::new();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("attached"), "{said}");
    // It says more when threads come, which nobody reads; it must not wait for that.
    std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
    Tracer(child)
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It lets go of the node first. It may have ended with it.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}
