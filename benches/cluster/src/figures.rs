//! What is measured: each figure is two runs of the same calls in two ways, which take turns in every round.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use lightcloud::LightCloud;
use lightcloud::tyrant::Server;

use crate::Failure;
use crate::memcached::Memcached;

/// Keys of a call of `get_many`.
const MANY: usize = 1000;
/// Calls at once, where many are.
const AT_ONCE: usize = 32;

/// Whom calls go to.
pub struct Figures {
    /// Keys of a round.
    pub keys: usize,
    /// One node, called directly.
    pub direct: Server,
    /// A cluster of single servers.
    pub singles: LightCloud,
    /// A cluster of pairs.
    pub pairs: LightCloud,
}

/// A figure: microseconds of a call in the one way and the other, medians, and the ratios of all rounds, in order.
pub struct Measured {
    pub name: &'static str,
    pub one: f64,
    pub other: f64,
    pub ratios: Vec<f64>,
    pub aim: &'static str,
}

/// The runs of a figure.
#[derive(Default)]
struct Runs {
    one: Vec<Duration>,
    other: Vec<Duration>,
}

/// A key and its value, of 16 and 100 bytes.
fn record(number: usize) -> (Vec<u8>, Vec<u8>) {
    (format!("key:{number:012}").into_bytes(), format!("value:{number:094}").into_bytes())
}

/// Times what follows, as often as there are keys.
macro_rules! timed {
    ($records:expr, $key:ident, $value:ident => $call:expr) => {{
        let start = Instant::now();
        for ($key, $value) in $records {
            if !$call {
                return Err(format!("a wrong reply for {}", String::from_utf8_lossy($key)).into());
            }
        }
        start.elapsed()
    }};
}

impl Figures {
    /// All figures, in so many rounds.
    pub async fn measure(&self, rounds: u32, memcached: &mut Memcached) -> Result<Vec<Measured>, Failure> {
        let records: Vec<_> = (0..self.keys).map(record).collect();
        let keys: Vec<&[u8]> = records.iter().map(|(key, _)| &key[..]).collect();
        self.singles.set_many(&records).await?;
        // The direct node has keys of its own, so that rings and records stay apart.
        let own: Vec<_> =
            records.iter().map(|(key, value)| ([b"d", &key[..]].concat(), value.clone())).collect();
        for (key, value) in &own {
            self.direct.put(key, value).await?;
        }
        let mut runs: [Runs; 8] = Default::default();
        for round in 0..=rounds {
            let mut now: [Runs; 8] = Default::default();
            // Who begins changes from round to round.
            for turn in 0..2 {
                let is_one = (turn + round) % 2 == 0;
                let put =
                    |runs: &mut Runs, took| if is_one { runs.one.push(took) } else { runs.other.push(took) };
                let took = if is_one {
                    self.gets(&self.singles, &records).await?
                } else {
                    self.direct(&own).await?
                };
                put(&mut now[0], took);
                let took = if is_one {
                    self.gets_at_once(&records).await?
                } else {
                    self.direct_at_once(&own).await?
                };
                put(&mut now[1], took);
                let took = if is_one {
                    self.gets(&self.singles, &records).await?
                } else {
                    self.many(&records, &keys).await?
                };
                put(&mut now[2], took);
                // New in every round.
                let fresh: Vec<_> =
                    (0..self.keys).map(|n| record(n + (round as usize + 1) * self.keys)).collect();
                let [mut new, mut known, mut read] = [Duration::ZERO; 3];
                if is_one {
                    new += self.sets(&fresh).await?;
                    known += self.sets(&fresh).await?;
                    read += self.gets(&self.pairs, &fresh).await?;
                } else {
                    new += timed!(&fresh, key, value => memcached.set(key, value).await?);
                    known += timed!(&fresh, key, value => memcached.set(key, value).await?);
                    read += timed!(&fresh, key, value => memcached.get_is(key, value).await?);
                }
                for (at, took) in [(3, read), (4, known), (5, new), (6, known + read), (7, new + read)] {
                    put(&mut now[at], took);
                }
            }
            // The first one warms up.
            if round > 0 {
                for (all, mut now) in runs.iter_mut().zip(now) {
                    all.one.append(&mut now.one);
                    all.other.append(&mut now.other);
                }
            }
        }
        let names = [
            ("get through the rings / direct get, one by one", "≤ 1.15"),
            ("the same, 32 at once", "≤ 1.15"),
            ("get, one by one / get_many of 1,000 keys, per key", "≥ 10"),
            ("pairs / memcached: gets", ""),
            ("pairs / memcached: sets of known keys", ""),
            ("pairs / memcached: sets of new keys", ""),
            ("pairs / memcached: sets of known keys, then gets", "≤ 1.0"),
            ("pairs / memcached: sets of new keys, then gets", "≤ 1.0"),
        ];
        Ok(runs.iter().zip(names).map(|(runs, (name, aim))| self.figure(runs, name, aim)).collect())
    }

    fn figure(&self, runs: &Runs, name: &'static str, aim: &'static str) -> Measured {
        let mut ratios: Vec<_> = runs
            .one
            .iter()
            .zip(&runs.other)
            .map(|(one, other)| one.as_secs_f64() / other.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        let [one, other] = [&runs.one, &runs.other].map(|runs| {
            let mut micros: Vec<_> =
                runs.iter().map(|run| run.as_secs_f64() * 1e6 / self.keys as f64).collect();
            micros.sort_by(f64::total_cmp);
            median(&micros)
        });
        Measured { name, one, other, ratios, aim }
    }

    async fn gets(&self, cloud: &LightCloud, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Duration, Failure> {
        Ok(timed!(records, key, value => cloud.get(key).await?.as_deref() == Some(&value[..])))
    }

    async fn sets(&self, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Duration, Failure> {
        Ok(timed!(records, key, value => self.pairs.set(key, value).await.map(|()| true)?))
    }

    async fn direct(&self, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Duration, Failure> {
        Ok(timed!(records, key, value => self.direct.get(key).await?.as_deref() == Some(&value[..])))
    }

    async fn gets_at_once(&self, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Duration, Failure> {
        let start = Instant::now();
        let parts = records.chunks(records.len().div_ceil(AT_ONCE));
        try_join_all(parts.map(|part| self.gets(&self.singles, part))).await?;
        Ok(start.elapsed())
    }

    async fn direct_at_once(&self, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Duration, Failure> {
        let start = Instant::now();
        let parts = records.chunks(records.len().div_ceil(AT_ONCE));
        try_join_all(parts.map(|part| self.direct(part))).await?;
        Ok(start.elapsed())
    }

    async fn many(&self, records: &[(Vec<u8>, Vec<u8>)], keys: &[&[u8]]) -> Result<Duration, Failure> {
        let start = Instant::now();
        for (records, keys) in records.chunks(MANY).zip(keys.chunks(MANY)) {
            let values = self.singles.get_many(keys).await?;
            let expected = records.iter().map(|(_, value)| Some(&value[..]));
            if !values.iter().map(|value| value.as_deref()).eq(expected) {
                return Err("a wrong reply of get_many".into());
            }
        }
        Ok(start.elapsed())
    }
}

/// The one in the middle of numbers in order.
pub fn median(numbers: &[f64]) -> f64 {
    let at = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        even if even % 2 == 0 => (numbers[at - 1] + numbers[at]) / 2.0,
        _ => numbers[at],
    }
}
