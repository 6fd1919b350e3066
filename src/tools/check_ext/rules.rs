//! From [`Facts`] to what is to be said of them.

use std::collections::BTreeSet;

use lcnode_lua::Definition;

use super::facts::{Facts, Read, Use};
use super::known::{Known, arguments};
use super::{Finding, Weight};

/// A script that was read.
pub(super) struct Text<'a> {
    /// Its file as it was typed.
    pub(super) file: &'a str,
    pub(super) facts: &'a Facts,
}

/// All scripts of a node.
pub(super) struct Scripts<'a> {
    pub(super) texts: Vec<Text<'a>>,
    pub(super) known: &'a Known,
    /// Names of the API and of Lua's library.
    pub(super) given: &'a BTreeSet<String>,
}

impl Scripts<'_> {
    /// What all of them read, for all that call each other.
    fn reads(&self) -> impl Iterator<Item = &Read> {
        self.texts.iter().flat_map(|text| &text.facts.reads)
    }

    fn sets(&self, name: &str) -> bool {
        self.texts.iter().any(|text| text.facts.set.contains(name))
    }

    /// What is to be said of the text of all scripts.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.texts.iter().flat_map(|text| self.findings_in(text)).collect()
    }

    fn findings_in(&self, text: &Text<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut say = |weight, line, what| {
            findings.push(Finding { file: text.file.to_owned(), line, weight, what });
        };
        let is_dynamic = self.texts.iter().any(|text| text.facts.is_dynamic);
        for Read { name, line, used } in &text.facts.reads {
            if let Some(refusal) = self.known.refusal(name).filter(|_| !self.sets(name)) {
                say(Weight::Mistake, *line, refusal);
            } else if !self.known.globals.contains(name) && !self.sets(name) {
                let is_tested = || text.facts.reads.iter().any(|r| r.name == *name && r.used == Use::Plain);
                let weight = if is_dynamic || is_tested() { Weight::Hint } else { Weight::Mistake };
                let meant = self.known.meant(name);
                say(weight, *line, format!("the global {name} is defined nowhere, it is nil{meant}"));
            } else if let Use::Called(least, most) = *used
                && let Some((asked, allowed, args)) = arguments(name).filter(|_| !self.sets(name))
                && (most.is_some_and(|most| most < asked) || allowed.is_some_and(|allowed| least > allowed))
            {
                let how_many = match (least, most) {
                    (_, None) => format!("{least} or more arguments"),
                    (1, _) => "1 argument".to_owned(),
                    _ => format!("{least} arguments"),
                };
                let what = format!("{name} is called with {how_many}, which it refuses; call {name}({args})");
                say(Weight::Mistake, *line, what);
            }
        }
        for field in &text.facts.fields {
            let full = format!("{}.{}", field.table, field.name);
            let is_set = self.texts.iter().any(|text| text.facts.set_fields.contains(&full));
            if is_set || self.sets(&field.table) {
                continue;
            }
            if let Some(refusal) = self.known.refusal(&full) {
                say(Weight::Mistake, field.line, refusal);
            } else if self.known.has(&field.table, &field.name) == Some(false) {
                let meant = self.known.meant_in(&field.table, &field.name);
                say(Weight::Mistake, field.line, format!("there is no {full} in Lua 5.1{meant}"));
            }
        }
        for set in &text.facts.set_inside {
            let name = &set.name;
            let what = match &set.function[..] {
                "_begin" => format!(
                    "_begin sets the global {name}, but runs in the first virtual machine only: others don't see it; set it \
                     outside of functions, or keep it with _stashput"
                ),
                _ => format!(
                    "a function sets the global {name}, which later calls in other virtual machines don't see; write local, \
                     or keep it with _stashput"
                ),
            };
            say(Weight::Hint, set.line, what);
        }
        for pair in &text.facts.get_puts {
            let is_atomic = |text: &Text<'_>| !text.facts.atomic.is_disjoint(&pair.functions);
            if !self.texts.iter().any(is_atomic) {
                let key = &pair.key;
                let what = format!(
                    "_put({key}, …) after _get({key}): another call may change the record in between, unless clients ask for \
                     the record lock; use _atomic"
                );
                say(Weight::Hint, pair.line, what);
            }
        }
        findings
    }

    /// What is to be said of a function that was made global in `file`.
    pub(super) fn of_definition(
        &self,
        definition: &Definition,
        file: &str,
        line: usize,
        parameters: Option<&[String]>,
    ) -> Option<Finding> {
        let name = &definition.name;
        let is_used = || self.reads().any(|read| read.name == *name);
        let what = if name == "_begin" || name == "_end" {
            return None;
        } else if self.given.contains(name) {
            format!(
                "{name} takes the place of a function of the same name that scripts are given; choose another name"
            )
        } else if name.starts_with('_') && !is_used() {
            format!(
                "clients cannot call {name}, nor does a script: names with _ in front are not called; rename it"
            )
        } else if !name.starts_with('_') && !is_used() && parameters.is_some_and(is_too_many) {
            format!("clients give {name} two strings, key and value: its other parameters are nil; drop them")
        } else {
            return None;
        };
        Some(Finding { file: file.to_owned(), line, weight: Weight::Hint, what })
    }
}

fn is_too_many(parameters: &[String]) -> bool {
    parameters.iter().filter(|name| *name != "...").count() > 2
}
