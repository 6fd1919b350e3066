//! `lcmgr delete-data`: the databases of servers that are stopped.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

use lightcloud::tyrant;

use crate::config::{Cluster, Server};
use crate::context::{Context, Failure};
use crate::control::place::{Place, word};
use crate::control::{Which, each};
use crate::output;
use crate::stat::{Silent, ask};

/// The longest that removing one may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Deletes the databases of servers, which must be stopped; asks first
///
/// Of each its directory NAME.tch is removed, if it is a database; logs and backups stay. One that is started anew while another
/// of its node has records is sent them: to be rid of those, delete the data of all servers of a node.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Arguments: the database, the pid file, and `look` or `delete`. Prints what it is or was: `none`, `other`, `open PID`,
/// `database`. An interrupted deletion is ended by the next one.
const SCRIPT: &str = r#"
database=$1 pidfile=$2
if [ "$3" = delete ]; then rm -rf -- "$database.deleted" || exit; fi
[ -e "$database" ] || [ -L "$database" ] || { echo none; exit; }
[ -d "$database" ] && [ ! -L "$database" ] && [ -f "$database/meta" ] && [ -d "$database/log" ] || { echo other; exit; }
pid=$(cat -- "$database/LOCK" 2>/dev/null)
case $pid in
'' | *[!0-9]*) ;;
*)
    for file in "/proc/$pid/fd/"*; do
        [ "$file" -ef "$database/LOCK" ] && { echo "open $pid"; exit; }
    done
    ;;
esac
pid=$(cat -- "$pidfile" 2>/dev/null)
case $pid in
'' | *[!0-9]*) ;;
*)
    if { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -e "$pidfile"; } 2>/dev/null; then
        echo "open $pid"
        exit
    fi
    ;;
esac
if [ "$3" = delete ]; then
    mv -- "$database" "$database.deleted" && rm -rf -- "$database.deleted" || exit
fi
echo database
"#;

/// Looks, asks, deletes.
pub async fn run(args: DeleteArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let servers = args.which.servers(&cluster)?;
    let looks = servers.iter().map(|(_, server)| work(&cluster, server, "look"));
    let looked = futures_util::future::join_all(looks).await;
    let mut wrong = Vec::new();
    for ((_, server), said) in servers.iter().zip(looked) {
        if let Err(why) = said {
            wrong.push(format!("{}: {why}", server.name));
        }
    }
    if !wrong.is_empty() {
        return Err(format!("nothing was deleted:\n  {}", wrong.join("\n  ")).into());
    }
    if !args.yes {
        let names: Vec<_> = servers.iter().map(|(_, server)| &server.name[..]).collect();
        let (count, names) = (names.len(), names.join(", "));
        output::print(&format!(
            "Are you sure you want to delete all data of {count} servers, {names}? [yes or no] "
        ))?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() != "yes" {
            output::print("Deletion canceled\n")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    each("deleting", &servers, |server| work(&cluster, server, "delete")).await
}

/// Looks at the files of a server, or deletes them; what to say of it.
async fn work(cluster: &Cluster, server: &Server, what: &str) -> Result<String, String> {
    let client = tyrant::Server::new(server.address(), cluster.server_options());
    match ask(&client, cluster.timeout).await {
        Ok(_) => return Err(format!("it is running: lcmgr stop {}", server.name)),
        Err(Silent::Mute(_) | Silent::Strange(_)) => {
            return Err(format!("something listens at {}: stop it first", server.address()));
        }
        Err(Silent::Refused | Silent::Unreachable(_)) => {}
    }
    let place = Place::of(cluster, server).await?;
    let database = word(server.database())?;
    let words = [database.clone(), word(server.pid_file())?, what.to_owned()];
    let done = place.run(SCRIPT, &words, LIMIT).await?;
    match (done.code, done.stdout.split_once(' ').unwrap_or((&done.stdout, ""))) {
        (Some(0), ("none", _)) => Ok(format!("has no data: {database} is not there")),
        (Some(0), ("database", _)) => Ok(format!("{database} is deleted")),
        (Some(0), ("open", pid)) => Err(format!(
            "process {pid} has {database} open: lcmgr stop {}, or stop that process",
            server.name
        )),
        (Some(0), ("other", _)) => {
            Err(format!("{database} is no database: look what it is, and move it away"))
        }
        _ => Err(format!("{database}: {}", if done.stderr.is_empty() { done.stdout } else { done.stderr })),
    }
}
