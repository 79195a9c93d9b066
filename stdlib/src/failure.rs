//! How an operation fails, as its user sees it.

use serde::{Deserialize, Serialize};

use crate::model::HostName;

/// Whether the effect is known not to have happened as asked, or cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It did not happen, or happened as the message says.
    Known,
    /// The connection broke on the way: it may have happened. Never retried blindly.
    Unknown,
}

/// A failure that names the thing, says why, and ends with the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub certainty: Certainty,
    pub host: Option<HostName>,
    /// One sentence: what, on which host, and why.
    pub message: String,
    /// What shows the cause: the last lines of a log, a refused configuration. Scrubbed of secrets by whoever makes it.
    pub detail: Option<String>,
    /// The next step: a command, or what to change where.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { certainty: Certainty::Known, host: None, message: message.into(), detail: None, hint: None }
    }

    #[must_use]
    pub fn on(mut self, host: &HostName) -> Self {
        self.host = Some(host.clone());
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
