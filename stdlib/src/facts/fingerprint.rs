//! The facts reduced to what decides: two rounds with the same fingerprint lead to the same plan.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest, Sha256};

use super::{Facts, HostFacts};
use crate::model::HostName;

/// SHA-256 of each host's decisive facts. Never uptime, health, ids or byte counts.
pub fn fingerprint(facts: &Facts) -> BTreeMap<HostName, String> {
    facts.hosts.iter().map(|host| (host.name.clone(), host_fingerprint(host))).collect()
}

fn host_fingerprint(host: &HostFacts) -> String {
    let mut lines = vec![format!("engine {} {:?}", host.engine.platform, host.engine.store)];
    for container in &host.containers {
        let mut line =
            format!("container {} running={} ports={:?}", container.name, container.running, container.published);
        if let Some(ours) = &container.ours {
            let _ = write!(line, " {} {} {}", ours.service, ours.replica, ours.config);
        }
        lines.push(line);
    }
    lines.extend(host.networks.iter().map(|network| format!("network {} {:?}", network.name, network.subnets)));
    lines.extend(host.volumes.iter().map(|volume| format!("volume {}", volume.name)));
    let tags = host.images.iter().flat_map(|image| &image.tags).filter(|tag| tag.starts_with("stagecraft/"));
    lines.extend(tags.map(|tag| format!("image {tag}")));
    lines.extend(host.ingress.files.iter().map(|(path, text)| format!("ingress {path} {text}")));
    let servers = host.ingress.servers.iter();
    lines.extend(servers.map(|server| format!("server {} {} {}", server.backend, server.name, server.address)));
    lines.extend(host.ingress.routes.iter().map(|(key, value)| format!("route {key} {value}")));
    lines.push(format!("current {:?}", host.state.current));
    lines.sort();
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    hex::encode(hash.finalize())
}
