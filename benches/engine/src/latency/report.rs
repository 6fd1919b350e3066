//! The table.

use std::io::{self, Write};

use hdrhistogram::Histogram;

use crate::load::{Latencies, Slow};

/// What was measured while something went on, and beside it.
#[derive(Debug)]
pub struct Slice {
    pub name: &'static str,
    /// What was done meanwhile.
    pub did: String,
    pub latencies: Latencies,
    /// Of the idle slices before and after; none for all idle slices together.
    pub idle: Option<Latencies>,
}

/// Prints a row for each slice.
pub fn print(out: &mut impl Write, slices: &[Slice]) -> io::Result<()> {
    writeln!(
        out,
        "| phase | seconds | gets: p50 | p99 | p99.9 | max | puts: p50 | p99 | p99.9 | max \
         | gets: p99 / idle | puts: p99 / idle | no processor, ms/s | meanwhile |"
    )?;
    writeln!(out, "|---|{}---|", "---:|".repeat(12))?;
    for Slice { name, did, latencies, idle } in slices {
        let seconds = latencies.lasted.as_secs_f64();
        write!(out, "| {name} | {seconds:.1} |")?;
        for histogram in [&latencies.gets, &latencies.puts] {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| histogram.value_at_quantile(part));
            for nanoseconds in [p50, p99, p999, histogram.max()] {
                write!(out, " {} |", microseconds(nanoseconds))?;
            }
        }
        match idle {
            Some(idle) => write!(
                out,
                " {:.2} | {:.2} |",
                ratio(&latencies.gets, &idle.gets),
                ratio(&latencies.puts, &idle.puts)
            )?,
            None => write!(out, " | |")?,
        }
        match latencies.waited {
            Some(waited) => write!(out, " {:.1} |", waited.as_secs_f64() * 1e3 / seconds)?,
            None => write!(out, " |")?,
        }
        writeln!(out, " {did} |")?;
    }
    Ok(())
}

fn ratio(busy: &Histogram<u64>, idle: &Histogram<u64>) -> f64 {
    busy.value_at_quantile(0.99) as f64 / idle.value_at_quantile(0.99).max(1) as f64
}

/// Two digits after the point below ten, none above a hundred.
fn microseconds(nanoseconds: u64) -> String {
    let digits = match nanoseconds {
        ..10_000 => 2,
        10_000..100_000 => 1,
        _ => 0,
    };
    format!("{:.digits$}", nanoseconds as f64 / 1e3)
}

/// Lists calls that took long on standard error.
pub fn list_slowest(name: &str, slowest: &[Slow]) {
    for &Slow { due, is_put, latency, took } in slowest {
        let call = if is_put { "put" } else { "get" };
        eprintln!(
            "  {name}: {call} due at {:.6} s: {} µs, {} of them in the call",
            due as f64 / 1e9,
            microseconds(latency),
            microseconds(took)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn latencies(nanoseconds: u64) -> Latencies {
        let mut latencies = Latencies::new().unwrap();
        latencies.gets.record_n(nanoseconds, 1000).unwrap();
        latencies.puts.record_n(nanoseconds * 2, 1000).unwrap();
        latencies.lasted = Duration::from_secs(2);
        latencies.waited = Some(Duration::from_millis(3));
        latencies
    }

    #[test]
    fn a_row_has_the_ratio_to_its_own_idle_slices() {
        let slice = |latency, idle: Option<u64>| Slice {
            name: "growth",
            did: "something".to_owned(),
            latencies: latencies(latency),
            idle: idle.map(latencies),
        };
        let mut out = Vec::new();
        print(&mut out, &[slice(2_000, None), slice(6_000, Some(2_000))]).unwrap();
        let out = String::from_utf8(out).unwrap();
        let rows: Vec<_> = out.lines().collect();
        let cells = rows[0].matches('|').count();
        assert!(rows.iter().all(|row| row.matches('|').count() == cells), "{out}");
        assert!(rows[2].contains("| 2.00 | 2.00 | 2.00 | 2.00 | 4.00 |"), "{out}");
        assert!(rows[3].contains("| 3.00 | 3.00 | 1.5 | something |"), "{out}");
    }
}
