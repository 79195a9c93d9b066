//! Runs a plan that is agreed on, under the lock.

use std::sync::Arc;

use stdlib::{
    host::{Ahead, LockGuard},
    image::Source,
    model::{Release, Route, RunId, Tls},
    plan::Plan,
};

use super::{
    CliError, Exit, cancel,
    decider::Evaluator,
    desk::{Approval, Counter},
    prepare::{Ready, author},
    reporting::Reporting,
    session::Session,
    state, trace,
};
use crate::{
    config::Project,
    engine::{self, Assume, Ended, Execution, Journal, Outcome, RunDirectory, Timing},
    mirror::{Audit, Copy, Deed, Line, Opening},
    report::Summary,
};

/// All that a run needs.
pub struct Performance {
    /// The command, recipe or pipeline, for the audit.
    pub what: String,
    pub ready: Ready,
    /// The environment's audit, read under the lock.
    pub audit: Audit,
    pub run: RunId,
    pub source: Arc<Source>,
    pub guard: Box<dyn LockGuard>,
    /// Hosts that are changed at once.
    pub limit: usize,
    pub assume: Option<Assume>,
    pub approval: Approval,
}

pub async fn perform(session: &Session, performance: Performance, reporting: Reporting) -> Result<Exit, CliError> {
    let (plan, run) = (&performance.ready.plan, performance.run.clone());
    if plan.is_empty() {
        performance.guard.release().await;
        return Ok(finish(session, plan, run, None, reporting).await);
    }
    session.open_ahead(Ahead::Locks);
    let directory = RunDirectory::create(&state::directory(&session.project.directory), &run, plan);
    let directory = directory.map_err(anyhow::Error::from)?;
    let journal = directory.journal().map_err(anyhow::Error::from)?;
    let execution = performance.execution(session, &directory, journal, Deed::Began, &reporting).await?;
    let plan = Arc::clone(&execution.plan);
    let ended = Box::pin(engine::execute(execution)).await;
    let exit = finish(session, &plan, run.clone(), Some(ended), reporting).await;
    trace::send(&run, &plan, &directory).await;
    Ok(exit)
}

impl Performance {
    /// What the engine takes: a run from its beginning, or by its journal one that goes on. From here on others can see it.
    pub async fn execution(
        self,
        session: &Session,
        directory: &RunDirectory,
        journal: Journal,
        deed: Deed,
        reporting: &Reporting,
    ) -> Result<Execution, CliError> {
        let desk = Counter::new(session, &self.run, &self.what, self.approval);
        let Ready { plan, values, identity, .. } = self.ready;
        let mut line = Line::new(deed, self.run.clone(), author(), self.what);
        line.release = plan.release.as_ref().map(|release| release.id.to_string());
        let opening = Opening {
            home: Arc::clone(session.home()),
            compose_project: session.project.compose.project.clone(),
            line,
            audit: self.audit,
        };
        let mirror = match Copy::open(opening, directory).await {
            Ok(mirror) => mirror,
            Err(failure) => {
                self.guard.release().await;
                return Err(failure.into());
            }
        };
        let plan = Arc::new(plan);
        let decider = Evaluator::new(session, &plan, &self.run, reporting.events());
        Ok(Execution {
            release: plan.release.clone().map(Arc::new),
            plan,
            hosts: session.hosts.clone(),
            source: Some(self.source),
            run: self.run,
            values: Arc::new(values),
            identity: Arc::new(identity),
            lock: Some(self.guard),
            journal,
            mirror: Some(Box::new(mirror)),
            desk: Some(Box::new(desk)),
            decider: Some(Arc::new(decider)),
            assume: self.assume,
            limit: self.limit,
            timing: Timing::default(),
            decode: engine::library(),
            cancel: cancel::by_the_user(),
            events: reporting.events().clone(),
        })
    }
}

/// Shows how it ended, and gives the exit code.
pub async fn finish(session: &Session, plan: &Plan, run: RunId, ended: Option<Ended>, reporting: Reporting) -> Exit {
    let outcome = ended.as_ref().map_or(Outcome::Done, |ended| ended.outcome);
    let exit = match outcome {
        Outcome::Done | Outcome::Undone => Exit::Done,
        Outcome::PutBack => Exit::PutBack,
        Outcome::Left => Exit::Left,
        Outcome::Cancelled => Exit::Cancelled,
    };
    // A choice may have led to the end without the commit.
    let release = plan
        .release
        .as_ref()
        .filter(|_| outcome != Outcome::Done || ended.as_ref().is_none_or(|ended| ended.committed));
    let (failures, left) = ended.map(|ended| (ended.failures, ended.left)).unwrap_or_default();
    let summary = Summary {
        run: Some(run),
        outcome,
        release: release.map(|release| release.id.clone()),
        urls: if outcome == Outcome::Done { urls(&session.project, release) } else { Vec::new() },
        seconds: reporting.elapsed(),
        exit: exit as u8,
        hosts: session.hosts.iter().map(|host| (host.name().clone(), host.usage())).collect(),
        failures,
        left,
    };
    reporting.end(&summary).await;
    exit
}

/// Where the release's routes answer.
fn urls(project: &Project, release: Option<&Release>) -> Vec<String> {
    let services = release.into_iter().flat_map(|release| &release.application.services);
    services.filter_map(|service| service.route.as_ref()).map(|route| url(project, route)).collect()
}

fn url(project: &Project, route: &Route) -> String {
    let ports = &project.topology.ingress;
    let (scheme, port, usual) = match route.tls {
        Tls::Off => ("http", ports.http, 80),
        Tls::Internal | Tls::Own { .. } => ("https", ports.https, 443),
    };
    let port = if port == usual { String::new() } else { format!(":{port}") };
    format!("{scheme}://{}{port}{}", route.host, route.path)
}
