//! `/status.json`, which `src/admin/STATUS.md` describes; the page that draws it; and `/log-level`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Admin, Answer};
use crate::support::{ANSWER, Address, HASH, Node, eventually, folder, source_file, wire};

fn status(admin: Admin) -> Value {
    let answer = admin.ask("GET", "/status.json");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// Members and their types, of the tables of the document in their order.
fn documented() -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(source_file("src/admin/STATUS.md")).unwrap();
    let mut tables = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", "member", ..] => tables.push(BTreeMap::new()),
            ["", name, kind, what, ""] if name.starts_with('`') => {
                assert!(!what.is_empty(), "{line}");
                let table = tables.last_mut().unwrap();
                assert!(table.insert(name.trim_matches('`').to_owned(), kind.to_owned()).is_none(), "{line}");
            }
            _ => {}
        }
    }
    tables
}

/// The members of an object are those of a table, and of the types that it says.
fn holds(object: &Value, table: &BTreeMap<String, String>) {
    let members = object.as_object().unwrap();
    assert!(members.keys().eq(table.keys()), "{:?} {:?}", members.keys(), table.keys());
    for (name, value) in members {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        assert!(
            table[name].split(" or null").any(|said| said == kind)
                || (kind == "null" && table[name].ends_with("or null")),
            "{name}: {kind}"
        );
    }
}

#[test]
fn the_document_and_the_figures_hold_the_same() {
    let folders = [folder(), folder()];
    let (node, admin) = Admin::start(folders[0].path(), &["--log-level", "info,server=warn", HASH]);
    let Address::Tcp(address) = node.address() else { panic!("on a port") };
    let _follower = Node::start(folders[1].path(), &["--master", &address.to_string(), HASH]);
    eventually("it has a follower", ANSWER, || status(admin)["peers"][0]["state"] == "live");
    assert!(node.client().put("k", "v") && node.client().get("none").is_none());
    let [members, of_peers] = &documented()[..] else { panic!("two tables") };
    let status = status(admin);
    holds(&status, members);
    holds(&status["peers"][0], of_peers);
    assert_eq!((&status["pid"], &status["database"]), (&node.pid().into(), &HASH.into()));
    assert_eq!((&status["ready"], &status["condition"]), (&true.into(), &"ready".into()));
    assert_eq!((&status["log_level"], &status["disk_full"]), (&"info,server=warn".into(), &Value::Null));
    assert_eq!(status["peers"][0]["role"], "follower");

    // The figures of the metrics, each with its labels.
    let metrics = status["metrics"].as_object().unwrap();
    let names: Vec<String> = admin.scrape().types.keys().cloned().collect();
    assert!(names.iter().all(|name| metrics.contains_key(name)), "{names:?} {:?}", metrics.keys());
    assert_eq!(metrics["lcnode_records"], serde_json::json!([{"value": 1.0}]));
    let of_get = |one: &&Value| one["command"] == "get";
    let gets = metrics["lcnode_requests_total"].as_array().unwrap().iter().filter(of_get);
    let failed: Vec<_> =
        gets.filter(|one| one["outcome"] == "failed" && one["dialect"] == "binary").collect();
    assert_eq!(failed[0]["value"], 1.0);
    let times = metrics["lcnode_request_duration_seconds"].as_array().unwrap().iter().find(of_get).unwrap();
    let buckets = times["buckets"].as_array().unwrap();
    assert_eq!((&times["count"], &buckets[buckets.len() - 1][1]), (&1.into(), &1.into()));
    assert!(times["sum"].as_f64().unwrap() > 0.0);
}

/// Nothing in it may come from elsewhere, and only what is in it may run.
#[test]
fn the_page() {
    let folder = folder();
    let (_node, admin) = Admin::start(folder.path(), &[HASH]);
    let page = admin.ask("GET", "/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html; charset=utf-8"), "{}", page.head);
    let policy = page.head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    for line in ["x-content-type-options: nosniff", "x-frame-options: deny", "referrer-policy: no-referrer"] {
        assert!(page.head.contains(line), "{line}: {}", page.head);
    }
    assert!(page.body.len() < 40 << 10, "{}", page.body.len());
    // The one address in it is the name of a format.
    assert_eq!(page.body.replace("http://www.w3.org/2000/svg", "").matches("://").count(), 0);
    for unescaped in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
        assert!(!page.body.contains(unescaped), "{unescaped}");
    }
    assert_eq!(admin.ask("HEAD", "/").body, "");
    assert_eq!(admin.ask("POST", "/").status, 405);
    assert_eq!(admin.ask("PUT", "/status.json").status, 405);
}

/// A PUT of levels, which calls the server by that name.
fn put(admin: Admin, host: &str, levels: &[u8]) -> Answer {
    let length = levels.len();
    let head = format!(
        "PUT /log-level HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    Answer::read(&admin.try_send(&[head.as_bytes(), levels].concat()).unwrap()).unwrap()
}

#[test]
fn levels_of_the_log_change_over_it() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &["--log-level", "error", HASH]);
    let syncs = || {
        node.client().ask(&wire::sync(), &[0]);
        node.log().matches("doing sync command").count()
    };
    let level = || admin.ask("GET", "/log-level").body;
    assert_eq!((level().as_str(), syncs()), ("error\n", 0));
    let answer = put(admin, "localhost:9178", b" warn,commands=info\n");
    assert_eq!((answer.status, answer.body.as_str()), (200, "warn,commands=info\n"));
    assert_eq!((level().as_str(), syncs()), ("warn,commands=info\n", 1));
    let line =
        "\tSYSTEM\tlog level: warn,commands=info from now on, error until now, changed by the admin server\n";
    assert!(node.log().contains(line), "{}", node.log());

    for (levels, part) in [
        (&b"loud"[..], "is no level: write error, warn, info or debug"),
        (b"", "is no level"),
        (b"comands=info", "the parts are admin, commands, "),
        (b"\xff", "the body must be levels"),
    ] {
        let answer = put(admin, "127.0.0.1", levels);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(part), "{answer:?}");
    }
    // A page of another site, whose name was made to mean this address.
    let answer = put(admin, "elsewhere.example", b"debug");
    assert!(
        answer.status == 403 && answer.body.contains("address, localhost or the host given"),
        "{answer:?}"
    );
    assert_eq!(put(admin, "localhost", &[b','; 5000]).status, 413);
    // What browsers ask before a page of another site may send a PUT.
    let asked = admin.ask("OPTIONS", "/log-level");
    assert!(asked.status == 405 && !asked.head.contains("access-control"), "{asked:?}");
    assert_eq!((level().as_str(), syncs()), ("warn,commands=info\n", 2));
    assert_eq!(admin.ask("POST", "/log-level").status, 405);
}
