//! The file as it is written, and what is meant where it says nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lightcloud::Address;
use serde::Deserialize;

use super::select::nearest;
use super::{Cluster, ConfigError, Kind, Node, Role, Server};

/// The longest that a server may take to answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    program: Option<PathBuf>,
    #[serde(default)]
    options: Vec<String>,
    timeout: Option<f64>,
    #[serde(default, rename = "node")]
    nodes: Vec<NodeEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct NodeEntry {
    name: String,
    role: Option<Role>,
    system: Option<String>,
    weight: Option<u32>,
    #[serde(default)]
    kind: Kind,
    servers: Vec<ServerEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ServerEntry {
    name: Option<String>,
    host: String,
    port: u16,
    id: Option<u16>,
    masters: Option<Vec<String>>,
    data_dir: Option<PathBuf>,
    ssh: Option<String>,
    #[serde(default)]
    options: Vec<String>,
}

/// Reads a text, without a look at whether what it says makes sense.
pub(super) fn read(path: &Path, text: &str) -> Result<Cluster, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let hint = hint(error.message()).unwrap_or_default();
        ConfigError::Malformed { path: path.to_owned(), error, hint }
    })?;
    let wrong = |why: String| ConfigError::Wrong { path: path.to_owned(), why };
    let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    let folder = folder.unwrap_or_default();
    let data_dir = folder.join(file.data_dir.unwrap_or_else(|| "data".into()));
    let timeout = Duration::try_from_secs_f64(file.timeout.unwrap_or(5.0)).ok();
    let timeout = timeout.filter(|timeout| !timeout.is_zero() && *timeout <= MAX_TIMEOUT);
    let timeout =
        timeout.ok_or_else(|| wrong("timeout: give seconds above 0, up to 3600, such as 5 or 0.5".into()))?;
    let nodes = file.nodes.into_iter().map(|entry| entry.resolve(&data_dir).map_err(wrong));
    let nodes = nodes.collect::<Result<_, _>>()?;
    Ok(Cluster {
        path: path.to_owned(),
        data_dir,
        program: file.program.map(|program| resolve_program(&folder, program)),
        options: file.options,
        timeout,
        nodes,
    })
}

/// A program that is named with a `/` starts at the folder of the file; a bare name is for `PATH`.
fn resolve_program(folder: &Path, program: PathBuf) -> PathBuf {
    if program.components().count() > 1 { folder.join(program) } else { program }
}

/// What a field that does not exist may have been meant to be, from the text of the error.
fn hint(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let field = quoted.next()?;
    Some(format!("did you mean {}?\n", nearest(field, quoted)?))
}

impl NodeEntry {
    fn resolve(self, data_dir: &Path) -> Result<Node, String> {
        let name = self.name;
        let by_name = match (name.contains("lookup"), name.contains("storage")) {
            (true, _) => Some(Role::Lookup),
            (_, true) => Some(Role::Storage),
            _ => None,
        };
        let role = self.role.or(by_name).ok_or_else(|| {
            format!("node {name}: its name has neither lookup nor storage in it: say role = \"lookup\" or \"storage\"")
        })?;
        let addresses: Vec<_> =
            self.servers.iter().map(|server| Address::tcp(&server.host[..], server.port)).collect();
        let mut servers = Vec::new();
        for (at, server) in self.servers.into_iter().enumerate() {
            let server_name = server.name.unwrap_or_else(|| format!("{name}-{}", at + 1));
            let masters = match server.masters {
                Some(texts) => {
                    let parsed = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
                    parsed.map_err(|error| format!("masters of server {server_name}: {error}"))?
                }
                None => {
                    let others = addresses.iter().enumerate().filter(|(other, _)| *other != at);
                    others.map(|(_, address)| address.clone()).collect()
                }
            };
            let own = server.data_dir.unwrap_or_else(|| PathBuf::from(&server_name));
            servers.push(Server {
                host: server.host,
                port: server.port,
                id: server.id,
                masters,
                data_dir: data_dir.join(own),
                ssh: server.ssh,
                options: server.options,
                name: server_name,
            });
        }
        let system = self.system.unwrap_or_else(|| "default".to_owned());
        Ok(Node { name, system, role, weight: self.weight.unwrap_or(1), kind: self.kind, servers })
    }
}
