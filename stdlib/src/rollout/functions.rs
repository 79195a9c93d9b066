//! `rollout::…` as recipes call it, and `ingress::switch`, its third phase.

use super::{
    Remove, Stop,
    assess::refuse_working_job,
    lane::{Lane, Part, member},
    phases,
    replace::{announce, on_each, replace as plan_replace},
};
use crate::{
    facts::{ContainerFact, OurContainer},
    function::{Call, Function, Kind, Parameter, PlanError, Planning},
    ingress::{self, Member},
    model::{Service, ServiceName, Span},
    plan::{Action, Change, Scope},
};

/// What a removed service's containers are given to end, where no definition says.
const GRACE: Span = Span::secs(10);

const SERVICE: &[Parameter] = &[Parameter { name: "service", kind: Kind::Service }];

pub const REPLACE: Function = Function {
    module: "rollout",
    name: "replace",
    docs: "Replaces a service's containers on all its hosts, by the service's own strategy.\n\n\
        `rolling` (the default): on every host a new container starts outside the pool and is seen ready through the \
        ingress's own path; when all hosts have one, each takes the new one in and the old one out, waits until the old \
        one has no request in flight (at most `drain`), and stops it. One replica after the other. \
        `stop-first`: the old container ends before the new one starts, for what cannot run twice.\n\n\
        Containers that are already what they should be are left alone. Old ones are kept, stopped, until \
        `release::commit`. It is made of `rollout::start`, `rollout::ready`, `ingress::switch` and `rollout::retire`.",
    parameters: SERVICE,
    options: None,
    call: |planning, scope, call| {
        scope.before_commit()?;
        plan_replace(planning, scope, call.service(0))
    },
};

pub const START: Function = Function {
    module: "rollout",
    name: "start",
    docs: "The first phase of a replacement: starts all new containers of a service on all its hosts, beside the old ones \
        and without traffic.\n\nFor recipes that do something between the phases, such as asking the new containers \
        before they take traffic. Go on with `rollout::ready`, `ingress::switch` and `rollout::retire`.",
    parameters: SERVICE,
    options: None,
    call: |planning, scope, call| {
        let service = call.service(0);
        scope.before_commit()?;
        announce(planning, scope, service, &Lane::all(planning, service)?, service.rollout.strategy);
        phase(planning, scope, service, "start", |scope, lane| phases::start(planning, scope, service, lane, Part::All))
    },
};

pub const READY: Function = Function {
    module: "rollout",
    name: "ready",
    docs: "The second phase of a replacement: waits on all hosts until the new containers are ready.\n\n\
        Ready means: `health.path` answers through the ingress's own path; without it the Compose health check says \
        healthy; without that the route's port accepts connections; without a route it has run for 2 s. \
        Fails after `rollout.timeout`, and at once when a container ends.",
    parameters: SERVICE,
    options: None,
    call: |planning, scope, call| {
        let service = call.service(0);
        phase(planning, scope, service, "ready", |scope, lane| phases::ready(planning, scope, service, lane, Part::All))
    },
};

pub const SWITCH: Function = Function {
    module: "ingress",
    name: "switch",
    docs: "The third phase of a replacement: in the ingress of every host the new containers take traffic, then the old \
        ones are drained until they have no request in flight, at most `rollout.drain`.\n\n\
        Containers must have been seen ready, by `rollout::ready`.",
    parameters: SERVICE,
    options: None,
    call: |planning, scope, call| {
        let service = call.service(0);
        phase(planning, scope, service, "switch", |scope, lane| {
            phases::switch(planning, scope, service, lane, Part::All)
        })
    },
};

pub const RETIRE: Function = Function {
    module: "rollout",
    name: "retire",
    docs: "The last phase of a replacement: stops the old containers on all hosts, by their stop signal and grace period. \
        They are kept until `release::commit`, so that an undo can start them again.",
    parameters: SERVICE,
    options: None,
    call: |planning, scope, call| {
        let service = call.service(0);
        phase(planning, scope, service, "retire", |scope, lane| {
            phases::retire(scope, service, lane, Part::All);
            Ok(())
        })
    },
};

pub const REMOVE: Function = Function {
    module: "rollout",
    name: "remove",
    docs: "Takes a service that the application no longer has, or has as a job now, off all hosts: out of the ingress, \
        drained, stopped; removed after `release::commit`. Its volumes stay. What a removed job has left goes too; it is an \
        error while one is at work.",
    parameters: &[Parameter { name: "service", kind: Kind::Text }],
    options: None,
    call: remove,
};

/// One phase on all hosts at once that have something to do.
fn phase<'a>(
    planning: &Planning<'a>,
    scope: &mut Scope,
    service: &Service,
    name: &str,
    body: impl Fn(&mut Scope, &Lane<'a>) -> Result<(), PlanError>,
) -> Result<(), PlanError> {
    scope.before_commit()?;
    let lanes = Lane::all(planning, service)?;
    let busy: Vec<&Lane<'_>> = lanes.iter().filter(|lane| !lane.idle()).collect();
    on_each(scope, &format!("{name} {}", service.name), &busy, body)
}

fn remove(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    scope.before_commit()?;
    let name = ServiceName::new(call.text(0)).map_err(|error| PlanError::Options(error.to_string()))?;
    let job = planning.release.application.service(&name).is_some_and(|service| service.job.is_some());
    scope.parallel(&format!("remove {name}"), |scope| {
        for host in &planning.facts.hosts {
            let goes = |ours: &OurContainer| ours.service == name && !(job && ours.job);
            let all = host.containers.iter().filter(|fact| fact.ours.as_ref().is_some_and(goes));
            let all: Vec<&ContainerFact> = all.collect();
            for container in &all {
                refuse_working_job(host, container)?;
                scope.defer(&host.name, &Remove { id: container.id.clone(), name: container.name.clone() });
            }
            let running: Vec<&ContainerFact> = all.into_iter().filter(|container| container.running).collect();
            let leaving: Vec<Member> = running.iter().filter_map(|container| member(container)).collect();
            scope.sequence(host.name.as_str(), |scope| {
                ingress::withdraw_removed(planning, scope, &host.name, &name, &leaving)?;
                for container in &running {
                    let (id, name) = (container.id.clone(), container.name.clone());
                    scope.operation(Some(&host.name), &Stop { id, name, grace: GRACE });
                }
                Ok::<_, PlanError>(())
            })?;
            if !running.is_empty() {
                scope.change(Change {
                    host: host.name.clone(),
                    subject: name.to_string(),
                    action: Action::Remove,
                    from: Some("running".to_owned()),
                    to: None,
                    because: vec![if job { "a job now" } else { "not in the application" }.to_owned()],
                });
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::REMOVE;
    use crate::{
        compose::fixture::{empty_host, plan, release, service},
        facts::{ContainerFact, HostFacts, OurContainer},
        function::Argument,
        model::ServiceName,
    };

    fn of_a_job(stopped: bool) -> ContainerFact {
        let ours = OurContainer {
            service: ServiceName::new("seed").unwrap(),
            replica: 1,
            config: "hash".into(),
            release: 11,
            run: "run-0".into(),
            job: true,
        };
        ContainerFact {
            id: "a1".into(),
            name: "shop-seed-r11-1".into(),
            running: !stopped,
            stopped,
            labels: BTreeMap::new(),
            addresses: BTreeMap::new(),
            published: vec![],
            ours: Some(ours),
        }
    }

    fn removed(container: ContainerFact) -> Result<Vec<String>, String> {
        let host = HostFacts { containers: vec![container], ..empty_host() };
        let planned = plan(&REMOVE, &release(service()), host, Argument::Text("seed".into()));
        let (operations, _) = planned.map_err(|error| error.to_string())?;
        Ok(operations.into_iter().map(|planned| planned.title).collect())
    }

    #[test]
    fn a_removed_job_that_is_at_work_is_neither_stopped_nor_removed() {
        assert_eq!(removed(of_a_job(true)), Ok(vec!["remove shop-seed-r11-1".into()]));
        assert_eq!(
            removed(of_a_job(false)),
            Err("seed is no job any more, and shop-seed-r11-1 of it is at work on h1".into())
        );
    }
}
