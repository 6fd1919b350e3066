//! misc scan: a walk over everything whose place the client keeps.

use std::collections::BTreeMap;

use crate::support::{Client, on_both};

type Page = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

fn page(client: &mut Client, cursor: &[u8], max: &[u8]) -> Page {
    let elements = client.misc("scan", &[cursor, max]).unwrap();
    let (next, records) = elements.split_first().unwrap();
    let records = records.chunks(2).map(|record| (record[0].clone(), record[1].clone())).collect();
    (next.clone(), records)
}

#[test]
fn every_record_is_met_once_by_walks_that_do_not_disturb_each_other() {
    on_both(&[], |node| {
        let mut client = node.client();
        let expected: BTreeMap<Vec<u8>, Vec<u8>> =
            (0..3000).map(|n| (format!("key{n}").into_bytes(), vec![b'v'; n % 50])).collect();
        for (key, value) in &expected {
            assert!(client.put(key, value));
        }
        let mut walks = [(Vec::new(), BTreeMap::new(), false), (Vec::new(), BTreeMap::new(), false)];
        let mut pages = 0;
        while walks.iter().any(|walk| !walk.2) {
            for (cursor, met, is_done) in walks.iter_mut().filter(|walk| !walk.2) {
                let (next, records) = page(&mut client, cursor, b"100");
                assert!(records.len() < 100 + 100, "{}", records.len());
                for (key, value) in records {
                    assert!(met.insert(key, value).is_none());
                }
                *is_done = next.is_empty();
                *cursor = next;
                pages += 1;
                // Neither does what grows the table meanwhile.
                assert!(client.put(format!("more{pages}"), b"m") && client.out(format!("more{pages}")));
            }
        }
        assert!(pages > 40, "{pages}");
        assert!(walks.iter().all(|(_, met, _)| *met == expected));
    });
}

#[test]
fn pages_are_bounded_in_bytes() {
    on_both(&[], |node| {
        let mut client = node.client();
        for n in 0..40 {
            assert!(client.put(format!("{n}"), vec![0; 200_000]));
        }
        let (next, records) = page(&mut client, b"", b"1000");
        assert!(!next.is_empty() && records.len() < 20, "{}", records.len());
    });
}

#[test]
fn what_is_no_cursor_fails() {
    on_both(&[], |node| {
        let mut client = node.client();
        for args in [&[&b"x"[..]][..], &[b"-1"], &[b"1", b"-1"], &[b"99999999999999999999"], &[]] {
            assert_eq!(client.misc("scan", args), None, "{args:?}");
        }
        assert_eq!(client.misc("scan", &[b""]), Some(vec![Vec::new()]));
        assert_eq!(client.misc("scan", &[b"", b"0"]), Some(vec![Vec::new()]));
        assert!(client.misc("scan", &[b"18446744073709551615"]).is_some());
    });
}
