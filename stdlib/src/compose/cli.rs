//! The Compose CLI on the operator's machine: the authority on Compose files.

use std::{ffi::OsStr, path::PathBuf, process::Stdio};

use serde_json::Value;
use tokio::process::Command;

/// How `docker compose` is called for one project and environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeCli {
    /// The project directory; relative paths of the Compose files count from it.
    pub directory: PathBuf,
    /// Empty: the files that Compose itself would take.
    pub files: Vec<PathBuf>,
    /// For interpolation.
    pub env_files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    /// The Compose project's name on the hosts.
    pub project: String,
}

impl ComposeCli {
    /// `docker compose` with all flags that name the project.
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("compose").current_dir(&self.directory).arg("--project-directory").arg(&self.directory);
        command.args(["--project-name", &self.project]);
        let named =
            |flag: &'static str, value: &dyn AsRef<OsStr>| [OsStr::new(flag).to_owned(), value.as_ref().to_owned()];
        command.args(self.files.iter().flat_map(|file| named("--file", file)));
        command.args(self.env_files.iter().flat_map(|file| named("--env-file", file)));
        command.args(self.profiles.iter().flat_map(|profile| named("--profile", profile)));
        command.stdin(Stdio::null());
        command
    }

    /// `docker compose config --format json`. Holds values in clear: never stored. The error is Compose's own text.
    pub async fn config(&self) -> Result<Value, String> {
        todo!()
    }
}
