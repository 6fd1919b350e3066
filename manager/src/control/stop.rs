//! One server is stopped, and nobody else.

use std::time::{Duration, Instant};

use lightcloud::tyrant;

use super::place::{Place, word};
use crate::config::{Cluster, Server};
use crate::stat::{Silent, ask};

/// What a shell may take beyond the time that a server has.
const SLACK: Duration = Duration::from_secs(20);

/// Arguments: pid file, seconds that it has, 1 to kill it then.
///
/// A process is the one that was started only if the pid file is a word of its command line, which is looked at anew before
/// each signal: the id may be another program's by now. A killed one that nobody has waited for has no command line.
const STOP: &str = r#"
pidfile=$1 force=$3
pid=$(cat -- "$pidfile" 2>/dev/null) || { echo none; exit; }
case $pid in
'' | *[!0-9]*) echo none; exit ;;
esac
is_own() { { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -e "$pidfile"; } 2>/dev/null; }
wait_for() {
    tenths=$1
    while is_own; do
        [ "$tenths" -gt 0 ] || return 1
        tenths=$((tenths - 1))
        sleep 0.1
    done
}
is_own || { [ -d "/proc/$pid" ] && echo "stranger $pid" || echo none; exit; }
kill -TERM "$pid" || exit 1
wait_for $(($2 * 10)) && { echo "stopped $pid"; exit; }
[ "$force" = 1 ] || { echo "running $pid"; exit; }
is_own && { kill -KILL "$pid" || exit 1; }
wait_for 100 || { echo "running $pid"; exit; }
[ "$(cat -- "$pidfile" 2>/dev/null)" != "$pid" ] || rm -f -- "$pidfile"
echo "killed $pid"
"#;

/// Stops a server, unless none runs; what to say of it. After `wait` it is killed with `force`, else left to end.
pub async fn stop(cluster: &Cluster, server: &Server, wait: Duration, force: bool) -> Result<String, String> {
    let place = Place::of(cluster, server).await?;
    let began = Instant::now();
    let pid_file = word(server.pid_file())?;
    let words = [pid_file.clone(), wait.as_secs().to_string(), if force { "1" } else { "0" }.to_owned()];
    let done = place.run(STOP, &words, wait + SLACK).await?;
    let (what, pid) = done.stdout.split_once(' ').unwrap_or((&done.stdout, ""));
    let seconds = began.elapsed().as_secs_f64();
    match (done.code, what) {
        (Some(0), "stopped") => Ok(format!("stopped in {seconds:.2} s")),
        (Some(0), "killed") => Ok(format!("killed after {seconds:.1} s, as it did not end by itself")),
        (Some(0), "running") => Err(format!(
            "process {pid} was told to end and has not after {seconds:.1} s: wait for it, or kill it with stop --force"
        )),
        (Some(0), "none" | "stranger") => {
            is_gone(cluster, server, &pid_file, (what == "stranger").then_some(pid)).await
        }
        _ => Err(format!(
            "cannot be stopped: {}",
            if done.stderr.is_empty() { done.stdout } else { done.stderr }
        )),
    }
}

/// There is no process to stop: fine, unless somebody answers.
async fn is_gone(
    cluster: &Cluster,
    server: &Server,
    pid_file: &str,
    stranger: Option<&str>,
) -> Result<String, String> {
    let client = tyrant::Server::new(server.address(), cluster.server_options());
    let pid = match ask(&client, cluster.timeout).await {
        Ok(stat) => stat.get("pid").unwrap_or("unknown").to_owned(),
        Err(Silent::Mute(_) | Silent::Strange(_)) => "unknown".to_owned(),
        Err(Silent::Refused | Silent::Unreachable(_)) => {
            return Ok(match stranger {
                Some(pid) => {
                    format!("is not running; {pid_file} is an old one, its process {pid} is another program")
                }
                None => "is not running".to_owned(),
            });
        }
    };
    Err(format!(
        "somebody serves {} (process {pid}) who was not started from here, as {pid_file} does not name them: stop them \
         where they were started",
        server.address()
    ))
}
