//! Plans the replacement of a service on all hosts, batch by batch.
//!
//! In a batch every host starts a container and sees it ready before any host switches: a version that is unhealthy on
//! one host takes requests on none.

use super::{Assessment, HowReady, NewContainer, Ready, Remove, Start, Stop, assess, reasons::reasons};
use crate::{
    facts::{ContainerFact, HostFacts},
    function::{PlanError, Planning},
    ingress::{self, Member},
    model::{HostName, Service, Span, Strategy},
    plan::{Action, Change, Scope},
};

/// How long a container without a health check and a route must run to count as ready.
const SETTLED: Span = Span::secs(2);

/// What becomes of the service on one host.
pub(super) struct Lane<'a> {
    pub host: &'a HostFacts,
    pub found: Assessment<'a>,
    /// Kept containers that are not in the ingress's pool, as they should be.
    pub strays: Vec<Member>,
    /// The ingress agrees with what is kept: nothing to switch.
    pub settled: bool,
}

impl<'a> Lane<'a> {
    fn of(planning: &Planning<'a>, host: &'a HostFacts, service: &Service) -> Result<Self, PlanError> {
        let found = assess(planning, host, service)?;
        let kept: Vec<Member> = found.keep.iter().filter_map(|container| member(container)).collect();
        let routed = service.route.is_some() && service.hosts.contains(&host.name);
        let pool = ingress::in_pool(planning, &host.name, service);
        let strays = if routed {
            kept.iter().filter(|member| !pool.iter().any(|server| server.name == member.container)).cloned().collect()
        } else {
            Vec::new()
        };
        let settled = !routed || ingress::is_current(planning, &host.name, service, &kept);
        Ok(Self { host, found, strays, settled })
    }

    fn name(&self) -> &HostName {
        &self.host.name
    }

    fn running_old(&self) -> Vec<&'a ContainerFact> {
        self.found.old.iter().copied().filter(|container| container.running).collect()
    }

    fn idle(&self) -> bool {
        self.found.new.is_empty() && self.running_old().is_empty() && self.settled
    }

    /// The number of batches: one for each new container, or one for a switch alone.
    fn batches(&self) -> usize {
        if self.idle() { 0 } else { self.found.new.len().max(1) }
    }

    /// The old containers that go in this batch: one for each new one, the last batch takes the rest.
    fn old_in(&self, batch: usize) -> Vec<&'a ContainerFact> {
        let old = self.running_old();
        let last = batch + 1 == self.batches();
        let end = if last { old.len() } else { (batch + 1).min(old.len()) };
        old[batch.min(old.len())..end].to_vec()
    }

    fn new_in(&self, batch: usize) -> Option<&NewContainer> {
        self.found.new.get(batch)
    }
}

fn member(container: &ContainerFact) -> Option<Member> {
    let address = *container.addresses.get(ingress::NETWORK)?;
    Some(Member { container: container.name.clone(), address })
}

fn new_member(new: &NewContainer) -> Option<Member> {
    Some(Member { container: new.spec.name.clone(), address: new.address? })
}

/// The lanes of all hosts that have the service or should have it.
pub(super) fn lanes<'a>(planning: &Planning<'a>, service: &Service) -> Result<Vec<Lane<'a>>, PlanError> {
    let all = planning.facts.hosts.iter().map(|host| Lane::of(planning, host, service));
    let lanes: Vec<Lane<'_>> = all.collect::<Result<_, _>>()?;
    let concerned = |lane: &Lane<'_>| service.hosts.contains(lane.name()) || !lane.found.old.is_empty();
    Ok(lanes.into_iter().filter(concerned).collect())
}

/// Appends the replacement by the service's own strategy; nothing where nothing is to be done.
pub fn replace(planning: &Planning<'_>, scope: &mut Scope, service: &Service) -> Result<(), PlanError> {
    let lanes = lanes(planning, service)?;
    for lane in &lanes {
        scope.change(change(planning, lane, service));
        forget(scope, lane);
    }
    let busy: Vec<Lane<'_>> = lanes.into_iter().filter(|lane| !lane.idle()).collect();
    if busy.is_empty() {
        return Ok(());
    }
    scope.open_sequence(&format!("roll {}", service.name));
    let planned = match service.rollout.strategy {
        Strategy::Rolling => rolling(planning, scope, service, &busy),
        Strategy::StopFirst => stop_first(planning, scope, service, &busy),
    };
    if planned.is_ok() && service.rollout.bake > Span::default() {
        bake(scope, service, &busy);
    }
    scope.close();
    planned
}

fn rolling(planning: &Planning<'_>, scope: &mut Scope, service: &Service, lanes: &[Lane<'_>]) -> Result<(), PlanError> {
    let batches = lanes.iter().map(Lane::batches).max().unwrap_or(0);
    for batch in 0..batches {
        scope.open_parallel("start");
        for lane in lanes.iter().filter(|lane| batch < lane.batches()) {
            scope.open_sequence(lane.name().as_str());
            let strays = if batch == 0 { lane.strays.as_slice() } else { &[] };
            start(planning, scope, service, lane.name(), lane.new_in(batch), strays)?;
            scope.close();
        }
        scope.close();
        scope.open_parallel("switch");
        for lane in lanes.iter().filter(|lane| batch < lane.batches()) {
            scope.open_sequence(lane.name().as_str());
            switch(planning, scope, service, lane, batch)?;
            scope.close();
        }
        scope.close();
    }
    Ok(())
}

/// Starts one container and sees it ready, in the ingress's pool but without traffic.
fn start(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    host: &HostName,
    new: Option<&NewContainer>,
    strays: &[Member],
) -> Result<(), PlanError> {
    if let Some(new) = new {
        scope.operation(Some(host), &Start { service: service.name.clone(), spec: new.spec.clone() });
        ready(scope, service, host, new);
    }
    let enrolled: Vec<Member> = strays.iter().cloned().chain(new.and_then(new_member)).collect();
    if service.route.is_some() && !enrolled.is_empty() {
        ingress::enroll(planning, scope, host, service, &enrolled)?;
    }
    Ok(())
}

/// What the ingress cannot see for itself: a Compose health check, or mere running.
fn ready(scope: &mut Scope, service: &Service, host: &HostName, new: &NewContainer) {
    let how = if service.health.path.is_some() && service.route.is_some() {
        return;
    } else if service.definition.has_health_check() {
        HowReady::HealthCheck
    } else if service.route.is_some() {
        return;
    } else {
        HowReady::Running(SETTLED)
    };
    let container = new.spec.name.clone();
    let timeout = service.rollout.timeout;
    scope.operation(Some(host), &Ready { service: service.name.clone(), container, how, timeout });
}

fn switch(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    lane: &Lane<'_>,
    batch: usize,
) -> Result<(), PlanError> {
    let old = lane.old_in(batch);
    let leaving: Vec<Member> = old.iter().filter_map(|container| member(container)).collect();
    if service.route.is_some() && service.hosts.contains(lane.name()) {
        let new = lane.new_in(batch).and_then(new_member);
        let entering: Vec<Member> = if batch == 0 {
            lane.found.keep.iter().filter_map(|container| member(container)).chain(new).collect()
        } else {
            new.into_iter().collect()
        };
        ingress::switch(planning, scope, lane.name(), service, &entering, &leaving)?;
    } else {
        ingress::withdraw(planning, scope, lane.name(), service, &leaving)?;
    }
    stop(scope, service, lane.name(), &old);
    Ok(())
}

fn stop(scope: &mut Scope, service: &Service, host: &HostName, old: &[&ContainerFact]) {
    for container in old {
        let grace = service.definition.stop_grace();
        scope.operation(Some(host), &Stop { id: container.id.clone(), name: container.name.clone(), grace });
    }
}

fn stop_first(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    lanes: &[Lane<'_>],
) -> Result<(), PlanError> {
    scope.open_parallel("replace");
    for lane in lanes {
        let host = lane.name();
        scope.open_sequence(host.as_str());
        let old = lane.running_old();
        let leaving: Vec<Member> = old.iter().filter_map(|container| member(container)).collect();
        ingress::withdraw(planning, scope, host, service, &leaving)?;
        stop(scope, service, host, &old);
        for (batch, new) in lane.found.new.iter().enumerate() {
            let strays = if batch == 0 { lane.strays.as_slice() } else { &[] };
            start(planning, scope, service, host, Some(new), strays)?;
        }
        if service.route.is_some() && service.hosts.contains(host) {
            let kept = lane.found.keep.iter().filter_map(|container| member(container));
            let entering: Vec<Member> = kept.chain(lane.found.new.iter().filter_map(new_member)).collect();
            ingress::switch(planning, scope, host, service, &entering, &[])?;
        }
        scope.close();
    }
    scope.close();
    Ok(())
}

/// Watches the new containers for the service's `bake`, the old ones still there, stopped.
fn bake(scope: &mut Scope, service: &Service, lanes: &[Lane<'_>]) {
    let span = service.rollout.bake;
    scope.parallel("bake", |scope| {
        for lane in lanes {
            for new in &lane.found.new {
                let watch = Ready {
                    service: service.name.clone(),
                    container: new.spec.name.clone(),
                    how: HowReady::Running(span),
                    timeout: Span::millis(span.as_millis() + SETTLED.as_millis()),
                };
                scope.operation(Some(lane.name()), &watch);
            }
        }
    });
}

/// Old containers go for good once the release is committed.
fn forget(scope: &mut Scope, lane: &Lane<'_>) {
    for container in &lane.found.old {
        scope.defer(lane.name(), &Remove { id: container.id.clone(), name: container.name.clone() });
    }
}

fn change(planning: &Planning<'_>, lane: &Lane<'_>, service: &Service) -> Change {
    let placed = service.hosts.contains(lane.name());
    let replaced = lane.found.old.first().and_then(|container| container.ours.as_ref());
    let before = replaced.and_then(|ours| {
        let records = &lane.host.state.releases;
        let record = records.iter().find(|release| release.id.number == ours.release)?;
        record.application.service(&service.name)
    });
    let action = match (placed, lane.found.new.is_empty(), lane.running_old().is_empty()) {
        _ if lane.idle() => Action::Nothing,
        (false, ..) => Action::Remove,
        (true, true, _) => Action::ReplaceRolling,
        (true, false, true) => Action::Create,
        (true, false, false) => match service.rollout.strategy {
            Strategy::Rolling => Action::ReplaceRolling,
            Strategy::StopFirst => Action::ReplaceStopFirst,
        },
    };
    let because = match (action, before) {
        (Action::ReplaceRolling | Action::ReplaceStopFirst, Some(before)) => match reasons(before, service) {
            none if none.is_empty() => vec!["not as it was left".to_owned()],
            some => some,
        },
        (Action::Create, _)
            if planning.live().is_some_and(|live| live.application.service(&service.name).is_some()) =>
        {
            vec!["not running".to_owned()]
        }
        _ => Vec::new(),
    };
    let current = || Some(short(&service.image.digest));
    let from = match action {
        Action::Create => None,
        Action::Nothing => current(),
        _ => before.map(|before| short(&before.image.digest)).or_else(|| Some("unknown".to_owned())),
    };
    let to = if action == Action::Remove { None } else { current() };
    Change { host: lane.name().clone(), subject: service.name.to_string(), action, from, to, because }
}

/// `image 3f2a91c0`.
fn short(digest: &str) -> String {
    format!("image {}", digest.trim_start_matches("sha256:").chars().take(8).collect::<String>())
}
