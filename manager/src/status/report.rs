//! The state of servers, as it is shown and as scripts get it.

use serde::Serialize;

/// What `--json` prints. Fields are added, never renamed.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Unix seconds.
    pub time: f64,
    /// Whether no server has a problem.
    pub ok: bool,
    /// In the order of the cluster's file.
    pub servers: Vec<Row>,
}

/// One server. What is not known of one that is down, or of Redis, is null.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    pub system: String,
    pub node: String,
    pub server: String,
    pub address: String,
    /// `lookup` or `storage`.
    pub role: &'static str,
    /// `tyrant`, `redis`, `redis-cluster`.
    pub kind: &'static str,
    pub up: bool,
    pub uptime_seconds: Option<f64>,
    pub records: Option<u64>,
    /// Of the database.
    pub bytes: Option<u64>,
    /// Resident.
    pub memory_bytes: Option<u64>,
    /// Over the time between two looks; without those for its state.
    pub operations_per_second: Option<f64>,
    /// Of the protocol's original; an lcnode says 1.1.41.
    pub version: Option<String>,
    /// Its server id.
    pub id: Option<u64>,
    /// What it has not got yet of those that it follows: the most of any. Null if it follows nobody.
    pub lag_bytes: Option<u64>,
    /// The same in records.
    pub lag_entries: Option<u64>,
    /// For how long it has not been in step: the longest of any.
    pub lag_seconds: Option<f64>,
    /// `yes`, `no` or `unknown`: whether it has the records of all that it follows.
    pub agrees: Option<&'static str>,
    pub peers: Vec<PeerRow>,
    /// What is wrong, each in words.
    pub problems: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// One whom it follows, or who follows it; as in its `stat`.
#[derive(Debug, Clone, Serialize)]
pub struct PeerRow {
    pub address: String,
    pub role: String,
    pub state: String,
    pub lag_bytes: u64,
    pub lag_entries: u64,
    pub lag_seconds: f64,
    pub agrees: String,
    pub error: String,
}

impl Report {
    /// Of servers, as of now.
    pub fn new(servers: Vec<Row>) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let ok = servers.iter().all(|row| row.problems.is_empty());
        Self { time: since.unwrap_or_default().as_secs_f64(), ok, servers }
    }
}
