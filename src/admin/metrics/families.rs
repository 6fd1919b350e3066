//! Metrics of one name, as the crate that writes them has them.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::server::watch::histogram::Times;

/// Names of labels and their values.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// All that a scrape gets, in the order in which it was added.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<MetricFamily>);

/// The metrics of one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    families: &'a mut Families,
    family: MetricFamily,
    metrics: Vec<Metric>,
}

impl Families {
    pub(super) fn into_vec(self) -> Vec<MetricFamily> {
        self.0
    }

    fn family(&mut self, kind: MetricType, name: &str, help: &str) -> Family<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Family { families: self, family, metrics: Vec::new() }
    }

    /// Numbers that only rise.
    pub(super) fn counters(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(MetricType::COUNTER, name, help)
    }

    /// Numbers that rise and fall.
    pub(super) fn gauges(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(MetricType::GAUGE, name, help)
    }

    /// Times.
    pub(super) fn histograms(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(MetricType::HISTOGRAM, name, help)
    }

    /// One number that only rises.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.counters(name, help).add(&[], value);
    }

    /// One number that rises and falls.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help).add(&[], value);
    }
}

impl Family<'_> {
    /// Adds a number with its labels, which no other of the family may have.
    pub(super) fn add(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = labelled(labels);
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// Adds times with their labels, which no others of the family may have.
    pub(super) fn add_times(&mut self, labels: Labels<'_>, times: &Times) {
        let buckets = times.cumulative().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(times.count());
        histogram.set_sample_sum(times.sum());
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }
}

impl Drop for Family<'_> {
    /// A name of which there is nothing is left out.
    fn drop(&mut self) {
        if !self.metrics.is_empty() {
            let mut family = std::mem::take(&mut self.family);
            family.set_metric(std::mem::take(&mut self.metrics));
            self.families.0.push(family);
        }
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}
