//! A service's definition as a container of the engine.

use std::{net::Ipv4Addr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    host::Host,
    model::{Release, Service, ServiceName},
    operation::{Context, Result},
};

/// A container to be created, without the values of its environment: those are added when it is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerSpec {
    pub name: String,
    // The rest is the compose module's own.
}

/// The container of one replica: `PROJECT-SERVICE-rRELEASE-REPLICA`, or the definition's `container_name`.
/// `network` is one more network with a fixed address, that of the ingress.
pub fn specify(release: &Release, service: &Service, replica: u32, network: Option<(&str, Ipv4Addr)>) -> ContainerSpec {
    let _ = (release, service, replica, network);
    todo!()
}

/// Hash of all that decides what the container is: image, definition, environment (by keyed hash), mounts, ports. Not its name,
/// replica, release, run or address. Equal hashes are the same container.
pub fn config_hash(spec: &ContainerSpec) -> String {
    let _ = spec;
    todo!()
}

/// Creates the container, with the values of its environment from the context, its labels (Compose's and ours, run and key
/// among them) and all its networks. Does not start it. Returns its id.
pub async fn create(cx: &Context, host: &Arc<dyn Host>, service: &ServiceName, spec: &ContainerSpec) -> Result<String> {
    let _ = (cx, host, service, spec);
    todo!()
}
