//! Commands that scripts carry out, for which no connection waits.

use lcnode_protocol::{Command, Items, Reply};
use lcnode_storage::{Error, Scope};

use super::{Blocked, Node, Session, misc, refusals};

/// Logs that the engine refused something to a script.
pub fn note(error: &Error) {
    refusals::log(Command::Ext, error);
}

/// Bytes that the database takes.
pub fn size(node: &Node) -> u64 {
    super::admin::size(node)
}

/// Carries out a function of `misc`: the elements of its answer, none where it fails.
///
/// Errors: it changes what another call has locked, and is to be made again.
pub fn misc(node: &Node, name: &[u8], args: &[Vec<u8>]) -> Result<Option<Vec<Vec<u8>>>, Scope> {
    let mut wire = Vec::new();
    for arg in args {
        let Ok(len) = i32::try_from(arg.len()) else { return Ok(None) };
        wire.extend_from_slice(&len.to_be_bytes());
        wire.extend_from_slice(arg);
    }
    let Some(items) = Items::from_wire(&wire) else { return Ok(None) };
    let mut session = Session { waits: true, ..Session::default() };
    let mut answer = Answer::default();
    misc::misc(node, &mut session, name, items, &mut answer);
    match session.blocked {
        Some(Blocked::Reserved(scope)) => Err(scope),
        _ => Ok(answer.elements),
    }
}

/// The answer of `misc` as elements; none for a failure.
#[derive(Debug, Default)]
struct Answer {
    elements: Option<Vec<Vec<u8>>>,
    list: Vec<Vec<u8>>,
    bytes: usize,
}

impl Answer {
    fn one(&mut self, element: Vec<u8>) {
        self.elements = Some(vec![element]);
    }
}

impl Reply for Answer {
    fn success(&mut self) {
        self.elements = Some(Vec::new());
    }

    fn failure(&mut self) {
        self.elements = None;
    }

    fn value(&mut self, value: &[u8]) {
        self.one(value.to_vec());
    }

    fn int(&mut self, number: i32) {
        self.one(number.to_string().into_bytes());
    }

    fn double(&mut self, number: f64) {
        self.one(number.to_string().into_bytes());
    }

    fn count(&mut self, count: u64) {
        self.one(count.to_string().into_bytes());
    }

    fn begin_list(&mut self) {
        self.list.clear();
    }

    fn item(&mut self, item: &[u8]) {
        self.bytes += item.len();
        self.list.push(item.to_vec());
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        self.item(key);
        self.item(value);
    }

    fn end_list(&mut self) {
        self.elements = Some(std::mem::take(&mut self.list));
    }

    fn abandon_list(&mut self) {
        self.list.clear();
        self.elements = None;
    }

    fn len(&self) -> usize {
        self.bytes
    }
}
