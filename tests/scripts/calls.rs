//! Calls and their answers; what scripts do with records.

use std::fs;

use crate::support::{MEMORY, Node, SMALL, folder, on_both, wire};

#[test]
fn a_function_is_called_by_its_name() {
    let script = "@function echo(key, value) return key .. ':' .. value end  x = 1  function nothing() end";
    on_both(&["-ext", script], |node| {
        let mut client = node.client();
        client.ask(&wire::ext(b"echo", 0, b"k", b"v"), b"\0\0\0\0\x03k:v");
        client.ask(&wire::ext(b"echo", 3, b"", b"\0\xff"), b"\0\0\0\0\x03:\0\xff");
        for name in ["nothing", "x", "missing", "_put", "_eval", ""] {
            client.ask(&wire::ext(name.as_bytes(), 0, b"k", b"v"), &[1]);
        }
        assert_eq!(client.stat_of("cnt_ext").as_deref(), Some("8"));
        assert_eq!(client.stat_of("ext_errors").as_deref(), Some("0"));
    });
}

#[test]
fn several_scripts_are_one_program() {
    let folder = folder();
    fs::write(folder.path().join("one.lua"), "function one() return two() end").unwrap();
    fs::write(folder.path().join("two.lua"), "function two() return 'of the second' end").unwrap();
    let node = Node::start(folder.path(), &["--ext", "one.lua", "--ext", "two.lua", MEMORY]);
    assert_eq!(node.client().ext("one", 0, "", "").as_deref(), Some(&b"of the second"[..]));
}

/// What scripts and clients see of the same records.
#[test]
fn scripts_and_clients_share_the_records() {
    let script = "@
        function put(key, value) return tostring(_put(key, value)) end
        function get(key) return _get(key) end
        function add(key, value) return _addint(key, value) end
        function keys(prefix) return table.concat(_fwmkeys(prefix), ',') end
        function total() local sum = 0 _foreach(function(key, value) sum = sum + #value return true end) return sum end
        function getlist(key) return table.concat(_misc('getlist', {key, 'missing'}, key), ',') end
        function all() _iterinit() local n = 0 while _iternext() do n = n + 1 end return n end
        function clear() return _vanish() end";
    on_both(&["-ext", script], |node| {
        let mut client = node.client();
        assert_eq!(client.ext("put", 0, "a", "one").as_deref(), Some(&b"true"[..]));
        assert_eq!(client.text("a").as_deref(), Some("one"));
        assert!(client.put("ab", "twelve"));
        assert_eq!(client.ext("get", 0, "ab", "").as_deref(), Some(&b"twelve"[..]));
        assert_eq!(client.ext("get", 0, "none", ""), None);
        assert_eq!(client.ext("add", 0, "n", "5").as_deref(), Some(&b"5"[..]));
        assert_eq!(client.addint("n", 2), Some(7));
        assert_eq!(client.ext("total", 0, "", "").as_deref(), Some(&b"13"[..]));
        assert_eq!(client.ext("all", 0, "", "").as_deref(), Some(&b"3"[..]));
        assert_eq!(client.ext("getlist", 0, "a", "").as_deref(), Some(&b"a,one,a,one"[..]));
        let keys = String::from_utf8(client.ext("keys", 0, "a", "").unwrap()).unwrap();
        assert!(keys == "a,ab" || keys == "ab,a", "{keys}");
        assert_eq!(client.ext("clear", 0, "", "").as_deref(), Some(&b"true"[..]));
        assert_eq!(client.rnum(), 0);
    });
}

/// A record that ends, also for other protocols.
#[test]
fn records_of_scripts_can_expire() {
    let script = "@function soon(key, value) return _putex(key, value, 0.3) end";
    on_both(&["-ext", script], |node| {
        let mut client = node.client();
        assert!(client.ext("soon", 0, "k", "v").is_some());
        assert_eq!(client.text("k").as_deref(), Some("v"));
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert_eq!(client.text("k"), None);
    });
}

/// Under `--sync always` what a script has changed is acknowledged like any other change.
#[test]
fn what_a_script_changed_survives_a_kill() {
    for sync in ["always", "100"] {
        let folder = folder();
        let args = [
            &["--sync", sync, "-ext", "@function set(key, value) _put(key, value) error('after it') end"],
            &SMALL[..],
        ]
        .concat();
        let node = Node::start(folder.path(), &args);
        let mut client = node.client();
        for number in 0..100 {
            assert_eq!(client.ext("set", 0, format!("k{number}"), "v"), None, "it fails, but has stored");
        }
        node.kill();
        let node = Node::start(folder.path(), &args);
        assert_eq!(node.client().rnum(), 100, "--sync {sync}");
    }
}

/// Everything is an answer in its place, whatever is pipelined.
#[test]
fn calls_and_other_requests_keep_their_order() {
    let script = "@function incr(key, value) return _incr(key, value) end  function fail() error('no') end";
    on_both(&["-ext", script], |node| {
        let mut client = node.client();
        let mut requests = Vec::new();
        let mut replies = Vec::new();
        for number in 1..=500_u32 {
            requests.extend(wire::ext(b"incr", number % 3, b"n", b"1"));
            let text = number.to_string();
            replies.push(0);
            replies.extend((text.len() as u32).to_be_bytes());
            replies.extend(text.bytes());
            requests.extend(wire::put(b"other", text.as_bytes()));
            replies.push(0);
            requests.extend(wire::ext(b"fail", number % 3, b"n", b"1"));
            replies.push(1);
            requests.extend(wire::get(b"other"));
            replies.push(0);
            replies.extend((text.len() as u32).to_be_bytes());
            replies.extend(text.bytes());
        }
        client.ask(&requests, &replies);
    });
}
