//! ttserver's spelling of options into the modern one, before clap sees them.
//!
//! clap would read `-port` as the short options p, o, r, t. Here it becomes `--port`. The word after an
//! option that takes a value is joined to it (`--port=-1`), because ttserver takes that word whatever it
//! looks like. Only a word that is itself an option of this program is not taken: there a value was
//! forgotten, and clap says so.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// Rewrites `words`, the arguments without the program name, for `command`.
pub(super) fn modernise(command: &Command, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter().peekable();
    let mut modern = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            modern.push(word);
            modern.extend(words);
            break;
        }
        let Some((name, value_joined)) = option_of(&word) else {
            modern.push(word);
            continue;
        };
        let values = find(command, name).map_or(0, values_of);
        let mut option = if is_modern(&word) { OsString::new() } else { OsString::from("-") };
        option.push(&word);
        if values == 1
            && !value_joined
            && let Some(value) = words.next_if(|next| !is_option(command, next))
        {
            option.push("=");
            option.push(value);
        }
        modern.push(option);
        if values > 1 && !value_joined {
            modern.extend(words.by_ref().take(values));
        }
    }
    modern
}

/// The name of a long option in either spelling and whether a value is joined to it with `=`.
///
/// One letter after one dash is a short option and not our business.
fn option_of(word: &OsStr) -> Option<(&str, bool)> {
    let body = word.to_str()?.strip_prefix('-')?;
    let body = match body.strip_prefix('-') {
        Some(long) => long,
        None if body.chars().nth(1).is_some() => body,
        None => return None,
    };
    Some(body.split_once('=').map_or((body, false), |(name, _)| (name, true)))
}

fn is_modern(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"--")
}

fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(name))
}

fn values_of(arg: &Arg) -> usize {
    match arg.get_num_args() {
        Some(range) => range.min_values(),
        None => usize::from(arg.get_action().takes_values()),
    }
}

fn is_option(command: &Command, word: &OsStr) -> bool {
    match option_of(word) {
        Some((name, _)) => find(command, name).is_some() || name == "help" || name == "version",
        None => word == "-h" || word == "-V",
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::Args;
    use super::*;

    fn modern(line: &str) -> String {
        let words = line.split(' ').map(OsString::from);
        let modern = modernise(&Args::command(), words);
        modern.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_spellings() {
        for (line, expected) in [
            ("-port 1978", "--port=1978"),
            ("--port 1978", "--port=1978"),
            ("--port=1978", "--port=1978"),
            ("-port=1978", "--port=1978"),
            ("-port -1 -host /tmp/s", "--port=-1 --host=/tmp/s"),
            ("-dmn -kl a.tch", "--dmn --kl a.tch"),
            ("-log -x *", "--log=-x *"),
            ("-pid -dmn a.tch", "--pid --dmn a.tch"),
            ("-pid=-dmn a.tch", "--pid=-dmn a.tch"),
            ("-pid -h", "--pid -h"),
            ("-extpc -f 1.5 a.tch", "--extpc -f 1.5 a.tch"),
            ("-port", "--port"),
            ("-h", "-h"),
            ("-V", "-V"),
            ("-help", "--help"),
            ("-version", "--version"),
            ("-prot 5", "--prot 5"),
            ("-- -port 5", "-- -port 5"),
            ("-", "-"),
            ("---port 5", "---port 5"),
            ("-max-value 5", "--max-value=5"),
        ] {
            assert_eq!(modern(line), expected, "{line}");
        }
    }
}
