//! tcrmgr's spelling of options into the one that clap reads.
//!
//! Options have one dash and any number of letters (`-px`), come before the host, and take the next word whatever it
//! looks like. From the host on nothing is an option: `put HOST key -5` stores a number below zero.

use std::ffi::{OsStr, OsString};

use clap::Command;

/// Rewrites the words behind the name of a command for `command`, which knows its options.
pub fn modernise(command: &Command, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter().peekable();
    let mut modern = Vec::new();
    while let Some(word) = words.next_if(|word| word != "--" && is_option(word)) {
        let (name, values) = values_of(command, &word);
        match values {
            None => modern.push(word),
            Some(1) => {
                let mut option = name;
                if let Some(value) = words.next() {
                    option.push("=");
                    option.push(value);
                }
                modern.push(option);
            }
            Some(values) => {
                modern.push(name);
                modern.extend(words.by_ref().take(values));
            }
        }
    }
    if words.peek().is_some_and(|word| word != "--") {
        modern.push("--".into());
    }
    modern.extend(words);
    modern
}

fn is_option(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', _, ..])
}

/// The modern name of an option and how many values follow it; none where the command has no such option, or the
/// value is joined to it already.
fn values_of(command: &Command, word: &OsStr) -> (OsString, Option<usize>) {
    let name = word.to_str().unwrap_or_default();
    let name = name.strip_prefix("--").or(name.strip_prefix('-')).unwrap_or_default();
    let option = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    let values = option.map(|arg| match arg.get_num_args() {
        Some(range) => range.min_values(),
        None => usize::from(arg.get_action().takes_values()),
    });
    (OsString::from(format!("--{name}")), values)
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn options_come_before_the_host() {
        let command = Command::new("put")
            .arg(Arg::new("px").long("px").action(clap::ArgAction::SetTrue))
            .arg(Arg::new("m").long("m"))
            .arg(Arg::new("ah").long("ah").num_args(2));
        for (line, expected) in [
            ("-px h k", "--px -- h k"),
            ("--px h k", "--px -- h k"),
            ("-m -1 h -px", "--m=-1 -- h -px"),
            ("--m=-1 h", "--m=-1 -- h"),
            ("-m", "--m"),
            ("-ah -a -b -px h", "--ah -a -b --px -- h"),
            ("-x h", "-x -- h"),
            ("-h", "-h"),
            ("--help", "--help"),
            ("-- h k", "-- h k"),
            ("- k", "-- - k"),
            ("", "-- "),
        ] {
            let words = modernise(&command, line.split(' ').map(OsString::from));
            assert_eq!(words.join(OsStr::new(" ")), *expected, "{line}");
        }
    }
}
