//! Loads many small records, closes, reopens, is killed and recovers, reads the whole log, replays half of
//! it, and tells what each step costs.
//!
//! ```text
//! cargo run --release --example ten_million -p lcnode-storage [RECORDS [DIRECTORY]]
//! ```
//!
//! 10,000,000 records of 16-byte keys and 32-byte values unless told otherwise, in a temporary
//! directory. Each step is a process of its own, so that its resident memory is its own.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use lcnode_storage::{Options, Place, Store};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Numbers in an order that looks random, each once.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [b'k'; 16];
    key[8..].copy_from_slice(&scattered(number).to_be_bytes());
    key
}

fn value(number: u64) -> [u8; 32] {
    let mut value = [b'v'; 32];
    value[..8].copy_from_slice(&number.to_le_bytes());
    value
}

fn say(line: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A figure of this process from /proc, in KiB: "VmRSS" or "RssAnon".
fn memory(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    Ok(line.split_whitespace().nth(1).unwrap_or("0").parse()?)
}

/// Seconds of processor that this process has used, from /proc.
fn cpu_seconds() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // Fields 14 and 15 of the line, in hundredths of a second; the first after the name is field 3.
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Ok(ticks as f64 / 100.0)
}

fn per_second(records: u64, started: Instant) -> String {
    let seconds = started.elapsed().as_secs_f64();
    format!("{seconds:.2} s, {:.2} million/s", records as f64 / seconds / 1e6)
}

fn load(store: &Store, records: u64) -> Outcome {
    let started = Instant::now();
    for number in 0..records {
        store.put(&key(number), &value(number))?;
    }
    say(&format!("  puts: {}", per_second(records, started)))
}

fn read(store: &Store, records: u64, stride: u64) -> Outcome {
    let started = Instant::now();
    for number in 0..records {
        // Another order than that of the puts.
        let number = number * stride % records;
        let right = store.get(&key(number), |found| found == value(number))?;
        if right != Some(true) {
            return Err(format!("record {number} is not there").into());
        }
    }
    say(&format!("  gets of all, in another order: {}", per_second(records, started)))
}

fn tell_sizes(store: &Store, records: u64) -> Outcome {
    let figures = store.figures();
    let per_key = figures.table_bytes as f64 / records as f64;
    let per_record = figures.log_bytes as f64 / records as f64;
    say(&format!("  table {per_key:.1} bytes a key, log {per_record:.1} bytes a record"))?;
    let (all, own) = (memory("VmRSS")? >> 10, memory("RssAnon")? >> 10);
    say(&format!("  resident {all} MiB, of which {own} MiB are no pages of files"))
}

/// Bytes allocated on disk.
fn on_disk(path: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        sum += match entry.file_type()?.is_dir() {
            true => on_disk(&entry.path())?,
            false => entry.metadata()?.blocks() * 512,
        };
    }
    Ok(sum)
}

/// One step, in a process of its own.
fn step(what: &str, path: &Path, records: u64) -> Outcome {
    let started = Instant::now();
    let store = Store::open(Options::new(Place::Directory(path.to_owned())))?;
    let cpu = cpu_seconds()?;
    say(&format!("  open: {:.1} ms, {cpu:.2} s of all cores", started.elapsed().as_secs_f64() * 1e3))?;
    match what {
        "load" => load(&store, records)?,
        "hold" => {
            load(&store, records)?;
            say("ready")?;
            loop {
                std::thread::park();
            }
        }
        "open" => {}
        "half" => {
            // As many changes as there are records, the first half before a checkpoint, all on old keys.
            for number in 0..records {
                if number == records / 2 {
                    let started = Instant::now();
                    store.checkpoint()?;
                    say(&format!("  checkpoint: {:.1} ms", started.elapsed().as_secs_f64() * 1e3))?;
                }
                store.put(&key(number * 7_368_787 % records), &value(number))?;
            }
            say("ready")?;
            loop {
                std::thread::park();
            }
        }
        _ => {
            // A number that shares no factor with a round count of records.
            read(&store, records, 7_368_787)?;
        }
    }
    if store.records() != records {
        return Err(format!("{} records, not {records}", store.records()).into());
    }
    tell_sizes(&store, records)?;
    let started = Instant::now();
    store.close()?;
    say(&format!("  close: {:.1} ms", started.elapsed().as_secs_f64() * 1e3))
}

fn spawn(what: &str, path: &Path, records: u64) -> Outcome<(Child, BufReader<ChildStdout>)> {
    let mut command = Command::new(std::env::current_exe()?);
    let command = command.arg("step").arg(what).arg(path).arg(records.to_string());
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    Ok((child, BufReader::new(output)))
}

/// Runs a step and passes on what it says; kills it when it says that it is ready.
fn run(what: &str, path: &Path, records: u64) -> Outcome {
    let (mut child, output) = spawn(what, path, records)?;
    for line in output.lines() {
        let line = line?;
        match line == "ready" {
            true => child.kill()?,
            false => say(&line)?,
        }
    }
    let status = child.wait()?;
    if !status.success() && !matches!(what, "hold" | "half") {
        return Err(format!("step {what} ended with {status}").into());
    }
    Ok(())
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [step_word, what, path, records] = &arguments[..]
        && step_word == "step"
    {
        return step(what, Path::new(path), records.parse()?);
    }
    let records = arguments.first().map_or(Ok(10_000_000), |records| records.parse())?;
    let folder = tempfile::tempdir()?;
    let path = match arguments.get(1) {
        Some(path) => Path::new(path).join("ten_million.tch"),
        None => folder.path().join("ten_million.tch"),
    };
    say(&format!("{records} records of 16 + 32 bytes: load and close"))?;
    run("load", &path, records)?;
    let disk = on_disk(&path)?;
    say(&format!("  on disk {:.1} bytes a record, {} MiB", disk as f64 / records as f64, disk >> 20))?;
    say("clean reopen")?;
    run("open", &path, records)?;
    for round in 1..=3 {
        fs::remove_file(path.join("index/checkpoint"))?;
        say(&format!("the table is built from the log, round {round}"))?;
        run("open", &path, records)?;
    }
    say("clean reopen and read")?;
    run("read", &path, records)?;
    fs::remove_dir_all(&path)?;
    say("load, then SIGKILL")?;
    run("hold", &path, records)?;
    say("recovery from the whole log")?;
    run("read", &path, records)?;
    say("all are overwritten, with a checkpoint in the middle, then SIGKILL")?;
    run("half", &path, records)?;
    say("replay from the checkpoint on")?;
    run("open", &path, records)?;
    fs::remove_dir_all(&path)?;
    Ok(())
}
