//! What of an application its hosts cannot run, found before anything is changed.

use super::create::{START_INTERVAL_API, older, too_old};
use crate::{
    facts::HostFacts,
    function::PlanError,
    model::{Application, Service},
};

/// Refuses what would fail, or be left out without a word, once the service's containers are made on this host.
pub fn check(application: &Application, host: &HostFacts) -> Result<(), PlanError> {
    for service in application.services.iter().filter(|service| service.hosts.contains(&host.name)) {
        platform(service, host)?;
        start_interval(service, host)?;
        replicas(service)?;
    }
    Ok(())
}

pub(super) fn refused(message: String, hint: impl Into<String>) -> PlanError {
    PlanError::Refused { message, hint: Some(hint.into()) }
}

fn platform(service: &Service, host: &HostFacts) -> Result<(), PlanError> {
    let Some(wanted) = &service.definition.platform else { return Ok(()) };
    // `linux/arm64/v8` and `linux/arm64` are one.
    let plain: Vec<&str> = wanted.split('/').take(2).collect();
    if plain.join("/") == host.engine.platform {
        return Ok(());
    }
    Err(refused(
        format!("service {} is for {wanted}, and host {} is {}", service.name, host.name, host.engine.platform),
        "leave `platform` out of the Compose file: images are built for the platform of their hosts",
    ))
}

fn start_interval(service: &Service, host: &HostFacts) -> Result<(), PlanError> {
    let check = service.definition.healthcheck.as_ref();
    let used = check.is_some_and(|check| check.start_interval.is_some());
    if used && older(&host.engine.api, START_INTERVAL_API) {
        let message = too_old(host.name.as_str(), service.name.as_str(), &host.engine.version);
        return Err(refused(message, "upgrade Docker on the host to 25 or newer, or leave `start_interval` out"));
    }
    Ok(())
}

fn replicas(service: &Service) -> Result<(), PlanError> {
    match service.definition.single().first() {
        Some(single) if service.replicas > 1 => Err(refused(
            format!(
                "service {} has {} replicas on a host, and only one can have {single}",
                service.name, service.replicas
            ),
            format!("take {single} out of the Compose file, or set `replicas: 1` for it in stagecraft.yml"),
        )),
        _ => Ok(()),
    }
}
