//! What is known of each operation of a run: in memory what the journal is on the disk.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use jiff::Timestamp;
use serde_json::Value;
use stdlib::{
    failure::Failure,
    operation::Outputs,
    plan::{Key, Node, Plan, Planned},
};

use super::{
    Answer, Assume,
    journal::{Entry, History},
};

/// How far an operation has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// It has begun, and whether it has happened is not known.
    Begun,
    /// By what a copy of the journal has, it may have begun.
    Doubtful,
    Done(Value),
    Failed(Failure),
    /// Let go while it ran, because the run stopped.
    Stopped,
    /// Its inverse has ended.
    Undone,
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    states: HashMap<Key, State>,
    /// Kept when the operation is undone, since a guard's `always` is judged by whether its body had succeeded.
    outputs: HashMap<Key, Value>,
    /// When each operation first began.
    begins: HashMap<Key, Timestamp>,
    answers: HashMap<Key, Answer>,
}

impl Ledger {
    /// What a journal says of a plan's operations.
    pub fn of(history: &History, plan: &Plan) -> Self {
        let ledger = Self::default();
        for recorded in &history.entries {
            match &recorded.entry {
                Entry::Start { key } => ledger.begin(key, recorded.time),
                Entry::Ok { key, output } => ledger.set(key, State::Done(output.clone())),
                Entry::Answered { key, answer } => {
                    ledger.lock().answers.insert(key.clone(), answer.clone());
                }
                Entry::Failed { key, failure } => ledger.set(key, State::Failed(failure.clone())),
                Entry::Stopped { key } => ledger.set(key, State::Stopped),
                Entry::Undone { key } => ledger.set(key, State::Undone),
                // An inverse that has begun, or failed, is run again: as if nothing had been.
                Entry::UndoStart { .. } | Entry::UndoFailed { .. } => {}
                Entry::Assumed { key, assume: Assume::Done } => ledger.set(key, State::Done(Value::Null)),
                #[expect(clippy::match_same_arms, reason = "what is not done is still in doubt, and begun anew")]
                Entry::Assumed { assume: Assume::NotDone, .. } => {}
                #[expect(clippy::match_same_arms, reason = "of the run, not of an operation")]
                Entry::Begin { .. }
                | Entry::Resume
                | Entry::Lagging
                | Entry::Back
                | Entry::Turned
                | Entry::End { .. } => {}
            }
        }
        if history.lags() {
            ledger.doubt(&plan.root);
        }
        ledger
    }

    /// Whatever has no entry may have begun all the same; but no arm before others could see the verdict.
    fn doubt(&self, node: &Node) {
        match node {
            Node::Operation(planned) => {
                self.lock().states.entry(planned.key.clone()).or_insert(State::Doubtful);
            }
            Node::Choice { gate, arms, .. } => {
                [Some(gate.as_ref()), self.arm(gate, arms)].into_iter().flatten().for_each(|node| self.doubt(node));
            }
            Node::Sequence { .. }
            | Node::Parallel { .. }
            | Node::Guard { .. }
            | Node::Later { .. }
            | Node::Leftover { .. } => {
                node.children().into_iter().for_each(|child| self.doubt(child));
            }
        }
    }

    /// What an operation has returned, undone since or not.
    pub fn output(&self, key: &Key) -> Option<Value> {
        self.lock().outputs.get(key).cloned()
    }

    pub fn set(&self, key: &Key, state: State) {
        let mut records = self.lock();
        if let State::Done(output) = &state {
            records.outputs.insert(key.clone(), output.clone());
        }
        records.states.insert(key.clone(), state);
    }

    pub fn begin(&self, key: &Key, time: Timestamp) {
        self.set(key, State::Begun);
        self.lock().begins.entry(key.clone()).or_insert(time);
    }

    /// When the operation first began; `None` when that is not known.
    pub fn began(&self, key: &Key) -> Option<Timestamp> {
        self.lock().begins.get(key).copied()
    }

    /// What a person has answered before the run was cut off.
    pub fn answer(&self, key: &Key) -> Option<Answer> {
        self.lock().answers.get(key).cloned()
    }

    /// `None` for an operation that has not begun.
    pub fn state(&self, key: &Key) -> Option<State> {
        self.lock().states.get(key).cloned()
    }

    /// Whether anything below this node has begun.
    pub fn touched(&self, node: &Node) -> bool {
        let records = self.lock();
        let begun = |planned: &Planned| records.states.get(&planned.key).is_some_and(|state| *state != State::Doubtful);
        node.operations().any(begun)
    }

    /// Whether everything below this node has succeeded, undone since or not.
    pub fn succeeded(&self, node: &Node) -> bool {
        match node {
            Node::Operation(planned) => self.lock().outputs.contains_key(&planned.key),
            Node::Choice { gate, arms, .. } => {
                self.verdict(gate).is_some() && self.arm(gate, arms).is_none_or(|arm| self.succeeded(arm))
            }
            _ => node.children().into_iter().all(|child| self.succeeded(child)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().expect("nothing panics while it holds the ledger")
    }
}

impl Outputs for Ledger {
    fn get(&self, key: &Key) -> Option<Value> {
        self.output(key)
    }
}
