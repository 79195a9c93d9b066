//! `compose::…` as recipes call it.

use super::{container::specify, definition::Restart, job::RunJob, preflight::refused, stand};
use crate::{
    facts::{ContainerFact, HostFacts},
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
        Once per release: nothing is appended when the application is the one that is live, and what a run of this very \
        application that was cut off or failed had begun is gone on with, not begun again. The last line of its log is its \
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
    let begun = begun(planning, host, service);
    let at_work = |fact: &&ContainerFact| {
        let job = fact.ours.as_ref().is_some_and(|ours| ours.job && ours.service == service.name);
        job && !fact.stopped && Some(&fact.name) != begun.as_ref()
    };
    if let Some(other) = host.containers.iter().find(at_work) {
        return Err(refused(
            format!("{} of an earlier run is at work on {}", other.name, host.name),
            format!("wait until it has ended, or end it: `stagecraft ssh {} docker rm -f {}`", host.name, other.name),
        ));
    }
    scope.change(Change {
        host: host.name.clone(),
        subject: service.name.to_string(),
        action: Action::Run,
        from: None,
        to: Some(service.image.short()),
        because: begun.iter().map(|_| "goes on with what was begun".to_owned()).collect(),
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
        scope.operation(Some(&host.name), &RunJob { service: service.name.clone(), spec, begun });
    });
    Ok(())
}

/// The container in which a run that never committed had begun this job, for the very application that is planned now.
fn begun(planning: &Planning<'_>, host: &HostFacts, service: &Service) -> Option<String> {
    let same = |number: u64| {
        let record = host.state.releases.iter().find(|release| release.id.number == number);
        record.is_some_and(|release| release.application == planning.release.application)
    };
    let live = planning.live().map_or(0, |live| live.id.number);
    let of_job = |container: &&ContainerFact| {
        let ours = container.ours.as_ref();
        ours.is_some_and(|ours| ours.job && ours.service == service.name && ours.release > live && same(ours.release))
    };
    let containers = host.containers.iter().filter(of_job);
    let newest = containers.max_by_key(|container| container.ours.as_ref().map(|ours| ours.release));
    newest.map(|container| container.name.clone())
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
    use std::collections::BTreeMap;

    use super::RUN_JOB;
    use crate::{
        compose::{
            Restart,
            fixture::{empty_host, plan, release, service},
        },
        facts::{ContainerFact, HostFacts, OurContainer, StateFacts},
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

    /// What a run has left that was to make release 11 of this service, while release 10 was live.
    fn left_by(service: Service) -> HostFacts {
        let mut cut_off = release(service);
        cut_off.id.number = 11;
        let ours = OurContainer {
            service: cut_off.application.services[0].name.clone(),
            replica: 1,
            config: "any".into(),
            release: 11,
            run: "run-0".into(),
            job: true,
        };
        let container = ContainerFact {
            id: "c1".into(),
            name: "shop-web-r11-1".into(),
            running: false,
            stopped: true,
            labels: BTreeMap::default(),
            addresses: BTreeMap::default(),
            published: vec![],
            ours: Some(ours),
        };
        let state = StateFacts { releases: vec![cut_off], ..StateFacts::default() };
        HostFacts { containers: vec![container], state, ..empty_host() }
    }

    #[test]
    fn what_a_run_of_the_same_application_has_begun_is_gone_on_with() {
        let begun = |host| {
            let planned = plan(&RUN_JOB, &release(job()), host, Argument::Service(Box::new(job())));
            planned.unwrap().0.iter().find_map(|planned| planned.args["begun"].as_str().map(str::to_owned))
        };
        assert_eq!(begun(left_by(job())), Some("shop-web-r11-1".into()));
        assert_eq!(begun(left_by(Service { replicas: 2, ..job() })), None);
        // Another release has gone live since.
        let mut since = left_by(job());
        since.state.current = Some(12);
        since.state.releases.push(release(Service { replicas: 2, ..job() }));
        assert_eq!(begun(since), None);
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
