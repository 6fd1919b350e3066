//! Values of Lua as people read them.

use mlua::{Table, Value};

use crate::number::format_g14;

/// How deep tables are shown; deeper ones are `{...}`.
const DEPTH: usize = 8;
/// How many elements are shown of all tables of a value together.
const ELEMENTS: usize = 10_000;

/// A value as one text: strings as they are, numbers as Lua writes them, tables as one would write them in Lua.
/// Runs nothing of a script, so metatables count for nothing.
pub(crate) fn shown(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::String(text) => out.extend_from_slice(&text.as_bytes()),
        other => write(other, DEPTH, &mut { ELEMENTS }, &mut out),
    }
    out
}

fn write(value: &Value, depth: usize, left: &mut usize, out: &mut Vec<u8>) {
    match value {
        Value::Nil => out.extend_from_slice(b"nil"),
        Value::Boolean(bool) => out.extend_from_slice(bool.to_string().as_bytes()),
        // A double that is a whole number.
        Value::Integer(number) => out.extend_from_slice(format_g14(*number as f64).as_bytes()),
        Value::Number(number) => out.extend_from_slice(format_g14(*number).as_bytes()),
        Value::String(text) => quote(&text.as_bytes(), out),
        Value::Table(table) if depth > 0 => write_table(table, depth, left, out),
        Value::Table(_) => out.extend_from_slice(b"{...}"),
        other => out.extend_from_slice(format!("{}: {:p}", other.type_name(), other.to_pointer()).as_bytes()),
    }
}

/// First elements 1 to the first that is nil, then the others in order of their keys.
fn write_table(table: &Table, depth: usize, left: &mut usize, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut len = 0;
    let mut first = true;
    let mut cut = false;
    let mut separate = |out: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            out.extend_from_slice(b", ");
        }
    };
    while let Ok(element) = table.raw_get::<Value>(len + 1) {
        if element.is_nil() {
            break;
        }
        if *left == 0 {
            cut = true;
            break;
        }
        *left -= 1;
        separate(out);
        write(&element, depth - 1, left, out);
        len += 1;
    }
    let is_listed = |key: &Value| match key {
        Value::Integer(number) => (1..=len).contains(number),
        Value::Number(number) => number.fract() == 0.0 && (1.0..=len as f64).contains(number),
        _ => false,
    };
    let mut pairs = Vec::new();
    for (key, value) in table.pairs::<Value, Value>().filter_map(Result::ok) {
        if cut || is_listed(&key) {
            continue;
        }
        if *left == 0 {
            cut = true;
            continue;
        }
        *left -= 1;
        // Only texts are kept: Lua has room for some thousand values that are held outside of it.
        let mut text = Vec::new();
        write_pair((&key, &value), depth - 1, left, &mut text);
        pairs.push((rank(&key), key.as_f64().unwrap_or_default(), text));
    }
    pairs.sort_by(|one, other| {
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then_with(|| one.2.cmp(&other.2))
    });
    for (_, _, text) in pairs {
        separate(out);
        out.extend_from_slice(&text);
    }
    if cut {
        separate(out);
        out.extend_from_slice(b"...");
    }
    out.push(b'}');
}

fn write_pair((key, value): (&Value, &Value), depth: usize, left: &mut usize, out: &mut Vec<u8>) {
    match key {
        Value::String(name) if is_name(&name.as_bytes()) => out.extend_from_slice(&name.as_bytes()),
        key => {
            out.push(b'[');
            write(key, depth, left, out);
            out.push(b']');
        }
    }
    out.extend_from_slice(b" = ");
    write(value, depth, left, out);
}

/// Numbers come before names, these before all else.
fn rank(key: &Value) -> u8 {
    match key {
        Value::Integer(_) | Value::Number(_) => 0,
        Value::String(name) if is_name(&name.as_bytes()) => 1,
        _ => 2,
    }
}

/// Whether a key can be written without brackets.
fn is_name(name: &[u8]) -> bool {
    const WORDS: [&[u8]; 21] = [
        b"and",
        b"break",
        b"do",
        b"else",
        b"elseif",
        b"end",
        b"false",
        b"for",
        b"function",
        b"if",
        b"in",
        b"local",
        b"nil",
        b"not",
        b"or",
        b"repeat",
        b"return",
        b"then",
        b"true",
        b"until",
        b"while",
    ];
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name.iter().all(|&byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && !WORDS.contains(&name)
}

/// A string as one writes it in Lua.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 | 0x7f => {
                // Short where no digit follows that would be taken for a part of it.
                let digits = match text.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    true => format!("\\{byte:03}"),
                    false => format!("\\{byte}"),
                };
                out.extend_from_slice(digits.as_bytes());
            }
            other => out.push(other),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlua::Lua;

    #[test]
    fn values() {
        let lua = Lua::new();
        for (code, expected) in [
            ("nil", "nil"),
            ("true", "true"),
            ("1e15", "1e+15"),
            ("1/3", "0.33333333333333"),
            ("'a \"b\"'", "a \"b\""),
            ("{}", "{}"),
            ("{1, 'x', {true}}", "{1, \"x\", {true}}"),
            (
                "{7, b = 1, a = 'q\"\\\\\\n\\0' .. '1\\0', ['end'] = 2, ['x y'] = 3, [10] = 4, [-1.5] = 5}",
                "{7, [-1.5] = 5, [10] = 4, a = \"q\\\"\\\\\\n\\0001\\0\", b = 1, [\"end\"] = 2, [\"x y\"] = 3}",
            ),
            ("{[true] = 1, [2] = 2}", "{[2] = 2, [true] = 1}"),
            (
                "(function() local t = {} t.t = t return t end)()",
                &("{t = ".repeat(8) + "{...}" + &"}".repeat(8)),
            ),
            ("setmetatable({1}, {__tostring = error, __index = error})", "{1}"),
        ] {
            let value: Value = lua.load(code).eval().unwrap();
            assert_eq!(String::from_utf8_lossy(&shown(&value)), expected, "{code}");
        }
        let value: Value = lua.load("print").eval().unwrap();
        assert!(shown(&value).starts_with(b"function: 0x"));
    }

    #[test]
    fn what_is_large_is_cut() {
        let lua = Lua::new();
        let many = "(function() local t = {} for i = 1, 20000 do t[i] = i end return t end)()";
        let text = shown(&lua.load(many).eval().unwrap());
        assert!(text.ends_with(b"10000, ...}"), "{} bytes", text.len());
        // Each level holds the next one twice.
        let wide = "(function() local t = {} for i = 1, 60 do t = {t, t, t, t, t, t, t, t, t, t} end return t end)()";
        assert!(shown(&lua.load(wide).eval().unwrap()).len() < 200_000);
        let named = "(function() local t = {} for i = 1, 20000 do t['k' .. i] = i end return t end)()";
        let text = String::from_utf8(shown(&lua.load(named).eval().unwrap())).unwrap();
        assert!(text.ends_with(", ...}"), "{}", &text[text.len() - 30..]);
    }
}
