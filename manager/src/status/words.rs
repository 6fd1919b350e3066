//! Figures as people read them, short enough for a column.

use indicatif::HumanCount;

/// `0.5 s`, `42 s`, `12 min`, `3 h`, `17 d`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.05 => "0 s".to_owned(),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// `512 B`, `1.2 KiB`, `34 MiB`, …
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// `950`, `1.2k`, `34k`, `5.6M`: a rate, which need not be exact.
pub fn rate(rate: f64) -> String {
    scaled(rate, 1000.0, &["", "k", "M", "G"]).replace(' ', "")
}

fn scaled(mut number: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && number < 10.0);
    format!("{number:.digits$} {}", units[unit])
}

/// `1,234,567`.
pub fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (seconds, text) in
            [(0.0, "0 s"), (0.52, "0.5 s"), (42.0, "42 s"), (900.0, "15 min"), (9000.0, "2 h"), (1e6, "12 d")]
        {
            assert_eq!(duration(seconds), text);
        }
        for (number, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (35 << 20, "35 MiB")] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(bytes(u64::MAX), "16 EiB");
        for (number, text) in [(0.4, "0"), (999.0, "999"), (1234.0, "1.2k"), (56_000.0, "56k")] {
            assert_eq!(rate(number), text);
        }
        for (number, text) in [(7, "7"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }
}
