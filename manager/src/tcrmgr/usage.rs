//! What tcrmgr says to a line that is no command.

use std::fmt::Write;

use clap::{Arg, Command};

/// The name of the program and the form of every command.
pub fn usage(program: &str, command: &Command) -> String {
    let mut text = format!("{program}: speaks to one node of the Tokyo Tyrant protocol\n\nusage:\n");
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let forms: String = command.get_arguments().filter_map(form).map(|form| format!(" {form}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {program} {}{forms}", command.get_name());
    }
    text
}

/// `[-port NUM]`, `host`, `[key...]`.
fn form(arg: &Arg) -> Option<String> {
    if arg.is_hide_set() {
        return None;
    }
    let values = arg.get_value_names().unwrap_or_default();
    let values: Vec<_> = values.iter().map(|value| value.to_lowercase()).collect();
    if let Some(long) = arg.get_long() {
        let takes = arg.get_action().takes_values();
        let values = if takes { format!(" {}", values.join(" ")) } else { String::new() };
        return (long != "help").then(|| format!("[-{long}{values}]"));
    }
    let name = arg.get_id().as_str().to_lowercase();
    let name = values.first().cloned().unwrap_or(name);
    let many = if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { "..." } else { "" };
    Some(if arg.is_required_set() { name } else { format!("[{name}{many}]") })
}
