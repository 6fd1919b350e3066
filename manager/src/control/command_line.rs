//! The command line of a server.

use std::path::PathBuf;

use super::place::{Place, word};
use crate::config::{Cluster, Server};

/// The program and its words.
pub fn of(cluster: &Cluster, server: &Server, place: &Place) -> Result<Vec<String>, String> {
    let mut words = vec![word(program(cluster, place))?, "--dmn".to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--pid", word(server.pid_file())?);
    option("--log", word(server.log_file())?);
    option("--backup-dir", word(server.backup_dir())?);
    option("--host", server.host.clone());
    option("--port", server.port.to_string());
    if let Some(id) = server.id {
        option("--sid", id.to_string());
    }
    for master in &server.masters {
        option("--master", master.to_string());
    }
    // The last one counts where an option is repeated.
    words.extend(cluster.options.iter().chain(&server.options).cloned());
    words.push(word(server.database())?);
    Ok(words)
}

/// As the file says, else beside this program, else by `PATH`.
fn program(cluster: &Cluster, place: &Place) -> PathBuf {
    if let Some(program) = &cluster.program {
        return program.clone();
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("lcnode"));
    match beside {
        Some(beside) if matches!(place, Place::Here(_)) && beside.is_file() => beside,
        _ => "lcnode".into(),
    }
}
