//! What of a service is on a host, held against what should be.

use std::{collections::BTreeSet, net::Ipv4Addr};

use crate::{
    compose::{self, ContainerSpec},
    facts::{ContainerFact, HostFacts},
    function::{PlanError, Planning},
    ingress,
    model::{Service, ServiceName},
};

/// One service on one host.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// Running containers that are already what they should be.
    pub keep: Vec<&'a ContainerFact>,
    /// Containers that are missing.
    pub new: Vec<NewContainer>,
    /// Containers of the service that should go, running or not.
    pub old: Vec<&'a ContainerFact>,
}

#[derive(Debug, Clone)]
pub struct NewContainer {
    pub spec: ContainerSpec,
    /// Its address in the ingress network, for a routed service.
    pub address: Option<Ipv4Addr>,
}

/// Compares facts and wishes for one service on one host. A service that is not placed on the host has only `old`.
pub fn assess<'a>(
    planning: &Planning<'a>,
    host: &'a HostFacts,
    service: &Service,
) -> Result<Assessment<'a>, PlanError> {
    let placed = service.hosts.contains(&host.name);
    let wanted = if placed { service.replicas } else { 0 };
    let config = compose::config_hash(&specify(planning, service, 1, Ipv4Addr::UNSPECIFIED));
    let (mut keep, mut old) = (Vec::new(), Vec::new());
    for container in containers(host, &service.name) {
        refuse_working_job(host, container)?;
        let same = container.running && container.ours.as_ref().is_some_and(|ours| ours.config == config);
        if same && keep.len() < wanted as usize { keep.push(container) } else { old.push(container) }
    }
    let taken: BTreeSet<u32> = keep.iter().filter_map(|fact| fact.ours.as_ref()).map(|ours| ours.replica).collect();
    let free = (1..).filter(|replica| !taken.contains(replica));
    let missing: Vec<u32> = free.take(wanted as usize - keep.len()).collect();
    let mut addresses = Addresses::before(planning, host, service)?;
    let mut new = Vec::new();
    for replica in missing {
        let address = if service.route.is_some() { Some(addresses.next()?) } else { None };
        let spec = specify(planning, service, replica, address.unwrap_or(Ipv4Addr::UNSPECIFIED));
        new.push(NewContainer { spec, address });
    }
    Ok(Assessment { keep, new, old })
}

/// In the order of their replicas: the engine lists the newest first. What is left of a job that had the name is among them.
fn containers<'a>(host: &'a HostFacts, service: &ServiceName) -> Vec<&'a ContainerFact> {
    let of_service = |fact: &&ContainerFact| fact.ours.as_ref().is_some_and(|ours| ours.service == *service);
    let mut containers: Vec<&ContainerFact> = host.containers.iter().filter(of_service).collect();
    containers.sort_by_key(|fact| fact.ours.as_ref().map(|ours| (ours.release, ours.replica)));
    containers
}

/// A job that is at work is neither stopped nor removed: it may not be one that can be begun again.
pub fn refuse_working_job(host: &HostFacts, container: &ContainerFact) -> Result<(), PlanError> {
    let job = container.ours.as_ref().filter(|ours| ours.job && !container.stopped);
    match job {
        None => Ok(()),
        Some(ours) => Err(PlanError::Refused {
            message: format!(
                "{} is no job any more, and {} of it is at work on {}",
                ours.service, container.name, host.name
            ),
            hint: Some(format!(
                "wait until it has ended, or end it: `stagecraft ssh {} docker rm -f {}`",
                host.name, container.name
            )),
        }),
    }
}

fn specify(planning: &Planning<'_>, service: &Service, replica: u32, address: Ipv4Addr) -> ContainerSpec {
    let network = service.route.as_ref().map(|_| (ingress::NETWORK, address));
    compose::specify(planning.release, service, replica, network)
}

/// Addresses for new routed containers of a host. Every service of the release takes its own from one sequence, so that
/// the result does not depend on the order in which a recipe names the services.
struct Addresses<'a> {
    host: &'a HostFacts,
    project: String,
    taken: BTreeSet<Ipv4Addr>,
}

impl<'a> Addresses<'a> {
    fn before(planning: &Planning<'_>, host: &'a HostFacts, service: &Service) -> Result<Self, PlanError> {
        let mut addresses =
            Self { host, project: planning.release.application.compose_project(), taken: BTreeSet::new() };
        let routed = planning.release.application.services.iter().filter(|other| other.route.is_some());
        for other in routed.take_while(|other| other.name != service.name) {
            if other.hosts.contains(&host.name) {
                for _ in 0..other.replicas {
                    addresses.next()?;
                }
            }
        }
        Ok(addresses)
    }

    fn next(&mut self) -> Result<Ipv4Addr, PlanError> {
        let address = ingress::allocate(self.host, &self.project, &self.taken)?;
        self.taken.insert(address);
        Ok(address)
    }
}
