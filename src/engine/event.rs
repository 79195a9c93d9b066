//! What happens in a run, as it happens: one vocabulary, read by the terminal, JSON and whoever else reports.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use stdlib::{
    failure::Failure,
    model::{EnvironmentName, HostName, ProjectName, RunId},
    plan::{Change, Key, Verdict},
};
use tokio::sync::mpsc;

use super::{Left, Outcome, Petition};

/// The version of this vocabulary in JSON.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    RunStarted {
        run: RunId,
        project: ProjectName,
        environment: EnvironmentName,
        recipe: String,
        /// The release that the plan commits.
        release: Option<String>,
        /// The hosts that the plan acts on.
        hosts: Vec<HostName>,
        operations: usize,
    },
    /// A named sequence or parallel of the plan, or a phase before it.
    StepStarted {
        key: Key,
        name: String,
    },
    StepEnded {
        key: Key,
        name: String,
        outcome: StepOutcome,
        seconds: Seconds,
    },
    OperationStarted {
        key: Key,
        host: Option<HostName>,
        title: String,
    },
    /// What an operation says of itself while it runs.
    Progress {
        key: Key,
        host: Option<HostName>,
        text: String,
    },
    /// It failed, and is tried again.
    OperationRetried {
        key: Key,
        host: Option<HostName>,
        title: String,
        failure: Failure,
    },
    OperationEnded {
        key: Key,
        host: Option<HostName>,
        title: String,
        outcome: OperationOutcome,
        failure: Option<Failure>,
        seconds: Seconds,
    },
    /// The run waits for a person's answer. The lock is let go.
    ApprovalAsked {
        #[serde(flatten)]
        petition: Petition,
    },
    /// A gate has answered; the arm of this verdict follows.
    Decided {
        key: Key,
        verdict: Verdict,
    },
    /// A `later` has decided what comes next.
    Planned {
        key: Key,
        name: String,
        operations: usize,
        changes: Vec<Change>,
    },
    /// The run goes backwards from here.
    UndoStarted {
        because: UndoReason,
    },
    InverseStarted {
        key: Key,
        host: Option<HostName>,
        title: String,
    },
    InverseEnded {
        key: Key,
        host: Option<HostName>,
        title: String,
        /// `None`: what was before is back.
        failure: Option<Failure>,
        seconds: Seconds,
    },
    /// What the recipe or a command says to its user.
    Log {
        text: String,
    },
    RunEnded {
        outcome: Outcome,
        failures: Vec<Failure>,
        left: Vec<Left>,
        seconds: Seconds,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    Ok,
    /// Something outside it made the run stop.
    Stopped,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationOutcome {
    Ok,
    /// Done before the run was resumed.
    Skipped,
    Failed,
    /// It failed, and it cannot be known whether it happened.
    Unknown,
    /// Let go, because the run stops and there is nothing of it to undo.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoReason {
    Failed,
    Cancelled,
    /// A resumed run had begun to go backwards.
    Resumed,
    /// A person wants it to.
    Asked,
}

/// A duration, in JSON as seconds with three decimals, for people with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} s", self.0.as_secs_f64()))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    pub time: Timestamp,
    pub event: Event,
}

#[derive(Debug, Clone)]
pub struct EventSender(mpsc::UnboundedSender<Emitted>);

pub type EventReceiver = mpsc::UnboundedReceiver<Emitted>;

/// A channel of events. It ends when every sender has been dropped.
pub fn channel() -> (EventSender, EventReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (EventSender(sender), receiver)
}

impl EventSender {
    pub fn send(&self, event: Event) {
        // A reporter that has gone away must not stop a run.
        let _ = self.0.send(Emitted { time: Timestamp::now(), event });
    }
}
