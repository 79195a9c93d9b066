//! What is live, and what was.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Application, HostName, RunId};

/// A release record: immutable and complete. Order among releases is by predecessor, never by clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Version of this format.
    pub schema: u32,
    pub id: ReleaseId,
    /// The number of the release that was live when this one was made.
    pub predecessor: Option<u64>,
    pub run: RunId,
    /// When it was planned, on the operator's clock, in RFC 3339. For people; nothing is decided by it.
    pub created: String,
    /// Who planned it, `user@machine`.
    pub author: String,
    /// Hosts that were left out, since they could not be reached. The next deploy that reaches them brings them up to date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<HostName>,
    pub application: Application,
}

impl Release {
    pub const SCHEMA: u32 = 1;
}

/// A release's name: a counter, the commit and its dirty mark, such as `12 3fa9c1b+`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseId {
    pub number: u64,
    /// The abbreviated commit, when the project is in a git work tree.
    pub commit: Option<String>,
    /// The work tree differed from the commit.
    pub dirty: bool,
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        if let Some(commit) = &self.commit {
            write!(f, " {commit}{}", if self.dirty { "+" } else { "" })?;
        }
        Ok(())
    }
}
