//! The manager killed or interrupted in the middle: it can be run again, and nothing is lost.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{assert_nothing_left, digest, fill, lcmgr, names, number_from_env, records, rng, text};
use crate::support::cluster::{Cluster, Server, wait};
use crate::support::lcnode;

fn kills() -> u64 {
    number_from_env("LCNODE_KILLS").unwrap_or(6)
}

/// Runs it and sends a signal after a while. Returns the exit code, if it came to its end.
fn signalled(command: &mut Command, signal: Signal, after: Duration) -> Option<i32> {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sleep(after);
    kill(Pid::from_raw(process.id().cast_signed()), signal).unwrap();
    wait(&mut process).expect("it ends").code()
}

fn duration(command: &mut Command) -> Duration {
    let since = Instant::now();
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    since.elapsed()
}

#[test]
fn a_backup_that_was_killed_can_be_made_again() {
    let mut rng = rng("killed backups");
    let mut cluster = Cluster::start(&[("lookup1_A", 2), ("storage1_A", 2)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng, 2000, 4000);
    let archive = cluster.folder().join("a.tar.zst");
    let words = ["backup", "-o", text(&archive)];
    let whole = duration(&mut cluster.lcmgr(&words));
    std::fs::remove_file(&archive).unwrap();
    let mut unfinished = 0;
    for round in 0..kills() {
        // Most of the time is waited until all are in step; what is of interest is the end.
        let after = whole.mul_f64(0.7 + 0.35 * rng.f64());
        let signal = if round % 3 == 2 { Signal::SIGINT } else { Signal::SIGKILL };
        let code = signalled(&mut cluster.lcmgr(&words), signal, after);
        let left = cluster.folder().join("a.tar.zst.unfinished").exists();
        unfinished += u32::from(left);
        if signal == Signal::SIGINT && code != Some(0) {
            // None: before it had begun.
            assert!(matches!(code, None | Some(1)), "{code:?}");
            assert!(!left && !archive.exists());
            assert_nothing_left(&cluster);
        }
        if archive.exists() {
            lcmgr(&cluster, &["verify", text(&archive)]).expect(0, &[]);
            std::fs::remove_file(&archive).unwrap();
        }
    }
    eprintln!("{unfinished} archives were left unfinished");
    lcmgr(&cluster, &words).expect(0, &["2 databases"]);
    lcmgr(&cluster, &["verify", text(&archive), "--deep"]).expect(0, &[]);
    assert!(!cluster.folder().join("a.tar.zst.unfinished").exists());
    assert_nothing_left(&cluster);
}

fn meta(database: PathBuf) -> Vec<u8> {
    std::fs::read(database.join("meta")).unwrap()
}

/// All databases of a server that were moved aside, by what tells them apart.
fn aside(server: &Server) -> BTreeSet<Vec<u8>> {
    let aside = names(&server.data_dir).into_iter().filter(|name| name.contains(".before-"));
    aside.map(|name| meta(server.data_dir.join(name))).collect()
}

#[test]
fn a_restore_that_was_killed_can_be_made_again() {
    let mut rng = rng("killed restores");
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng, 2000, 4000);
    let archive = cluster.folder().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &[]);
    let right = digest(cluster.server("storage1_A-1"));
    fill(&cluster.server("storage1_A-1").client(), &mut rng, 3000, 100);
    cluster.stop();
    let old: Vec<_> = cluster.servers.iter().map(|server| meta(server.database())).collect();
    let words = ["restore", text(&archive), "--force"];
    let whole = duration(&mut cluster.lcmgr(&words));
    // What a server has, at whatever moment: the old one or a new one, and each old one still.
    let mut had = old.clone();
    let check = |cluster: &Cluster, had: &mut Vec<Vec<u8>>| {
        for ((server, had), old) in cluster.servers.iter().zip(had).zip(&old) {
            let checked = Command::new(lcnode()).arg("check").arg(server.database()).output().unwrap();
            assert!(checked.status.success(), "{checked:?}");
            let now = meta(server.database());
            let aside = aside(server);
            assert!(aside.contains(old), "{}: its first database is gone", server.name);
            assert!(now == *had || aside.contains(had), "{}: what it had is gone", server.name);
            *had = now;
        }
    };
    check(&cluster, &mut had);
    let mut killed = 0;
    for _ in 0..kills() {
        let code = signalled(&mut cluster.lcmgr(&words), Signal::SIGKILL, whole.mul_f64(1.1 * rng.f64()));
        killed += u32::from(code.is_none());
        settle(&cluster, &words);
        check(&cluster, &mut had);
    }
    eprintln!("{killed} of {} restores were killed", kills());
    let code = signalled(&mut cluster.lcmgr(&words), Signal::SIGTERM, whole.mul_f64(0.5));
    assert!(matches!(code, None | Some(0 | 1)), "{code:?}");
    assert_nothing_left(&cluster);
    lcmgr(&cluster, &words).expect(0, &["storage1_A-2 is restored"]);
    check(&cluster, &mut had);
    assert_nothing_left(&cluster);
    cluster.start_all();
    for name in ["storage1_A-1", "storage1_A-2"] {
        assert_eq!(records(cluster.server(name)), 2000);
        assert_eq!(digest(cluster.server(name)), right);
    }
}

/// A killed restore may have changed databases a moment before it moved the old one aside: it is in
/// `lcmgr-restore@SERVER@TIME` then, where the next run finds it. That is asked to do nothing else.
fn settle(cluster: &Cluster, words: &[&str]) {
    let without_force: Vec<&str> = words.iter().copied().filter(|&word| word != "--force").collect();
    lcmgr(cluster, &without_force).expect(1, &["--force"]);
}

/// Killed between the change of places and the move aside.
#[test]
fn a_database_that_was_replaced_but_not_moved_aside_is_kept() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    let archive = cluster.folder().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &[]);
    cluster.stop();
    let server = cluster.server("storage1_A-1");
    let work = server.data_dir.join("lcmgr-restore@storage1_A-1@20200101");
    let old = meta(server.database());
    std::fs::create_dir_all(&work).unwrap();
    std::fs::rename(server.database(), work.join("new.tch")).unwrap();
    std::fs::write(work.join("new.meta"), b"of the new one").unwrap();
    lcmgr(&cluster, &["restore", text(&archive), "--force"])
        .expect(0, &["an interrupted restore had replaced"]);
    let server = cluster.server("storage1_A-1");
    assert!(aside(server).contains(&old) && meta(server.database()) != old);
    // And one that had not come so far is only cleared away.
    std::fs::create_dir_all(&work).unwrap();
    let made =
        Command::new("cp").arg("-r").arg(server.database()).arg(work.join("new.tch")).status().unwrap();
    assert!(made.success());
    std::fs::copy(work.join("new.tch/meta"), work.join("new.meta")).unwrap();
    let before = aside(server).len();
    lcmgr(&cluster, &["restore", text(&archive)]).expect(1, &["lookup1_A-1: it has a database"]);
    assert_eq!(aside(cluster.server("storage1_A-1")).len(), before);
    assert_nothing_left(&cluster);
}
