//! Requests of the binary protocol as bytes. Any word can be a lie, which is what the tests need.

/// The first byte of every request.
pub const MAGIC: u8 = 0xC8;

/// Every command's byte and name, in the order of `stat` and of the mask bits.
pub const COMMANDS: [(u8, &str); 26] = [
    (0x10, "put"),
    (0x11, "putkeep"),
    (0x12, "putcat"),
    (0x13, "putshl"),
    (0x18, "putnr"),
    (0x20, "out"),
    (0x30, "get"),
    (0x31, "mget"),
    (0x38, "vsiz"),
    (0x50, "iterinit"),
    (0x51, "iternext"),
    (0x58, "fwmkeys"),
    (0x60, "addint"),
    (0x61, "adddouble"),
    (0x68, "ext"),
    (0x70, "sync"),
    (0x71, "optimize"),
    (0x72, "vanish"),
    (0x73, "copy"),
    (0x74, "restore"),
    (0x78, "setmst"),
    (0x80, "rnum"),
    (0x81, "size"),
    (0x88, "stat"),
    (0x90, "misc"),
    (0xA0, "repl"),
];

/// A request: the command's byte, 32-bit words, then fields without their sizes.
pub fn frame(id: u8, words: &[u32], fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![MAGIC, id];
    for word in words {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    for field in fields {
        bytes.extend_from_slice(field);
    }
    bytes
}

fn size(field: &[u8]) -> u32 {
    u32::try_from(field.len()).expect("a field of less than 4 GiB")
}

fn halves(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, number as u32]
}

fn items(mut request: Vec<u8>, fields: &[&[u8]]) -> Vec<u8> {
    for field in fields {
        request.extend_from_slice(&size(field).to_be_bytes());
        request.extend_from_slice(field);
    }
    request
}

/// put, putkeep, putcat or putnr, by its byte.
pub fn store(id: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    frame(id, &[size(key), size(value)], &[key, value])
}

pub fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
    store(0x10, key, value)
}

pub fn putkeep(key: &[u8], value: &[u8]) -> Vec<u8> {
    store(0x11, key, value)
}

pub fn putcat(key: &[u8], value: &[u8]) -> Vec<u8> {
    store(0x12, key, value)
}

pub fn putshl(key: &[u8], value: &[u8], width: u32) -> Vec<u8> {
    frame(0x13, &[size(key), size(value), width], &[key, value])
}

pub fn putnr(key: &[u8], value: &[u8]) -> Vec<u8> {
    store(0x18, key, value)
}

pub fn out(key: &[u8]) -> Vec<u8> {
    frame(0x20, &[size(key)], &[key])
}

pub fn get(key: &[u8]) -> Vec<u8> {
    frame(0x30, &[size(key)], &[key])
}

pub fn mget(keys: &[&[u8]]) -> Vec<u8> {
    items(frame(0x31, &[keys.len() as u32], &[]), keys)
}

pub fn vsiz(key: &[u8]) -> Vec<u8> {
    frame(0x38, &[size(key)], &[key])
}

pub fn iterinit() -> Vec<u8> {
    frame(0x50, &[], &[])
}

pub fn iternext() -> Vec<u8> {
    frame(0x51, &[], &[])
}

pub fn fwmkeys(prefix: &[u8], max: i32) -> Vec<u8> {
    frame(0x58, &[size(prefix), max.cast_unsigned()], &[prefix])
}

pub fn addint(key: &[u8], number: i32) -> Vec<u8> {
    frame(0x60, &[size(key), number.cast_unsigned()], &[key])
}

pub fn adddouble(key: &[u8], integ: i64, fract: i64) -> Vec<u8> {
    let [[a, b], [c, d]] = [integ, fract].map(|part| halves(part.cast_unsigned()));
    frame(0x61, &[size(key), a, b, c, d], &[key])
}

pub fn ext(name: &[u8], options: u32, key: &[u8], value: &[u8]) -> Vec<u8> {
    frame(0x68, &[size(name), options, size(key), size(value)], &[name, key, value])
}

pub fn sync() -> Vec<u8> {
    frame(0x70, &[], &[])
}

pub fn optimize(params: &[u8]) -> Vec<u8> {
    frame(0x71, &[size(params)], &[params])
}

pub fn vanish() -> Vec<u8> {
    frame(0x72, &[], &[])
}

pub fn copy(path: &[u8]) -> Vec<u8> {
    frame(0x73, &[size(path)], &[path])
}

pub fn restore(path: &[u8], ts: u64, options: u32) -> Vec<u8> {
    let [a, b] = halves(ts);
    frame(0x74, &[size(path), a, b, options], &[path])
}

pub fn setmst(host: &[u8], port: u32, ts: u64, options: u32) -> Vec<u8> {
    let [a, b] = halves(ts);
    frame(0x78, &[size(host), port, a, b, options], &[host])
}

pub fn rnum() -> Vec<u8> {
    frame(0x80, &[], &[])
}

pub fn database_size() -> Vec<u8> {
    frame(0x81, &[], &[])
}

pub fn stat() -> Vec<u8> {
    frame(0x88, &[], &[])
}

pub fn misc(name: &[u8], options: u32, args: &[&[u8]]) -> Vec<u8> {
    items(frame(0x90, &[size(name), options, args.len() as u32], &[name]), args)
}

pub fn repl(ts: u64, sid: u32) -> Vec<u8> {
    let [a, b] = halves(ts);
    frame(0xA0, &[a, b, sid], &[])
}
