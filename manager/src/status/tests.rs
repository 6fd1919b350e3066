use std::path::Path;
use std::time::Instant;

use super::judge::judge;
use super::report::{Report, Row};
use super::sample::{Sample, Watched, rate};
use super::table::render;
use crate::config::Cluster;
use crate::stat::{Silent, Stat};

const FILE: &str = r#"
[[node]]
name = "lookup1_A"
servers = [{ host = "127.0.0.1", port = 41201 }, { host = "127.0.0.1", port = 51201 }]
[[node]]
name = "storage1_A"
kind = "redis"
servers = [{ host = "127.0.0.1", port = 44201 }]
"#;

/// `stat` of the first server, with lines of its master and its follower.
fn stat(master: &str, follower: &str, more: &str) -> Sample {
    let text = format!(
        "version 1.1.41\nsid 3\npid 7\nrnum 1234567\nsize 5000000\nmemrss 70000000\nru_real 7300.5\ncnt_put 100\n\
         cnt_stat 9\ncnt_put_miss 5\npeer_1_host 127.0.0.1:51201\npeer_1_role master\npeer_1_state live\n\
         peer_1_agrees yes\n{master}\npeer_2_host 127.0.0.1:39999\npeer_2_role follower\npeer_2_state live\n\
         {follower}\n{more}"
    );
    // A line that comes first counts.
    let mut lines: Vec<_> = text.lines().collect();
    lines.reverse();
    Sample::Stat { stat: Stat::of(&lines.join("\n")), asked: Instant::now(), clock: 1000.0 }
}

fn rows(first: Sample, second: Sample) -> Vec<Row> {
    let cluster = Cluster::parse(Path::new("/x.toml"), FILE).unwrap();
    let watched: Vec<_> =
        cluster.servers().map(|(node, server)| Watched::new(&cluster, node, server)).collect();
    judge(&watched, &[first, second, Sample::Connected], &[Some(1234.0), None, None], 10.0)
}

fn problems(sample: Sample) -> Vec<String> {
    let down = Sample::Silent(Silent::Refused);
    let is_first = |problem: &String| !problem.contains("nobody listens");
    rows(sample, down).remove(0).problems.into_iter().filter(is_first).collect()
}

#[test]
fn what_is_well_has_no_problem() {
    let rows = rows(stat("", "", "time 1001"), stat("", "", ""));
    let first = &rows[0];
    assert!(first.problems.is_empty() && first.notes.is_empty(), "{first:?}");
    assert_eq!((first.records, first.id, first.agrees), (Some(1_234_567), Some(3), Some("yes")));
    assert_eq!(first.lag_seconds, Some(0.0));
    // The second one follows itself by what it says, and not the first.
    assert_eq!(rows[1].problems, ["does not follow lookup1_A-1: lcmgr restart lookup1_A-2"]);
    assert!(rows[2].up && rows[2].problems.is_empty(), "{:?}", rows[2]);
}

#[test]
fn each_problem_is_said_in_words() {
    for (master, follower, more, said) in [
        ("peer_1_state stopped\npeer_1_error same id", "", "", "has stopped following lookup1_A-2: same id"),
        ("peer_1_state waiting\npeer_1_error refused", "", "", "cannot follow lookup1_A-2, which is down"),
        ("peer_1_lag_seconds 11\npeer_1_lag_bytes 2048", "", "", "is 11 s behind lookup1_A-2 (2.0 KiB)"),
        ("peer_1_agrees no", "", "", "has not the same records as lookup1_A-2: see lcmgr verify lookup1_A"),
        ("", "peer_2_lag_seconds 60", "", "its follower 127.0.0.1:39999 is 60 s behind (0 B)"),
        ("peer_1_host elsewhere:1", "", "", "does not follow lookup1_A-2: lcmgr restart lookup1_A-1"),
        ("", "", "fatal 10: a write failed", "refuses writes: 10: a write failed"),
        ("", "", "disk_full no room", "refuses writes for want of space: no room"),
        ("", "", "type void", "serves without a database: its log says why"),
    ] {
        assert_eq!(problems(stat(master, follower, more)), [said]);
    }
    let notes = rows(
        stat("peer_1_state full-sync\npeer_1_repl_full_sync 45.0 percent", "", "time 1010"),
        stat("", "", ""),
    );
    let said =
        ["its clock is 10 s ahead of the one here", "is getting all records from lookup1_A-2: 45.0 percent"];
    assert_eq!(notes[0].notes, said);
    assert!(notes[0].problems.is_empty());
}

#[test]
fn rates_are_of_work_alone() {
    let before = stat("", "", "");
    std::thread::sleep(std::time::Duration::from_millis(10));
    let after = stat("", "", "cnt_put 200\ncnt_stat 5000\ncnt_put_miss 5000");
    let rate_found = rate(&before, &after).unwrap();
    assert!(rate_found > 100.0 && rate_found <= 10_000.0, "{rate_found}");
    // Restarted in between.
    assert_eq!(rate(&before, &stat("", "", "cnt_put 200\npid 8")), None);
    assert_eq!(rate(&after, &before), None);
    assert_eq!(rate(&before, &Sample::Silent(Silent::Refused)), None);
}

#[test]
fn tables_fit_their_terminal() {
    let down = || Sample::Silent(Silent::Refused);
    let report = Report::new(rows(stat("peer_1_state waiting", "", ""), down()));
    assert!(!report.ok);
    for width in [60, 80, 100, 120, 160, 250] {
        let text = render(&report, Some(width), false);
        assert!(!text.contains('\x1b'), "{text}");
        for line in text.lines().take_while(|line| !line.is_empty()) {
            assert!(line.chars().count() <= width, "{width}: {line}\n{text}");
        }
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("DOWN") && flat.contains("which is") && flat.contains("1,234,567"), "{text}");
        assert!(text.ends_with("3 servers: 1 down, 1 more with a problem\n"), "{text}");
    }
    let coloured = render(&report, Some(160), true);
    assert!(coloured.contains("\x1b["), "{coloured}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["servers"][0]["operations_per_second"], 1234.0);
    assert_eq!(json["servers"][1]["up"], false);
    assert_eq!(json["servers"][1]["records"], serde_json::Value::Null);
    assert_eq!(json["servers"][2]["kind"], "redis");
}
