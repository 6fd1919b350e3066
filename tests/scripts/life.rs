//! The start, periodic functions, new versions, the end.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Launch, MEMORY, Node, SMALL, eventually, folder, lcnode};

#[test]
fn begin_and_end_are_called_once() {
    let folder = folder();
    let script = "@
        function _begin() _put('begun', tostring(_thid) .. tostring(_get('begun'))) _log('hello', 3) end
        function _end() _log('end: ' .. tostring(_put('k', 'v')) .. ' ' .. tostring(_get('begun')), 3) end
        function who() return _thnum .. ' ' .. _sid .. ' ' .. _version end";
    let node = Node::start(folder.path(), &[&["-ext", script, "-sid", "7"], &SMALL[..]].concat());
    assert_eq!(node.client().text("begun").as_deref(), Some("1nil"));
    assert_eq!(node.client().ext("who", 0, "", "").as_deref(), Some(&b"8 7 1.1.41"[..]));
    let log = folder.path().to_owned();
    node.stop();
    let log = fs::read_dir(&log)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default());
    let log: String = log.collect();
    assert_eq!(log.matches("SYSTEM\thello").count(), 1, "{log}");
    assert!(log.contains("SYSTEM\tend: false nil"), "the database is closed then: {log}");
}

#[test]
fn periodic_functions_run() {
    let folder = folder();
    let node = Node::start(
        folder.path(),
        &[
            "-ext",
            "@function tick(k, v) _incr('ticks' .. k .. v, 1) end  function _no() _put('no', '1') end",
            "-extpc",
            "tick",
            "0.05",
            "-extpc",
            "missing",
            "0.05",
            "-extpc",
            "_no",
            "0.05",
            "-extpc",
            "tick",
            "0",
            MEMORY,
        ],
    );
    let mut client = node.client();
    eventually("five ticks", Duration::from_secs(20), || {
        client.text("ticks").and_then(|ticks| ticks.parse().ok()).unwrap_or(0) >= 5
    });
    assert_eq!(client.text("no"), None);
    assert!(!node.log().contains("ERROR"), "{}", node.log());
    node.stop();
}

#[test]
fn a_hang_up_loads_the_scripts_anew() {
    let folder = folder();
    let script = folder.path().join("a.lua");
    fs::write(&script, "function f() return 'old' end  function _begin() _incr('begun', 1) end").unwrap();
    let node = Node::start(folder.path(), &["-ext", "a.lua", MEMORY]);
    let mut client = node.client();
    let answer = |client: &mut crate::support::Client| {
        client.ext("f", 0, "", "").map(|text| String::from_utf8(text).unwrap())
    };
    assert_eq!(answer(&mut client).as_deref(), Some("old"));
    fs::write(&script, "function f( return 'broken' end").unwrap();
    node.signal(Signal::SIGHUP);
    eventually("the mistake is named", Duration::from_secs(20), || {
        node.log().contains("the scripts that were loaded before stay")
    });
    assert!(node.log().contains("a.lua:1:"), "{}", node.log());
    assert_eq!(answer(&mut client).as_deref(), Some("old"));
    fs::write(&script, "function f() return 'new' end  function _begin() _incr('begun', 1) end").unwrap();
    node.signal(Signal::SIGHUP);
    eventually("the new version answers", Duration::from_secs(20), || {
        answer(&mut client).as_deref() == Some("new")
    });
    assert_eq!(client.text("begun").as_deref(), Some("1"));
}

#[test]
fn a_broken_script_keeps_lcnode_from_starting_but_not_ttserver() {
    let folder = folder();
    fs::write(folder.path().join("broken.lua"), "function f( end").unwrap();
    for (script, what) in
        [("broken.lua", "broken.lua:1:"), ("missing.lua", "No such file"), ("@error('no')", "no")]
    {
        let output = Launch::new(folder.path(), &["-ext", script, MEMORY]).output();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(what), "{script}: {text}");
    }
    let link = folder.path().join("ttserver");
    std::os::unix::fs::symlink(lcnode(), &link).unwrap();
    let half = "@function f() return 'there' end  error('later')";
    for (script, answer) in [("missing.lua", None), ("broken.lua", None), (half, Some(&b"there"[..]))] {
        let node = Launch::new(folder.path(), &["-ext", script, "*"]).program(&link).start();
        assert_eq!(node.client().ext("f", 0, "", "").as_deref(), answer, "{script}");
        assert!(node.log().contains("ERROR"), "{}", node.log());
        node.stop();
    }
}

/// A call that would go on for ever does not keep the node from ending.
#[test]
fn a_node_ends_while_scripts_run() {
    let folder = folder();
    let node = Node::start(
        folder.path(),
        &[
            "-ext",
            "@function loop() while true do end end  function sleep() _sleep(1000) end",
            "--ext-max-time",
            "1000",
            "--ext-max-instructions",
            "1000000000000",
            MEMORY,
        ],
    );
    for name in ["loop", "sleep", "loop"] {
        node.client().send(&crate::support::wire::ext(name.as_bytes(), 0, b"", b""));
    }
    let mut client = node.client();
    client.send(&crate::support::wire::ext(b"loop", 1, b"", b""));
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    node.stop();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
