//! The networks and volumes that an application stands on, created where they are missing.

use std::collections::HashMap;

use async_trait::async_trait;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, VolumeCreateRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::container::{COMPOSE_VERSION, fingerprint};
use crate::{
    failure::Failure,
    labels,
    model::{HostName, Network, NetworkSpec, Volume, VolumeSpec},
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

/// What of an operation's networks and volumes is on the host, and who made it.
#[derive(Debug, Default)]
struct Present {
    networks: Vec<(String, Maker)>,
    volumes: Vec<(String, Maker)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    ThisOperation,
    ThisRun,
    Others,
}

async fn present(planned: &Prepare, cx: &Context) -> Result<Present> {
    let host = cx.host()?;
    let (networks, volumes) = tokio::try_join!(host.networks(), host.volumes())?;
    let maker = |labels: &HashMap<String, String>| {
        let says = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
        match (says(labels::RUN, cx.run.as_str()), says(labels::KEY, cx.key.as_str())) {
            (true, true) => Maker::ThisOperation,
            (true, false) => Maker::ThisRun,
            (false, _) => Maker::Others,
        }
    };
    let networks = networks.into_iter().filter_map(|network| {
        let name = network.name?;
        let wanted = planned.networks.iter().any(|wanted| wanted.name == name);
        wanted.then(|| (name, maker(&network.labels.unwrap_or_default())))
    });
    let volumes = volumes.into_iter().filter(|volume| planned.volumes.iter().any(|wanted| wanted.name == volume.name));
    Ok(Present {
        networks: networks.collect(),
        volumes: volumes.map(|volume| (volume.name, maker(&volume.labels))).collect(),
    })
}

impl Present {
    /// It was missing when the plan was made: what others have made since may be of another kind.
    fn refuse_others(&self, host: &HostName) -> Result<()> {
        let networks = self.networks.iter().map(|found| ("network", found));
        let mut all = networks.chain(self.volumes.iter().map(|found| ("volume", found)));
        match all.find(|(_, (_, maker))| *maker == Maker::Others) {
            Some((kind, (name, _))) => {
                let what = format!("{kind} {name} on {host} was made by something else since the plan was made");
                let look = format!("look at it: `docker {kind} inspect {name}`; then plan again");
                Err(Failure::new(what).on(host).hint(look))
            }
            None => Ok(()),
        }
    }
}

impl Prepare {
    fn labels(&self, cx: &Context, kind: &str, key: &str, settings: &str) -> HashMap<String, String> {
        let labels = [
            (PROJECT, self.compose_project.as_str()),
            (kind, key),
            ("com.docker.compose.version", COMPOSE_VERSION),
            (labels::CONFIG, settings),
            (labels::RUN, cx.run.as_str()),
            (labels::KEY, cx.key.as_str()),
        ];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn network(&self, cx: &Context, network: &Network) -> Option<NetworkCreateRequest> {
        let NetworkSpec::Created { driver, internal, labels, ipam } = &network.spec else { return None };
        let mut all: HashMap<String, String> = labels.clone().into_iter().collect();
        all.extend(self.labels(cx, NETWORK, network.key.as_str(), &network_settings(network)));
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
        all.extend(self.labels(cx, VOLUME, volume.key.as_str(), &volume_settings(volume)));
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
        let present = present(self, cx).await?;
        present.refuse_others(host.name())?;
        let is_there = |list: &[(String, Maker)], name: &str| list.iter().any(|(there, _)| there == name);
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
        let present = present(self, cx).await?;
        for (name, _) in present.networks.iter().filter(|(_, maker)| *maker == Maker::ThisOperation) {
            host.remove_network(name).await?;
        }
        for (name, _) in present.volumes.iter().filter(|(_, maker)| *maker == Maker::ThisOperation) {
            host.remove_volume(name).await?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let present = present(self, cx).await?;
        let all = present.networks.iter().chain(&present.volumes);
        let there = all.filter(|(_, maker)| *maker != Maker::Others).count();
        Ok(match there {
            0 => Probe::NotDone,
            all if all == self.networks.len() + self.volumes.len() => Probe::Done(Value::Null),
            _ => Probe::Partial,
        })
    }
}
