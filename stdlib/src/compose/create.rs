//! Creates a container on a host.

use std::{collections::HashMap, sync::Arc};

use bollard::models::{ContainerInspectResponse, EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use super::container::{ContainerSpec, Endpoint};
use crate::{
    failure::Failure,
    host::Host,
    labels,
    model::ServiceName,
    operation::{Context, Result},
};

/// What an engine needs to know `start_interval`; an older one would leave it out without a word.
pub(super) const START_INTERVAL_API: &str = "1.44";
/// "Conflict": a container of this name is there.
const CONFLICT: u16 = 409;

/// Creates the container, with the values of its environment from the context, its labels (Compose's and ours, run and key
/// among them) and all its networks. Does not start it. Returns its id. One that this very operation has created before it
/// was cut off is finished and returned.
pub async fn create(cx: &Context, host: &Arc<dyn Host>, service: &ServiceName, spec: &ContainerSpec) -> Result<String> {
    check_engine(host, spec).await?;
    let mut body = spec.body.clone();
    body.env = Some(environment(cx, host, service, spec)?);
    let run = [(labels::RUN, cx.run.as_str()), (labels::KEY, cx.key.as_str())];
    let run = run.map(|(name, value)| (name.to_owned(), value.to_owned()));
    body.labels.get_or_insert_default().extend(run);
    if !spec.networks.is_empty() {
        let endpoints = spec.networks.iter().map(|endpoint| (endpoint.network.clone(), settings(endpoint))).collect();
        body.networking_config = Some(NetworkingConfig { endpoints_config: Some(endpoints) });
    }
    match host.create_container(&spec.name, body).await {
        Ok(id) => Ok(id),
        Err(error) if error.status() == Some(CONFLICT) => {
            let there = host.container(&spec.name).await?.unwrap_or_default();
            if own(cx, &there) {
                finish(host, spec, there).await
            } else {
                let hint = format!("look at it with `docker inspect {}`, and remove it if nothing needs it", spec.name);
                Err(Failure::from(error).hint(hint))
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Joins the networks that a container still lacks: an old engine takes one with the request, and the run was cut off.
async fn finish(host: &Arc<dyn Host>, spec: &ContainerSpec, there: ContainerInspectResponse) -> Result<String> {
    let id = there.id.unwrap_or_default();
    let joined = there.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    for endpoint in spec.networks.iter().filter(|endpoint| !joined.contains_key(&endpoint.network)) {
        if let Err(error) = host.connect_network(&endpoint.network, &id, settings(endpoint)).await {
            // A container without one of its networks must not be taken for a whole one.
            host.remove_container(&id).await?;
            return Err(error.into());
        }
    }
    Ok(id)
}

/// Whether this very operation made the container.
pub(super) fn own(cx: &Context, there: &ContainerInspectResponse) -> bool {
    made_by(there, labels::RUN) == Some(cx.run.as_str()) && made_by(there, labels::KEY) == Some(cx.key.as_str())
}

/// What a label of a container says.
pub(super) fn made_by<'a>(found: &'a ContainerInspectResponse, label: &str) -> Option<&'a str> {
    found.config.as_ref()?.labels.as_ref()?.get(label).map(String::as_str)
}

async fn check_engine(host: &Arc<dyn Host>, spec: &ContainerSpec) -> Result<()> {
    if spec.body.healthcheck.as_ref().is_none_or(|check| check.start_interval.is_none()) {
        return Ok(());
    }
    let engine = host.info().await?;
    if older(&engine.api, START_INTERVAL_API) {
        return Err(Failure::new(too_old(host.name().as_str(), &spec.name, &engine.version))
            .on(host.name())
            .hint("upgrade Docker on the host to 25 or newer, or leave `start_interval` out"));
    }
    Ok(())
}

pub(super) fn too_old(host: &str, what: &str, version: &str) -> String {
    format!(
        "host {host}: the health check of {what} has a `start_interval`, which its Docker engine {version} does not know"
    )
}

/// Compares versions such as `1.9` and `1.44`.
pub(super) fn older(version: &str, than: &str) -> bool {
    let parts = |text: &str| text.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
    parts(version) < parts(than)
}

/// `NAME=value`, each value held against the hash that the plan was made with; and names alone, which take the image's
/// variables away.
fn environment(cx: &Context, host: &Arc<dyn Host>, service: &ServiceName, spec: &ContainerSpec) -> Result<Vec<String>> {
    let values: HashMap<_, _> = cx.values.service(service).collect();
    let mut environment = Vec::new();
    for (name, hash) in &spec.environment {
        let value = values.get(name.as_str()).filter(|value| cx.identity.key.hash(value.expose()) == *hash);
        let value = value.ok_or_else(|| {
            Failure::new(format!("the value of {name} for {service} is not the one that was planned"))
                .on(host.name())
                .hint("plan again: the environment files have changed since")
        })?;
        environment.push(format!("{name}={}", value.expose()));
    }
    environment.extend(spec.unset.iter().cloned());
    Ok(environment)
}

fn settings(endpoint: &Endpoint) -> EndpointSettings {
    EndpointSettings {
        aliases: Some(endpoint.aliases.clone()).filter(|aliases| !aliases.is_empty()),
        ipam_config: endpoint.address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        // Compose gives it here too, and so it shows before the container has started.
        ip_address: endpoint.address.map(|address| address.to_string()),
        ..EndpointSettings::default()
    }
}
