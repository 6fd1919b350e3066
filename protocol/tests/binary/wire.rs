//! Requests to bytes, for the tests only, and bytes from hexadecimal.

use lcnode_protocol::Request;
use lcnode_protocol::binary::{MAGIC, encode_double};

/// The size of a field as the wire has it.
fn size(field: &[u8]) -> u32 {
    u32::try_from(field.len()).expect("a field of a test fits")
}

/// Writes a request as a client would.
pub(crate) fn encode(request: &Request<'_>) -> Vec<u8> {
    let id = request.command().id();
    match *request {
        Request::Put { key, value }
        | Request::PutKeep { key, value }
        | Request::PutCat { key, value }
        | Request::PutNr { key, value } => message(id, &[size(key), size(value)], &[key, value]),
        Request::PutShl { key, value, width } => message(id, &[size(key), size(value), width], &[key, value]),
        Request::Out { key } | Request::Get { key } | Request::Vsiz { key } => {
            message(id, &[size(key)], &[key])
        }
        Request::MGet { keys } => {
            let mut wire = message(id, &[count(keys.len())], &[]);
            keys.iter().for_each(|key| push_item(&mut wire, key));
            wire
        }
        Request::FwmKeys { prefix, max } => message(id, &[size(prefix), max.unwrap_or(u32::MAX)], &[prefix]),
        Request::AddInt { key, num } => message(id, &[size(key), num.cast_unsigned()], &[key]),
        Request::AddDouble { key, num } => {
            let (integ, fract) = encode_double(num);
            let [i_high, i_low] = halves(integ.cast_unsigned());
            let [f_high, f_low] = halves(fract.cast_unsigned());
            message(id, &[size(key), i_high, i_low, f_high, f_low], &[key])
        }
        Request::Ext { name, options, key, value } => {
            let header = [size(name), options, size(key), size(value)];
            message(id, &header, &[name, key, value])
        }
        Request::Optimize { params: text } | Request::Copy { path: text } => {
            message(id, &[size(text)], &[text])
        }
        Request::Restore { path, ts, options } => {
            let [high, low] = halves(ts);
            message(id, &[size(path), high, low, options], &[path])
        }
        Request::SetMst { host, port, ts, options } => {
            let [high, low] = halves(ts);
            message(id, &[size(host), port, high, low, options], &[host])
        }
        Request::Misc { name, options, args } => {
            let header = [size(name), options, count(args.len())];
            let mut wire = message(id, &header, &[name]);
            args.iter().for_each(|arg| push_item(&mut wire, arg));
            wire
        }
        Request::Repl { ts, sid } => {
            let [high, low] = halves(ts);
            message(id, &[high, low, sid], &[])
        }
        Request::Follow(hello) => {
            let mut wire = Vec::new();
            hello.encode(&mut wire);
            wire
        }
        Request::Store { .. }
        | Request::Fetch { .. }
        | Request::Touch { .. }
        | Request::Adjust { .. }
        | Request::Flush { .. }
        | Request::Stats
        | Request::Version
        | Request::Options => panic!("not of the binary dialect"),
        Request::IterInit
        | Request::IterNext
        | Request::Sync
        | Request::Vanish
        | Request::Rnum
        | Request::Size
        | Request::Stat => message(id, &[], &[]),
    }
}

/// Any message: the two id bytes, a header of numbers, and fields.
pub(crate) fn message(id: u8, header: &[u32], fields: &[&[u8]]) -> Vec<u8> {
    let mut wire = vec![MAGIC, id];
    header.iter().for_each(|word| wire.extend(word.to_be_bytes()));
    fields.iter().for_each(|field| wire.extend(*field));
    wire
}

/// An item of a run: its size and its bytes.
pub(crate) fn push_item(wire: &mut Vec<u8>, item: &[u8]) {
    wire.extend(size(item).to_be_bytes());
    wire.extend(item);
}

/// A run of items.
pub(crate) fn run(items: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    items.iter().for_each(|item| push_item(&mut wire, item));
    wire
}

/// Bytes from hexadecimal digits; blanks are skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit"))
        .collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits")).collect()
}

fn halves(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, number as u32]
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("the items of a test fit")
}
