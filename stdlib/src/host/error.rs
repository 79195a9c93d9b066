//! What can go wrong between here and a host's engine.

use crate::{
    failure::{Certainty, Failure},
    model::{HostName, Span},
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("host {host} ({address}) cannot be reached: {why}")]
    Unreachable { host: HostName, address: String, why: String },
    /// The host offers a key that `known_hosts` does not have, or another one than it has.
    #[error("host {host} ({address}): its SSH host key is not trusted: {why}")]
    HostKey { host: HostName, address: String, why: String, accept: String },
    #[error("host {host}: no Docker engine answers at {socket}: {why}")]
    NoEngine { host: HostName, socket: String, why: String },
    #[error("host {host}: user {user} may not use the Docker engine at {socket}")]
    NoPermission { host: HostName, socket: String, user: String },
    /// The engine answered, with an error status.
    #[error("host {host}: {request}: {message}")]
    Engine { host: HostName, request: String, status: u16, message: String },
    /// A local tool or file of the operator's machine is at fault.
    #[error("host {host}: {what}: {why}")]
    Local { host: HostName, what: String, why: String },
    /// The deadline of a question passed; it changed nothing.
    #[error("host {host} did not answer {what} within {after}")]
    Timeout { host: HostName, what: String, after: Span },
    /// The connection broke, or the deadline passed, after the request had been sent: the outcome is not known.
    #[error("host {host} gave no answer to {what}; whether it happened is not known")]
    Lost { host: HostName, what: String },
}

impl HostError {
    pub fn host(&self) -> &HostName {
        match self {
            Self::Unreachable { host, .. }
            | Self::HostKey { host, .. }
            | Self::NoEngine { host, .. }
            | Self::NoPermission { host, .. }
            | Self::Engine { host, .. }
            | Self::Local { host, .. }
            | Self::Timeout { host, .. }
            | Self::Lost { host, .. } => host,
        }
    }

    /// The engine's own status, where it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Engine { status, .. } => Some(*status),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { host, .. } => Some(format!("try `stagecraft ssh {host}`")),
            Self::HostKey { accept, .. } => {
                Some(format!("if you trust the host at that address, accept its key: `{accept}`"))
            }
            Self::NoEngine { host, .. } => {
                Some(format!("install Docker on {host}, or start it: `systemctl enable --now docker`"))
            }
            Self::NoPermission { host, user, .. } => {
                Some(format!("on {host}: `sudo usermod -aG docker {user}`, then connect anew"))
            }
            _ => None,
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let certainty = if matches!(error, HostError::Lost { .. }) { Certainty::Unknown } else { Certainty::Known };
        Self {
            certainty,
            host: Some(error.host().clone()),
            message: error.to_string(),
            detail: None,
            hint: error.hint(),
        }
    }
}
