//! `stagecraft resume`, and what `undo` shares with it.

use std::{path::PathBuf, sync::Arc};

use stdlib::{facts::Facts, failure::Failure, host::Host, image::Source, model::RunId, plan::Plan};

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
    saved,
    session::Session,
    state, trace,
};
use crate::{
    engine::{self, Assume, Heading, History, NotResumed, RunDirectory, parse_plan},
    mirror::{Deed, Line},
};

/// Go on with a run that was cut off, from this or another machine
///
/// What is done already is not done again; what may have happened is asked of the hosts. A run that had begun to go back goes
/// on going back. A run of another machine is taken over from the environment's home host.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run (`stagecraft runs`); by default the environment's newest
    run: Option<String>,
    /// Your word on what may have happened and cannot be asked of a host, such as a command
    #[arg(long, value_name = "ANSWER")]
    assume: Option<Assume>,
    #[command(flatten)]
    how: How,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let order = Order { run: args.run.as_deref(), heading: Heading::Onward, assume: args.assume, how: &args.how };
    go_on(&order, global).await
}

/// Which run is to go on, and which way.
pub struct Order<'a> {
    pub run: Option<&'a str>,
    pub heading: Heading,
    pub assume: Option<Assume>,
    pub how: &'a How,
}

impl Order<'_> {
    fn what(&self) -> &'static str {
        match self.heading {
            Heading::Onward => "resume",
            Heading::Back => "undo",
        }
    }

    fn deed(&self) -> Deed {
        match self.heading {
            Heading::Onward => Deed::Resumed,
            Heading::Back => Deed::Undone,
        }
    }

    fn question(&self, run: &RunId) -> String {
        match self.heading {
            Heading::Onward => format!("Go on with run {run}?"),
            Heading::Back => format!("Put back what run {run} has changed?"),
        }
    }
}

pub async fn go_on(order: &Order<'_>, global: &Global) -> Result<Exit, CliError> {
    let (session, operator) = connect(project::load_for_a_run(global).await?.leave_out(&order.how.without)?).await?;
    let done = carry_out(&session, operator, order, Reporting::start(global)).await;
    session.close().await;
    done
}

async fn carry_out(
    session: &Session,
    operator: Arc<dyn Host>,
    order: &Order<'_>,
    mut reporting: Reporting,
) -> Result<Exit, CliError> {
    let kept = Kept { directory: state::directory(&session.project.directory), session };
    let (run, plan, history) = kept.find(order.run).await?;
    saved::belongs(&plan, &session.project)?;
    engine::may_resume(&run, &plan, &history, order.heading).map_err(|why| refused(&why))?;
    reporting.plan(&plan, &[]).await;
    if order.how.consent() == Consent::Ask && !confirm(&order.question(&run), order.what())? {
        return Ok(Exit::Cancelled);
    }
    let guard = lock::take(session, &run, order.what(), order.how.wait).await?;
    let prepared = async {
        // What was read without the lock may have moved on since.
        let audit = session.audit().await?;
        let (directory, history) = kept.take_over(&run, &session.lines(&audit)?).await?;
        engine::may_resume(&run, &plan, &history, order.heading).map_err(|why| refused(&why))?;
        let facts = session.facts().await?;
        still_its_turn(session, &facts, &run, &plan)?;
        let identity = identity::of(&session.project, &facts)?;
        let values = saved::values(&session.project, &plan, &identity, &facts).map_err(|moved| {
            Failure::new(format!("run {run} cannot go on: {moved} has changed since, and no host has its value"))
                .hint("start anew: `stagecraft deploy`")
        })?;
        let journal = directory.reopen(&history).map_err(anyhow::Error::from)?;
        let ready = Ready { plan, values, identity, log: Vec::new() };
        Ok((directory, history, journal, ready, audit))
    };
    let (directory, history, journal, ready, audit) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => {
            guard.release().await;
            return Err(error);
        }
    };
    let (what, limit) = (order.what().to_owned(), order.how.limit);
    let performance = Performance {
        what,
        ready,
        audit,
        run: run.clone(),
        source: Arc::new(Source::new(operator)),
        guard,
        limit,
        assume: order.assume,
        approval: order.how.approval(),
    };
    let execution = performance.execution(session, &directory, journal, order.deed(), &reporting).await?;
    let plan = Arc::clone(&execution.plan);
    let ended = engine::resume(execution, &history, order.heading).await.map_err(anyhow::Error::from)?;
    let exit = finish(session, &plan, run.clone(), Some(ended), reporting).await;
    trace::send(&run, &plan, &directory).await;
    Ok(exit)
}

/// The release that the run would follow, or its own, must be the live one.
fn still_its_turn(session: &Session, facts: &Facts, run: &RunId, plan: &Plan) -> Result<(), CliError> {
    let Some(release) = &plan.release else { return Ok(()) };
    let live = facts.live(&session.project.topology.home);
    // A run that was cut off before it wrote its record may have the same number as a later one.
    let own = live.is_some_and(|live| live.run == release.run);
    if own || live.map(|live| live.id.number) == release.predecessor {
        return Ok(());
    }
    let live = live.map_or("no release".to_owned(), |live| format!("release {}", live.id));
    let what = format!("run {run} cannot go on: {live} has gone live since");
    Err(Failure::new(what).hint("start anew: `stagecraft deploy`").into())
}

/// What this machine and the environment's home host keep of runs.
struct Kept<'a> {
    directory: PathBuf,
    session: &'a Session,
}

impl Kept<'_> {
    /// The run that is named, or the newest that this machine or the environment knows, as far as it is known without the lock.
    async fn find(&self, named: Option<&str>) -> Result<(RunId, Plan, History), CliError> {
        let named = named.map(RunId::new).transpose();
        let named = named.map_err(|error| CliError::usage(error.to_string(), "see them: `stagecraft runs`"))?;
        if let Some(run) = &named
            && let Some((plan, history)) = self.here(run)?
        {
            return Ok((run.clone(), plan, history));
        }
        let lines = self.session.lines(&self.session.audit().await?)?;
        let run = match named {
            Some(run) => run,
            None => self.newest(&lines)?,
        };
        let found = match self.here(&run)? {
            Some(here) => Some(here),
            None => self.there(&run, &lines).await?,
        };
        let (plan, history) = found.ok_or_else(|| unknown(&run))?;
        Ok((run, plan, history))
    }

    fn newest(&self, lines: &[Line]) -> Result<RunId, CliError> {
        let mut here = None;
        for run in RunDirectory::list(&self.directory).map_err(anyhow::Error::from)? {
            let plan = RunDirectory::open(&self.directory, &run).and_then(|directory| directory.plan());
            // A machine has the runs of all environments.
            if saved::belongs(&plan.map_err(anyhow::Error::from)?, &self.session.project).is_ok() {
                here = Some(run);
                break;
            }
        }
        // Ids sort by the time they were made.
        let newest = here.max(lines.iter().map(|line| line.run.clone()).max());
        newest.ok_or_else(|| CliError::usage("there is no run yet", "start one: `stagecraft deploy`"))
    }

    fn here(&self, run: &RunId) -> Result<Option<(Plan, History)>, CliError> {
        let Ok(directory) = RunDirectory::open(&self.directory, run) else { return Ok(None) };
        let plan = directory.plan().map_err(anyhow::Error::from)?;
        Ok(Some((plan, directory.history().map_err(anyhow::Error::from)?)))
    }

    async fn there(&self, run: &RunId, lines: &[Line]) -> Result<Option<(Plan, History)>, CliError> {
        let Some(bundle) = self.session.bundle(lines, run).await? else { return Ok(None) };
        let plan = parse_plan(&bundle.plan, "the plan on the home host".as_ref()).map_err(anyhow::Error::from)?;
        let history = History::read(&bundle.journal).map_err(|broken| {
            Failure::new(format!("the journal of run {run} on the home host, {broken}"))
                .hint("start anew: `stagecraft deploy`")
        })?;
        Ok(Some((plan, history)))
    }

    /// The run's directory, up to date: under the lock.
    async fn take_over(&self, run: &RunId, lines: &[Line]) -> Result<(RunDirectory, History), CliError> {
        let bundle = self.session.bundle(lines, run).await?;
        let directory = match (RunDirectory::open(&self.directory, run), bundle) {
            (Ok(directory), bundle) => {
                let here = directory.bytes().map_err(anyhow::Error::from)?;
                let there = bundle.map(|bundle| bundle.journal).unwrap_or_default();
                if there.starts_with(&here) && !History::read(&there).is_ok_and(|history| history.was_taken_up(&here)) {
                    // After a power loss the disk may lack what the copy has: ends, which are found out again, but no start.
                    directory.restore(&there).map_err(anyhow::Error::from)?;
                } else if !here.starts_with(&there) {
                    let what = format!("run {run} was gone on with from another machine");
                    return Err(Failure::new(what)
                        .hint("see it: `stagecraft runs`; or start anew: `stagecraft deploy`")
                        .into());
                }
                directory
            }
            (Err(_), Some(bundle)) => RunDirectory::receive(&self.directory, run, &bundle.plan, &bundle.journal)
                .await
                .map_err(anyhow::Error::from)?,
            (Err(_), None) => return Err(unknown(run)),
        };
        let history = directory.history().map_err(anyhow::Error::from)?;
        Ok((directory, history))
    }
}

fn unknown(run: &RunId) -> CliError {
    CliError::usage(format!("there is no run {run}, here or on the home host"), "see them: `stagecraft runs`")
}

fn refused(why: &NotResumed) -> CliError {
    CliError::usage(why.to_string(), "see the runs: `stagecraft runs`")
}
