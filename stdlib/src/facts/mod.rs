//! What is true on the hosts, read in one concurrent round before a recipe is evaluated.

mod fingerprint;
#[cfg(test)]
pub mod fixture;
mod gather;
pub mod ground;
mod history;

use std::{collections::BTreeMap, net::Ipv4Addr};

use crate::{
    host::EngineInfo,
    model::{HostName, Identity, Release, ServiceName, Values},
};

pub use fingerprint::fingerprint;
pub use gather::gather;

/// The facts of every connected host, in the order of `stagecraft.yml`.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub hosts: Vec<HostFacts>,
}

impl Facts {
    pub fn host(&self, name: &HostName) -> Option<&HostFacts> {
        self.hosts.iter().find(|host| host.name == *name)
    }
}

#[derive(Debug, Clone)]
pub struct HostFacts {
    pub name: HostName,
    pub engine: EngineInfo,
    /// All containers of the host; those of this environment have `ours`.
    pub containers: Vec<ContainerFact>,
    pub networks: Vec<NetworkFact>,
    pub volumes: Vec<VolumeFact>,
    pub images: Vec<ImageFact>,
    pub ingress: IngressFacts,
    pub state: StateFacts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFact {
    pub id: String,
    pub name: String,
    pub running: bool,
    /// It has ended or was never started: neither running nor paused nor about to be started again.
    pub stopped: bool,
    pub labels: BTreeMap<String, String>,
    /// Its address in each network that it is in.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Ports of the host that it publishes.
    pub published: Vec<u16>,
    /// `Some` for a container that Stagecraft made for this environment.
    pub ours: Option<OurContainer>,
}

/// What the labels of a container of this environment say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurContainer {
    pub service: ServiceName,
    /// 1 for the first on this host.
    pub replica: u32,
    /// Hash of everything that decides what the container is; equal hashes are the same container.
    pub config: String,
    pub release: u64,
    pub run: String,
    /// A job's container, not a service's.
    pub job: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFact {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// In CIDR notation.
    pub subnets: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFact {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFact {
    pub id: String,
    pub tags: Vec<String>,
}

/// The host's ingress as it is: its container, its files and what its runtime says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressFacts {
    /// The container, when there is one.
    pub container: Option<IngressContainer>,
    /// Configuration files below the ingress directory, by relative path, such as `apps/shop.cfg`.
    pub files: BTreeMap<String, String>,
    /// Servers by the runtime's own account; empty when it does not run.
    pub servers: Vec<ServerFact>,
    /// From host and path to backend, by the runtime's own account.
    pub routes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressContainer {
    pub id: String,
    pub running: bool,
    pub image: String,
    /// Hash of how it was created.
    pub config: String,
}

/// A server of a backend, as `show servers state` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFact {
    pub backend: String,
    pub name: String,
    pub address: String,
    pub port: u16,
    /// Takes new requests: administratively ready and not down.
    pub ready: bool,
}

/// What the environment's state on the host holds.
#[derive(Debug, Clone, Default)]
pub struct StateFacts {
    /// The environment's key and authority, once there is a release.
    pub identity: Option<Identity>,
    /// The number of the release that is live.
    pub current: Option<u64>,
    pub releases: Vec<Release>,
    /// The values of each kept release's environment.
    pub values: BTreeMap<u64, Values>,
}
