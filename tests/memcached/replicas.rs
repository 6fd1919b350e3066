//! Two masters: what one is told the other knows, ids and all.

use std::thread::scope;
use std::time::Duration;

use super::{ask, line, unique};
use crate::replication::mesh::Mesh;
use crate::support::{Client, HASH, MEMORY, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

fn mesh(database: &str) -> Mesh {
    Mesh::start_all(2, &["--honour-exptime", "--segment-size", "1m", database])
}

fn has(client: &mut Client, key: &str, head: &str) -> bool {
    client.send(format!("get {key}\r\n").as_bytes());
    let first = line(client);
    if first == "END" {
        return false;
    }
    let size: usize = first.rsplit(' ').next().unwrap().parse().unwrap();
    client.take(size + 2 + 5);
    first == format!("VALUE {key} {head}")
}

#[test]
fn flags_ends_and_ids_are_the_same_on_both() {
    for database in [HASH, MEMORY] {
        let mesh = mesh(database);
        let (one, two) = (&mut mesh.client(0), &mut mesh.client(1));
        ask(one, "set k 7 0 3\r\none\r\nset n 1 0 1\r\n5\r\nincr n 1\r\n", "STORED\r\nSTORED\r\n6\r\n");
        ask(one, "set ends 2 4 1\r\nv\r\n", "STORED\r\n");
        eventually("they came over", PATIENCE, || {
            has(two, "k", "7 3") && two.text("n").as_deref() == Some("6")
        });
        let id = unique(one, "k");
        assert_eq!(unique(two, "k"), id);
        assert_eq!(unique(two, "n"), unique(one, "n"));
        // What was read on one can be changed on the other.
        ask(two, &format!("cas k 8 0 3 {id}\r\ntwo\r\n"), "STORED\r\n");
        eventually("it came back", PATIENCE, || has(one, "k", "8 3"));
        ask(one, &format!("cas k 9 0 3 {id}\r\nold\r\n"), "EXISTS\r\n");
        assert_eq!(unique(two, "k"), unique(one, "k"));
        eventually("it has ended on both", PATIENCE, || !has(one, "ends", "2 1") && !has(two, "ends", "2 1"));
        ask(one, "flush_all 1\r\n", "OK\r\n");
        eventually("it is empty", PATIENCE, || two.rnum() == 0);
    }
}

#[test]
fn increments_on_both_add_up() {
    const EACH: u64 = 500;
    for database in [HASH, MEMORY] {
        let mesh = mesh(database);
        ask(&mut mesh.client(0), "set n 3 0 4\r\n1000\r\n", "STORED\r\n");
        let two = &mut mesh.client(1);
        eventually("it came over", PATIENCE, || has(two, "n", "3 4"));
        scope(|threads| {
            for number in 0..2 {
                let mut client = mesh.client(number);
                threads.spawn(move || {
                    for step in 0..EACH {
                        // One by one, and quietly by pipelines.
                        let request = match step % 3 {
                            0 => "incr n 3\r\n".to_owned(),
                            1 => "decr n 1 noreply\r\nincr n 2\r\n".to_owned(),
                            _ => "incr n 1 noreply\r\nincr n 0\r\n".to_owned(),
                        };
                        client.send(request.as_bytes());
                        line(&mut client).parse::<u64>().unwrap();
                    }
                });
            }
        });
        let by_each: u64 = (0..EACH).map(|step| [3, 1, 1][step as usize % 3]).sum();
        let sum = (1000 + 2 * by_each).to_string();
        mesh.agree();
        for number in 0..2 {
            let reply = format!("VALUE n 3 {}\r\n{sum}\r\nEND\r\n", sum.len());
            ask(&mut mesh.client(number), "get n\r\n", &reply);
        }
    }
}
