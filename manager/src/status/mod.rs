//! `lcmgr status`: how all servers are, at a glance.
//!
//! From here: `sample` asks them, `judge` says what that means, `table` and `report` are what is printed.

mod judge;
mod report;
mod sample;
mod table;
#[cfg(test)]
mod tests;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::Table;
use tokio::time::{Instant, sleep, sleep_until};

use crate::context::{Context, Failure};
use crate::output;
use report::Report;
use sample::{Sample, Watched};

/// Between the two looks that operations a second are reckoned from, where there is one report only.
const BETWEEN: Duration = Duration::from_millis(500);

/// Shows how all servers are: up, records, lag and agreement of pairs, load, and what is wrong
///
/// The exit code is 1 if anything is wrong: a server down, behind by more than --max-lag, with other records than the one it
/// follows, not following whom it should, out of disk space. LAG and AGREES are those of the server towards the ones that
/// it follows.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Names of nodes or servers, or all
    #[arg(value_name = "NODE")]
    names: Vec<String>,
    /// Show it anew every SECONDS, until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds)]
    watch: Option<Duration>,
    /// Print JSON: one object, with --watch one a line
    #[arg(long)]
    json: bool,
    /// Seconds that a server may be behind another
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    max_lag: Duration,
}

/// A number of seconds, 0.1 to 86400.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "give seconds of 0.1 to 86400, such as 2 or 0.5".to_owned())
}

/// Looks, and shows.
pub async fn run(args: StatusArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let selected = cluster.select(&args.names)?;
    let watched: Vec<_> =
        selected.into_iter().map(|(node, server)| Watched::new(&cluster, node, server)).collect();
    let max_lag = args.max_lag.as_secs_f64();
    let Some(every) = args.watch else {
        let before = sample::look(&watched).await;
        let samples = if before.iter().any(|sample| matches!(sample, Sample::Stat { .. })) {
            sleep(BETWEEN).await;
            sample::look_again(&watched, &before).await
        } else {
            before.clone()
        };
        let report = report_of(&watched, &before, &samples, max_lag);
        let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { shown(&report) };
        output::print(&text)?;
        return Ok(code(&report));
    };
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let is_live = std::io::stdout().is_terminal() && !args.json;
    let mut before = sample::look(&watched).await;
    let mut report = report_of(&watched, &before, &before, max_lag);
    // The first is a moment later, so that it has a rate as well.
    let mut next = Instant::now() + BETWEEN.min(every);
    loop {
        tokio::select! {
            _ = &mut interrupt => {
                if is_live {
                    output::print("\n")?;
                }
                return Ok(code(&report));
            }
            () = sleep_until(next) => {}
        }
        next = (next + every).max(Instant::now());
        let samples = tokio::select! {
            _ = &mut interrupt => return Ok(code(&report)),
            samples = sample::look(&watched) => samples,
        };
        report = report_of(&watched, &before, &samples, max_lag);
        before = samples;
        let text = if args.json { serde_json::to_string(&report)? + "\n" } else { shown(&report) };
        if is_live {
            let head = format!("{}, every {:?}; Ctrl-C ends\n\n", cluster.path.display(), every);
            output::print(&in_place(&format!("{head}{text}")))?;
        } else {
            output::print(&if args.json { text } else { format!("{text}\n") })?;
        }
    }
}

fn report_of(watched: &[Watched<'_>], before: &[Sample], samples: &[Sample], max_lag: f64) -> Report {
    let rates: Vec<_> =
        before.iter().zip(samples).map(|(before, after)| sample::rate(before, after)).collect();
    Report::new(judge::judge(watched, samples, &rates, max_lag))
}

fn code(report: &Report) -> ExitCode {
    if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn shown(report: &Report) -> String {
    let is_terminal = std::io::stdout().is_terminal();
    let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = Table::new().width().filter(|_| is_terminal).map(usize::from);
    table::render(report, width, is_terminal && has_colours)
}

/// Written over what is on the screen: from its corner, each line to its end, and nothing below.
fn in_place(text: &str) -> String {
    format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
}
