//! What a load came to, as a table or as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde_json::{Value, json};

use super::mix::Kind;
use super::tally::{Tally, histogram};
use crate::context::Failure;

const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// A line of the table.
struct Row<'t> {
    name: &'static str,
    latencies: &'t Histogram<u64>,
    missing: u64,
}

fn rows<'t>(tally: &'t Tally, all: &'t mut Histogram<u64>) -> Result<Vec<Row<'t>>, Failure> {
    let used = Kind::ALL.into_iter().zip(&tally.kinds).filter(|(_, counts)| !counts.latencies.is_empty());
    let mut rows = Vec::new();
    for (kind, counts) in used {
        all.add(&counts.latencies)?;
        rows.push(Row { name: kind.name(), latencies: &counts.latencies, missing: counts.missing });
    }
    if rows.len() != 1 {
        let missing = rows.iter().map(|row| row.missing).sum();
        rows.push(Row { name: "all", latencies: all, missing });
    }
    Ok(rows)
}

/// For people.
pub fn table(tally: &Tally, elapsed: Duration) -> Result<String, Failure> {
    let mut all = histogram()?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "requests", "per second", "p50", "p90", "p99", "p99.9", "max", "not found"]);
    for row in rows(tally, &mut all)? {
        let requests = row.latencies.len();
        let mut cells = vec![row.name.to_owned(), grouped(requests), grouped(rate(requests, elapsed))];
        cells.extend(PERCENTILES.map(|p| milliseconds(row.latencies.value_at_percentile(p))));
        cells.extend([milliseconds(row.latencies.max()), grouped(row.missing)]);
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{}\n\n", table.trim_fmt());
    let Tally { wrong, errors, first, .. } = tally;
    match first {
        None => text.push_str("Every reply was right."),
        Some(first) => {
            write!(text, "{} replies wrong, {} batches broke off. The first: {first}", wrong, errors)?;
        }
    }
    Ok(text)
}

/// For scripts: latencies in microseconds.
pub fn json(tally: &Tally, elapsed: Duration) -> Result<String, Failure> {
    let mut all = histogram()?;
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let mut kinds = serde_json::Map::new();
    for row in rows(tally, &mut all)? {
        let at = |p| micros(row.latencies.value_at_percentile(p));
        let [p50, p90, p99, p999] = PERCENTILES.map(at);
        let figures = json!({
            "requests": row.latencies.len(),
            "per_second": rate(row.latencies.len(), elapsed),
            "p50_us": p50, "p90_us": p90, "p99_us": p99, "p99_9_us": p999, "max_us": micros(row.latencies.max()),
            "not_found": row.missing,
        });
        kinds.insert(row.name.to_owned(), figures);
    }
    let Tally { wrong, errors, first, .. } = tally;
    let whole = json!({
        "seconds": elapsed.as_secs_f64(), "kinds": Value::Object(kinds),
        "wrong": wrong, "errors": errors, "first_error": first,
    });
    Ok(serde_json::to_string_pretty(&whole)?)
}

/// Requests per second.
pub fn rate(requests: u64, elapsed: Duration) -> u64 {
    let nanos = elapsed.as_nanos().max(1);
    u64::try_from(u128::from(requests) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

/// Nanoseconds in milliseconds, with three digits or more.
fn milliseconds(nanos: u64) -> String {
    let ms = nanos as f64 / 1e6;
    let digits = if ms < 1.0 {
        3
    } else if ms < 10.0 {
        2
    } else if ms < 100.0 {
        1
    } else {
        0
    };
    format!("{ms:.digits$} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let shown = [500, 45_678, 1_234_567, 12_345_678, 1_234_000_000].map(milliseconds);
        assert_eq!(shown, ["0.001 ms", "0.046 ms", "1.23 ms", "12.3 ms", "1234 ms"]);
        assert_eq!(rate(1000, Duration::from_millis(500)), 2000);
    }

    #[test]
    fn a_table_has_a_line_for_each_kind_and_one_for_all() {
        let mut tally = Tally::new().unwrap();
        for _ in 0..1000 {
            tally.answered(Kind::Get, Duration::from_micros(100));
        }
        let one = table(&tally, Duration::from_secs(1)).unwrap();
        assert!(
            one.contains("1,000") && one.contains("0.100 ms") && one.contains("Every reply was right"),
            "{one}"
        );
        assert!(!one.contains("all "), "{one}");
        tally.answered(Kind::Set, Duration::from_millis(2));
        tally.wrong = 1;
        tally.complain(|| "set of a: refused".to_owned());
        let two = table(&tally, Duration::from_secs(1)).unwrap();
        assert!(two.contains("all") && two.contains("1 replies wrong") && two.contains("set of a"), "{two}");
        let json: Value = serde_json::from_str(&json(&tally, Duration::from_secs(1)).unwrap()).unwrap();
        assert_eq!(json["kinds"]["all"]["requests"], 1001);
        assert_eq!(json["wrong"], 1);
    }
}
