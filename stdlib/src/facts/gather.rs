//! Reads the facts of all hosts: one concurrent round.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, EndpointSettings, Network, Volume};
use futures_util::future::join_all;

use super::{ContainerFact, Facts, HostFacts, ImageFact, NetworkFact, OurContainer, VolumeFact};
use crate::{
    host::{Host, HostError, Hosts},
    ingress, labels,
    model::ServiceName,
    release::state,
};

/// The facts of every host, or the errors of all that failed.
pub async fn gather(hosts: &Hosts, compose_project: &str) -> Result<Facts, Vec<HostError>> {
    let all = join_all(hosts.iter().map(|host| host_facts(host.as_ref(), compose_project))).await;
    let (facts, errors): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    if errors.is_empty() {
        Ok(Facts { hosts: facts.into_iter().filter_map(Result::ok).collect() })
    } else {
        Err(errors.into_iter().filter_map(Result::err).collect())
    }
}

async fn host_facts(host: &dyn Host, compose_project: &str) -> Result<HostFacts, HostError> {
    let (engine, containers, networks, volumes, images, ingress, state) = tokio::try_join!(
        host.info(),
        host.containers(),
        host.networks(),
        host.volumes(),
        host.images(),
        ingress::facts::read(host),
        state::read(host, compose_project),
    )?;
    Ok(HostFacts {
        name: host.name().clone(),
        engine,
        containers: containers.into_iter().map(|summary| container(summary, compose_project)).collect(),
        networks: networks.into_iter().map(network).collect(),
        volumes: volumes.into_iter().map(volume).collect(),
        images: images.into_iter().map(|image| ImageFact { id: image.id, tags: image.repo_tags }).collect(),
        ingress,
        state,
    })
}

fn container(summary: ContainerSummary, compose_project: &str) -> ContainerFact {
    let labels: BTreeMap<String, String> = summary.labels.unwrap_or_default().into_iter().collect();
    let names = summary.names.unwrap_or_default();
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    ContainerFact {
        id: summary.id.unwrap_or_default(),
        name: names.first().map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default(),
        running: summary.state == Some(ContainerSummaryStateEnum::RUNNING),
        stopped: matches!(
            summary.state,
            Some(
                ContainerSummaryStateEnum::EXITED
                    | ContainerSummaryStateEnum::DEAD
                    | ContainerSummaryStateEnum::CREATED
            )
        ),
        addresses: addresses(&networks),
        published: summary.ports.unwrap_or_default().into_iter().filter_map(|port| port.public_port).collect(),
        ours: ours(&labels, compose_project),
        labels,
    }
}

/// The address in force, or for a stopped container the one it is configured to have.
fn addresses(networks: &HashMap<String, EndpointSettings>) -> BTreeMap<String, std::net::Ipv4Addr> {
    let address = |endpoint: &EndpointSettings| {
        let configured = endpoint.ipam_config.as_ref().and_then(|ipam| ipam.ipv4_address.clone());
        let texts = [endpoint.ip_address.clone(), configured];
        texts.into_iter().flatten().find_map(|text| text.parse().ok())
    };
    networks.iter().filter_map(|(name, endpoint)| Some((name.clone(), address(endpoint)?))).collect()
}

fn ours(labels: &BTreeMap<String, String>, compose_project: &str) -> Option<OurContainer> {
    if labels.get("com.docker.compose.project").map(String::as_str) != Some(compose_project) {
        return None;
    }
    let job = match labels.get(labels::ROLE)?.as_str() {
        labels::role::SERVICE => false,
        labels::role::JOB => true,
        _ => return None,
    };
    Some(OurContainer {
        service: ServiceName::new(labels.get(labels::SERVICE)?).ok()?,
        replica: labels.get(labels::REPLICA)?.parse().ok()?,
        config: labels.get(labels::CONFIG)?.clone(),
        release: labels.get(labels::RELEASE)?.parse().ok()?,
        run: labels.get(labels::RUN)?.clone(),
        job,
    })
}

fn network(network: Network) -> NetworkFact {
    let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    NetworkFact {
        name: network.name.unwrap_or_default(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        subnets: configs.into_iter().filter_map(|config| config.subnet).collect(),
    }
}

fn volume(volume: Volume) -> VolumeFact {
    VolumeFact { name: volume.name, labels: volume.labels.into_iter().collect() }
}
