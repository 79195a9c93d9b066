//! The networks and volumes at the top of a Compose file.

use serde_json::Value;

use super::section::{Section, no_hint};
use crate::model::{Network, NetworkName, NetworkSpec, Volume, VolumeName, VolumeSpec};

pub fn networks(top: &mut Section<'_>) -> Vec<Network> {
    top.named("networks").into_iter().filter_map(|(key, section)| network(&key, section)).collect()
}

fn network(key: &str, mut section: Section<'_>) -> Option<Network> {
    let name = section.text("name").unwrap_or_else(|| key.to_owned());
    let spec = if section.flag("external") == Some(true) {
        NetworkSpec::External
    } else {
        NetworkSpec::Created {
            driver: section.text("driver"),
            internal: section.flag("internal").unwrap_or(false),
            labels: section.map("labels"),
            ipam: ipam(&mut section),
        }
    };
    let key = NetworkName::new(key).map_err(|error| section.wrong(error.to_string())).ok();
    section.finish(no_hint);
    Some(Network { key: key?, name, spec })
}

/// `ipam` as it is, its keys checked. `None` where it says nothing.
fn ipam(network: &mut Section<'_>) -> Option<Value> {
    let ipam = network.peek("ipam")?;
    let mut section = network.section("ipam");
    section.text("driver");
    for mut pool in section.list("config") {
        for key in ["subnet", "ip_range", "gateway"] {
            pool.text(key);
        }
        pool.map("aux_addresses");
        pool.finish(no_hint);
    }
    section.finish(no_hint);
    Some(ipam).filter(|ipam| ipam.as_object().is_some_and(|map| !map.is_empty()))
}

pub fn volumes(top: &mut Section<'_>) -> Vec<Volume> {
    top.named("volumes").into_iter().filter_map(|(key, section)| volume(&key, section)).collect()
}

fn volume(key: &str, mut section: Section<'_>) -> Option<Volume> {
    let name = section.text("name").unwrap_or_else(|| key.to_owned());
    let spec = if section.flag("external") == Some(true) {
        VolumeSpec::External
    } else {
        VolumeSpec::Created {
            driver: section.text("driver"),
            driver_opts: section.map("driver_opts"),
            labels: section.map("labels"),
        }
    };
    let key = VolumeName::new(key).map_err(|error| section.wrong(error.to_string())).ok();
    section.finish(no_hint);
    Some(Volume { key: key?, name, spec })
}
