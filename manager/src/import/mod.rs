//! `lcmgr import-config`: the settings of LightCloud's manager, or the nodes of its clients, as a file of ours.

mod nodes;
mod python;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lightcloud::Address;

use crate::config::Cluster;
use crate::context::{Context, Failure};
use crate::output;
use nodes::Imported;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Writes LightCloud's config.py as a file of lcmgr
///
/// It may be the settings of LightCloud's manager (NODES, DATA_DIR, …) or the nodes as clients have them
/// ({'lookup1_A': ['HOST:PORT', 'HOST:PORT'], …}). Servers that follow each other become one node, which has the name of
/// the first of them, as clients know it. The file is read and not run: it must have plain values only.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The Python file
    #[arg(value_name = "CONFIG.PY")]
    file: PathBuf,
    /// Where to write; nothing that is there is overwritten [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The dictionary with the nodes [default: NODES, else the only one]
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,
    /// Directory of incr.lua and list.lua, which LightCloud's clients need, on all servers
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
}

/// Reads, converts, and writes.
pub async fn run(args: ImportArgs, _context: &Context) -> Result<ExitCode, Failure> {
    let named = |why: String| format!("{}: {why}", args.file.display());
    let cannot_read = |error: std::io::Error| format!("cannot read {}: {error}", args.file.display());
    let mut text = Vec::new();
    let file = std::fs::File::open(&args.file).map_err(cannot_read)?;
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(cannot_read)?;
    if text.len() as u64 > MAX_FILE {
        return Err(named(format!("more than {MAX_FILE} bytes: no file of settings")).into());
    }
    let text =
        String::from_utf8(text).map_err(|_| named("it is not UTF-8: convert it, as by iconv".to_owned()))?;
    let settings = python::read(&text).map_err(|refused| named(refused.to_string()))?;
    let imported =
        nodes::import(settings, args.variable.as_deref()).map_err(|refused| named(refused.to_string()))?;
    let written = toml_of(&imported, args.scripts.as_deref()).map_err(named)?;
    let target = args.output.as_deref().unwrap_or(Path::new("lightcloud.toml"));
    let cluster = Cluster::parse(target, &written)
        .map_err(|error| named(format!("what it describes cannot work: {error}")))?;
    for note in &imported.notes {
        eprintln!("note: {note}");
    }
    if args.scripts.is_none() {
        eprintln!(
            "note: incr and lists of LightCloud's clients need scripts: see options in the file, or --scripts DIR"
        );
    }
    match &args.output {
        None => output::print(&written)?,
        Some(path) => {
            write_new(path, &written).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    format!("{} exists: remove it, or write elsewhere", path.display())
                }
                _ => format!("cannot write {}: {error}", path.display()),
            })?;
            output::print(&format!(
                "{}: {} nodes, {} servers; look it over, then: lcmgr -c {} start\n",
                path.display(),
                cluster.nodes.len(),
                cluster.servers().count(),
                path.display()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// The text of the file.
fn toml_of(imported: &Imported, scripts: Option<&Path>) -> Result<String, String> {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    let mut text = String::from("# A cluster of LightCloud. What can be said here: lcmgr help start\n");
    let mut options = Vec::new();
    if imported.is_debug {
        options.push(quoted("--ld"));
    }
    for script in ["incr.lua", "list.lua"] {
        if let Some(folder) = scripts {
            let path = folder.join(script);
            let path = path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
            options.extend([quoted("--ext"), quoted(path)]);
        }
    }
    // Writing to a string cannot fail.
    if let Some(folder) = &imported.data_dir {
        _ = writeln!(text, "data-dir = {}", quoted(folder));
    }
    if scripts.is_none() {
        text.push_str(
            "# incr and lists need: options = [\"--ext\", \"DIR/incr.lua\", \"--ext\", \"DIR/list.lua\"]\n",
        );
    }
    if !options.is_empty() {
        _ = writeln!(text, "options = [{}]", options.join(", "));
    }
    for node in &imported.nodes {
        _ = writeln!(text, "\n[[node]]\nname = {}\nservers = [", quoted(&node.name));
        for server in &node.servers {
            let mut fields = Vec::new();
            if let Some(name) = &server.name {
                fields.push(format!("name = {}", quoted(name)));
            }
            if let Address::Tcp { host, port } = &server.address {
                fields.push(format!("host = {}, port = {port}", quoted(host)));
            }
            if let Some(id) = server.id {
                fields.push(format!("id = {id}"));
            }
            if !server.outside.is_empty() {
                let own = node.servers.iter().map(|other| &other.address);
                let masters = own.filter(|other| **other != server.address).chain(&server.outside);
                let masters: Vec<_> = masters.map(|master| quoted(&master.to_string())).collect();
                fields.push(format!("masters = [{}]", masters.join(", ")));
            }
            _ = writeln!(text, "    {{ {} }},", fields.join(", "));
        }
        text.push_str("]\n");
    }
    Ok(text)
}
