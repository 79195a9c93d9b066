//! Plans the replacement of a service on all hosts, by its strategy.

use super::{
    lane::{Lane, Part},
    phases,
    reasons::{ingress_reasons, reasons},
};
use crate::{
    function::{PlanError, Planning},
    model::{Service, Span, Strategy},
    plan::{Action, Change, Scope},
};

/// Appends the replacement by the service's own strategy; nothing where nothing is to be done.
pub fn replace(planning: &Planning<'_>, scope: &mut Scope, service: &Service) -> Result<(), PlanError> {
    with_strategy(planning, scope, service, service.rollout.strategy)
}

/// [`replace`] by a strategy that need not be the service's own.
pub fn with_strategy(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    strategy: Strategy,
) -> Result<(), PlanError> {
    let lanes = Lane::all(planning, service)?;
    announce(planning, scope, service, &lanes, strategy);
    let busy: Vec<Lane<'_>> = lanes.into_iter().filter(|lane| !lane.idle()).collect();
    if busy.is_empty() {
        return Ok(());
    }
    scope.sequence(&format!("roll {}", service.name), |scope| {
        match strategy {
            Strategy::Rolling => rolling(planning, scope, service, &busy)?,
            Strategy::StopFirst => stop_first(planning, scope, service, &busy)?,
        }
        if service.rollout.bake > Span::default() {
            scope.parallel("bake", |scope| {
                for lane in &busy {
                    phases::bake(scope, service, lane.name(), &lane.found.new);
                }
            });
        }
        Ok(())
    })
}

/// Says in the table of changes what becomes of the service, and defers the removal of what is old.
pub fn announce(planning: &Planning<'_>, scope: &mut Scope, service: &Service, lanes: &[Lane<'_>], strategy: Strategy) {
    for lane in lanes {
        scope.change(change(planning, lane, service, strategy));
        phases::forget(scope, lane);
    }
}

/// In a batch every host starts a container and sees it ready before any host switches: a version that is unhealthy on
/// one host takes requests on none.
fn rolling(planning: &Planning<'_>, scope: &mut Scope, service: &Service, lanes: &[Lane<'_>]) -> Result<(), PlanError> {
    let batches = lanes.iter().map(Lane::batches).max().unwrap_or(0);
    for batch in 0..batches {
        let part = Part::Batch(batch);
        let busy: Vec<&Lane<'_>> = lanes.iter().filter(|lane| batch < lane.batches()).collect();
        on_each(scope, "start", &busy, |scope, lane| {
            phases::start(planning, scope, service, lane, part)?;
            phases::ready(planning, scope, service, lane, part)
        })?;
        on_each(scope, "switch", &busy, |scope, lane| {
            phases::switch(planning, scope, service, lane, part)?;
            phases::retire(scope, service, lane, part);
            Ok(())
        })?;
    }
    Ok(())
}

fn stop_first(
    planning: &Planning<'_>,
    scope: &mut Scope,
    service: &Service,
    lanes: &[Lane<'_>],
) -> Result<(), PlanError> {
    let all: Vec<&Lane<'_>> = lanes.iter().collect();
    on_each(scope, "replace", &all, |scope, lane| {
        crate::ingress::withdraw(planning, scope, lane.name(), service, &lane.leaving_in(Part::All))?;
        phases::retire(scope, service, lane, Part::All);
        phases::start(planning, scope, service, lane, Part::All)?;
        phases::ready(planning, scope, service, lane, Part::All)?;
        if lane.routed {
            crate::ingress::switch(planning, scope, lane.name(), service, &lane.entering_in(Part::All), &[])?;
        }
        Ok(())
    })
}

/// A lane for each host, all at once.
pub fn on_each<'a, 'b>(
    scope: &mut Scope,
    name: &str,
    lanes: &[&'b Lane<'a>],
    body: impl Fn(&mut Scope, &'b Lane<'a>) -> Result<(), PlanError>,
) -> Result<(), PlanError> {
    scope.parallel(name, |scope| {
        lanes.iter().try_for_each(|lane| scope.sequence(lane.name().as_str(), |scope| body(scope, lane)))
    })
}

fn change(planning: &Planning<'_>, lane: &Lane<'_>, service: &Service, strategy: Strategy) -> Change {
    let placed = service.hosts.contains(lane.name());
    let replaced = lane.found.old.first().and_then(|container| container.ours.as_ref());
    let record = replaced.and_then(|ours| {
        let records = &lane.host.state.releases;
        let record = records.iter().find(|release| release.id.number == ours.release)?;
        record.application.service(&service.name)
    });
    let live = planning.live().and_then(|live| live.application.service(&service.name));
    let live = live.filter(|live| live.job.is_none() && live.hosts.contains(lane.name()));
    let before = record.or(live);
    let action = match (placed, lane.found.new.is_empty(), lane.running_old().is_empty()) {
        _ if lane.idle() => Action::Nothing,
        (false, ..) => Action::Remove,
        (true, true, _) => Action::ReplaceRolling,
        (true, false, true) => Action::Create,
        (true, false, false) => match strategy {
            Strategy::Rolling => Action::ReplaceRolling,
            Strategy::StopFirst => Action::ReplaceStopFirst,
        },
    };
    let because = match action {
        Action::ReplaceRolling if lane.keeps_containers() => {
            or_else(before.map(|before| ingress_reasons(before, service)).unwrap_or_default(), "ingress")
        }
        // Where it is not known what was there, it cannot be said what differs.
        Action::ReplaceRolling | Action::ReplaceStopFirst => {
            before.map(|before| or_else(reasons(before, service), "not as it was left")).unwrap_or_default()
        }
        Action::Create if live.is_some_and(|live| live.replicas < service.replicas) => vec!["replicas".to_owned()],
        Action::Create if live.is_some() => vec!["not running".to_owned()],
        Action::Remove => vec!["not placed here".to_owned()],
        _ => Vec::new(),
    };
    let current = || Some(service.image.short());
    let from = match action {
        Action::Create => None,
        _ if lane.keeps_containers() => current(),
        _ => before.map(|before| before.image.short()).or_else(|| Some("unknown".to_owned())),
    };
    let to = if action == Action::Remove { None } else { current() };
    Change { host: lane.name().clone(), subject: service.name.to_string(), action, from, to, because }
}

fn or_else(reasons: Vec<String>, otherwise: &str) -> Vec<String> {
    if reasons.is_empty() { vec![otherwise.to_owned()] } else { reasons }
}
