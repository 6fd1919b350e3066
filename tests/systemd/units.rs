//! The unit files of `contrib/`.

use std::fs;
use std::process::Command;

use crate::support::{folder, lcnode, source_file};

/// As systemd itself reads them, with the program at hand in the place of the installed one.
#[test]
fn systemd_finds_no_fault_with_the_unit_files() {
    let folder = folder();
    for unit in ["lcnode.service", "lcnode.socket"] {
        let text = fs::read_to_string(source_file("contrib").join(unit)).unwrap();
        let text = text.replace("=/usr/local/bin/lcnode ", &format!("={} ", lcnode().display()));
        fs::write(folder.path().join(unit), text).unwrap();
    }
    let verify = |unit: &str| {
        let output = Command::new("systemd-analyze").arg("verify").arg(folder.path().join(unit)).output();
        let output =
            output.expect("systemd-analyze, of Debian's package systemd, is needed: tests/run installs it");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success() && !said.contains("lcnode."), said)
    };
    for unit in ["lcnode.service", "lcnode.socket"] {
        let (is_good, said) = verify(unit);
        assert!(is_good, "{unit}: {said}");
    }
    // And it would find one.
    let service = folder.path().join("lcnode.service");
    let text = fs::read_to_string(&service).unwrap();
    assert!(text.contains("\nType=notify\n") && text.contains(&format!("ExecStart={}", lcnode().display())));
    fs::write(&service, text.replace("Type=notify", "Type=bogus")).unwrap();
    assert!(!verify("lcnode.service").0);
}
