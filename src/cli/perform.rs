//! Runs a plan that is agreed on, under the lock.

use std::sync::Arc;

use stdlib::{
    host::{Host, LockGuard},
    model::{Route, RunId, Tls},
    plan::Plan,
};
use tokio_util::sync::CancellationToken;

use super::{CliError, Exit, prepare::Ready, session::Session};
use crate::{
    config::Project,
    engine::{self, Ended, Execution, Outcome, RunDirectory},
    report::{Reporter, Summary},
};

/// All that a run needs.
pub struct Performance {
    pub ready: Ready,
    pub run: RunId,
    pub operator: Arc<dyn Host>,
    pub guard: Box<dyn LockGuard>,
    /// Hosts that are changed at once.
    pub limit: usize,
}

pub async fn perform(session: &Session, performance: Performance, reporter: Reporter) -> Result<Exit, CliError> {
    let Performance { ready, run, operator, guard, limit } = performance;
    let Ready { plan, values, identity, .. } = ready;
    if plan.is_empty() {
        guard.release().await;
        return Ok(finish(session, &plan, None, reporter).await);
    }
    let directory = RunDirectory::create(&session.project.directory, &run, &plan);
    let directory = directory.map_err(anyhow::Error::from)?;
    let release = plan.release.clone().map(Arc::new);
    let plan = Arc::new(plan);
    let execution = Execution {
        plan: Arc::clone(&plan),
        hosts: session.hosts.clone(),
        builder: Some(operator),
        run,
        release,
        values: Arc::new(values),
        identity: Arc::new(identity),
        lock: Some(guard),
        journal: directory.journal().map_err(anyhow::Error::from)?,
        limit,
        cancel: cancelled_by_the_user(),
        events: reporter.events().clone(),
    };
    let ended = engine::execute(execution).await;
    Ok(finish(session, &plan, Some(ended), reporter).await)
}

/// The first Ctrl-C lets the run put everything back; the second ends at once.
pub fn cancelled_by_the_user() -> CancellationToken {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("cancelled: putting everything back; Ctrl-C again ends at once");
            token.cancel();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(Exit::Cancelled as i32);
            }
        }
    });
    cancel
}

/// Shows how it ended, and gives the exit code.
pub async fn finish(session: &Session, plan: &Plan, ended: Option<Ended>, reporter: Reporter) -> Exit {
    let outcome = ended.as_ref().map_or(Outcome::Done, |ended| ended.outcome);
    let exit = match outcome {
        Outcome::Done => Exit::Done,
        Outcome::PutBack => Exit::PutBack,
        Outcome::Left => Exit::Left,
        Outcome::Cancelled => Exit::Cancelled,
    };
    let summary = Summary {
        outcome,
        exit: exit as u8,
        release: plan.release.as_ref().map(|release| release.id.to_string()),
        urls: urls(&session.project, plan),
        hosts: session.hosts.iter().map(|host| (host.name().clone(), host.usage())).collect(),
        ended,
    };
    reporter.end(&summary).await;
    exit
}

/// Where the release's routes answer.
fn urls(project: &Project, plan: &Plan) -> Vec<String> {
    let services = plan.release.iter().flat_map(|release| &release.application.services);
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
