//! Runs a plan: scheduling, deadlines, cancellation, journal, lock, undo, resume.
//!
//! The engine decides nothing about what a plan should do and talks to nobody: it emits [`Event`]s, writes the journal
//! and returns how the run [`Ended`].

mod approval;
mod choice;
mod conclude;
mod course;
mod directory;
pub mod event;
mod forward;
mod gate;
pub mod journal;
mod later;
mod ledger;
mod mirror;
mod outcome;
mod perform;
mod run;
mod seat;
mod undo;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};
use stdlib::{
    failure::Failure,
    host::{Hosts, LockGuard},
    image::Source,
    model::{HostName, Identity, Release, RunId, Values, environment_option},
    operation::{AnyOperation, DecodeError},
    plan::{Effect, Key, Node, Plan, Planned},
};
use tokio::{sync::OnceCell, time::Instant};
use tokio_util::sync::CancellationToken;

use choice::Gates;
use course::{Course, Way};
use event::UndoReason;
use forward::Walked;
use gate::Gate;
use ledger::Ledger;
use run::{Run, Surroundings};
use undo::Stays;

pub use approval::{Answer, Desk, Meanwhile, Petition, Reply, Word};
pub use directory::{RunDirectory, RunError, parse_plan};
pub use event::{Event, EventReceiver, EventSender, Seconds, StepOutcome, channel};
pub use journal::{Entry, History, Journal};
pub use later::Decider;
pub use mirror::Mirror;
pub use outcome::{Ended, Left, Outcome};
pub use run::Timing;

/// Hosts that are busy at once, by default.
pub const HOSTS_AT_ONCE: usize = 10;

/// Makes a planned operation runnable: [`library`], but for tests.
pub type Decode = Arc<dyn Fn(&Planned) -> Result<Box<dyn AnyOperation>, DecodeError> + Send + Sync>;

/// The operations of the standard library.
pub fn library() -> Decode {
    Arc::new(stdlib::operation::decode)
}

/// One plan, with all that it needs to run.
pub struct Execution {
    pub plan: Arc<Plan>,
    pub run: RunId,
    pub hosts: Hosts,
    /// The operator's own engine.
    pub source: Option<Arc<Source>>,
    pub release: Option<Arc<Release>>,
    pub values: Arc<Values>,
    pub identity: Arc<Identity>,
    /// The environment's lock. It is let go when the run has ended; when it is lost, nothing begins any more.
    pub lock: Option<Box<dyn LockGuard>>,
    pub journal: Journal,
    /// Keeps a copy of the journal elsewhere.
    pub mirror: Option<Box<dyn Mirror>>,
    /// Where a person is asked.
    pub desk: Option<Box<dyn Desk>>,
    /// Evaluates what the plan leaves open.
    pub decider: Option<Arc<dyn Decider>>,
    /// What a person has said of operations that cannot tell whether they have happened.
    pub assume: Option<Assume>,
    /// Hosts that are busy at once; see [`HOSTS_AT_ONCE`].
    pub limit: usize,
    pub timing: Timing,
    /// When cancelled, nothing begins any more and what has begun is undone.
    pub cancel: CancellationToken,
    pub events: EventSender,
    pub decode: Decode,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("run", &self.run).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A person's word on operations that cannot tell whether they have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Assume {
    /// It has happened: the run goes on behind it
    Done,
    /// It has not happened: it is run
    NotDone,
}

impl Assume {
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "it is done",
            Self::NotDone => "it is not done",
        }
    }
}

/// Which way a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// The way it was going.
    Onward,
    /// Back, to what was before it.
    Back,
}

/// Why a run is not resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotResumed {
    #[error("run {run} has ended already: {}; what comes next: `{next}`", outcome.words())]
    Ended { run: RunId, outcome: Outcome, next: String },
    #[error("run {run} has committed, and a commit is not undone; go back with `stagecraft rollback`")]
    Committed { run: RunId },
    #[error("the journal of run {run} belongs to another plan; `stagecraft deploy` starts from what the hosts have")]
    OtherPlan { run: RunId },
}

/// Runs a plan from its beginning. On failure or cancellation undoes it, as far as that goes.
pub async fn execute(execution: Execution) -> Ended {
    drive(execution, &History::default(), Heading::Onward).await
}

/// Goes on with a run that was cut off, by what its journal says. What has ended is skipped; what was under way is asked of
/// the hosts; when the run was failing or going backwards, it only goes backwards.
pub async fn resume(execution: Execution, history: &History, heading: Heading) -> Result<Ended, NotResumed> {
    may_resume(&execution.run, &execution.plan, history, heading)?;
    Ok(drive(execution, history, heading).await)
}

/// Whether a run can go on this way, by its journal.
pub fn may_resume(run: &RunId, plan: &Plan, history: &History, heading: Heading) -> Result<(), NotResumed> {
    let run = run.clone();
    if heading == Heading::Back && committed(plan, history) {
        return Err(NotResumed::Committed { run });
    }
    // What was left not undone can be tried again.
    let again = |outcome| heading == Heading::Back && outcome == Outcome::Left;
    if let Some((_, outcome)) = history.ended().filter(|(_, outcome)| !again(*outcome)) {
        let next = match (outcome, heading) {
            (Outcome::Done, Heading::Back) => "stagecraft rollback".to_owned(),
            _ => conclude::again(plan),
        };
        return Err(NotResumed::Ended { run, outcome, next });
    }
    match history.entries.first().map(|recorded| &recorded.entry) {
        Some(Entry::Begin { plan: begun, .. }) if *begun != directory::digest(plan) => {
            Err(NotResumed::OtherPlan { run })
        }
        _ => Ok(()),
    }
}

/// Whether the journal has the commit of this plan.
fn committed(plan: &Plan, history: &History) -> bool {
    let commits = plan.root.operations().filter(|planned| planned.effect == Effect::Commit);
    let done = |key: &Key| {
        history.entries.iter().any(|recorded| matches!(&recorded.entry, Entry::Ok { key: ended, .. } if ended == key))
    };
    commits.into_iter().any(|planned| done(&planned.key))
}

async fn drive(execution: Execution, history: &History, heading: Heading) -> Ended {
    let began = Instant::now();
    let events = execution.events.clone();
    events.send(started(&execution));
    let root = &execution.plan.root;
    let ended = match history.fill(root).and_then(|()| decode_all(root, &execution.decode)) {
        Ok(operations) => {
            let mut run = assemble(execution, operations, history);
            let passage = run.through(history, heading).await;
            let left = if passage == Passage::Through { Vec::new() } else { run.left() };
            let outcome = run.finish(passage, &left).await;
            Ended {
                outcome,
                failures: run.course.failures(),
                left,
                committed: run.course.committed(),
                duration: Seconds(began.elapsed()),
            }
        }
        Err(failure) => {
            if let Some(lock) = execution.lock {
                lock.release().await;
            }
            // A run that has begun may have changed what only this plan and journal could put back.
            let left: Vec<Left> =
                history.began().map(|_| stands(&execution.run, &execution.plan)).into_iter().collect();
            let outcome = if left.is_empty() { Outcome::PutBack } else { Outcome::Left };
            Ended { outcome, failures: vec![failure], left, committed: false, duration: Seconds(began.elapsed()) }
        }
    };
    events.send(Event::RunEnded {
        outcome: ended.outcome,
        failures: ended.failures.clone(),
        left: ended.left.clone(),
        seconds: ended.duration,
    });
    ended
}

/// A run that cannot be gone on with here.
fn stands(run: &RunId, plan: &Plan) -> Left {
    let option = environment_option(plan.environment.as_str());
    Left {
        host: None,
        what: "the run stands where it was".into(),
        why: "this Stagecraft cannot read all of its plan and journal".into(),
        next: format!("with the Stagecraft that began it: `stagecraft resume {run}{option}`, or `undo`"),
    }
}

fn started(execution: &Execution) -> Event {
    let plan = &execution.plan;
    let hosts: BTreeSet<&HostName> = plan.root.operations().filter_map(|planned| planned.host.as_ref()).collect();
    Event::RunStarted {
        run: execution.run.clone(),
        project: plan.project.clone(),
        environment: plan.environment.clone(),
        recipe: plan.recipe.clone(),
        release: plan.release.as_ref().map(|release| release.id.to_string()),
        hosts: hosts.into_iter().cloned().collect(),
        operations: plan.root.operations().count(),
    }
}

/// Decodes every operation before the first begins: a plan with one that is not known changes nothing.
fn decode_all(root: &Node, decode: &Decode) -> Result<HashMap<Key, Arc<dyn AnyOperation>>, Failure> {
    let mut operations = HashMap::new();
    for planned in root.operations() {
        let operation = decode(planned).map_err(|error| Failure::new(error.to_string()).hint(PLAN_AGAIN))?;
        if operations.insert(planned.key.clone(), Arc::from(operation)).is_some() {
            return Err(Failure::new(format!("{}: the plan has this key twice", planned.key)).hint(PLAN_AGAIN));
        }
    }
    Ok(operations)
}

const PLAN_AGAIN: &str = "plan again with this Stagecraft";

fn assemble(execution: Execution, operations: HashMap<Key, Arc<dyn AnyOperation>>, history: &History) -> Run {
    let run = Run {
        id: execution.run,
        operations: Mutex::new(operations),
        decode: execution.decode,
        surroundings: Surroundings {
            hosts: execution.hosts,
            source: execution.source,
            release: execution.release,
            values: execution.values,
            identity: execution.identity,
        },
        ledger: Arc::new(Ledger::of(history, &execution.plan)),
        journal: execution.journal,
        mirror: execution.mirror,
        desk: execution.desk,
        decider: execution.decider,
        assume: Mutex::new(execution.assume),
        course: Course::new(execution.cancel, execution.lock),
        gate: Gate::new(execution.limit),
        gates: Gates::of(&execution.plan.root),
        timing: execution.timing,
        events: execution.events,
        kept: Mutex::default(),
        seen: OnceCell::new(),
        plan: execution.plan,
    };
    run.recall(history);
    run
}

impl Run {
    /// Takes the course that the run had when it was cut off.
    fn recall(&self, history: &History) {
        let planned: HashMap<&Key, &Planned> =
            self.plan.root.operations().map(|planned| (&planned.key, planned)).collect();
        for recorded in &history.entries {
            match &recorded.entry {
                Entry::Ok { key, .. } => planned.get(key).into_iter().for_each(|planned| self.course.passed(planned)),
                Entry::Failed { key, failure } => {
                    planned.get(key).into_iter().for_each(|planned| self.course.fail(planned, failure.clone()));
                }
                Entry::Stopped { .. } => self.course.stop(),
                _ => {}
            }
        }
    }

    /// Forward, and back if need be. The lock is watched all the time.
    async fn through(&self, history: &History, heading: Heading) -> Passage {
        let passage = self.there_and_back(history, heading);
        tokio::pin!(passage);
        tokio::select! {
            passage = &mut passage => passage,
            () = self.course.lock_lost() => {
                self.fence();
                passage.await
            }
        }
    }

    async fn there_and_back(&self, history: &History, heading: Heading) -> Passage {
        let entry = match (history.began(), heading) {
            (None, _) => Entry::Begin { run: self.id.clone(), plan: directory::digest(&self.plan) },
            (Some(_), Heading::Onward) => Entry::Resume,
            (Some(_), Heading::Back) => Entry::Back,
        };
        if self.commit(entry).await.is_err() {
            return Passage::Stopped;
        }
        let mut because = UndoReason::Resumed;
        let asked = heading == Heading::Back || history.asked_back();
        if asked {
            because = UndoReason::Asked;
            self.course.stop();
        } else if !history.turned_back() {
            if self.walk(&self.plan.root, Way::Forward).await == Walked::Done {
                return Passage::Through;
            }
            because = if self.course.cancelled() { UndoReason::Cancelled } else { UndoReason::Failed };
        }
        if self.may_act() {
            if self.ledger.touched(&self.plan.root) || history.lags() {
                self.events.send(Event::UndoStarted { because });
                self.turn(history).await;
            }
            self.undo(&self.plan.root, Stays::default()).await;
        }
        if asked { Passage::Back } else { Passage::Stopped }
    }

    /// Says in the journal and in its copy that the run goes back, before the first inverse: with an older copy another machine
    /// would take for done what has been undone since.
    async fn turn(&self, history: &History) {
        if !history.turned_back() && self.commit(Entry::Turned).await.is_err() {
            return;
        }
        if let Some(mirror) = &self.mirror
            && let Err(failure) = mirror.catch_up().await
        {
            let text = format!("other machines may not see yet that this run goes back: {}", failure.message);
            self.events.send(Event::Log { text });
        }
    }

    /// Writes how the run ended and lets the lock go. A run that was cut off has no end: it can be resumed.
    async fn finish(&mut self, passage: Passage, left: &[Left]) -> Outcome {
        let outcome = match passage {
            Passage::Through => Outcome::Done,
            Passage::Stopped | Passage::Back if !left.is_empty() => Outcome::Left,
            Passage::Back => Outcome::Undone,
            Passage::Stopped if self.course.cancelled() || self.course.failures().is_empty() => Outcome::Cancelled,
            Passage::Stopped => Outcome::PutBack,
        };
        if self.may_act() {
            // What cannot be written any more is among the failures; the run has ended all the same.
            let _ = self.commit(Entry::End { outcome }).await;
        }
        let asks = || self.operations().values().any(|operation| operation.approval().is_some());
        if !self.course.is_cut() && asks() {
            self.withdraw().await;
        }
        if let Some(mirror) = self.mirror.take()
            && let Err(failure) = mirror.close(Some(outcome).filter(|_| !self.course.is_cut())).await
        {
            let text =
                format!("others may see this run as cut off, since its end could not be written: {}", failure.message);
            self.events.send(Event::Log { text });
        }
        self.course.let_lock_go().await;
        outcome
    }
}

/// How far the plan was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    Through,
    Stopped,
    /// It went back because a person wanted it to.
    Back,
}
