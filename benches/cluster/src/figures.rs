//! What is measured: each figure is two runs of the same calls in two ways, which take turns in every round.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use lightcloud::LightCloud;
use lightcloud::tyrant::Server;

use crate::Failure;
use crate::memcached::Memcached;

/// Keys of a turn, and of a call of `get_many`.
const CHUNK: usize = 1000;
/// Figures.
const FIGURES: usize = 10;
/// Calls at once, where many are.
const AT_ONCE: usize = 32;

/// Whom calls go to.
pub struct Figures {
    /// Keys of a round.
    pub keys: usize,
    /// The storage nodes of `singles`, called directly.
    pub direct: Vec<Server>,
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
        self.singles.set_many(&records).await?;
        // The direct node has keys of its own, so that rings and records stay apart.
        let own: Vec<_> =
            records.iter().map(|(key, value)| ([b"d", &key[..]].concat(), value.clone())).collect();
        for server in &self.direct {
            for (key, value) in &own {
                server.put(key, value).await?;
            }
        }
        let mut runs: [Runs; FIGURES] = Default::default();
        for round in 0..=rounds as usize {
            // New in every round.
            let fresh: Vec<_> = (0..self.keys).map(|n| record(n + (round + 1) * self.keys)).collect();
            let mut sums = [[Duration::ZERO; 2]; FIGURES];
            // In small turns, and who begins changes: what else the machine does meets both ways.
            let turns = |chunk: usize| [chunk % 2, 1 - chunk % 2];
            for (chunk, (known, own)) in records.chunks(CHUNK).zip(own.chunks(CHUNK)).enumerate() {
                let keys: Vec<&[u8]> = known.iter().map(|(key, _)| &key[..]).collect();
                for way in turns(chunk) {
                    if way == 0 {
                        for figure in [0, 2, 4] {
                            sums[figure][way] += self.gets(&self.singles, known).await?;
                        }
                        for figure in [1, 3] {
                            sums[figure][way] +=
                                at_once(known, |part| self.gets(&self.singles, part)).await?;
                        }
                        continue;
                    }
                    let (one, all) = (&self.direct[..1], &self.direct[..]);
                    sums[0][way] += direct(one, own).await?;
                    sums[1][way] += at_once(own, |part| direct(one, part)).await?;
                    sums[2][way] += direct(all, own).await?;
                    sums[3][way] += at_once(own, |part| direct(all, part)).await?;
                    sums[4][way] += self.many(known, &keys).await?;
                }
            }
            for figure in [7, 6, 5] {
                for (chunk, records) in fresh.chunks(CHUNK).enumerate() {
                    for way in turns(chunk) {
                        sums[figure][way] += match (figure, way) {
                            (5, 0) => self.gets(&self.pairs, records).await?,
                            (5, _) => timed!(records, key, value => memcached.get_is(key, value).await?),
                            (_, 0) => self.sets(records).await?,
                            (..) => timed!(records, key, value => memcached.set(key, value).await?),
                        };
                    }
                }
            }
            let both = |[a, b]: [Duration; 2], [c, d]: [Duration; 2]| [a + c, b + d];
            sums[8] = both(sums[6], sums[5]);
            sums[9] = both(sums[7], sums[5]);
            // The first one warms up.
            if round > 0 {
                for (runs, [one, other]) in runs.iter_mut().zip(sums) {
                    runs.one.push(one);
                    runs.other.push(other);
                }
            }
        }
        let names = [
            ("get through the rings / direct get of one node, one by one", "≤ 1.15"),
            ("the same, 32 at once", "≤ 1.15"),
            ("get through the rings / direct get of three nodes in turn, one by one", ""),
            ("the same, 32 at once", ""),
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

    async fn many(&self, records: &[(Vec<u8>, Vec<u8>)], keys: &[&[u8]]) -> Result<Duration, Failure> {
        let start = Instant::now();
        let values = self.singles.get_many(keys).await?;
        let expected = records.iter().map(|(_, value)| Some(&value[..]));
        if !values.iter().map(|value| value.as_deref()).eq(expected) {
            return Err("a wrong reply of get_many".into());
        }
        Ok(start.elapsed())
    }
}

/// Gets from these servers, in turn.
async fn direct(servers: &[Server], records: &[(Vec<u8>, Vec<u8>)]) -> Result<Duration, Failure> {
    let mut in_turn = servers.iter().cycle();
    Ok(timed!(records, key, value => {
        let server = in_turn.next().ok_or("there is no storage node")?;
        server.get(key).await?.as_deref() == Some(&value[..])
    }))
}

/// The same calls, many at a time.
async fn at_once<'r, F>(
    records: &'r [(Vec<u8>, Vec<u8>)],
    calls: impl Fn(&'r [(Vec<u8>, Vec<u8>)]) -> F,
) -> Result<Duration, Failure>
where
    F: Future<Output = Result<Duration, Failure>>,
{
    let start = Instant::now();
    try_join_all(records.chunks(records.len().div_ceil(AT_ONCE)).map(calls)).await?;
    Ok(start.elapsed())
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
