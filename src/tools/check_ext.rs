//! `lcnode check-ext FILE...`.

mod facts;
mod known;
mod reading;
mod rules;

use std::fmt;
use std::io::{Write, stdout};
use std::sync::Arc;

use clap::Args;
use lcnode_lua::{Allowed, Definition, LoadError, Script, Trial};

use super::{Outcome, ToolError, alone};
use crate::config::{LimitArgs, ScriptConfig};
use crate::dispatch::Node;
use crate::scripts;
use facts::Facts;
use known::Known;
use rules::{Scripts, Text};

/// Load scripts, list the functions that clients can call, and point at mistakes
///
/// The scripts are loaded in the order given, and _begin is called, as a node does, with the limits of one, on an
/// empty database in memory. Then their text is read. Each finding is a line: file, line, what it is, and what to
/// do. A mistake fails whenever it is met; a hint may be what was meant.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing was found, 1 a file cannot be read, 2 there are mistakes, 3 there are \
                  only hints."
)]
pub(super) struct Words {
    /// The scripts
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Mistake,
    Hint,
}

/// Something to be said about a place in a script.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// 0 where it is the whole file.
    line: usize,
    weight: Weight,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Mistake => "mistake",
            Weight::Hint => "hint",
        };
        let line = if self.line == 0 { String::new() } else { format!(":{}", self.line) };
        write!(f, "{}{line}: {weight}: {}", self.file, self.what)
    }
}

/// A script, its file as typed, and what its text says where it can be read.
struct Loaded {
    file: String,
    script: Script,
    facts: Option<Facts>,
}

/// Runs the tool.
pub(super) fn run(words: &Words) -> Result<Outcome, ToolError> {
    let mut loaded = words
        .files
        .iter()
        .enumerate()
        .map(|(number, file)| Loaded::read(number, file))
        .collect::<Result<Vec<_>, _>>()?;
    let config = ScriptConfig::for_tool(Vec::new(), &words.limits);
    let node = alone::open("*")?;
    let checked = check(&node, &config, &mut loaded);
    alone::close(node)?;
    let (functions, findings) = checked?;
    let mut out = stdout().lock();
    out.write_all(functions.as_bytes())?;
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    out.flush()?;
    Ok(match findings.iter().map(|finding| finding.weight).min() {
        None => Outcome::Sound,
        Some(Weight::Mistake) => Outcome::Damaged,
        Some(Weight::Hint) => Outcome::Mended,
    })
}

impl Loaded {
    fn read(number: usize, file: &str) -> Result<Self, ToolError> {
        let source = std::fs::read(file)
            .map_err(|error| ToolError::Other(format!("{file} cannot be read: {error}")))?;
        // Lua cuts long names in messages, and in them it is looked for.
        let name = if file.len() < 50 { file.to_owned() } else { format!("script {}", number + 1) };
        Ok(Self { file: file.to_owned(), script: Script { name, source }, facts: None })
    }
}

/// Loads and reads all of them: the list of their functions, and the findings in order.
fn check(
    node: &Arc<Node>,
    config: &ScriptConfig,
    loaded: &mut [Loaded],
) -> Result<(String, Vec<Finding>), ToolError> {
    let failed = |error: scripts::ScriptError| ToolError::Other(error.to_string());
    let mut trial = scripts::trial(node, config).map_err(failed)?;
    let mut findings = Vec::new();
    for at in 0..loaded.len() {
        if let Err(LoadError { why, .. }) = trial.load(&loaded[at].script) {
            findings.push(raised(loaded, &loaded[at].file, &why, "a node does not start with it"));
        }
    }
    if findings.is_empty()
        && let Err(error) = trial.begin()
    {
        findings.push(raised(loaded, "_begin", &error.message, "a node logs that and goes on"));
    }
    for one in loaded.iter_mut() {
        // Where Lua itself finds the text ill-formed there is nothing to read.
        if findings.iter().any(|finding| finding.file == one.file) && !trial.is_well_formed(&one.script) {
            continue;
        }
        match reading::read(&one.script.source) {
            Ok(facts) => one.facts = Some(facts),
            Err(why) => findings.push(Finding {
                file: one.file.clone(),
                line: 0,
                weight: Weight::Hint,
                what: format!("its text is not looked at: {why}; it was only loaded"),
            }),
        }
    }
    let known = Known::new(&trial, Allowed { files: config.files, processes: config.processes });
    let texts = loaded.iter().filter_map(|one| Some(Text { file: &one.file, facts: one.facts.as_ref()? }));
    let scripts = Scripts { texts: texts.collect(), known: &known, given: trial.given() };
    findings.extend(scripts.findings());
    let functions = list(&trial, loaded, &scripts, &mut findings);
    let order = |file: &String| loaded.iter().position(|one| one.file == *file);
    findings.sort();
    findings.dedup();
    findings.sort_by_key(|finding| order(&finding.file));
    Ok((functions, findings))
}

/// An error that was raised, with the place that its message names, and what a node does then.
fn raised(loaded: &[Loaded], file: &str, why: &str, then: &str) -> Finding {
    let message = why.lines().next().unwrap_or_default();
    let place = loaded.iter().find_map(|one| {
        let rest = message.strip_prefix(&one.script.name[..])?.strip_prefix(':')?;
        let (line, what) = rest.split_once(": ")?;
        Some((one.file.clone(), line.parse().ok()?, what.to_owned()))
    });
    let (file, line, what) = place.unwrap_or_else(|| (file.to_owned(), 0, message.to_owned()));
    Finding { file, line, weight: Weight::Mistake, what: format!("{what}; {then}") }
}

/// The functions that clients can call, a line each; what is to be said of functions goes to `findings`.
fn list(trial: &Trial, loaded: &[Loaded], scripts: &Scripts<'_>, findings: &mut Vec<Finding>) -> String {
    let mut rows = Vec::new();
    for definition in trial.definitions() {
        let Definition { name, place } = &definition;
        let place = place.as_ref().and_then(|(source, line)| {
            loaded.iter().find(|one| one.script.name == *source).map(|one| (one, *line))
        });
        let parameters = place.and_then(|(one, line)| parameters(one.facts.as_ref()?, line, name));
        if let Some((one, line)) = place {
            findings.extend(scripts.of_definition(&definition, &one.file, line, parameters));
        }
        if !name.starts_with('_') {
            let parameters = parameters.map_or_else(|| "...".to_owned(), |names| names.join(", "));
            let place = place.map_or_else(
                || "a function of the API or of Lua".to_owned(),
                |(one, line)| format!("{}:{line}", one.file),
            );
            rows.push((format!("{name}({parameters})"), place));
        }
    }
    if rows.is_empty() {
        return "no function that clients can call\n".to_owned();
    }
    let width = rows.iter().map(|(call, _)| call.len()).max().unwrap_or_default();
    let lines: String = rows.iter().map(|(call, place)| format!("  {call:width$}  {place}\n")).collect();
    format!("functions that clients can call:\n{lines}")
}

/// The parameters of the function that begins on a line; none where that cannot be told.
fn parameters<'a>(facts: &'a Facts, line: usize, name: &str) -> Option<&'a [String]> {
    let shapes: Vec<_> = facts.shapes.iter().filter(|shape| shape.line == line).collect();
    let shape = match shapes[..] {
        [one] => one,
        _ => shapes.into_iter().find(|shape| shape.name == name)?,
    };
    Some(&shape.parameters)
}
