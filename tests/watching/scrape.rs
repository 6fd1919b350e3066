//! The text format of Prometheus, read strictly: a line that does not belong there fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape holds.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The type of each metric.
    pub types: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

pub type Labels = BTreeMap<String, String>;

impl Scrape {
    pub fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help text");
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type");
                assert!(helped.contains(name), "no help before {line}");
                assert_eq!(scrape.types.insert(name.to_owned(), kind.to_owned()), None, "twice: {line}");
            } else {
                let (name, labels, value) = sample(line);
                assert!(scrape.family(&name).is_some(), "no type before {line}");
                assert_eq!(scrape.samples.insert((name, labels), value), None, "twice: {line}");
            }
        }
        scrape
    }

    /// The metric that a sample belongs to.
    fn family(&self, name: &str) -> Option<&str> {
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part));
        let whole = whole.filter(|whole| self.types.get(*whole).is_some_and(|kind| kind == "histogram"));
        let name = whole.unwrap_or(name);
        self.types.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// Names of the labels that each metric has, `le` of histograms left out.
    pub fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, labels) in self.samples.keys() {
            let names = labels.keys().filter(|label| *label != "le").cloned();
            all.entry(self.family(name).unwrap().to_owned()).or_default().extend(names);
        }
        all
    }

    /// All samples of a name that have these labels, and perhaps more.
    pub fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = (&'a Labels, f64)> {
        let fits = move |have: &Labels| {
            labels.iter().all(|(label, value)| have.get(*label).is_some_and(|have| have == value))
        };
        self.samples
            .iter()
            .filter(move |((sample, have), _)| sample == name && fits(have))
            .map(|((_, labels), value)| (labels, *value))
    }

    /// The sum of them; 0 where there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|(_, value)| value).sum()
    }

    /// The one that has these labels.
    pub fn one(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let values: Vec<f64> = self.all(name, labels).map(|(_, value)| value).collect();
        let [value] = values[..] else { panic!("{name} with {labels:?}: {values:?}") };
        value
    }

    pub fn value(&self, name: &str) -> f64 {
        self.one(name, &[])
    }
}

/// `name{label="value",...} number`
fn sample(line: &str) -> (String, Labels, f64) {
    let (metric, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        value => value.parse().unwrap_or_else(|_| panic!("no number: {line:?}")),
    };
    assert!(value >= 0.0, "{line}");
    let Some((name, labels)) = metric.split_once('{') else {
        return (metric.to_owned(), Labels::new(), value);
    };
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?}"));
    let pair = |pair: &str| {
        let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
        (label.to_owned(), value.to_owned())
    };
    // No value that a test makes has a quote in it.
    let labels = labels.split_terminator("\",").map(|one| pair(one.strip_suffix('"').unwrap_or(one)));
    (name.to_owned(), labels.collect(), value)
}
