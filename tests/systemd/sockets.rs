//! Socket activation: a listening socket as descriptor 3.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Output;

use crate::command_line::assert_refused;
use crate::support::{Address, Client, HASH, Launch, Node, folder, loopback, wire};

/// What systemd sets beside the descriptor.
const ONE: &str = "export LISTEN_PID=$$ LISTEN_FDS=1";

/// A client that was there before the node, one that comes later, and a second node on the same socket.
fn serves(launch: &dyn Fn() -> Launch, address: &Address) {
    for round in 0..2 {
        let mut waiting = Client::open(address).unwrap();
        waiting.send(&wire::put(b"k", format!("{round}").as_bytes()));
        let node = launch().spawn();
        assert_eq!(waiting.take(1), [0], "{}", node.log());
        let mut client = Client::open(address).unwrap();
        assert_eq!(client.text("k"), Some(round.to_string()));
        assert!(node.log().contains("server configuration: socket of systemd, "), "{}", node.log());
        assert!(node.log().contains("\tWARN\t--host and --port have no effect"), "{}", node.log());
        node.stop();
        assert_eq!(waiting.rest(), b"");
    }
}

#[test]
fn a_tcp_socket() {
    let folder = folder();
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    // At the address of another, which is never bound.
    let launch = || Launch::new(folder.path(), &[HASH]).inherit(listener.try_clone().unwrap(), ONE);
    serves(&launch, &address);
}

#[test]
fn a_unix_socket_which_stays() {
    let folder = folder();
    let path = folder.path().join("of systemd");
    let listener = UnixListener::bind(&path).unwrap();
    let launch = || Launch::new(folder.path(), &[HASH]).inherit(listener.try_clone().unwrap(), ONE);
    serves(&launch, &Address::Unix(path.clone()));
    assert!(path.exists());
    UnixStream::connect(&path).unwrap();
}

/// Programs that the node runs get neither the socket nor the word about it.
#[test]
fn it_stays_with_the_node() {
    let folder = folder();
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let program = folder.path().join("look");
    std::fs::write(&program, "#!/bin/sh\n[ ! -e /proc/self/fd/3 ] && [ -z \"$LISTEN_FDS\" ]\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    let options = ["--backup-dir", "backups", "--allow-command", program, HASH];
    std::fs::create_dir(folder.path().join("backups")).unwrap();
    let _node = Launch::new(folder.path(), &options).inherit(listener, ONE).spawn();
    Client::open(&address).unwrap().ask(&wire::copy(format!("@{program}").as_bytes()), &[0]);
}

#[test]
fn what_is_no_listening_stream_socket_is_refused() {
    let folder = folder();
    let refused = |descriptor: OwnedFd, before: &str, options: &[&str]| -> Output {
        let output =
            Launch::new(folder.path(), &[options, &[HASH]].concat()).inherit(descriptor, before).output();
        assert!(!folder.path().join(HASH).exists(), "{before}");
        output
    };
    let listener = || -> OwnedFd { TcpListener::bind("127.0.0.1:0").unwrap().into() };
    let file = File::open("/dev/null").unwrap().into();
    assert_refused(
        &refused(file, ONE, &[]),
        &["descriptor 3 is no TCP or Unix stream socket", "ListenStream="],
        "a file",
    );
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().into();
    assert_refused(&refused(udp, ONE, &[]), &["descriptor 3 is no TCP", "ListenStream="], "datagrams");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(held.local_addr().unwrap()).unwrap().into();
    assert_refused(&refused(connected, ONE, &[]), &["does not listen", "Accept=no"], "a connection");
    let (pair, _other) = UnixStream::pair().unwrap();
    assert_refused(&refused(pair.into(), ONE, &[]), &["does not listen"], "a pair");
    for (variables, parts) in [
        ("exec 4<&3; export LISTEN_PID=$$ LISTEN_FDS=2", &["2 sockets were passed", "one Listen line"][..]),
        ("export LISTEN_PID=$$ LISTEN_FDS=2000000000", &["LISTEN_FDS"]),
        ("export LISTEN_PID=$$ LISTEN_FDS=many", &["LISTEN_FDS"]),
        ("export LISTEN_PID=$$ LISTEN_FDS=-1", &["LISTEN_FDS"]),
        ("export LISTEN_PID=me LISTEN_FDS=1", &["LISTEN_PID"]),
        ("exec 3<&-; export LISTEN_PID=$$ LISTEN_FDS=1", &["LISTEN_FDS"]),
    ] {
        assert_refused(&refused(listener(), variables, &[]), parts, variables);
    }
    let output = refused(listener(), ONE, &["-dmn", "-pid", "a.pid"]);
    assert_refused(&output, &["--dmn", "foreground"], "in the background");
}

/// A socket that is meant for another process, or for nobody, is left alone.
#[test]
fn without_the_variables_nothing_happens() {
    for before in ["export LISTEN_FDS=1", "export LISTEN_PID=1 LISTEN_FDS=1", "export LISTEN_PID=$$", ":"] {
        let folder = folder();
        let listener = TcpListener::bind(loopback()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let node: Node =
            Launch::new(folder.path(), &[HASH]).inherit(listener.try_clone().unwrap(), before).start();
        assert!(node.client().put("k", "v"));
        waiting.set_nonblocking(true).unwrap();
        assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "{before}");
        listener.accept().expect("the client still waits");
        node.stop();
    }
}
