//! A report as a table that fits the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table};

use super::report::{Report, Row};
use super::words::{bytes, count, duration, rate};

/// What the words of the last column need at least; in less they go below the table.
const WORDS: usize = 30;
/// What is left out, one after the other, where the terminal is too narrow.
const EXPENDABLE: [&str; 6] = ["VERSION", "MEMORY", "ROLE", "ADDRESS", "BYTES", "OPS/S"];

/// A column: its title, its text for a row, whether it is a number.
type Column = (&'static str, fn(&Row) -> String, bool);

const COLUMNS: [Column; 12] = [
    ("NODE", |row| row.node.clone(), false),
    ("SERVER", |row| row.server.clone(), false),
    ("ADDRESS", |row| row.address.clone(), false),
    ("ROLE", |row| row.role.to_owned(), false),
    ("UP", up, true),
    ("RECORDS", |row| row.records.map_or_else(none, count), true),
    ("BYTES", |row| row.bytes.map_or_else(none, bytes), true),
    ("LAG", lag, true),
    ("AGREES", |row| row.agrees.unwrap_or("-").to_owned(), false),
    ("MEMORY", |row| row.memory_bytes.map_or_else(none, bytes), true),
    ("OPS/S", |row| row.operations_per_second.map_or_else(none, rate), true),
    ("VERSION", |row| row.version.clone().unwrap_or_else(none), false),
];

fn none() -> String {
    "-".to_owned()
}

fn up(row: &Row) -> String {
    match row.uptime_seconds {
        Some(seconds) => duration(seconds),
        None if row.up => "yes".to_owned(),
        None => "DOWN".to_owned(),
    }
}

fn lag(row: &Row) -> String {
    match (row.lag_seconds, row.lag_bytes) {
        (Some(seconds), Some(behind)) if behind > 0 => format!("{}, {}", duration(seconds), bytes(behind)),
        (Some(seconds), _) => duration(seconds),
        _ => none(),
    }
}

/// The text of a report: the table, and a line that sums it up. `width` is the terminal's, if there is one.
pub fn render(report: &Report, width: Option<usize>, is_coloured: bool) -> String {
    let rows = &report.servers;
    let mut columns: Vec<_> = COLUMNS.iter().collect();
    let taken = |columns: &[&Column]| -> usize {
        let widest = |(title, text, _): &Column| {
            rows.iter().map(|row| text(row).chars().count()).chain([title.len()]).max().unwrap_or(0) + 2
        };
        columns.iter().map(|column| widest(column)).sum()
    };
    let words: Vec<_> = rows.iter().map(in_words).collect();
    let has_words = words.iter().any(|words| !words.is_empty());
    for title in EXPENDABLE {
        if width.is_some_and(|width| taken(&columns) > width) {
            columns.retain(|column| column.0 != title);
        }
    }
    let is_beside = has_words && width.is_none_or(|width| taken(&columns) + WORDS <= width);
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if is_coloured {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    let mut titles: Vec<_> = columns.iter().map(|(title, _, is_number)| cell(*title, *is_number)).collect();
    titles.extend(is_beside.then(|| Cell::new("WHAT IS WRONG")));
    table.set_header(titles.into_iter().map(|title| title.add_attribute(Attribute::Bold)));
    let mut last = None;
    for (row, words) in rows.iter().zip(&words) {
        let is_same_node = last == Some((&row.system, &row.node));
        last = Some((&row.system, &row.node));
        let mut cells: Vec<_> = columns
            .iter()
            .map(|(title, text, is_number)| match (*title, is_same_node) {
                ("NODE" | "ROLE", true) => Cell::new(""),
                _ => painted(row, title, cell(text(row), *is_number)),
            })
            .collect();
        if is_beside {
            let colour = if row.problems.is_empty() { Color::Yellow } else { Color::Red };
            cells.push(Cell::new(words).fg(colour));
        }
        table.add_row(cells);
    }
    if is_beside && let Some(width) = width {
        let rest = width.saturating_sub(taken(&columns));
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        let mut constraints = vec![ColumnConstraint::ContentWidth; columns.len()];
        let rest = comfy_table::Width::Fixed(u16::try_from(rest).unwrap_or(u16::MAX));
        constraints.push(ColumnConstraint::UpperBoundary(rest));
        table.set_constraints(constraints);
    }
    table.column_iter_mut().for_each(|column| _ = column.set_padding((0, 2)));
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    let mut text: String = lines.collect();
    if has_words && !is_beside {
        text.push('\n');
        for (row, words) in rows.iter().zip(&words).filter(|(_, words)| !words.is_empty()) {
            text.push_str(&format!("{}: {words}\n", row.server));
        }
    }
    text.push('\n');
    text.push_str(&summary(report, is_coloured));
    text
}

fn cell(text: impl Into<String>, is_number: bool) -> Cell {
    let cell = Cell::new(text.into());
    if is_number { cell.set_alignment(CellAlignment::Right) } else { cell }
}

fn painted(row: &Row, title: &str, cell: Cell) -> Cell {
    match title {
        "SERVER" | "UP" if !row.up => cell.fg(Color::Red),
        "SERVER" if row.problems.is_empty() => cell.fg(Color::Green),
        "SERVER" => cell.fg(Color::Red),
        "AGREES" if row.agrees == Some("no") => cell.fg(Color::Red),
        _ => cell,
    }
}

fn in_words(row: &Row) -> String {
    let all: Vec<_> = row.problems.iter().chain(&row.notes).map(String::as_str).collect();
    all.join("; ")
}

/// `10 servers: 1 down, 2 more with a problem`
fn summary(report: &Report, is_coloured: bool) -> String {
    let all = report.servers.len();
    let down = report.servers.iter().filter(|row| !row.up).count();
    let wrong = report.servers.iter().filter(|row| row.up && !row.problems.is_empty()).count();
    let servers = if all == 1 { "server" } else { "servers" };
    let (said, colour) = match (down, wrong) {
        (0, 0) => ("all well".to_owned(), 32),
        (0, wrong) => (format!("{wrong} with a problem"), 31),
        (down, 0) => (format!("{down} down"), 31),
        (down, wrong) => (format!("{down} down, {wrong} more with a problem"), 31),
    };
    if is_coloured {
        format!("{all} {servers}: \x1b[{colour}m{said}\x1b[0m\n")
    } else {
        format!("{all} {servers}: {said}\n")
    }
}
