//! Whether a run goes on: what may still begin, and why not.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use stdlib::{
    failure::Failure,
    host::LockGuard,
    model::HostName,
    plan::{Effect, Planned},
};
use tokio_util::sync::CancellationToken;

use super::seat::Seat;

/// On which way an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    /// A guard's answer to a failure: it runs although the run stops.
    Handler,
}

pub(super) struct Course {
    /// The user's.
    cancel: CancellationToken,
    /// Cancelled when the run stops, for whatever reason.
    halt: CancellationToken,
    lock: Seat,
    known: Mutex<Known>,
    committed: AtomicBool,
    /// Nothing may begin any more, not even an inverse.
    cut: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    failures: Vec<Failure>,
    /// Where something has failed after the commit.
    failed_hosts: BTreeSet<Option<HostName>>,
    stopped_before_commit: bool,
}

impl Course {
    pub fn new(cancel: CancellationToken, lock: Option<Box<dyn LockGuard>>) -> Self {
        let halt = cancel.child_token();
        let (committed, cut) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { cancel, halt, lock: Seat::of(lock), known: Mutex::default(), committed, cut }
    }

    /// Whether what has happened so far lets this operation begin.
    ///
    /// Before the commit the first failure stops everything. After it there is no way back, so a failure stops only what
    /// comes later on the same host.
    pub fn allows(&self, planned: &Planned, way: Way) -> bool {
        let hindered = || self.known().failed_hosts.contains(&planned.host);
        way == Way::Handler || !(self.stopping() || hindered())
    }

    pub fn lock_held(&self) -> bool {
        self.lock.held()
    }

    /// Whether the run goes no further forward.
    pub fn stopping(&self) -> bool {
        self.is_cut() || self.cancelled() || self.known().stopped_before_commit
    }

    pub fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Resolves when the run goes no further forward.
    pub async fn halted(&self) {
        self.halt.cancelled().await;
    }

    pub fn fail(&self, planned: &Planned, failure: Failure) {
        let mut known = self.known();
        known.failures.push(failure);
        if self.committed() {
            known.failed_hosts.insert(planned.host.clone());
        } else {
            known.stopped_before_commit = true;
            self.halt.cancel();
        }
    }

    /// The run had been stopping when it was cut off.
    pub fn stop(&self) {
        self.known().stopped_before_commit = true;
        self.halt.cancel();
    }

    /// An inverse has failed.
    pub fn fail_back(&self, failure: Failure) {
        self.known().failures.push(failure);
    }

    /// Nothing begins any more.
    pub fn cut(&self, failure: Failure) {
        if !self.cut.swap(true, Ordering::AcqRel) {
            self.known().failures.push(failure);
            self.halt.cancel();
        }
    }

    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// An operation has succeeded.
    pub fn passed(&self, planned: &Planned) {
        if planned.effect == Effect::Commit {
            self.committed.store(true, Ordering::Release);
        }
    }

    pub fn committed(&self) -> bool {
        self.committed.load(Ordering::Acquire)
    }

    pub fn failures(&self) -> Vec<Failure> {
        self.known().failures.clone()
    }

    /// Resolves when the lock is not known to be held any more.
    pub async fn lock_lost(&self) {
        self.lock.lost().await;
    }

    /// For as long as a person is asked. Nothing may run meanwhile.
    pub async fn let_lock_go(&self) {
        self.lock.let_go().await;
    }

    /// It was taken again.
    pub async fn take_lock(&self, guard: Box<dyn LockGuard>) {
        self.lock.take(guard).await;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nothing panics while it holds the failures")
    }
}
