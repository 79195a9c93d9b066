//! A constant load while a test deploys.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::lab;

/// A running load client. It ends when told to, and never retries a request.
pub struct Load {
    child: Child,
    directory: TempDir,
}

impl Drop for Load {
    /// A test that fails leaves no load behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Load {
    /// `to` is `ADDRESS:PORT=RATE`, separated by commas.
    pub fn start(to: &str, host: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let child = Command::new(lab::labtool())
            .args(["load", "--to", to, "--host", host])
            .arg("--until-file")
            .arg(directory.path().join("stop"))
            .arg("--json")
            .arg(directory.path().join("report.json"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("labtool runs");
        Self { child, directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends the load and returns its report.
    pub fn stop(mut self) -> Value {
        std::fs::write(self.file("stop"), "").expect("a writable directory");
        self.child.wait().expect("labtool ends");
        let text = std::fs::read_to_string(self.file("report.json")).expect("a report");
        serde_json::from_str(&text).expect("the report is JSON")
    }

    /// Ends the load, and fails when a request failed or when there were too few to show anything.
    #[track_caller]
    pub fn stop_without_a_failure(self, at_least: u64) -> Value {
        let report = self.stop();
        assert_eq!(report["failed"], 0, "{report:#}");
        assert!(report["sent"].as_u64().expect("a count") >= at_least, "{report:#}");
        report
    }
}
