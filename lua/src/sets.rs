//! `_isect` and `_union`: arrays as sets.

use std::collections::HashSet;
use std::hash::Hash;

/// The distinct elements of all sets, in the order of their first appearance.
#[must_use]
pub fn union<T: Hash + Eq + Clone>(sets: &[Vec<T>]) -> Vec<T> {
    let mut seen = HashSet::new();
    sets.iter().flatten().filter(|element| seen.insert(*element)).cloned().collect()
}

/// The distinct elements that are in every set: of two sets in the order of the second, else in the order
/// of the first. Empty where there is no set.
#[must_use]
pub fn intersection<T: Hash + Eq + Clone>(sets: &[Vec<T>]) -> Vec<T> {
    let ordering = if sets.len() == 2 { 1 } else { 0 };
    let Some(order) = sets.get(ordering) else { return vec![] };
    let mut common: HashSet<&T> = order.iter().collect();
    for set in sets.iter().enumerate().filter(|(at, _)| *at != ordering).map(|(_, set)| set) {
        let set: HashSet<&T> = set.iter().collect();
        common.retain(|element| set.contains(element));
    }
    // Taking each out as it is found leaves its repetitions behind.
    order.iter().filter(|element| common.remove(element)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets written as words, one letter an element.
    fn sets(words: &str) -> Vec<Vec<char>> {
        words
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| word.trim_matches('-').chars().collect())
            .collect()
    }

    #[test]
    fn intersections_have_the_order_that_was_observed() {
        for (words, expected) in [
            ("", ""),
            ("ab", "ab"),
            ("aba", "ab"),
            ("ab bc", "b"),
            ("cab bca", "bca"),
            ("cabc bcab", "bca"),
            ("cab bca acb", "cab"),
            ("cabdc bcaeb acbx", "cab"),
            ("cabdc bcaeb acbx bcab", "cab"),
            ("cac", "ca"),
            ("a -", ""),
            ("- a", ""),
            ("-", ""),
            ("a a -", ""),
            ("a - a", ""),
            ("a b a", ""),
            ("a bb a", ""),
            ("a aa b", ""),
            ("zyxw wxy", "wxy"),
            ("zyxw wxy ywx", "yxw"),
            ("zyxwvu wxyv ywxv vwxy", "yxwv"),
        ] {
            assert_eq!(intersection(&sets(words)).iter().collect::<String>(), expected, "{words}");
        }
    }

    #[test]
    fn unions_have_the_order_that_was_observed() {
        for (words, expected) in [
            ("", ""),
            ("ab", "ab"),
            ("aba", "ab"),
            ("ab bc", "abc"),
            ("ca bcd ea", "cabde"),
            ("- a", "a"),
            ("a -", "a"),
            ("-", ""),
        ] {
            assert_eq!(union(&sets(words)).iter().collect::<String>(), expected, "{words}");
        }
    }
}
