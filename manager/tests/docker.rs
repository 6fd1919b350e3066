//! What `docker/` promises, as far as it can be held without Docker: the servers of `compose.yaml` are started with
//! their very command lines, and `lightcloud.toml` is the same cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use lightcloud::tyrant::{Server, ServerOptions};
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::children::Running;
use crate::support::cluster::{Cluster, addresses, eventually};
use crate::support::{lcmgr, lcnode};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The services that are nodes, with the words of their command lines.
fn services(file: &str) -> BTreeMap<String, Vec<String>> {
    let file = YamlLoader::load_from_str(&read(file)).unwrap().remove(0);
    let services = file["services"].as_hash().unwrap().iter();
    let nodes = services.filter(|(_, service)| service["entrypoint"] == Yaml::BadValue);
    let word = |word: &Yaml| word.as_str().unwrap().to_owned();
    let named = nodes.map(|(name, service)| {
        let name = word(name);
        let volume = format!("{name}:/data");
        assert_eq!(service["volumes"].as_vec().unwrap()[..], [Yaml::String(volume)], "{name}");
        assert!(file["volumes"].as_hash().unwrap().contains_key(&Yaml::String(name.clone())), "{name}");
        (name, service["command"].as_vec().unwrap().iter().map(word).collect())
    });
    named.collect()
}

/// The word behind an option.
fn option<'w>(words: &'w [String], name: &str) -> Option<&'w str> {
    let at = words.iter().position(|word| word == name)?;
    words.get(at + 1).map(|word| &word[..])
}

/// Starts all services, each in a folder and on an address of its own, and waits until each follows its master.
fn start_all(services: &BTreeMap<String, Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let found: Vec<SocketAddr> = addresses(services.len());
    let of: BTreeMap<&str, SocketAddr> = services.keys().map(|name| &name[..]).zip(found).collect();
    let mut running = Vec::new();
    for (name, words) in services {
        let data = folder.path().join(name);
        std::fs::create_dir_all(data.join("backup")).unwrap();
        assert_eq!(option(words, "--port"), Some("1978"), "{name}");
        let words = words.iter().map(|word| match word.split_once(":1978") {
            Some((service, "")) => of[service].to_string(),
            _ if word == "1978" => of[&name[..]].port().to_string(),
            _ => word
                .replace("/usr/local/share/lcnode", root().join("lua/scripts").to_str().unwrap())
                .replace("/data", data.to_str().unwrap()),
        });
        let mut command = Command::new(lcnode());
        command.args(words).args(["--segment-size", "256k", "--host", &of[&name[..]].ip().to_string()]);
        running.push(Running::start(&mut command, &data, of[&name[..]]));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, address) in of {
        let server = Server::new(address.to_string().parse().unwrap(), ServerOptions::default());
        eventually(&format!("{name} follows its master"), || {
            let stat = runtime.block_on(server.stat()).unwrap();
            stat.iter().any(|(name, value)| name == "peer_1_state" && value == "live")
        });
    }
}

#[test]
fn the_servers_of_the_cluster_start_and_follow_each_other() {
    let services = services("docker/compose.yaml");
    assert_eq!(services.len(), 10);
    start_all(&services);
}

#[test]
fn the_two_masters_start_and_follow_each_other() {
    let services = services("docker/two-masters.yaml");
    assert_eq!(services.len(), 2);
    start_all(&services);
}

#[test]
fn the_file_of_the_cluster_has_the_servers_of_the_services() {
    let services = services("docker/compose.yaml");
    let file: toml::Table = read("docker/lightcloud.toml").parse().unwrap();
    let mut seen = Vec::new();
    for node in file["node"].as_array().unwrap() {
        let name = node["name"].as_str().unwrap();
        assert!(name.starts_with("lookup") || name.starts_with("storage"), "{name}");
        let servers = node["servers"].as_array().unwrap();
        let hosts: Vec<_> = servers.iter().map(|server| server["host"].as_str().unwrap()).collect();
        let [one, other] = hosts[..] else { panic!("{name} is no pair") };
        for (own, master, server) in [(one, other, &servers[0]), (other, one, &servers[1])] {
            assert_eq!(server["port"].as_integer(), Some(1978));
            assert_eq!(option(&services[own], "--master"), Some(&format!("{master}:1978")[..]));
            // The name that status shows is that of the database.
            let database = PathBuf::from(services[own].last().unwrap());
            assert_eq!(database.file_stem().unwrap().to_str(), server["name"].as_str());
            seen.push(own.to_owned());
        }
    }
    seen.sort();
    assert!(seen.iter().eq(services.keys()), "{seen:?}");
}

#[test]
fn the_dockerfile_copies_what_is_there() {
    let text = read("docker/Dockerfile");
    let mut binaries = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<_> = line.split_whitespace().filter(|word| !word.starts_with("--chmod")).collect();
        let (sources, _to) = words.split_at(words.len() - 1);
        match sources {
            ["--from=build", built @ ..] => binaries.extend_from_slice(built),
            sources => {
                for source in sources {
                    let (folder, pattern) = source.rsplit_once('/').unwrap_or((".", source));
                    let names = std::fs::read_dir(root().join(folder)).unwrap();
                    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
                    let ending = pattern.strip_prefix('*');
                    let is_it =
                        |name: String| ending.map_or(name == *pattern, |ending| name.ends_with(ending));
                    assert!(pattern == "." || names.into_iter().any(is_it), "{source}");
                }
            }
        }
    }
    assert_eq!(binaries, ["/src/target/release/lcnode", "/src/target/release/lcmgr"]);
    // The health check, of a node elsewhere.
    let check = text.lines().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    let words: Vec<String> = serde_json::from_str(&check[check.find('[').unwrap()..]).unwrap();
    let node = Cluster::start(&[("storage1_A", 1)]);
    let nobody = addresses(1)[0].to_string();
    for (address, code) in [(node.servers[0].address.to_string(), 0), (nobody, 1)] {
        let words = words[1..].iter().map(|word| word.replace("127.0.0.1", &address));
        assert_eq!(
            Command::new(lcmgr()).args(words).output().unwrap().status.code(),
            Some(code),
            "{address}"
        );
    }
    // What every container runs begins with a script; without other words it is a node.
    let entrypoint = root().join("docker/entrypoint");
    for (words, program) in
        [(&["lcmgr", "status"][..], "lcmgr"), (&["--port", "1"], "lcnode"), (&[], "lcnode")]
    {
        let folder = tempfile::tempdir().unwrap();
        for name in ["lcmgr", "lcnode"] {
            let script = format!("#!/bin/sh\necho {name} \"$@\"\n");
            std::fs::write(folder.path().join(name), script).unwrap();
            Command::new("chmod").arg("+x").arg(folder.path().join(name)).status().unwrap();
        }
        let path = format!("{}:/bin:/usr/bin", folder.path().display());
        let output = Command::new(&entrypoint).args(words).env("PATH", path).output().unwrap();
        let rest = if program == "lcmgr" { &words[1..] } else { words };
        let expected = [&[program], rest].concat().join(" ");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), expected);
    }
}
