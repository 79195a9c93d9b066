//! `compose::…` as recipes call it.

use super::{container::specify, definition::Restart, job::RunJob, preflight::refused, stand};
use crate::{
    function::{Argument, Call, Function, Kind, Parameter, PlanError, Planning},
    model::{Service, Strategy},
    plan::{Action, Change, Scope},
    rollout::{self, Remove},
};

pub const PREPARE: Function = Function {
    module: "compose",
    name: "prepare",
    docs: "Creates the networks and volumes that the services of these hosts need and the hosts lack.\n\n\
        They have Compose's own labels, so that Docker Compose takes them for its own. One that is there is left as it is; \
        one that was made for something else, or with other settings, is an error, and so is an `external` one that is not \
        there. What cannot run on a host (another platform, an engine that is too old) is found here, before anything is \
        changed. An undo removes what was created. Volumes are never removed otherwise.",
    parameters: &[Parameter { name: "hosts", kind: Kind::Hosts }],
    options: None,
    call: prepare,
};

pub const RUN_JOB: Function = Function {
    module: "compose",
    name: "run_job",
    docs: "Runs a job's container to its end, on the first of its hosts.\n\n\
        Once per release: nothing is appended when the application is the one that is live. The last line of its log is its \
        progress; an exit code other than 0 is a failure that shows the end of the log. A job cannot be undone: what came \
        before it stays when the run fails later; one that has failed is not begun again by `retry`. Its container is removed after `release::commit`. It has no deadline but \
        its step's `timeout`.",
    parameters: &[Parameter { name: "service", kind: Kind::Service }],
    options: None,
    call: run_job,
};

pub const UP: Function = Function {
    module: "compose",
    name: "up",
    docs: "Puts a service's containers on all its hosts the plain way, as `docker compose up` does: missing ones are created, \
        and of those that differ the old one ends before the new one starts.\n\n\
        For what needs no care; `rollout::replace` leaves no gap. Containers that are already what they should be are left \
        alone. Old ones are kept, stopped, until `release::commit`.",
    parameters: &[Parameter { name: "service", kind: Kind::Service }],
    options: None,
    call: up,
};

fn prepare(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    scope.before_commit()?;
    stand::prepare(planning, scope, call.hosts(0))
}

fn run_job(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    scope.before_commit()?;
    let service = call.service(0);
    check_job(service)?;
    let host = service.hosts.first().and_then(|name| planning.facts.host(name)).ok_or_else(|| {
        refused(format!("job {} has no host to run on", service.name), "name one with `on` in stagecraft.yml")
    })?;
    let left = host
        .containers
        .iter()
        .filter(|fact| fact.ours.as_ref().is_some_and(|ours| ours.job && ours.service == service.name));
    for container in left {
        scope.defer(&host.name, &Remove { id: container.id.clone(), name: container.name.clone() });
    }
    if planning.live().is_some_and(|live| live.application == planning.release.application) {
        return Ok(());
    }
    let spec = specify(planning.release, service, 1, None);
    scope.change(Change {
        host: host.name.clone(),
        subject: service.name.to_string(),
        action: Action::Run,
        from: None,
        to: Some(service.image.short()),
        because: Vec::new(),
    });
    scope.defer(&host.name, &Remove { id: spec.name.clone(), name: spec.name.clone() });
    // Of the service that the job was before, and that is removed later.
    let in_the_way = host.containers.iter().find(|fact| {
        fact.name == spec.name && fact.ours.as_ref().is_some_and(|ours| ours.service == service.name && !ours.job)
    });
    scope.sequence(&format!("job {}", service.name), |scope| {
        if let Some(old) = in_the_way {
            rollout::free_name(scope, &host.name, old);
        }
        scope.operation(Some(&host.name), &RunJob { service: service.name.clone(), spec });
    });
    Ok(())
}

/// A job that its engine would start again and again has no end to wait for.
fn check_job(service: &Service) -> Result<(), PlanError> {
    if service.job.is_none() {
        return Err(refused(
            format!("service {} is not a job", service.name),
            "give it `job: before` in stagecraft.yml, or replace it by `rollout::replace`",
        ));
    }
    match service.definition.restart {
        None | Some(Restart::No) => Ok(()),
        Some(_) => Err(refused(
            format!("job {} has a `restart` policy that would start it again", service.name),
            "take `restart` out of its definition in the Compose file",
        )),
    }
}

fn up(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    let mut service = call.service(0).clone();
    service.rollout.strategy = Strategy::StopFirst;
    let call = Call { arguments: vec![Argument::Service(Box::new(service))], options: call.options.clone() };
    (rollout::functions::REPLACE.call)(planning, scope, &call)
}

#[cfg(test)]
mod tests {
    use super::RUN_JOB;
    use crate::{
        compose::{
            Restart,
            fixture::{empty_host, plan, release, service},
        },
        facts::{HostFacts, StateFacts},
        function::Argument,
        model::{JobTime, Service},
    };

    fn job() -> Service {
        Service { job: Some(JobTime::Before), ..service() }
    }

    fn planned(service: &Service, host: HostFacts) -> Result<(Vec<String>, Vec<String>), String> {
        let argument = Argument::Service(Box::new(service.clone()));
        let planned = plan(&RUN_JOB, &release(service.clone()), host, argument);
        let (operations, changes) = planned.map_err(|error| error.to_string())?;
        Ok((operations.into_iter().map(|planned| planned.title).collect(), changes))
    }

    #[test]
    fn a_job_runs_once_per_release() {
        let run = ["run shop-web-r12-1".to_owned(), "remove shop-web-r12-1".to_owned()].to_vec();
        assert_eq!(planned(&job(), empty_host()), Ok((run.clone(), vec!["> h1 web".into()])));
        let live = |service| {
            let state = StateFacts { current: Some(12), releases: vec![release(service)], ..StateFacts::default() };
            HostFacts { state, ..empty_host() }
        };
        assert_eq!(planned(&job(), live(job())), Ok((vec![], vec![])));
        let before = Service { replicas: 2, ..job() };
        assert_eq!(planned(&job(), live(before)), Ok((run, vec!["> h1 web".into()])));
    }

    #[test]
    fn a_service_is_no_job_and_a_job_does_not_restart() {
        assert_eq!(planned(&service(), empty_host()), Err("service web is not a job".into()));
        let mut restarting = job();
        restarting.definition.restart = Some(Restart::Always);
        assert_eq!(
            planned(&restarting, empty_host()),
            Err("job web has a `restart` policy that would start it again".into())
        );
    }
}
