//! How a run ended.

use serde::{Deserialize, Serialize};
use stdlib::{failure::Failure, model::HostName};

use super::event::Seconds;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// It failed; nothing had changed, or everything is as it was before.
    PutBack,
    /// It failed or was cancelled, and something stays, or it cannot be known.
    Left,
    /// It was cancelled; everything is as it was before.
    Cancelled,
    /// A person had it go back; everything is as it was before.
    Undone,
}

impl Outcome {
    /// For a list of runs.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::PutBack => "failed, put back",
            Self::Left => "failed, something left",
            Self::Cancelled => "cancelled, put back",
            Self::Undone => "undone",
        }
    }
}

/// Something that stays after a run that did not reach its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    pub host: Option<HostName>,
    /// Such as `release 12 is live`.
    pub what: String,
    pub why: String,
    /// The command that goes on, or what to look at.
    pub next: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    pub outcome: Outcome,
    /// In the order they happened: the first is the cause.
    pub failures: Vec<Failure>,
    pub left: Vec<Left>,
    /// Whether the plan's release is live by it: an arm without the commit may have been chosen.
    pub committed: bool,
    pub duration: Seconds,
}
