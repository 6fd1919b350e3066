use std::process::{Child, Command};

use super::*;

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.pid");
    (directory, path)
}

fn process(script: &str) -> Child {
    Command::new("sh").args(["-c", script]).spawn().unwrap()
}

#[test]
fn written_and_removed() {
    let (_directory, path) = directory();
    let file = PidFile::claim(&path, false).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    drop(file);
    assert!(!path.exists());
}

#[test]
fn stale_empty_and_own_files_are_taken_over() {
    let mut child = process("exit 0");
    child.wait().unwrap();
    let own = std::process::id();
    for content in [format!("{}\n", child.id()), String::new(), "\0\0\0\0\n".to_owned(), format!("{own}\n")] {
        let (_directory, path) = directory();
        fs::write(&path, &content).unwrap();
        let _file = PidFile::claim(&path, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{own}\n"), "{content:?}");
    }
}

#[test]
fn a_running_process_is_respected() {
    let (_directory, path) = directory();
    let mut child = process("sleep 60");
    fs::write(&path, format!("{}\n", child.id())).unwrap();
    let error = PidFile::claim(&path, false).unwrap_err().to_string();
    let expected = format!("the process {} may be already running: {}", child.id(), path.display());
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("-kl"), "{error}");
    assert!(path.exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_running_process_is_replaced_when_asked_for() {
    let (_directory, path) = directory();
    // One that ends at SIGTERM, and one that removes the file and stays.
    let stays = format!("trap 'rm {}' TERM; while :; do sleep 0.05; done", path.display());
    for script in ["exec sleep 60", &stays] {
        let mut child = process(script);
        fs::write(&path, format!("{}\n", child.id())).unwrap();
        // Let the shell set its trap before the signal comes.
        std::thread::sleep(Duration::from_millis(300));
        let file = PidFile::claim(&path, true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        let _ = child.kill();
        child.wait().unwrap();
    }
}

#[test]
fn a_deaf_process_is_killed() {
    let (_directory, path) = directory();
    let mut child = process("trap '' TERM; while :; do sleep 0.05; done");
    fs::write(&path, format!("{}\n", child.id())).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    let patience = Duration::from_millis(500);
    let _file = PidFile::claim_within(&path, true, patience).unwrap();
    assert!(start.elapsed() >= patience);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn other_files_are_left_alone() {
    let (_directory, path) = directory();
    for content in ["precious\n", "-1\n", "0", "12 34", "99999999999"] {
        fs::write(&path, content).unwrap();
        for replace in [false, true] {
            let error = PidFile::claim(&path, replace).unwrap_err();
            assert!(matches!(error, PidFileError::NotAPidFile { .. }), "{content:?}: {error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let error = PidFile::claim(Path::new("/dev/null"), false).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let error = PidFile::claim(&path.join("below"), false).unwrap_err().to_string();
    assert!(error.contains("node.pid/below cannot be used"), "{error}");
}

#[test]
fn the_file_of_a_successor_stays() {
    let (_directory, path) = directory();
    let file = PidFile::claim(&path, false).unwrap();
    fs::write(&path, "1\n").unwrap();
    drop(file);
    assert!(path.exists());
}
