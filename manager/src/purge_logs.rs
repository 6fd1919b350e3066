//! `lcmgr purge-logs`: old text of logs.

use std::process::ExitCode;
use std::time::Duration;

use crate::config::{Cluster, Server};
use crate::context::{Context, Failure};
use crate::control::place::{Place, word};
use crate::control::{Which, each};
use crate::output;

/// The longest that it may take for one.
const LIMIT: Duration = Duration::from_secs(60);

/// Rotates what servers have to say (NAME.log) and removes what is old
///
/// NAME.log becomes NAME.log.1, that NAME.log.2, and so on; those beyond --keep are removed. A server that runs is sent SIGHUP
/// to begin a new one, at which it also loads its scripts anew.
///
/// There is no other log to purge: a server's log of changes is its database. Compaction removes by itself what is dead in
/// it, and what a follower has not read yet stays, within the server's --ulim. An lcnode writes no update logs as Tokyo
/// Tyrant does; those that one has left are not touched.
#[derive(Debug, clap::Args)]
pub struct PurgeArgs {
    #[command(flatten)]
    which: Which,
    /// Old ones that stay, 0 to 1000
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=1000))]
    keep: u32,
}

/// Arguments: log, how many to keep, pid file. Prints `none` or the bytes that were freed, and `told` if there was somebody
/// to tell.
const SCRIPT: &str = r#"
log=$1 keep=$2 pidfile=$3 freed=0
remove() {
    freed=$((freed + $(wc -c <"$1"))) && rm -f -- "$1"
}
number=$keep
[ "$number" -gt 0 ] || number=1
[ ! -s "$log" ] || [ ! -e "$log.$number" ] || remove "$log.$number" || exit
number=$((keep + 1))
while [ -e "$log.$number" ]; do
    remove "$log.$number" || exit
    number=$((number + 1))
done
[ -s "$log" ] || { echo "none $freed"; exit; }
number=$keep
while [ "$number" -gt 1 ]; do
    if [ -e "$log.$((number - 1))" ]; then
        mv -- "$log.$((number - 1))" "$log.$number" || exit
    fi
    number=$((number - 1))
done
if [ "$keep" -gt 0 ]; then
    mv -- "$log" "$log.1" || exit
else
    remove "$log" || exit
fi
told=
pid=$(cat -- "$pidfile" 2>/dev/null)
case $pid in
'' | *[!0-9]*) ;;
*)
    if { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -e "$pidfile"; } 2>/dev/null; then
        kill -HUP "$pid" && told=told
    fi
    ;;
esac
echo "rotated $freed $told"
"#;

/// Rotates.
pub async fn run(args: PurgeArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let servers = args.which.servers(&cluster)?;
    let code = each("rotating", &servers, |server| rotate(&cluster, server, args.keep)).await?;
    output::print("Databases are as they were: the log of changes is the data, see lcmgr help purge-logs\n")?;
    Ok(code)
}

async fn rotate(cluster: &Cluster, server: &Server, keep: u32) -> Result<String, String> {
    let place = Place::of(cluster, server).await?;
    let log = word(server.log_file())?;
    let done = place.run(SCRIPT, &[log.clone(), keep.to_string(), word(server.pid_file())?], LIMIT).await?;
    let mut words = done.stdout.split(' ');
    let what = words.next().unwrap_or_default();
    let freed = words.next().and_then(|bytes| bytes.parse().ok());
    match (done.code, what, freed) {
        (Some(0), "none", Some(freed)) => {
            Ok(format!("{log} has nothing new, {} of old ones removed", indicatif::HumanBytes(freed)))
        }
        (Some(0), "rotated", Some(freed)) => {
            let told = if words.next() == Some("told") { "" } else { " (no process to tell)" };
            Ok(format!("{log} rotated{told}, {} removed", indicatif::HumanBytes(freed)))
        }
        _ => Err(format!("{log}: {}", if done.stderr.is_empty() { done.stdout } else { done.stderr })),
    }
}
