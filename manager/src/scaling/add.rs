//! `lcmgr add-node`: one more node on a ring.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lightcloud::tyrant::{Server, ServerOptions};
use lightcloud::{Address, LightCloud};

use super::rebalance::interrupted;
use super::{Ended, Interrupt, sweep};
use crate::config::edit::{File, NewNode};
use crate::config::{Cluster, Role};
use crate::context::{Context, Failure};
use crate::control;

/// Adds a node to a ring: no key moves, and none is lost
///
/// Its servers must be empty, and run already or be started by --start. The file of the cluster is changed; clients use the node once they know
/// the new file. Add lookup nodes one at a time: before one is added, all lookup records are brought to where they
/// belong, as `rebalance` does.
#[derive(Debug, Args)]
pub struct AddNodeArgs {
    /// Its name, which decides which keys belong to it and cannot be changed later
    name: String,
    /// Its servers: HOST:PORT, or HOST:PORT=ID with a server id
    #[arg(required = true, value_name = "HOST:PORT[=ID]", value_parser = parse_server)]
    servers: Vec<(String, u16, Option<u16>)>,
    /// Which ring; read out of the name where that has `lookup` or `storage` in it
    #[arg(long)]
    role: Option<RoleArg>,
    /// The pair of rings
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Its share of the keys, relative to others, which have 1 unless the file says otherwise
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(lightcloud::ring::MAX_WEIGHT)))]
    weight: Option<u32>,
    /// Start its servers first, as `lcmgr start` does
    #[arg(long)]
    start: bool,
    /// Even if it has records already
    #[arg(long)]
    not_empty: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    Lookup,
    Storage,
}

fn parse_server(text: &str) -> Result<(String, u16, Option<u16>), String> {
    let (address, id) = match text.rsplit_once('=') {
        Some((address, id)) => (address, Some(id.parse().map_err(|_| format!("{id:?} is no server id"))?)),
        None => (text, None),
    };
    match address.parse::<Address>() {
        Ok(Address::Tcp { host, port }) => Ok((host, port, id)),
        Ok(Address::Unix(_)) => Err("a node of a cluster needs a host and a port".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub async fn run(args: AddNodeArgs, context: &Context) -> Result<ExitCode, Failure> {
    let before = context.cluster()?;
    if before.nodes.iter().any(|node| node.name == args.name) {
        return Err(format!("{} has a node {} already", before.path.display(), args.name).into());
    }
    let by_name = lightcloud::Role::of_name(&args.name);
    let role = match (args.role, by_name) {
        (Some(RoleArg::Lookup), _) | (None, Some(lightcloud::Role::Lookup)) => Role::Lookup,
        (Some(RoleArg::Storage), _) | (None, Some(lightcloud::Role::Storage)) => Role::Storage,
        (None, None) => return Err("say which ring: --role lookup or --role storage".into()),
    };
    let mut file = File::open(&before.path)?;
    file.add(&NewNode {
        name: &args.name,
        role,
        system: args.system.as_deref(),
        weight: args.weight,
        servers: &args.servers,
    })?;
    // All that is wrong with the new file is found here.
    let after = file.cluster()?;
    if args.start && control::start_node(&after, &args.name).await? != ExitCode::SUCCESS {
        return Err(format!("not all servers of {} could be started: it was not added", args.name).into());
    }
    check_servers(&args, &after).await?;
    if role == Role::Lookup {
        let label = args.system.as_deref().unwrap_or(lightcloud::config::DEFAULT_SYSTEM);
        let system = LightCloud::new(before.lightcloud())?.system(label)?;
        let mut interrupt = Interrupt::new()?;
        if let Ended::Interrupted(_) = sweep(&system, &system.lookup_nodes(), false, &mut interrupt).await? {
            return interrupted();
        }
    }
    file.save()?;
    let mut out = std::io::stdout();
    writeln!(out, "{} is in {} now. Next:", args.name, before.path.display())?;
    writeln!(
        out,
        "  let all clients know the new file; new keys go to the node then, and all keys are found"
    )?;
    writeln!(out, "  then `lcmgr rebalance`, which moves its share of the keys to it")?;
    Ok(ExitCode::SUCCESS)
}

/// Whether all servers of the new node answer, and have no records.
async fn check_servers(args: &AddNodeArgs, cluster: &Cluster) -> Result<(), Failure> {
    for (host, port, _) in &args.servers {
        let options = ServerOptions { timeout: cluster.timeout, ..ServerOptions::default() };
        let server = Server::new(Address::tcp(&host[..], *port), options);
        let records =
            server.rnum().await.map_err(|error| format!("{error}; start it first, or say --start"))?;
        if records > 0 && !args.not_empty {
            return Err(format!(
                "{} has {records} records already: what they would mean on the ring is not known. Give an empty one, or \
                 say --not-empty",
                server.address()
            )
            .into());
        }
    }
    Ok(())
}
