//! The examples of the client crate, run against real servers.

use std::path::PathBuf;
use std::process::Command;

use crate::redis::servers::{Place, Server, are_there};
use crate::support;

/// Where `cargo test --workspace` puts an example.
fn example(name: &str) -> PathBuf {
    let path = support::lcmgr().with_file_name("examples").join(name);
    assert!(path.exists(), "{} is not there: run `cargo build --workspace --examples`", path.display());
    path
}

/// Runs an example; what it prints.
fn run(name: &str, args: &[String]) -> String {
    let done = Command::new(example(name)).args(args).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{name} {args:?}: {}\n{said}{complained}", done.status);
    said.into_owned()
}

fn addresses<'s>(servers: impl IntoIterator<Item = &'s Server>) -> Vec<String> {
    servers.into_iter().map(|server| server.address().to_string()).collect()
}

#[test]
fn the_examples_do_what_they_say() {
    let mut place = Place::new();
    let nodes = [place.lcnode(), place.lcnode()];
    let nodes = addresses(&nodes);
    assert_eq!(
        run("hello", &nodes),
        "hello is world\nit is on storage1_A, says lookup1_A\ndeleted: true\nhello is None\n"
    );
    let lists = run("lists", &nodes);
    assert!(lists.contains("the last ones were: user199, user198, user197,"), "{lists}");
    assert!(lists.ends_with("is there a list still? false\n"), "{lists}");
    let many = run("many", &nodes);
    for said in ["found 10000\n", "met on a walk: 10000\n", "deleted: 10000\n"] {
        assert!(many.contains(said), "{many}");
    }
    let blocking = run("blocking", &nodes);
    assert!(
        blocking.starts_with("4 threads have counted to 1000\nthere is visits with 4 bytes\n"),
        "{blocking}"
    );
}

#[test]
fn the_example_of_redis_does_what_it_says() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let servers = [place.redis(&[]), place.redis(&[])];
    let cluster = place.cluster();
    let mut of_cluster = vec!["--cluster".to_owned(), addresses(&servers[..1]).remove(0)];
    of_cluster.extend(addresses(&cluster));
    for args in [addresses(&servers), of_cluster] {
        assert_eq!(
            run("redis", &args),
            "redis7 is Some(b\"7\")\n35 more are 42\nthe list has [b\"one\", b\"two\", b\"three\"]\ndeleted: 100\n"
        );
    }
}

#[test]
fn without_servers_they_say_what_is_missing() {
    for name in ["hello", "lists", "many", "blocking", "redis"] {
        let done = Command::new(example(name)).output().unwrap();
        assert!(!done.status.success());
        assert!(String::from_utf8_lossy(&done.stderr).contains("STORAGE_HOST:PORT"));
    }
}
