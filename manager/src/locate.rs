//! `lcmgr locate`: where a key is, by both rings, and where it really is.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::future::join_all;
use lightcloud::ring::Ring;
use lightcloud::tyrant;

use crate::config::{Cluster, Kind, Node, Role, Server};
use crate::context::{Context, Failure};
use crate::output;

/// How many nodes of the lookup ring are asked for a key's record.
const LOOKS: usize = 2;

/// Shows where a key is: by the rings, by its lookup record, and on which servers
///
/// The exit code is 1 if it is nowhere, a server did not answer, or what is found does not fit together.
#[derive(Debug, clap::Args)]
pub struct LocateArgs {
    /// The key
    key: String,
    /// The system whose rings are meant
    #[arg(long, value_name = "NAME", default_value = lightcloud::config::DEFAULT_SYSTEM)]
    system: String,
    /// The key is given as hexadecimal digits
    #[arg(long)]
    hex: bool,
    /// It is the key of a list, which is stored behind ll_
    #[arg(long)]
    list: bool,
    /// Ask no server: what the rings alone say
    #[arg(long)]
    offline: bool,
}

/// What one server has.
struct Found<'c> {
    node: &'c Node,
    server: &'c Server,
    /// Lookup nodes: the record. Storage nodes: how long the value is. None for Redis, which is not asked.
    what: Option<Result<What, String>>,
}

enum What {
    Nothing,
    Record(Bytes),
    /// Its bytes.
    Value(usize),
}

/// Asks, and shows.
pub async fn run(args: LocateArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let mut key = if args.hex { from_hex(&args.key)? } else { args.key.clone().into_bytes() };
    if args.list {
        key.splice(..0, *b"ll_");
    }
    let nodes: Vec<_> = cluster.nodes.iter().filter(|node| node.system == args.system).collect();
    if nodes.is_empty() {
        let all: BTreeSet<_> = cluster.nodes.iter().map(|node| &node.system[..]).collect();
        let all: Vec<_> = all.into_iter().collect();
        return Err(format!(
            "{} has no system {}: it has {}",
            cluster.path.display(),
            args.system,
            all.join(", ")
        )
        .into());
    }
    let of = |role| nodes.iter().filter(move |node| node.role == role && node.weight > 0);
    let ring = |role| Ring::weighted(of(role).map(|node| (&node.name[..], node.weight)));
    let (lookups, storages) = (ring(Role::Lookup)?, ring(Role::Storage)?);
    let lookup: Vec<&str> = lookups.nodes(&key).take(LOOKS).collect();
    let storage = storages.node(&key);
    let shown =
        std::str::from_utf8(&key).map_or_else(|_| format!("{:02x?}", key), |text| format!("{text:?}"));
    let mut text = format!("key           {shown} ({} bytes), system {}\n", key.len(), args.system);
    // Writing to a string cannot fail.
    _ = writeln!(text, "lookup ring   {}", lookup.join(", then "));
    _ = writeln!(text, "storage ring  {storage}");
    if args.offline {
        for node in nodes.iter().filter(|node| lookup.contains(&&node.name[..]) || node.name == storage) {
            let addresses: Vec<_> = node.servers.iter().map(|server| server.address().to_string()).collect();
            _ = writeln!(text, "{:<12}  {}", node.name, addresses.join(" "));
        }
        output::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let asked = nodes.iter().filter(|node| node.role == Role::Storage || lookup.contains(&&node.name[..]));
    let each = asked.flat_map(|node| node.servers.iter().map(|server| (*node, server)));
    let found = join_all(each.map(|(node, server)| ask(&cluster, node, server, &key))).await;
    let (record, mut wrong) = record(&lookup, &found);
    match &record {
        Some((at, record)) => {
            _ = writeln!(text, "record        {} (on {at})", String::from_utf8_lossy(record))
        }
        None => text.push_str("record        none\n"),
    }
    text.push('\n');
    let named = record.as_ref().map(|(_, record)| node_of(record)).filter(|name| !name.is_empty());
    let home = named.as_deref().unwrap_or(storage);
    let matters = |one: &&Found<'_>| {
        let is_found = matches!(&one.what, Some(Ok(What::Record(_) | What::Value(_)) | Err(_)));
        one.node.role == Role::Lookup || one.node.name == home || one.node.name == storage || is_found
    };
    let width = |text: fn(&Found<'_>) -> usize| found.iter().filter(matters).map(text).max().unwrap_or(0);
    let (wide, wider) =
        (width(|one| one.server.name.len()), width(|one| one.server.address().to_string().len()));
    for one in found.iter().filter(matters) {
        let what = match &one.what {
            None => "not asked, as it is Redis".to_owned(),
            Some(Err(why)) => format!("NO ANSWER: {why}"),
            Some(Ok(What::Nothing)) => "nothing".to_owned(),
            Some(Ok(What::Record(record))) => format!("record {}", String::from_utf8_lossy(record)),
            Some(Ok(What::Value(bytes))) => format!("value of {bytes} bytes"),
        };
        let (name, address) = (&one.server.name, one.server.address().to_string());
        _ = writeln!(text, "{name:wide$}  {address:wider$}  {what}");
    }
    if let Some((_, record)) = &record
        && let Some((from, to)) = String::from_utf8_lossy(record).split_once('>')
    {
        let to = to.split('@').next().unwrap_or_default();
        _ = writeln!(text, "\nit is being moved from {from} to {to}: look again when that is done");
    } else {
        judge(&cluster, home, named.as_deref(), storage, &found, &mut wrong);
    }
    if !wrong.is_empty() {
        text.push('\n');
        wrong.iter().for_each(|why| _ = writeln!(text, "{why}"));
    }
    output::print(&text)?;
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask<'c>(cluster: &Cluster, node: &'c Node, server: &'c Server, key: &[u8]) -> Found<'c> {
    if node.kind != Kind::Tyrant {
        return Found { node, server, what: None };
    }
    let client = tyrant::Server::new(server.address(), cluster.server_options());
    let asked = async {
        Ok::<_, tyrant::ServerError>(match node.role {
            Role::Lookup => client.get(key).await?.map_or(What::Nothing, What::Record),
            Role::Storage => {
                let bytes = client.vsiz(key).await?;
                bytes.and_then(|bytes| usize::try_from(bytes).ok()).map_or(What::Nothing, What::Value)
            }
        })
    };
    let what = match tokio::time::timeout(cluster.timeout, asked).await {
        Ok(what) => what.map_err(|error| error.kind.to_string()),
        Err(_) => Err(format!("nothing within {:?}", cluster.timeout)),
    };
    Found { node, server, what: Some(what) }
}

/// The record that a client finds, with its node, and what is wrong with records.
fn record<'c>(lookup: &[&str], found: &[Found<'c>]) -> (Option<(&'c str, Bytes)>, Vec<String>) {
    let mut wrong = Vec::new();
    let mut first = None;
    for name in lookup {
        let of_node = found.iter().filter(|one| one.node.name == *name);
        let mut records = of_node.filter_map(|one| match &one.what {
            Some(Ok(What::Record(record))) => Some((one, Some(record))),
            Some(Ok(_)) => Some((one, None)),
            _ => None,
        });
        let Some((one, record)) = records.next() else { continue };
        let mut any = record.map(|record| (&one.node.name[..], record.clone()));
        for (other, again) in records {
            if again != record {
                wrong.push(format!(
                    "{} and {} have not the same record: see lcmgr verify {name}",
                    one.server.name, other.server.name
                ));
            }
            any = any.or_else(|| again.map(|again| (&other.node.name[..], again.clone())));
        }
        first = first.or(any);
    }
    (first, wrong)
}

/// The node that a record names; of one that is being moved the node that has it meanwhile.
fn node_of(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(record);
    text.split('>').next().unwrap_or_default().to_owned()
}

/// What does not fit together.
fn judge(
    cluster: &Cluster,
    home: &str,
    named: Option<&str>,
    ring: &str,
    found: &[Found<'_>],
    wrong: &mut Vec<String>,
) {
    let has = |one: &&Found<'_>| matches!(one.what, Some(Ok(What::Value(_))));
    let is_silent = |one: &&Found<'_>| matches!(one.what, Some(Err(_)));
    if found.iter().any(|one| is_silent(&one)) {
        wrong.push("not all servers answered: see lcmgr status".to_owned());
    }
    if named.is_some() && !cluster.nodes.iter().any(|node| node.name == home && node.role == Role::Storage) {
        wrong
            .push(format!("the record names {home}, which is no storage node of {}", cluster.path.display()));
        return;
    }
    let at_home: Vec<_> = found.iter().filter(|one| one.node.name == home).collect();
    // Nothing can be said of Redis.
    if at_home.iter().any(|one| one.what.is_none()) {
        return;
    }
    let elsewhere: BTreeSet<_> =
        found.iter().filter(has).map(|one| &one.node.name[..]).filter(|name| *name != home).collect();
    for name in &elsewhere {
        wrong.push(if *name == ring {
            format!("{name} has a value too, which clients read first, while the record names {home}")
        } else {
            format!("{name} has a value too, which clients do not look for as long as {home} has one")
        });
    }
    match at_home.iter().filter(|one| has(one)).count() {
        0 if named.is_some() => wrong.push(format!("{home}, which the record names, has no value")),
        0 => wrong.push("the key is not there".to_owned()),
        some => {
            let answered = at_home.iter().filter(|one| !is_silent(one)).count();
            if some < answered {
                wrong.push(format!("not all servers of {home} have it: see lcmgr status {home}"));
            }
            if named.is_none() {
                wrong.push(format!("it has no record: it is found only as long as the ring says {home}"));
            }
        }
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>().unwrap_or_default();
    if digits.is_empty() != text.is_empty() || !digits.len().is_multiple_of(2) {
        return Err(format!("{text:?} is not pairs of hexadecimal digits"));
    }
    Ok(digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}
