//! A record as all protocols see it, and what they do to it.

use fastrand::Rng;

use super::speaker::Tongue;

/// Value and flags; none where there is no record.
pub type Record = Option<(String, u32)>;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    Put {
        value: String,
        flags: u32,
    },
    /// Where there is none.
    Add {
        value: String,
        flags: u32,
    },
    /// Where there is one.
    Replace {
        value: String,
        flags: u32,
    },
    /// Behind what is there; where there is none it creates it or fails.
    Append {
        value: String,
        creates: bool,
    },
    Prepend {
        value: String,
    },
    Delete,
    Get,
    Length,
    /// Adds to a number, with 0 as the least.
    Adjust {
        by: i64,
    },
    /// A get that the client keeps the id of.
    Gets,
    /// Stores where the record has that id, which was read with the value `seen`.
    Swap {
        value: String,
        flags: u32,
        seen: String,
    },
}

/// What it came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done(bool),
    /// Value, and flags where the protocol tells them.
    Found(Option<(String, Option<u32>)>),
    Length(Option<usize>),
    Sum(Option<i64>),
}

use Tongue::{Binary, Http, Memcached};

impl Operation {
    pub fn random(rng: &mut Rng, is_number: bool, value: String) -> Self {
        let flags = rng.u32(..3);
        match rng.u8(..20) {
            0..4 => Self::Put { value, flags },
            4..6 => Self::Add { value, flags },
            6 => Self::Replace { value, flags },
            7..11 if is_number => Self::Adjust { by: rng.i64(-600..600) },
            7..9 => Self::Append { value, creates: rng.bool() },
            9 | 10 => Self::Prepend { value },
            11..13 => Self::Delete,
            13 => Self::Length,
            _ => Self::Get,
        }
    }

    /// The protocols that have it.
    pub fn tongues(&self) -> &'static [Tongue] {
        match self {
            Self::Put { flags: 0, .. } | Self::Add { flags: 0, .. } | Self::Delete | Self::Get => {
                &Tongue::ALL
            }
            Self::Append { creates: true, .. } | Self::Length => &[Binary, Http],
            _ => &[Memcached],
        }
    }

    /// What becomes of a record by it, where the outcome can have been this one.
    pub fn apply(&self, record: &Record, outcome: &Outcome) -> Option<Record> {
        let (next, expected) = match self {
            Self::Put { value, flags } => (Some((value.clone(), *flags)), Outcome::Done(true)),
            Self::Add { value, flags } => match record {
                Some(_) => (record.clone(), Outcome::Done(false)),
                None => (Some((value.clone(), *flags)), Outcome::Done(true)),
            },
            Self::Replace { value, flags } => match record {
                Some(_) => (Some((value.clone(), *flags)), Outcome::Done(true)),
                None => (None, Outcome::Done(false)),
            },
            Self::Append { value, creates } => match record {
                Some((old, flags)) => (Some((format!("{old}{value}"), *flags)), Outcome::Done(true)),
                None if *creates => (Some((value.clone(), 0)), Outcome::Done(true)),
                None => (None, Outcome::Done(false)),
            },
            Self::Prepend { value } => match record {
                Some((old, flags)) => (Some((format!("{value}{old}"), *flags)), Outcome::Done(true)),
                None => (None, Outcome::Done(false)),
            },
            Self::Delete => (None, Outcome::Done(record.is_some())),
            Self::Get | Self::Gets => {
                let tells_flags = matches!(outcome, Outcome::Found(Some((_, Some(_)))));
                let seen =
                    record.as_ref().map(|(value, flags)| (value.clone(), tells_flags.then_some(*flags)));
                (record.clone(), Outcome::Found(seen))
            }
            Self::Length => (record.clone(), Outcome::Length(record.as_ref().map(|(value, _)| value.len()))),
            Self::Adjust { by } => match record {
                Some((value, flags)) => {
                    let sum = (value.parse::<i64>().unwrap() + by).max(0);
                    (Some((sum.to_string(), *flags)), Outcome::Sum(Some(sum)))
                }
                None => (None, Outcome::Sum(None)),
            },
            Self::Swap { value, flags, seen } => match record {
                Some((old, _)) if old == seen => (Some((value.clone(), *flags)), Outcome::Done(true)),
                other => (other.clone(), Outcome::Done(false)),
            },
        };
        (expected == *outcome).then_some(next)
    }
}
