//! What was found wrong with a database.

use std::fmt;

use crate::examine::walk::Gap;

/// What something that was found means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Left by a process that was killed, or a loss of power: the next start mends it, nothing that was
    /// promised to last is lost.
    Mended,
    /// Data is lost, or the database does not open.
    Damage,
}

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file or folder.
    pub file: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes it concerns; 0 where that cannot be said.
    pub bytes: u64,
    /// What is wrong.
    pub what: String,
    /// What that means.
    pub meaning: String,
    /// How bad that is.
    pub weight: Weight,
    /// The key of the damaged record as far as it can be read, 64 bytes at most. It may be damaged itself.
    pub key: Option<Vec<u8>>,
}

impl Finding {
    /// Something about a file as a whole.
    pub(crate) fn of_file(file: String, what: impl Into<String>, meaning: &str, weight: Weight) -> Self {
        Self { file, offset: 0, bytes: 0, what: what.into(), meaning: meaning.to_owned(), weight, key: None }
    }

    /// A part of a segment that is no record.
    pub(crate) fn of_gap(file: String, gap: Gap, meaning: &str, weight: Weight) -> Self {
        Self {
            offset: gap.offset as u64,
            bytes: gap.len as u64,
            key: gap.key,
            ..Self::of_file(file, gap.why, meaning, weight)
        }
    }
}

/// One line: file, place, what is wrong, what it means.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.file, self.offset)?;
        if self.bytes > 0 {
            write!(f, ", {} bytes", self.bytes)?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(key) = &self.key {
            write!(f, " (it seems to be of key \"{}\")", key.escape_ascii())?;
        }
        write!(f, ": {}", self.meaning)
    }
}

/// How a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every byte is as it was written.
    Sound,
    /// The next start mends what is not.
    Mended,
    /// Data is lost, or it does not open.
    Damaged,
}

/// Findings of one file, of which only so many are kept one by one.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Finding>,
    dropped: Option<Finding>,
    more: u64,
    of_file: usize,
}

impl Findings {
    /// Findings listed for one file; what is over is summed up in one.
    const MOST: usize = 1000;

    pub(crate) fn add(&mut self, finding: Finding) {
        let last = self.dropped.as_ref().or(self.list.last());
        if last.is_none_or(|last| last.file != finding.file) {
            self.sum_up();
        }
        self.of_file += 1;
        if self.of_file <= Self::MOST {
            self.list.push(finding);
            return;
        }
        self.more += 1;
        match &mut self.dropped {
            Some(sum) => {
                sum.weight = sum.weight.max(finding.weight);
                sum.bytes = (finding.offset + finding.bytes).saturating_sub(sum.offset);
            }
            None => self.dropped = Some(finding),
        }
    }

    /// Ends the findings of a file.
    fn sum_up(&mut self) {
        if let Some(sum) = self.dropped.take() {
            let what = format!("{} more findings from here on", self.more);
            self.list.push(Finding { what, key: None, ..sum });
        }
        (self.more, self.of_file) = (0, 0);
    }

    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.sum_up();
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_a_line_each() {
        let gap = Gap { offset: 64, len: 30, why: "the CRC does not match", key: Some(b"k\n1".to_vec()) };
        let finding = Finding::of_gap("a.tch/log/1.seg".to_owned(), gap, "data is lost", Weight::Damage);
        let text = "a.tch/log/1.seg at offset 64, 30 bytes: the CRC does not match \
                    (it seems to be of key \"k\\n1\"): data is lost";
        assert_eq!(finding.to_string(), text);
    }

    #[test]
    fn a_file_full_of_damage_does_not_fill_memory() {
        let mut findings = Findings::default();
        for (file, count) in [("a", 5), ("b", 5_000), ("c", 1_001)] {
            for offset in 0..count {
                let one = Finding::of_file(file.to_owned(), "bad", "lost", Weight::Damage);
                findings.add(Finding { offset, bytes: 1, ..one });
            }
        }
        let list = findings.finish();
        assert_eq!(list.len(), 5 + 1001 + 1001);
        let sum = list.iter().find(|one| one.what == "4000 more findings from here on").unwrap();
        assert_eq!((sum.offset, sum.bytes), (1000, 4000));
        assert!(list.last().is_some_and(|one| one.what == "1 more findings from here on" && one.file == "c"));
    }
}
