//! `rollout::…` as recipes call it.

use super::{Remove, Stop, replace::replace as plan_replace};
use crate::{
    function::{Call, Function, Kind, Parameter, PlanError, Planning},
    ingress::{self, Member},
    model::{ServiceName, Span},
    plan::{Action, Change, Scope, ScopeError},
};

/// What a removed service's containers are given to end, where no definition says.
const GRACE: Span = Span::secs(10);

pub const REPLACE: Function = Function {
    module: "rollout",
    name: "replace",
    docs: "Replaces a service's containers on all its hosts, by the service's own strategy.\n\n\
        `rolling` (the default): on every host a new container starts outside the pool and is seen ready through the \
        ingress's own path; when all hosts have one, each takes the new one in and the old one out, waits until the old \
        one has no request in flight (at most `drain`), and stops it. One replica after the other. \
        `stop-first`: the old container ends before the new one starts, for what cannot run twice.\n\n\
        Containers that are already what they should be are left alone. Old ones are kept, stopped, until \
        `release::commit`.",
    parameters: &[Parameter { name: "service", kind: Kind::Service }],
    options: None,
    call: replace,
};

pub const REMOVE: Function = Function {
    module: "rollout",
    name: "remove",
    docs: "Takes a service that the application no longer has off all hosts: out of the ingress, drained, stopped; \
        removed after `release::commit`. Its volumes stay.",
    parameters: &[Parameter { name: "service", kind: Kind::Text }],
    options: None,
    call: remove,
};

fn replace(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    if scope.committed() {
        return Err(ScopeError::AfterCommit.into());
    }
    plan_replace(planning, scope, call.service(0))
}

fn remove(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    if scope.committed() {
        return Err(ScopeError::AfterCommit.into());
    }
    let name = ServiceName::new(call.text(0))
        .map_err(|error| PlanError::Refused { message: error.to_string(), hint: None })?;
    scope.open_sequence(&format!("remove {name}"));
    scope.open_parallel("stop");
    for host in &planning.facts.hosts {
        let there = host.containers.iter().filter(|fact| fact.ours.as_ref().is_some_and(|ours| ours.service == name));
        let (running, all): (Vec<_>, Vec<_>) = (there.clone().filter(|fact| fact.running).collect(), there.collect());
        for container in &all {
            scope.defer(&host.name, &Remove { id: container.id.clone(), name: container.name.clone() });
        }
        if running.is_empty() {
            continue;
        }
        scope.open_sequence(host.name.as_str());
        let member = |fact: &&crate::facts::ContainerFact| {
            Some(Member { container: fact.name.clone(), address: *fact.addresses.get(ingress::NETWORK)? })
        };
        let members: Vec<Member> = running.iter().filter_map(member).collect();
        ingress::withdraw_removed(planning, scope, &host.name, &name, &members)?;
        for container in running {
            scope.operation(
                Some(&host.name),
                &Stop { id: container.id.clone(), name: container.name.clone(), grace: GRACE },
            );
        }
        scope.close();
        let from = Some("running".to_owned());
        scope.change(Change {
            host: host.name.clone(),
            subject: name.to_string(),
            action: Action::Remove,
            from,
            to: None,
            because: vec!["not in the application".to_owned()],
        });
    }
    scope.close();
    scope.close();
    Ok(())
}
