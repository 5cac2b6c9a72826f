//! A PostgreSQL cluster that a test may stop and freeze.

use std::path::PathBuf;
use std::process::Command;

use uuid::Uuid;

use super::{database, variable};

/// A running cluster; it is destroyed when dropped.
pub struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    /// One with the schema and the reference data in its database `postgres`.
    pub fn start() -> Self {
        let folder = PathBuf::from(variable("LOTI_TEST_SCRATCH")).join(Uuid::now_v7().to_string());
        let cluster = Self { folder };
        cluster.script(&["start"], &["--throwaway"]);
        database::prepare(&cluster.url());
        cluster
    }

    /// libpq URL of the superuser; the same after a restart.
    pub fn url(&self) -> String {
        self.script(&["url"], &[])
    }

    /// Stops it as an administrator would.
    pub fn stop(&self) {
        self.script(&["stop"], &[]);
    }

    /// Starts it again.
    pub fn start_again(&self) {
        self.script(&["start"], &[]);
    }

    /// Leaves it running, but neither answering nor refusing, like a machine that swaps.
    pub fn freeze(&self) -> Frozen<'_> {
        self.signal("-STOP");
        Frozen(self)
    }

    fn signal(&self, signal: &str) {
        let postmaster = self.script(&["pid"], &[]);
        let mut processes = children(&postmaster);
        // The postmaster first when freezing, so that it starts no new one behind our back.
        processes.insert(0, postmaster);
        assert!(Command::new("kill").arg(signal).args(processes).status().unwrap().success());
    }

    fn script(&self, command: &[&str], options: &[&str]) -> String {
        let output = Command::new(variable("LOTI_TEST_POSTGRES"))
            .args(command)
            .arg(&self.folder)
            .args(options)
            .output()
            .expect("postgres.sh cannot be run");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script(&["destroy"], &[]);
    }
}

/// A frozen cluster; it goes on when this is dropped, also by a failing test.
pub struct Frozen<'c>(&'c Cluster);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}

fn children(parent: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_child = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which may hold anything: state, parent.
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(parent)
    };
    processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(is_child).collect()
}
