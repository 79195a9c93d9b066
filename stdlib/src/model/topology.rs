//! One environment of a validated `stagecraft.yml`: the hosts, and the settings that are not a service's.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{EnvironmentName, HostName, ProjectName};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// In the order of the file; the first is the environment's home unless `state` names another.
    pub hosts: Vec<HostSettings>,
    /// The host whose record of the current release decides.
    pub home: HostName,
    pub transfer: Transfer,
    pub ingress: IngressSettings,
    /// Releases kept for rollback on each host.
    pub retain: u32,
}

impl Topology {
    pub fn host(&self, name: &HostName) -> Option<&HostSettings> {
        self.hosts.iter().find(|host| host.name == *name)
    }
}

/// A host as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSettings {
    pub name: HostName,
    pub address: Address,
    pub roles: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// The engine of this machine, without SSH.
    Local,
    /// Reached by the system's `ssh`. What is `None` is left to the user's own SSH configuration.
    Ssh {
        address: String,
        user: Option<String>,
        port: Option<u16>,
        identity: Option<PathBuf>,
        known_hosts: Option<PathBuf>,
        jump: Option<String>,
    },
}

/// How images reach the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// Over SSH, only the layers that a host misses.
    Direct,
    /// Pushed once to this repository prefix, pulled by the hosts by digest.
    Registry { prefix: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressSettings {
    pub provider: IngressProvider,
    /// HAProxy's image by the name that the operator's engine knows.
    pub image: String,
    pub http: u16,
    pub https: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IngressProvider {
    Haproxy,
    /// The application brings its own; routes are refused.
    None,
}
