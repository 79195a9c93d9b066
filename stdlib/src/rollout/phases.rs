//! The phases of a replacement, for one host each. A recipe can use them one by one; `rollout::replace` is made of them.

use super::{HowReady, NewContainer, Ready, Remove, Rename, Start, Stop, lane::Lane, lane::Part};
use crate::{
    facts::ContainerFact,
    function::{PlanError, Planning},
    ingress,
    model::{HostName, Service, Span},
    plan::Scope,
};

/// How long a container without a health check and a route must run to count as ready.
const SETTLED: Span = Span::secs(2);

/// New containers, outside every pool, beside an ingress that has a place for them. An old one that has the very name is
/// renamed first.
pub fn start(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    lane: &Lane<'_>,
    part: Part,
) -> Result<(), PlanError> {
    if lane.routed {
        ingress::open(planning, scope, lane.name(), service)?;
    }
    for new in lane.new_in(part) {
        if let Some(old) = lane.found.old.iter().find(|old| old.name == new.spec.name) {
            free_name(scope, lane.name(), old);
        }
        scope.operation(Some(lane.name()), &Start { service: service.name.clone(), spec: new.spec.clone() });
    }
    Ok(())
}

/// Gives an old container another name, as its own is taken by a new one.
pub fn free_name(scope: &mut Scope, host: &HostName, old: &ContainerFact) {
    scope.operation(Some(host), &Rename { id: old.id.clone(), from: old.name.clone(), to: renamed(old) });
}

/// The name of an old container whose own is taken by a new one.
fn renamed(old: &ContainerFact) -> String {
    let release = old.ours.as_ref().map_or(0, |ours| ours.release);
    format!("{}-r{release}", old.name)
}

/// New containers are seen ready: through the ingress's own path where they have a route.
pub fn ready(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    lane: &Lane<'_>,
    part: Part,
) -> Result<(), PlanError> {
    if let Some(how) = how_ready(service) {
        let new = lane.new_in(part).iter().map(|new| new.spec.name.as_str());
        for name in lane.own_in(part, planning.run).chain(new) {
            scope.operation(Some(lane.name()), &wait(service, name, how, service.rollout.timeout));
        }
    }
    let enrolled = lane.enrolled_in(part);
    if lane.routed && !enrolled.is_empty() {
        ingress::enroll(planning, scope, lane.name(), service, &enrolled)?;
    }
    Ok(())
}

/// What the ingress cannot see for itself: a Compose health check, or mere running.
fn how_ready(service: &Service) -> Option<HowReady> {
    let routed = service.route.is_some();
    match service.definition.has_health_check() {
        _ if routed && service.health.path.is_some() => None,
        true => Some(HowReady::HealthCheck),
        false if routed => None,
        false => Some(HowReady::Running(SETTLED)),
    }
}

fn wait(service: &Service, container: &str, how: HowReady, timeout: Span) -> Ready {
    Ready { service: service.name.clone(), container: container.to_owned(), how, timeout }
}

/// In the ingress the new ones in, then the old ones out, drained.
pub fn switch(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    lane: &Lane<'_>,
    part: Part,
) -> Result<(), PlanError> {
    let leaving = lane.leaving_in(part);
    if lane.routed {
        ingress::switch(planning, scope, lane.name(), service, &lane.entering_in(part), &leaving)
    } else {
        ingress::withdraw(planning, scope, lane.name(), service, &leaving)
    }
}

/// Old containers stop, and go for good once the release is committed.
pub fn retire(scope: &mut Scope, service: &Service, lane: &Lane<'_>, part: Part) {
    for old in lane.old_in(part) {
        let grace = service.definition.stop_grace();
        scope.operation(Some(lane.name()), &Stop { id: old.id.clone(), name: old.name.clone(), grace });
    }
}

/// The removal of every old container, running now or not, after the commit.
pub fn forget(scope: &mut Scope, lane: &Lane<'_>) {
    for old in &lane.found.old {
        let taken = lane.found.new.iter().any(|new| new.spec.name == old.name);
        let name = if taken { renamed(old) } else { old.name.clone() };
        scope.defer(lane.name(), &Remove { id: old.id.clone(), name });
    }
}

/// Watches new containers for a while, the old ones still there, stopped.
pub fn bake(scope: &mut Scope, service: &Service, host: &HostName, new: &[NewContainer]) {
    let span = service.rollout.bake;
    let timeout = Span::millis(span.as_millis() + SETTLED.as_millis());
    for new in new {
        scope.operation(Some(host), &wait(service, &new.spec.name, HowReady::Running(span), timeout));
    }
}
