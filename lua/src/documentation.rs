//! The page that describes the API, `lua/API.md`: prose, and the table of functions.

use std::fmt::Write;

use crate::Limits;
use crate::api::{FAMILIES, Family, Function};

const PROSE: &str = include_str!("documentation.md");
const LIBRARY: &str = include_str!("documentation/library.md");
/// How a description says so.
const OURS: &str = "Not in the original.";

/// The page as Markdown.
pub fn documentation() -> String {
    let limits = Limits::default();
    let functions: String = FAMILIES.iter().map(section).collect();
    PROSE
        .replace("{time}", &limits.time.as_secs().to_string())
        .replace("{instructions}", &grouped(limits.instructions))
        .replace("{memory}", &(limits.memory >> 20).to_string())
        .replace("{stash}", &(limits.stash >> 20).to_string())
        .replace("{functions}\n", &functions)
        .replace("{library}\n", LIBRARY)
}

fn section(family: &Family) -> String {
    let mut text = format!("## {}\n\n| function | gives | what it does |\n|---|---|---|\n", family.title);
    for function in family.functions {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", row(function));
    }
    text.push('\n');
    text
}

fn row(function: &Function) -> String {
    let Function { name, args, gives, does, .. } = function;
    let does = does.replace(OURS, &format!("*{OURS}*"));
    format!("| `{name}({args})` | {} | {} |", cell(gives), cell(&does))
}

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn page_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("API.md");
        let page = documentation();
        if std::env::var_os("LCNODE_WRITE_API").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written == page,
            "API.md is not what the table says: LCNODE_WRITE_API=1 cargo test -p lcnode-lua page"
        );
    }

    #[test]
    fn page_has_every_function_and_no_hole() {
        let page = documentation();
        for function in FAMILIES.iter().flat_map(|family| family.functions) {
            assert!(
                page.contains(&format!("| `{}({})` |", function.name, function.args)),
                "{}",
                function.name
            );
        }
        let hole = page.lines().find(|line| line.contains('{') && line.contains('}') && !line.contains('`'));
        assert_eq!(hole, None);
        assert_eq!(grouped(1_000_000_000), "1,000,000,000");
        assert_eq!((grouped(12), grouped(1234)), ("12".to_owned(), "1,234".to_owned()));
    }
}
