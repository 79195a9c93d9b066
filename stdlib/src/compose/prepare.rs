//! The networks and volumes that an application stands on, created where they are missing.

use std::collections::HashMap;

use async_trait::async_trait;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, VolumeCreateRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::container::{COMPOSE_VERSION, fingerprint};
use crate::{
    labels,
    model::{Network, NetworkSpec, Volume, VolumeSpec},
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const NETWORK: &str = "com.docker.compose.network";
pub(super) const VOLUME: &str = "com.docker.compose.volume";

/// Creates networks and volumes on a host, with the labels by which Compose knows its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    pub compose_project: String,
    pub networks: Vec<Network>,
    pub volumes: Vec<Volume>,
}

/// What of an operation's networks and volumes is on the host, and whether this operation made it.
#[derive(Debug, Default)]
struct Present {
    networks: Vec<(String, bool)>,
    volumes: Vec<(String, bool)>,
}

impl Prepare {
    async fn present(&self, cx: &Context) -> Result<Present> {
        let host = cx.host()?;
        let (networks, volumes) = tokio::try_join!(host.networks(), host.volumes())?;
        let own = |labels: &HashMap<String, String>| {
            let says = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
            says(labels::RUN, cx.run.as_str()) && says(labels::KEY, cx.key.as_str())
        };
        let networks = networks.into_iter().filter_map(|network| {
            let name = network.name?;
            let planned = self.networks.iter().any(|planned| planned.name == name);
            planned.then(|| (name, own(&network.labels.unwrap_or_default())))
        });
        let volumes =
            volumes.into_iter().filter(|volume| self.volumes.iter().any(|planned| planned.name == volume.name));
        Ok(Present {
            networks: networks.collect(),
            volumes: volumes.map(|volume| (volume.name, own(&volume.labels))).collect(),
        })
    }

    fn labels(&self, cx: &Context, kind: &str, key: &str, settings: String) -> HashMap<String, String> {
        let labels = [
            (PROJECT, self.compose_project.as_str()),
            (kind, key),
            ("com.docker.compose.version", COMPOSE_VERSION),
            (labels::CONFIG, settings.as_str()),
            (labels::RUN, cx.run.as_str()),
            (labels::KEY, cx.key.as_str()),
        ];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn network(&self, cx: &Context, network: &Network) -> Option<NetworkCreateRequest> {
        let NetworkSpec::Created { driver, internal, labels, ipam } = &network.spec else { return None };
        let mut all: HashMap<String, String> = labels.clone().into_iter().collect();
        all.extend(self.labels(cx, NETWORK, network.key.as_str(), network_settings(network)));
        Some(NetworkCreateRequest {
            name: network.name.clone(),
            driver: driver.clone(),
            internal: Some(*internal),
            ipam: ipam.as_ref().map(to_ipam),
            labels: Some(all),
            ..NetworkCreateRequest::default()
        })
    }

    fn volume(&self, cx: &Context, volume: &Volume) -> Option<VolumeCreateRequest> {
        let VolumeSpec::Created { driver, driver_opts, labels } = &volume.spec else { return None };
        let mut all: HashMap<String, String> = labels.clone().into_iter().collect();
        all.extend(self.labels(cx, VOLUME, volume.key.as_str(), volume_settings(volume)));
        Some(VolumeCreateRequest {
            name: Some(volume.name.clone()),
            driver: driver.clone(),
            driver_opts: Some(driver_opts.clone().into_iter().collect()),
            labels: Some(all),
            ..VolumeCreateRequest::default()
        })
    }
}

/// Equal for networks that are made alike.
pub(super) fn network_settings(network: &Network) -> String {
    fingerprint(json!(network.spec))
}

/// Equal for volumes that are made alike.
pub(super) fn volume_settings(volume: &Volume) -> String {
    fingerprint(json!(volume.spec))
}

/// The subnets that a network asks for, in CIDR notation.
pub(super) fn subnets(network: &Network) -> Vec<String> {
    match &network.spec {
        NetworkSpec::Created { ipam: Some(ipam), .. } => {
            let pools = to_ipam(ipam).config.unwrap_or_default();
            pools.into_iter().filter_map(|pool| pool.subnet).collect()
        }
        _ => Vec::new(),
    }
}

fn to_ipam(ipam: &Value) -> Ipam {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let pool = |pool: &Value| IpamConfig {
        subnet: text(pool, "subnet"),
        ip_range: text(pool, "ip_range"),
        gateway: text(pool, "gateway"),
        auxiliary_addresses: pool.get("aux_addresses").and_then(Value::as_object).map(|addresses| {
            let address = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            addresses.iter().filter_map(address).collect()
        }),
    };
    let pools = ipam.get("config").and_then(Value::as_array).map(|pools| pools.iter().map(pool).collect());
    Ipam { driver: text(ipam, "driver"), config: pools, options: None }
}

#[async_trait]
impl Operation for Prepare {
    const KIND: &'static str = "compose.prepare";

    fn title(&self) -> String {
        let networks = self.networks.iter().map(|network| format!("network {}", network.name));
        let all: Vec<String> =
            networks.chain(self.volumes.iter().map(|volume| format!("volume {}", volume.name))).collect();
        format!("create {}", all.join(", "))
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        let present = self.present(cx).await?;
        let is_there = |list: &[(String, bool)], name: &str| list.iter().any(|(there, _)| there == name);
        for network in self.networks.iter().filter(|network| !is_there(&present.networks, &network.name)) {
            if let Some(request) = self.network(cx, network) {
                host.create_network(request).await?;
            }
        }
        for volume in self.volumes.iter().filter(|volume| !is_there(&present.volumes, &volume.name)) {
            if let Some(request) = self.volume(cx, volume) {
                host.create_volume(request).await?;
            }
        }
        Ok(Value::Null)
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        let host = cx.host()?;
        let present = self.present(cx).await?;
        for (name, _) in present.networks.iter().filter(|(_, own)| *own) {
            host.remove_network(name).await?;
        }
        for (name, _) in present.volumes.iter().filter(|(_, own)| *own) {
            host.remove_volume(name).await?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let present = self.present(cx).await?;
        let there = present.networks.len() + present.volumes.len();
        Ok(match there {
            0 => Probe::NotDone,
            all if all == self.networks.len() + self.volumes.len() => Probe::Done(Value::Null),
            _ => Probe::Partial,
        })
    }
}
