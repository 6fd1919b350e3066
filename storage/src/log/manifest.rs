//! Which segments a log consists of, so that one that is missing is noticed.
//!
//! Segments are numbered without gaps. Before compaction removes one, it appends a manifest that no
//! longer names it. So every number up to the newest that the last manifest names is in it or gone
//! for good, and every later one up to the end of the log must be there.

/// Bytes of a run of segments in a manifest.
const RUN: usize = 16;

/// Numbers of segments, as runs without gaps, in rising order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// First and last number of each run.
    runs: Vec<(u64, u64)>,
}

impl Manifest {
    /// The manifest of these numbers, which rise.
    pub fn of(numbers: impl Iterator<Item = u64>) -> Self {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => runs.push((number, number)),
            }
        }
        Self { runs }
    }

    /// The value of its record.
    pub fn encode(&self) -> Vec<u8> {
        self.runs.iter().flat_map(|&(first, last)| [first, last]).flat_map(u64::to_le_bytes).collect()
    }

    /// Reads the value of a record; none where it is no manifest.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let word = |bytes: &[u8]| u64::from_le_bytes(std::array::from_fn(|i| bytes[i]));
        let run = |bytes: &[u8]| (word(&bytes[..8]), word(&bytes[8..]));
        let runs: Vec<(u64, u64)> = value.chunks_exact(RUN).map(run).collect();
        let rises = runs.iter().all(|run| run.0 <= run.1) && runs.windows(2).all(|two| two[0].1 < two[1].0);
        (value.len().is_multiple_of(RUN) && rises).then_some(Self { runs })
    }

    /// Whether it says that segment `number` is gone for good.
    pub fn is_gone(&self, number: u64) -> bool {
        let newest = self.runs.last().map_or(0, |&(_, last)| last);
        number <= newest && !self.runs.iter().any(|&(first, last)| (first..=last).contains(&number))
    }

    /// The first number up to `end` that should be `present` (which rises), and is not.
    pub fn missing(&self, present: impl Iterator<Item = u64>, end: u64) -> Option<u64> {
        let newest = self.newest();
        let tail = (newest < end).then(|| (newest + 1, end));
        let mut expected = self.runs.iter().copied().chain(tail).flat_map(|(first, last)| first..=last);
        let mut present = present.peekable();
        expected.find(|&number| {
            while present.next_if(|&other| other < number).is_some() {}
            present.next_if_eq(&number).is_none()
        })
    }

    /// The largest number that it names; 0 where it names none.
    pub fn newest(&self) -> u64 {
        self.runs.last().map_or(0, |&(_, last)| last)
    }

    /// All numbers up to `end` that should be `present` (which rises), and are not, as runs. Numbers
    /// that are present are below `u64::MAX`.
    pub fn all_missing(&self, present: &[u64], end: u64) -> Vec<(u64, u64)> {
        let newest = self.newest();
        let tail = (newest < end).then(|| (newest + 1, end));
        let mut missing = Vec::new();
        for (mut first, last) in self.runs.iter().copied().chain(tail) {
            let within = present.partition_point(|&number| number < first);
            for &number in present[within..].iter().take_while(|&&number| number <= last) {
                if first < number {
                    missing.push((first, number - 1));
                }
                first = number + 1;
            }
            if first <= last {
                missing.push((first, last));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_back() {
        for numbers in [vec![], vec![1], vec![1, 2, 3], vec![1, 4, 5, 9], vec![7, 8, 10]] {
            let manifest = Manifest::of(numbers.iter().copied());
            assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
            assert_eq!(manifest.missing(numbers.iter().copied(), 0), None);
        }
        let two = Manifest::of([4, 9].into_iter()).encode();
        assert_eq!(Manifest::decode(&two[1..]), None);
        assert_eq!(Manifest::decode(&[&two[16..], &two[..16]].concat()), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = Manifest::default();
        let is_gone = |manifest: &Manifest| (1..=7).filter(|&n| manifest.is_gone(n)).collect::<Vec<_>>();
        assert_eq!(is_gone(&none), []);
        assert_eq!(is_gone(&Manifest::of([2, 3, 6].into_iter())), [1, 4, 5]);
        assert_eq!(none.missing(1..=4, 4), None);
        assert_eq!(none.missing(2..=4, 4), Some(1));
        assert_eq!(none.missing([1, 2, 4].into_iter(), 4), Some(3));
        let some = Manifest::of([2, 3, 6].into_iter());
        assert_eq!(some.missing([2, 3, 6, 7, 8].into_iter(), 8), None);
        assert_eq!(some.missing([1, 2, 3, 4, 5, 6].into_iter(), 6), None, "more than expected");
        assert_eq!(some.missing([2, 6, 7].into_iter(), 7), Some(3));
        assert_eq!(some.missing([2, 3, 7].into_iter(), 7), Some(6));
        assert_eq!(some.missing([2, 3, 6, 8].into_iter(), 8), Some(7));
        assert_eq!(some.missing([2, 3].into_iter(), 3), Some(6));
        // A number that no segment can have is missing, and no more.
        let absurd = Manifest::of([1, u64::MAX].into_iter());
        assert_eq!(absurd.missing([1].into_iter(), 1), Some(u64::MAX));
        assert_eq!(some.all_missing(&[3, 9], 11), [(2, 2), (6, 6), (7, 8), (10, 11)]);
        assert_eq!(some.all_missing(&[1, 2, 3, 5, 6, 7], 7), []);
        assert_eq!(absurd.all_missing(&[1], 1), [(u64::MAX, u64::MAX)]);
    }
}
