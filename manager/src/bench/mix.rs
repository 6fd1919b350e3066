//! What is asked for, and how often.

use std::str::FromStr;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads a value.
    Get,
    /// Stores a value.
    Set,
    /// Removes a record.
    Delete,
}

impl Kind {
    /// In the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Get, Self::Set, Self::Delete];

    /// As it is written in a mix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
        }
    }
}

/// How often each kind is drawn, relative to the others; in the order of [`Kind::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    shares: [u32; 3],
}

impl Mix {
    /// Whether any of that kind is drawn.
    pub fn has(&self, kind: Kind) -> bool {
        self.shares[kind as usize] > 0
    }

    /// Draws one.
    pub fn draw(&self, random: &mut fastrand::Rng) -> Kind {
        let mut at = random.u32(..self.shares.iter().sum::<u32>());
        for kind in Kind::ALL {
            let share = self.shares[kind as usize];
            if at < share {
                return kind;
            }
            at -= share;
        }
        Kind::Get
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares = [0; 3];
        for item in text.split(',') {
            let (name, share) =
                item.split_once('=').ok_or_else(|| format!("{item:?} is not of the form get=90"))?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name.trim());
            let kind = kind.ok_or_else(|| format!("{name:?} is none of get, set, delete"))?;
            let share: u32 = share.trim().parse().unwrap_or(u32::MAX);
            if share > 1_000_000 {
                return Err(format!("the share of {} is not a number of 0 to 1000000", kind.name()));
            }
            shares[kind as usize] = share;
        }
        if shares == [0; 3] {
            return Err("at least one share must be above 0".to_owned());
        }
        Ok(Self { shares })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_drawn_as_it_is_written() {
        let mix: Mix = "get=3, set=1".parse().unwrap();
        assert!(mix.has(Kind::Get) && mix.has(Kind::Set) && !mix.has(Kind::Delete));
        let mut random = fastrand::Rng::with_seed(1);
        let mut drawn = [0; 3];
        for _ in 0..40_000 {
            drawn[mix.draw(&mut random) as usize] += 1;
        }
        assert!((29_000..31_000).contains(&drawn[0]) && drawn[2] == 0, "{drawn:?}");
        assert!(drawn[0] + drawn[1] == 40_000);
    }

    #[test]
    fn what_is_no_mix_is_named() {
        for (text, why) in [
            ("", "form"),
            ("get", "form"),
            ("got=1", "none of"),
            ("get=x", "number"),
            ("get=-1", "number"),
            ("get=2000000", "number"),
            ("get=0,set=0", "above 0"),
        ] {
            assert!(text.parse::<Mix>().unwrap_err().contains(why), "{text}");
        }
    }
}
