//! The Compose CLI on the operator's machine: the authority on Compose files.

use std::path::PathBuf;

use serde_json::Value;

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
    /// `docker compose config --format json`. Holds values in clear: never stored. The error is Compose's own text.
    pub async fn config(&self) -> Result<Value, String> {
        todo!()
    }
}
