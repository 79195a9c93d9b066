//! A run as it went: its plan and its journal, joined. What `runs show`, the report and the trace are made of.

mod clock;
mod read;
mod standing;
mod text;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use stdlib::{
    failure::Failure,
    model::{EnvironmentName, HostName, ProjectName, RunId},
    plan::{Effect, Key},
};

use crate::engine::{Assume, Word, event::Seconds};

pub use clock::Clock;
pub use standing::Standing;
pub use text::render_timeline;

/// The version of a timeline in JSON.
pub const VERSION: u32 = 1;

/// A run with all that its journal tells of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    pub run: RunId,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub recipe: String,
    /// The release that it was for, such as `12 3fa9c1b+`.
    pub release: Option<String>,
    /// `user@machine`, where it is known.
    pub who: Option<String>,
    pub began: Option<Timestamp>,
    pub standing: Standing,
    /// From its beginning to its end or its last sign of life, without the time in which it was cut off.
    pub seconds: Seconds,
    /// The first is the cause.
    pub failures: Vec<Failure>,
    pub turns: Vec<Turn>,
    pub parts: Vec<Part>,
    /// What was put back, in the order it began.
    pub undo: Vec<Deed>,
    #[serde(skip)]
    pub clock: Clock,
}

/// Something that happened to the run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    pub time: Timestamp,
    pub kind: TurnKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TurnKind {
    /// It went on in another process.
    Resumed,
    /// From another machine's copy, which may have been behind.
    TakenOver,
    /// A person has it go back.
    TurnedBack,
    /// A person's word on what could not be known.
    Assumed { key: Key, assume: Assume },
    /// A person's answer to what the run asked.
    Answered { key: Key, who: String, word: Word },
}

impl TurnKind {
    pub fn words(&self) -> String {
        match self {
            Self::Resumed => "gone on with, after it had been cut off".into(),
            Self::TakenOver => "taken over by another machine, from a copy that may have been behind".into(),
            Self::TurnedBack => "a person has it go back".into(),
            Self::Assumed { key, assume } => format!("a person says of {key}: {}", assume.words()),
            Self::Answered { key, who, word } => format!("{who} has {} {key}", word.word()),
        }
    }
}

/// A node of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    Step(Step),
    Operation(Deed),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub key: Key,
    /// For people: the second `start` is `start 2`.
    pub name: String,
    pub order: Order,
    pub mark: Mark,
    pub spell: Option<Spell>,
    pub parts: Vec<Part>,
}

/// How the parts of a step follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    InTurn,
    AtOnce,
}

/// An operation, or its inverse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deed {
    pub key: Key,
    /// Such as `container.start`.
    pub kind: String,
    pub host: Option<HostName>,
    pub title: String,
    pub effect: Effect,
    pub mark: Mark,
    pub spell: Option<Spell>,
    /// What it has returned; null where there is nothing.
    pub output: Value,
    pub failure: Option<Failure>,
}

/// How far something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It has not begun.
    Waiting,
    Done,
    /// Let go, or not reached, because the run stopped.
    Stopped,
    /// It has begun, and no more is known.
    Open,
    Failed,
}

impl Mark {
    pub const fn symbol(self) -> char {
        match self {
            Self::Waiting => '·',
            Self::Done => '✓',
            Self::Stopped => '-',
            Self::Open => '?',
            Self::Failed => '✗',
        }
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::Waiting => "not begun",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Open => "begun, end not known",
            Self::Failed => "failed",
        }
    }
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spell {
    pub began: Timestamp,
    /// `None`: its end is not known.
    pub ended: Option<Timestamp>,
    /// Without the time in which the run was cut off.
    pub seconds: Option<Seconds>,
}

impl Spell {
    pub fn new(began: Timestamp, ended: Option<Timestamp>, clock: &Clock) -> Self {
        let took = |ended| Seconds(clock.at(ended).0.saturating_sub(clock.at(began).0));
        Self { began, ended, seconds: ended.map(took) }
    }
}

impl Part {
    pub fn mark(&self) -> Mark {
        match self {
            Self::Step(step) => step.mark,
            Self::Operation(deed) => deed.mark,
        }
    }

    pub fn spell(&self) -> Option<Spell> {
        match self {
            Self::Step(step) => step.spell,
            Self::Operation(deed) => deed.spell,
        }
    }

    /// Every operation below, depth first.
    pub fn deeds(&self) -> Vec<&Deed> {
        match self {
            Self::Step(step) => step.parts.iter().flat_map(Part::deeds).collect(),
            Self::Operation(deed) => vec![deed],
        }
    }
}

impl Timeline {
    /// Every operation, in the order of the plan.
    pub fn deeds(&self) -> Vec<&Deed> {
        self.parts.iter().flat_map(Part::deeds).collect()
    }
}
