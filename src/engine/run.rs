//! One run under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use stdlib::{
    failure::Failure,
    host::Hosts,
    image::Source,
    model::{HostName, Identity, Release, RunId, Values, environment_option},
    operation::{AnyOperation, Context, Progress},
    plan::{Effect, Key, Plan, Planned},
};

use tokio::sync::OnceCell;

use super::{
    Assume, Decider, Decode, Desk, Mirror,
    choice::Gates,
    course::{Course, Way},
    event::{Event, EventSender},
    gate::Gate,
    journal::{Entry, Journal},
    ledger::Ledger,
};

/// Deadlines and pauses of a run, where the plan says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The longest time for one try of an operation. Operations have deadlines of their own, and a host that falls silent
    /// is noticed in 15 s; this is for what neither of them sees. A step's `timeout` takes its place. Default 4 h.
    pub operation: Duration,
    /// The longest time for one try of an inverse. Default 10 min.
    pub inverse: Duration,
    /// The longest time for asking whether an operation has happened. Default 20 s.
    pub probe: Duration,
    /// Before the second try of an operation whose policy asks for more; doubles each time, up to 30 s. Default 1 s.
    pub retry_pause: Duration,
    /// Before the second and the third try of an inverse. Default 1 s and 3 s.
    pub inverse_pauses: [Duration; 2],
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            operation: Duration::from_hours(4),
            inverse: Duration::from_mins(10),
            probe: Duration::from_secs(20),
            retry_pause: Duration::from_secs(1),
            inverse_pauses: [Duration::from_secs(1), Duration::from_secs(3)],
        }
    }
}

/// What an operation gets to see, but for its own key and host.
pub(super) struct Surroundings {
    pub hosts: Hosts,
    pub source: Option<Arc<Source>>,
    pub release: Option<Arc<Release>>,
    pub values: Arc<Values>,
    pub identity: Arc<Identity>,
}

pub(super) struct Run {
    pub id: RunId,
    pub plan: Arc<Plan>,
    pub operations: Mutex<HashMap<Key, Arc<dyn AnyOperation>>>,
    pub decode: Decode,
    pub surroundings: Surroundings,
    pub ledger: Arc<Ledger>,
    pub journal: Journal,
    pub mirror: Option<Box<dyn Mirror>>,
    pub desk: Option<Box<dyn Desk>>,
    pub decider: Option<Arc<dyn Decider>>,
    /// A person's word, for the first operation that needs it.
    pub assume: Mutex<Option<Assume>>,
    pub course: Course,
    pub gate: Gate,
    pub gates: Gates,
    pub timing: Timing,
    pub events: EventSender,
    /// What the undo met that stays.
    pub kept: Mutex<Vec<Kept>>,
    /// That others see what came before the clean-up.
    pub seen: OnceCell<()>,
}

/// An operation that is not undone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub planned: Planned,
    pub because: Why,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Why {
    /// Its effect is final, or it is the commit.
    Final,
    /// Its effect is final or it is the commit, and whether it has happened is not known.
    MaybeFinal(Failure),
    /// Its inverse failed.
    InverseFailed(Failure),
    /// What came after it stays, and may need it: the title of that.
    NeededBy(String),
}

impl Run {
    pub fn operation(&self, planned: &Planned) -> Arc<dyn AnyOperation> {
        let operations = self.operations();
        Arc::clone(operations.get(&planned.key).expect("every operation is decoded before it can begin"))
    }

    /// Those of the plan, and those that were decided on since.
    pub fn operations(&self) -> MutexGuard<'_, HashMap<Key, Arc<dyn AnyOperation>>> {
        self.operations.lock().expect("nothing panics while it holds the operations")
    }

    pub fn context(&self, planned: &Planned) -> Context {
        let around = &self.surroundings;
        Context {
            hosts: around.hosts.clone(),
            run: self.id.clone(),
            key: planned.key.clone(),
            host: planned.host.clone(),
            began: self.ledger.began(&planned.key).unwrap_or_else(Timestamp::now),
            release: around.release.clone(),
            values: Arc::clone(&around.values),
            identity: Arc::clone(&around.identity),
            source: around.source.clone(),
            outputs: Arc::clone(&self.ledger) as Arc<_>,
            progress: Arc::new(Says { key: planned.key.clone(), events: self.events.clone() }),
        }
    }

    /// Whether a person has said what became of an operation, and it has not been used yet.
    pub fn is_told(&self) -> bool {
        self.assume.lock().expect("nothing panics while it holds it").is_some()
    }

    /// The command that goes on with this run.
    pub fn resume(&self) -> String {
        format!("stagecraft resume {}{}", self.id, environment_option(self.plan.environment.as_str()))
    }

    /// Whether this operation may begin now.
    pub fn may_begin(&self, planned: &Planned, way: Way) -> bool {
        self.may_act() && self.course.allows(planned, way)
    }

    /// Whether anything at all may begin, inverses too. Once the lock is not known to be held, nothing: another run may
    /// have it.
    pub fn may_act(&self) -> bool {
        if !self.course.lock_held() {
            self.fence();
        }
        !self.course.is_cut()
    }

    /// The lock is not known to be held any more.
    pub fn fence(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.stop();
        }
        let environment = &self.plan.environment;
        let failure =
            Failure::new(format!("the lock of {environment} was lost: its home host has not answered for 10 s"));
        self.course.cut(failure.hint(format!("when the host answers, `{}`", self.resume())));
    }

    /// Writes an entry that must be on the disk before anything else happens. When it can't be, the run is cut off there.
    pub async fn commit(&self, entry: Entry) -> Result<(), Unwritten> {
        self.journal.commit(entry).await.map_err(|error| {
            let failure = Failure::new(format!("the journal of run {} cannot be written: {error}", self.id));
            self.course.cut(failure.hint(format!("make room on this machine, then `{}`", self.resume())));
            Unwritten
        })
    }

    /// Before a clean-up removes what a host would be asked about, such as a job's container: others have to know without it what
    /// has happened. Once is enough.
    pub async fn before_clean_up(&self, planned: &Planned) -> Result<(), Unwritten> {
        if planned.effect == Effect::Final && self.course.committed() {
            self.seen.get_or_try_init(|| self.publish()).await?;
        }
        Ok(())
    }

    /// Returns when others see what the journal has up to here.
    pub async fn publish(&self) -> Result<(), Unwritten> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        mirror.catch_up().await.map_err(|failure| {
            let message = format!("others cannot see how far the run is: {}", failure.message);
            let next = format!("when the host answers, `{}`", self.resume());
            self.course.cut(Failure { message, hint: Some(next), ..failure });
            Unwritten
        })
    }
}

/// What has to be known elsewhere could not be written; the course of the run says so.
#[derive(Debug)]
pub(super) struct Unwritten;

/// Passes on what an operation says.
struct Says {
    key: Key,
    events: EventSender,
}

impl Progress for Says {
    fn say(&self, host: Option<&HostName>, text: &str) {
        self.events.send(Event::Progress { key: self.key.clone(), host: host.cloned(), text: text.to_owned() });
    }
}
