//! Plans what a host's services stand on: what is there already, what is missing, what cannot be used.

use super::{
    definition::Mount,
    preflight::{self, refused},
    prepare::{NETWORK, PROJECT, Prepare, VOLUME, network_settings, subnets, volume_settings},
};
use crate::{
    facts::{HostFacts, NetworkFact, VolumeFact},
    function::{PlanError, Planning},
    labels,
    model::{Application, HostName, Network, NetworkSpec, Service, Volume, VolumeSpec},
    plan::{Action, Change, Scope},
};

/// Appends, for each of `hosts` that lacks something, one operation that creates it.
pub fn prepare(planning: &Planning<'_>, scope: &mut Scope, hosts: &[HostName]) -> Result<(), PlanError> {
    let application = &planning.release.application;
    let mut missing = Vec::new();
    for name in hosts {
        let host = planning.facts.host(name).ok_or_else(|| {
            refused(format!("host {name} is not connected in this run"), "name hosts of this environment")
        })?;
        preflight::check(application, host)?;
        missing.push((name, missing_on(application, host)?));
    }
    scope.open_parallel("prepare");
    for (host, prepare) in missing {
        let networks = prepare.networks.iter().map(|network| format!("network {}", network.name));
        let volumes = prepare.volumes.iter().map(|volume| format!("volume {}", volume.name));
        let subjects: Vec<String> = networks.chain(volumes).collect();
        if !subjects.is_empty() {
            scope.sequence(host.as_str(), |scope| scope.operation(Some(host), &prepare));
        }
        for subject in subjects {
            let because = Vec::new();
            scope.change(Change { host: host.clone(), subject, action: Action::Create, from: None, to: None, because });
        }
    }
    scope.close();
    Ok(())
}

fn missing_on(application: &Application, host: &HostFacts) -> Result<Prepare, PlanError> {
    let services: Vec<&Service> =
        application.services.iter().filter(|service| service.hosts.contains(&host.name)).collect();
    let joins =
        |network: &&Network| services.iter().any(|service| service.definition.networks.contains_key(&network.key));
    let mounts = |volume: &&Volume| {
        let mounted = |mount: &Mount| matches!(mount, Mount::Volume { source, .. } if *source == volume.key);
        services.iter().any(|service| service.definition.volumes.iter().any(mounted))
    };
    let compose_project = application.compose_project();
    let mut prepare = Prepare { compose_project, networks: Vec::new(), volumes: Vec::new() };
    for network in application.networks.iter().filter(joins) {
        match host.networks.iter().find(|fact| fact.name == network.name) {
            Some(fact) => usable_network(&prepare.compose_project, host, network, fact)?,
            None if network.spec == NetworkSpec::External => {
                return Err(external(host, "network", &network.name));
            }
            None => prepare.networks.push(network.clone()),
        }
    }
    for volume in application.volumes.iter().filter(mounts) {
        match host.volumes.iter().find(|fact| fact.name == volume.name) {
            Some(fact) => usable_volume(&prepare.compose_project, host, volume, fact)?,
            None if volume.spec == VolumeSpec::External => return Err(external(host, "volume", &volume.name)),
            None => prepare.volumes.push(volume.clone()),
        }
    }
    Ok(prepare)
}

fn external(host: &HostFacts, kind: &str, name: &str) -> PlanError {
    refused(
        format!("host {} has no {kind} {name}, which the Compose file declares external", host.name),
        format!("create it there: `docker {kind} create {name}`, or remove `external`"),
    )
}

fn usable_network(project: &str, host: &HostFacts, network: &Network, fact: &NetworkFact) -> Result<(), PlanError> {
    if network.spec == NetworkSpec::External {
        return Ok(());
    }
    let says = |label: &str, value: &str| fact.labels.get(label).is_some_and(|found| found == value);
    if !says(PROJECT, project) || !says(NETWORK, network.key.as_str()) {
        return Err(foreign(host, "network", &network.name));
    }
    let wanted = subnets(network);
    let same = match fact.labels.get(labels::CONFIG) {
        Some(settings) => *settings == network_settings(network),
        // Made by Docker Compose, which says less of it.
        None => wanted.iter().all(|subnet| fact.subnets.contains(subnet)),
    };
    if same {
        return Ok(());
    }
    Err(refused(
        format!(
            "network {} on host {} was made with other settings than the Compose file has now",
            fact.name, host.name
        ),
        format!(
            "give it another `name` in the Compose file, or take its containers away and remove it there: `docker network rm {}`",
            fact.name
        ),
    ))
}

fn usable_volume(project: &str, host: &HostFacts, volume: &Volume, fact: &VolumeFact) -> Result<(), PlanError> {
    if volume.spec == VolumeSpec::External {
        return Ok(());
    }
    let says = |label: &str, value: &str| fact.labels.get(label).is_some_and(|found| found == value);
    if !says(PROJECT, project) || !says(VOLUME, volume.key.as_str()) {
        return Err(foreign(host, "volume", &volume.name));
    }
    match fact.labels.get(labels::CONFIG) {
        Some(settings) if *settings != volume_settings(volume) => Err(refused(
            format!(
                "volume {} on host {} was made with other settings than the Compose file has now",
                fact.name, host.name
            ),
            "give it another `name` in the Compose file and move its data, or put its settings back",
        )),
        _ => Ok(()),
    }
}

fn foreign(host: &HostFacts, kind: &str, name: &str) -> PlanError {
    refused(
        format!("{kind} {name} on host {} is there already and was not made for this project", host.name),
        "set `external: true` for it in the Compose file to use it, or give it another `name`",
    )
}
