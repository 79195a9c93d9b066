//! What becomes of one service on one host.

use super::{Assessment, NewContainer, assess};
use crate::{
    facts::{ContainerFact, HostFacts},
    function::{PlanError, Planning},
    ingress::{self, Member},
    model::{HostName, RunId, Service},
};

/// Which containers of a lane a phase is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// One new container, and the old one whose place it takes; counted from 0.
    Batch(usize),
    All,
}

#[derive(Debug)]
pub struct Lane<'a> {
    pub host: &'a HostFacts,
    pub found: Assessment<'a>,
    /// The service has a route and is placed on this host.
    pub routed: bool,
    /// Kept containers that are not in the ingress's pool, as they should be.
    strays: Vec<Member>,
    /// The ingress agrees with what is kept: nothing to switch.
    settled: bool,
}

impl<'a> Lane<'a> {
    /// The lanes of all hosts that have the service or should have it.
    pub fn all(planning: &Planning<'a>, service: &Service) -> Result<Vec<Self>, PlanError> {
        let all = planning.facts.hosts.iter().map(|host| Self::of(planning, host, service));
        let lanes: Vec<Self> = all.collect::<Result<_, _>>()?;
        let concerned = |lane: &Self| service.hosts.contains(lane.name()) || !lane.found.old.is_empty();
        Ok(lanes.into_iter().filter(concerned).collect())
    }

    fn of(planning: &Planning<'a>, host: &'a HostFacts, service: &Service) -> Result<Self, PlanError> {
        let found = assess(planning, host, service)?;
        let routed = service.route.is_some() && service.hosts.contains(&host.name);
        let kept: Vec<Member> = found.keep.iter().filter_map(|container| member(container)).collect();
        let pool = ingress::in_pool(planning, &host.name, service);
        let pooled = |member: &Member| pool.iter().any(|server| server.name == member.container);
        let strays = if routed { kept.iter().filter(|kept| !pooled(kept)).cloned().collect() } else { Vec::new() };
        let settled = !routed || ingress::is_current(planning, &host.name, service, &kept);
        Ok(Self { host, found, routed, strays, settled })
    }

    pub fn name(&self) -> &'a HostName {
        &self.host.name
    }

    /// Old containers that have to be stopped: also one that its restart policy is about to start again.
    pub fn running_old(&self) -> Vec<&'a ContainerFact> {
        self.found.old.iter().copied().filter(|container| !container.stopped).collect()
    }

    /// The containers that run stay, and none is added.
    pub fn keeps_containers(&self) -> bool {
        self.found.new.is_empty() && self.running_old().is_empty()
    }

    /// Nothing is to be done here.
    pub fn idle(&self) -> bool {
        self.keeps_containers() && self.settled
    }

    /// One batch for each new container, or one for a switch alone.
    pub fn batches(&self) -> usize {
        if self.idle() { 0 } else { self.found.new.len().max(1) }
    }

    pub fn new_in(&self, part: Part) -> &[NewContainer] {
        match part {
            Part::All => &self.found.new,
            Part::Batch(batch) => self.found.new.get(batch..=batch).unwrap_or_default(),
        }
    }

    /// The running old containers that go in this part: one for each new one, the last batch takes the rest.
    pub fn old_in(&self, part: Part) -> Vec<&'a ContainerFact> {
        let old = self.running_old();
        let Part::Batch(batch) = part else { return old };
        let end = if batch + 1 == self.batches() { old.len() } else { (batch + 1).min(old.len()) };
        old[batch.min(old.len())..end].to_vec()
    }

    /// Kept containers that this very run has started: where a `later` decides, the phases before may have come before it.
    pub fn own_in(&self, part: Part, run: &RunId) -> impl Iterator<Item = &str> {
        let own = |container: &&&ContainerFact| container.ours.as_ref().is_some_and(|ours| ours.run == run.as_str());
        let kept = self.found.keep.iter().filter(own).map(|container| container.name.as_str());
        kept.filter(move |_| first(part))
    }

    /// What the ingress has to see ready: new containers, and with the first batch the strays.
    pub fn enrolled_in(&self, part: Part) -> Vec<Member> {
        let strays = if first(part) { self.strays.as_slice() } else { &[] };
        strays.iter().cloned().chain(self.new_members(part)).collect()
    }

    /// What takes traffic: new containers, and with the first batch the kept ones.
    pub fn entering_in(&self, part: Part) -> Vec<Member> {
        let kept = self.found.keep.iter().filter_map(|container| member(container));
        let kept: Vec<Member> = if first(part) { kept.collect() } else { Vec::new() };
        kept.into_iter().chain(self.new_members(part)).collect()
    }

    /// What leaves the ingress's pool.
    pub fn leaving_in(&self, part: Part) -> Vec<Member> {
        self.old_in(part).into_iter().filter_map(member).collect()
    }

    fn new_members(&self, part: Part) -> impl Iterator<Item = Member> + '_ {
        self.new_in(part)
            .iter()
            .filter_map(|new| Some(Member { container: new.spec.name.clone(), address: new.address? }))
    }
}

fn first(part: Part) -> bool {
    matches!(part, Part::All | Part::Batch(0))
}

/// A container as the ingress would know it, when it is in the ingress's network.
pub fn member(container: &ContainerFact) -> Option<Member> {
    let address = *container.addresses.get(ingress::NETWORK)?;
    Some(Member { container: container.name.clone(), address })
}
