//! One run with its plan and journal, from wherever they are kept.

use std::path::{Path, PathBuf};

use stdlib::{
    failure::Failure,
    host::Hosts,
    model::{Release, RunId},
    plan::Plan,
};

use super::{
    super::{
        CliError, Global,
        home::{Home, say_what_is_missing},
        project, state,
    },
    Reach,
};
use crate::{
    engine::{History, Outcome, RunDirectory, parse_plan},
    mirror::{Line, tally},
    report::{Standing, Timeline},
};

/// What is kept of a run.
pub struct Record {
    pub timeline: Timeline,
    pub plan: Plan,
    /// The record of the release before, where the run was for a release and the record is at hand.
    pub predecessor: Option<Release>,
    /// That were asked.
    pub hosts: Hosts,
}

/// The run of this name, or the newest.
pub async fn find(named: Option<&str>, reach: Reach, global: &Global) -> Result<Record, CliError> {
    let named = named.map(RunId::new).transpose();
    let named = named.map_err(|error| CliError::usage(error.to_string(), "see them: `stagecraft runs`"))?;
    if reach.local {
        let shelf = Shelf::of(&global.directory, global.environment.as_deref())?;
        let run = named.or_else(|| shelf.newest()).ok_or_else(none)?;
        let (plan, history) = shelf.read(&run)?.ok_or_else(|| unknown(&run))?;
        return Ok(Record::new(run, plan, &history, None, Standing::NotEnded, &shelf));
    }
    let project = project::load(global).await?;
    let shelf = Shelf::of(&project.directory, Some(project.topology.environment.as_str()))?;
    match Home::connect(project).await {
        Ok(home) => {
            let found = with(&home, named, &shelf).await;
            home.close().await;
            found
        }
        Err(failure) => {
            let run = named.or_else(|| shelf.newest()).ok_or_else(|| failure.clone())?;
            let Some((plan, history)) = shelf.read(&run)? else { return Err(failure.into()) };
            say_what_is_missing(&failure);
            Ok(Record::new(run, plan, &history, None, Standing::NotEnded, &shelf))
        }
    }
}

async fn with(home: &Home, named: Option<RunId>, shelf: &Shelf) -> Result<Record, CliError> {
    let lines = home.audit().await.unwrap_or_else(|failure| {
        say_what_is_missing(&failure);
        Vec::new()
    });
    let runs = tally(&lines);
    let newest = || shelf.newest().max(runs.first().map(|known| known.run.clone()));
    let run = named.or_else(newest).ok_or_else(none)?;
    let known = runs.iter().find(|known| known.run == run);
    let here = shelf.read(&run)?;
    let there = if known.is_some() { of_the_home(home, &lines, &run).await? } else { None };
    // A run that was taken over by another machine has gone further there; a copy may be behind.
    let (plan, history) = match (here, there) {
        (Some(here), Some(there)) if there.1.entries.len() > here.1.entries.len() => there,
        (Some(here), _) => here,
        (None, Some(there)) => there,
        (None, None) if known.is_some() => return Err(no_longer_kept(&run).into()),
        (None, None) => return Err(unknown(&run)),
    };
    let open = match history.ended() {
        Some(_) => Standing::NotEnded,
        None => home.stage().await?.of(&run),
    };
    let mut record = Record::new(run, plan, &history, known.map(|known| known.who.clone()), open, shelf);
    if let (None, Some(number)) = (&record.predecessor, before(&record.plan)) {
        record.predecessor = home.release(number).await?;
    }
    record.hosts = home.hosts();
    Ok(record)
}

async fn of_the_home(home: &Home, lines: &[Line], run: &RunId) -> Result<Option<(Plan, History)>, CliError> {
    let Some(bundle) = home.bundle(lines, run).await? else { return Ok(None) };
    let plan = parse_plan(&bundle.plan, "the plan on the home host".as_ref()).map_err(anyhow::Error::from)?;
    let history = History::read(&bundle.journal).map_err(|broken| {
        Failure::new(format!("the journal of run {run} on the home host, {broken}"))
            .hint("see what this machine knows of it: add `--local`")
    })?;
    Ok(Some((plan, history)))
}

impl Record {
    fn new(run: RunId, plan: Plan, history: &History, who: Option<String>, open: Standing, shelf: &Shelf) -> Self {
        let who = who.or_else(|| plan.release.as_ref().map(|release| release.author.clone()));
        let timeline = Timeline::new(run, who, &plan, history, open);
        let predecessor = before(&plan).and_then(|number| shelf.release(number));
        Self { timeline, plan, predecessor, hosts: Hosts::default() }
    }
}

/// The number of the release before the one that the plan makes.
fn before(plan: &Plan) -> Option<u64> {
    plan.release.as_ref()?.predecessor
}

/// The runs of one environment, or of all, on this machine.
struct Shelf {
    project: PathBuf,
    environment: Option<String>,
    /// The newest first.
    runs: Vec<RunId>,
}

impl Shelf {
    fn of(project: &Path, environment: Option<&str>) -> Result<Self, CliError> {
        let project = state::directory(project);
        let runs = RunDirectory::list(&project).map_err(anyhow::Error::from)?;
        Ok(Self { project, environment: environment.map(str::to_owned), runs })
    }

    fn plan(&self, run: &RunId) -> Option<Plan> {
        let plan = RunDirectory::open(&self.project, run).ok()?.plan().ok()?;
        let wanted = self.environment.as_ref().is_none_or(|wanted| plan.environment.as_str() == wanted);
        wanted.then_some(plan)
    }

    fn newest(&self) -> Option<RunId> {
        self.runs.iter().find(|run| self.plan(run).is_some()).cloned()
    }

    fn read(&self, run: &RunId) -> Result<Option<(Plan, History)>, CliError> {
        if !self.runs.contains(run) {
            return Ok(None);
        }
        let directory = RunDirectory::open(&self.project, run).map_err(anyhow::Error::from)?;
        let plan = directory.plan().map_err(anyhow::Error::from)?;
        Ok(Some((plan, directory.history().map_err(anyhow::Error::from)?)))
    }

    /// The record of a release that a run of this machine has made. One that failed may have had the same number.
    fn release(&self, number: u64) -> Option<Release> {
        let made = |run: &RunId| {
            let release = self.plan(run)?.release.filter(|release| release.id.number == number)?;
            let history = RunDirectory::open(&self.project, run).ok()?.history().ok()?;
            matches!(history.ended(), Some((_, Outcome::Done))).then_some(release)
        };
        self.runs.iter().find_map(made)
    }
}

fn none() -> CliError {
    CliError::usage("there is no run yet", "start one: `stagecraft deploy`")
}

fn unknown(run: &RunId) -> CliError {
    CliError::usage(format!("there is no run {run}"), "see them: `stagecraft runs`")
}

fn no_longer_kept(run: &RunId) -> Failure {
    Failure::new(format!("the plan and the journal of run {run} are not kept on the home host any more"))
        .hint("they may still be on the machine that ran it: `stagecraft runs show --local` there")
}
