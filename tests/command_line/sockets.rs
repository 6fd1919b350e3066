//! Listening: ports and socket files that are taken, names that mean nothing, and what is left at the end.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::command_line::assert_refused;
use crate::support::{Address, Client, HASH, Launch, Node, SMALL, folder, loopback};

#[test]
fn a_port_in_use_is_refused_at_once_and_the_database_untouched() {
    let folder = folder();
    let node = Node::start(folder.path(), &["one.tch"]);
    for database in ["two.tch", "*"] {
        let start = Instant::now();
        let output = Launch::new(folder.path(), &["-pid", "two.pid", database])
            .address(node.address().clone())
            .output();
        assert_refused(&output, &["cannot listen on 127.", "in use", "-port"], database);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert!(!folder.path().join("two.tch").exists() && !folder.path().join("two.pid").exists());
    }
    // Also an address that somebody holds who never answers.
    let address = loopback();
    let _held = TcpListener::bind(address).unwrap();
    let output = Launch::new(folder.path(), &["two.tch"]).address(Address::Tcp(address)).output();
    assert_refused(&output, &["in use"], "held by another program");
    assert!(node.client().put("k", "v"));
}

#[test]
fn a_port_is_free_again_at_once() {
    let folder = folder();
    let launch = Launch::new(folder.path(), &["--segment-size", "1m", HASH]);
    for round in 0..5u8 {
        let node = launch.clone().start();
        let mut client = node.client();
        assert_eq!(client.rnum(), u64::from(round));
        assert!(client.put([round], "v"));
        // With the connection still open, so that the port's last user lingers.
        if round % 2 == 0 { node.stop() } else { node.kill() }
    }
}

#[test]
fn a_socket_file_is_removed_at_the_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = folder();
        let node = Node::start_on_socket(folder.path(), &SMALL);
        let socket = folder.path().join("socket");
        assert!(node.client().put("k", "v"));
        let mut stays = node.client();
        node.stop_by(signal);
        assert!(!socket.exists(), "{signal}");
        assert_eq!(stays.rest(), b"");
        let node = Node::start_on_socket(folder.path(), &SMALL);
        assert_eq!(node.client().text("k").as_deref(), Some("v"));
    }
}

#[test]
fn a_socket_file_that_exists_is_refused_and_left() {
    let folder = folder();
    let path = folder.path().join("socket");
    let launch = Launch::new(folder.path(), &["-pid", "a.pid", HASH]).address(Address::Unix(path.clone()));
    let listening = UnixListener::bind(&path).unwrap();
    assert_refused(&launch.output(), &["cannot listen on", "socket", "in use"], "somebody listens");
    drop(listening);
    assert_refused(&launch.output(), &["cannot listen on", "socket"], "nobody listens any more");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    assert_refused(&launch.output(), &["cannot listen on"], "another file");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert!(!folder.path().join(HASH).exists() && !folder.path().join("a.pid").exists());
    let nowhere = launch.address(Address::Unix(folder.path().join("none/socket")));
    assert_refused(&nowhere.output(), &["cannot listen on", "none/socket"], "no such folder");
}

/// A node that cannot open its database has no business leaving a socket behind.
#[test]
fn a_start_that_fails_later_removes_its_socket() {
    let folder = folder();
    let path = folder.path().join("socket");
    let launch = Launch::new(folder.path(), &["-pid", "a.pid", "casket.tch#mode=r"]);
    assert_refused(&launch.address(Address::Unix(path.clone())).output(), &["does not exist"], "no database");
    assert!(!path.exists() && !folder.path().join("a.pid").exists());
}

#[test]
fn hosts() {
    let folder = folder();
    let unknown = ["-host", "no.such.host.invalid", "-port", "1978", HASH];
    let output = std::process::Command::new(crate::support::lcnode())
        .args(unknown)
        .current_dir(folder.path())
        .output();
    assert_refused(
        &output.unwrap(),
        &["cannot resolve the host no.such.host.invalid", "-host"],
        "an unknown host",
    );
    assert!(!folder.path().join(HASH).exists());

    // Without a host it listens on all addresses of the machine.
    let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap();
    let launch = Launch::new(folder.path(), &["-host", "0.0.0.0", HASH]);
    let node = launch.address(Address::Tcp((Ipv4Addr::LOCALHOST, free.port()).into())).start();
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 7, 7, 7)] {
        let mut client = Client::open(&Address::Tcp((address, free.port()).into())).unwrap();
        assert_eq!(client.rnum(), 0);
    }
    drop(node);
}
