//! `stagecraft resume`.

use std::sync::Arc;

use stdlib::{failure::Failure, image::Source, model::RunId};

use super::{
    CliError, Exit, Global,
    confirm::confirm,
    deploy::How,
    execute::{Consent, connect},
    identity, lock,
    perform::{Performance, finish},
    prepare::Ready,
    project,
    reporting::Reporting,
    saved, state,
};
use crate::engine::{self, RunDirectory};

/// Go on with a run that was cut off
///
/// What is done already is not done again; what may have happened is asked of the hosts. A run that had begun to go back goes
/// on going back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run (`stagecraft runs`); by default the newest
    run: Option<String>,
    #[command(flatten)]
    how: How,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let project = project::load(global).await?;
    let state = state::directory(&project.directory);
    let run = chosen(args.run.as_deref(), &state)?;
    let directory = RunDirectory::open(&state, &run).map_err(anyhow::Error::from)?;
    let history = directory.history().map_err(anyhow::Error::from)?;
    if let Some((_, outcome)) = history.ended() {
        return Err(CliError::usage(
            format!("run {run} has ended already: {}", outcome.words()),
            "start anew: `stagecraft deploy`",
        ));
    }
    let plan = directory.plan().map_err(anyhow::Error::from)?;
    let mut reporting = Reporting::start(global);
    reporting.plan(&plan, &[]).await;
    if args.how.consent() == Consent::Ask && !confirm(&format!("Go on with run {run}?"), "resume")? {
        return Ok(Exit::Cancelled);
    }
    let (session, operator) = connect(project).await?;
    let done = async {
        let guard = lock::take(&session, &run, "resume", args.how.wait).await?;
        let facts = session.facts().await?;
        if let Some(release) = &plan.release {
            let live = facts.host(&session.project.topology.home).and_then(|home| home.state.current);
            if live != release.predecessor && live != Some(release.id.number) {
                let live = live.map_or("no release".to_owned(), |number| format!("release {number}"));
                let what = format!("run {run} cannot go on: {live} has gone live since");
                guard.release().await;
                return Err(Failure::new(what).hint("start anew: `stagecraft deploy`").into());
            }
        }
        let identity = identity::of(&session.project, &facts)?;
        let values = saved::values(&session.project, &plan, &identity, &facts).map_err(|moved| {
            Failure::new(format!("run {run} cannot go on: {moved} has changed since, and no host has its value"))
                .hint("start anew: `stagecraft deploy`")
        })?;
        let journal = directory.reopen(&history).map_err(anyhow::Error::from)?;
        let ready = Ready { plan, values, identity, log: Vec::new() };
        let performance = Performance {
            ready,
            run: run.clone(),
            source: Arc::new(Source::new(operator)),
            guard,
            limit: args.how.limit,
        };
        let execution = performance.execution(&session, journal, &reporting);
        let plan = Arc::clone(&execution.plan);
        let ended = engine::resume(execution, &history).await.map_err(anyhow::Error::from)?;
        Ok(finish(&session, &plan, run, Some(ended), reporting).await)
    };
    let done = done.await;
    session.close().await;
    done
}

fn chosen(named: Option<&str>, directory: &std::path::Path) -> Result<RunId, CliError> {
    if let Some(name) = named {
        return RunId::new(name).map_err(|error| CliError::usage(error.to_string(), "see them: `stagecraft runs`"));
    }
    let runs = RunDirectory::list(directory).map_err(anyhow::Error::from)?;
    runs.into_iter().next().ok_or_else(|| CliError::usage("there is no run yet", "start one: `stagecraft deploy`"))
}
