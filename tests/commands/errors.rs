//! The error numbers that misc error tells: the last error of the connection.

use crate::support::{Client, HASH, Node, folder, wire};

fn last_error(client: &mut Client) -> String {
    let elements = client.misc("error", &[]).expect("misc error works on a hash database");
    assert_eq!(elements.len(), 1, "no error here is fatal: {elements:?}");
    String::from_utf8(elements[0].clone()).unwrap()
}

#[test]
fn each_failure_has_its_number() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let mut client = node.client();
    assert_eq!(last_error(&mut client), "0: success");
    assert!(client.put("k", "v") && client.put("k5", "12345"));
    let cases: [(&[u8], &str); 16] = [
        (&wire::get(b"none"), "22: no record found"),
        (&wire::putkeep(b"k", b"w"), "21: existing record"),
        (&wire::out(b"none"), "22: no record found"),
        (&wire::addint(b"k5", 1), "21: existing record"),
        (&wire::vsiz(b"none"), "22: no record found"),
        (&wire::adddouble(b"k5", 1, 0), "21: existing record"),
        (&wire::iternext(), "2: invalid operation"),
        (&wire::misc(b"get", 0, &[b"none"]), "22: no record found"),
        (&wire::misc(b"putkeep", 0, &[b"k", b"v"]), "21: existing record"),
        (&wire::misc(b"out", 0, &[b"none"]), "22: no record found"),
        (&wire::misc(b"iternext", 0, &[]), "2: invalid operation"),
        (&wire::misc(b"getpart", 0, &[b"none"]), "22: no record found"),
        (&wire::copy(b"nowhere.tch"), "9999: miscellaneous error"),
        (&wire::misc(b"iterinit", 0, &[b"none"]), "22: no record found"),
        (&wire::copy(b""), "9999: miscellaneous error"),
        (&wire::get(b"none"), "22: no record found"),
    ];
    for (request, error) in cases {
        assert!(!client.succeeds(request), "{request:02x?}");
        if request[1] == 0x90 {
            assert_eq!(client.take(4), [0; 4]);
        }
        assert_eq!(last_error(&mut client), error, "{request:02x?}");
    }
    assert!(client.put("fine", "v") && client.get("fine").is_some());
    assert_eq!(last_error(&mut client), "22: no record found", "success does not reset it");
    assert_eq!(last_error(&mut node.client()), "0: success", "another connection has its own");
}

#[test]
fn a_read_only_database_calls_writes_invalid() {
    let folder = folder();
    Node::start(folder.path(), &[HASH]).stop();
    let node = Node::start(folder.path(), &["casket.tch#mode=r"]);
    for request in
        [wire::put(b"k", b"v"), wire::out(b"k"), wire::addint(b"k", 1), wire::vanish(), wire::sync()]
    {
        let mut client = node.client();
        assert!(!client.succeeds(&request));
        assert_eq!(last_error(&mut client), "2: invalid operation", "{request:02x?}");
    }
}
