//! One server is started, in the background of its host.

use std::time::{Duration, Instant};

use lightcloud::tyrant;
use tokio::time::sleep;

use super::command_line;
use super::place::{Place, word};
use crate::config::{Cluster, Server};
use crate::stat::{Silent, Stat, ask};

/// How often it is asked whether it serves.
const POLL: Duration = Duration::from_millis(20);
/// A look at a log that takes longer is done without.
const LOOK: Duration = Duration::from_secs(15);

/// Arguments: folder, pid file, log, data, backups, then the command line. Prints how long the log is. A pid file whose
/// process is another program is in the way of the node, as it cannot know. Code 3: it runs.
const START: &str = r#"
folder=$1 pidfile=$2
cd "$folder" || exit
mkdir -p -- "$4" "$5" || exit
{ wc -c <"$3" || echo 0; } 2>/dev/null
shift 5
pid=$(cat -- "$pidfile" 2>/dev/null)
case $pid in
'') ;;
*[!0-9]*) echo "$pidfile holds no process id: remove it" >&2; exit 1 ;;
*)
    if { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -e "$pidfile"; } 2>/dev/null; then
        echo "$pid"
        exit 3
    fi
    rm -f -- "$pidfile" || exit
    ;;
esac
exec "$@" </dev/null
"#;

/// Arguments: the log, and how many bytes of it are old.
const LAST_LINES: &str = r#"tail -c +$(($2 + 1)) -- "$1" 2>/dev/null | tail -n 4"#;

/// Starts a server, unless it runs; what to say of it.
///
/// Returns when it answers, or fails when it does not within `wait`.
pub async fn start(cluster: &Cluster, server: &Server, wait: Duration) -> Result<String, String> {
    let client = tyrant::Server::new(server.address(), cluster.server_options());
    match ask(&client, cluster.timeout).await {
        Ok(stat) => return already(server, &stat),
        Err(Silent::Refused | Silent::Unreachable(_)) => {}
        Err(Silent::Mute(_)) => {
            return Err(format!(
                "something listens at {} and gave no answer within {:?}: if it is the server itself, stop it first",
                server.address(),
                cluster.timeout
            ));
        }
        Err(Silent::Strange(why)) => {
            return Err(format!(
                "{} is taken by something else ({why}): give the server another port",
                server.address()
            ));
        }
    }
    let place = Place::of(cluster, server).await?;
    let began = Instant::now();
    let folder = match &place {
        Place::Here(folder) => word(folder.clone())?,
        Place::Ssh(_) => ".".to_owned(),
    };
    let mut words =
        vec![folder, word(server.pid_file())?, word(server.log_file())?, word(server.data_dir.clone())?];
    words.push(word(server.backup_dir())?);
    let command_line = command_line::of(cluster, server, &place)?;
    let program = command_line[0].clone();
    words.extend(command_line);
    let done = match place.run(START, &words, wait).await {
        Ok(done) => done,
        Err(why) => return Err(format!("{why}; look at {}", server.log_file().display())),
    };
    let (old_log, said) = done.stdout.split_once('\n').unwrap_or((&done.stdout, ""));
    match done.code {
        Some(0) => {}
        Some(3) => {
            return Err(format!(
                "process {} has it open, but does not answer at {} (yet): look at {}, or stop it first",
                said,
                server.address(),
                server.log_file().display()
            ));
        }
        Some(126 | 127) => {
            let why = format!(
                "{program} cannot be run ({}): say program = \"…\" in {}",
                done.stderr,
                cluster.path.display()
            );
            return Err(why);
        }
        code => {
            let code = code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            let why = if done.stderr.is_empty() { said } else { &done.stderr };
            let why = if why.is_empty() { "no message" } else { why };
            return Err(
                with_log(server, &place, old_log, format!("{program} ended with {code}: {why}")).await
            );
        }
    }
    match answer(cluster, &client, wait.saturating_sub(began.elapsed())).await {
        Ok(stat) => {
            is_own(server, &stat)?;
            let pid = stat.get("pid").map_or(String::new(), |pid| format!(", process {pid}"));
            Ok(format!("started in {:.2} s{pid}", began.elapsed().as_secs_f64()))
        }
        Err(silent) => {
            let why = format!(
                "{program} says that it serves, but within {wait:?} it did not at {}: {silent}",
                server.address()
            );
            Err(with_log(server, &place, old_log, why).await)
        }
    }
}

/// What is said where somebody answers already.
fn already(server: &Server, stat: &Stat) -> Result<String, String> {
    is_own(server, stat)?;
    let pid = stat.get("pid").map_or(String::new(), |pid| format!(", process {pid}"));
    Ok(format!("is running already{pid}"))
}

/// Whether the one that answers serves the database of this server. One that does not say is believed.
fn is_own(server: &Server, stat: &Stat) -> Result<(), String> {
    let own = server.database();
    match stat.get("path") {
        Some(path) if own.to_str() != Some(path) => Err(format!(
            "{} is taken by a server of {path} (process {}), which is not this one's {}: stop that, or give this one \
             another port",
            server.address(),
            stat.get("pid").unwrap_or("unknown"),
            own.display()
        )),
        _ => Ok(()),
    }
}

/// Waits until it answers.
async fn answer(cluster: &Cluster, client: &tyrant::Server, wait: Duration) -> Result<Stat, Silent> {
    let until = Instant::now() + wait;
    loop {
        match ask(client, cluster.timeout).await {
            Ok(stat) => return Ok(stat),
            Err(silent) if Instant::now() >= until => return Err(silent),
            Err(_) => sleep(POLL).await,
        }
    }
}

/// Waits until it has what those that it follows have, or cannot get at them; whether that came about.
pub async fn in_step(cluster: &Cluster, server: &Server, wait: Duration) -> bool {
    let client = tyrant::Server::new(server.address(), cluster.server_options());
    let until = Instant::now() + wait;
    loop {
        if let Ok(stat) = ask(&client, cluster.timeout).await {
            let on_its_way = |state: &str| ["connecting", "full-sync", "catching-up"].contains(&state);
            if !stat.peers().iter().any(|peer| peer.is_master() && on_its_way(&peer.state)) {
                return true;
            }
        }
        if Instant::now() >= until {
            return false;
        }
        sleep(POLL).await;
    }
}

/// An account with the end of the log below it, without the first bytes, which are of earlier times.
async fn with_log(server: &Server, place: &Place, old: &str, why: String) -> String {
    let Ok(log) = word(server.log_file()) else { return why };
    let old: u64 = old.trim().parse().unwrap_or(0);
    match place.run(LAST_LINES, &[log.clone(), old.to_string()], LOOK).await {
        Ok(done) if !done.stdout.is_empty() => format!("{why}\nend of {log}:\n{}", done.stdout),
        _ => why,
    }
}
