//! The nodes of a plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Arms, Key, Open, Read};
use crate::{
    later::Script,
    model::{EnvironmentName, HostName, ProjectName, Release, Span},
};

/// All that a run will do, and what it was decided from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this format.
    pub schema: u32,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// The recipe's name, such as `deploy`.
    pub recipe: String,
    pub args: BTreeMap<String, Value>,
    /// What the recipe asked beyond the facts of the hosts, in order, with the answers.
    pub reads: Vec<Read>,
    /// SHA-256 of each host's facts reduced to what decides. A saved plan is refused when one has changed, naming the host.
    pub fingerprints: BTreeMap<HostName, String>,
    /// The release that the plan commits, if it does.
    pub release: Option<Release>,
    /// What changes, for people: the table that `plan` shows.
    pub changes: Vec<Change>,
    pub root: Node,
    /// What a `later` of the plan is evaluated from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Box<Script>>,
}

impl Plan {
    pub const SCHEMA: u32 = 1;

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.root.operations().next().is_none()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "node", rename_all = "snake_case")]
pub enum Node {
    /// One after the other.
    Sequence {
        key: Key,
        nodes: Vec<Node>,
    },
    /// All at once; each lane goes on at its own pace, and the node ends when all have ended.
    Parallel {
        key: Key,
        nodes: Vec<Node>,
    },
    Operation(Box<Planned>),
    /// Runs `body`; when it fails, `on_failure` before anything is undone; then, either way, `always`.
    Guard {
        key: Key,
        body: Box<Node>,
        on_failure: Option<Box<Node>>,
        always: Option<Box<Node>>,
    },
    /// Asks the questions of `gate`, whose failures are answers here, and then runs the arm of the verdict.
    Choice {
        key: Key,
        gate: Box<Node>,
        arms: Arms,
    },
    /// Runs the operation `ask`, which decides what comes next, and then that.
    Later {
        key: Key,
        ask: Box<Node>,
        /// Whether every way on leads to a commit, behind which what it retires is removed.
        commits: bool,
        #[serde(skip)]
        decided: Open,
    },
    /// What the `later` of this key has left for after the commit.
    Leftover {
        key: Key,
        of: Key,
        #[serde(skip)]
        decided: Open,
    },
}

impl Node {
    pub fn key(&self) -> &Key {
        match self {
            Self::Sequence { key, .. }
            | Self::Parallel { key, .. }
            | Self::Guard { key, .. }
            | Self::Choice { key, .. }
            | Self::Later { key, .. }
            | Self::Leftover { key, .. } => key,
            Self::Operation(planned) => &planned.key,
        }
    }

    pub fn children(&self) -> Vec<&Node> {
        match self {
            Self::Sequence { nodes, .. } | Self::Parallel { nodes, .. } => nodes.iter().collect(),
            Self::Operation(_) => Vec::new(),
            Self::Guard { body, on_failure, always, .. } => {
                [Some(body), on_failure.as_ref(), always.as_ref()].into_iter().flatten().map(AsRef::as_ref).collect()
            }
            Self::Choice { gate, arms, .. } => {
                std::iter::once(gate.as_ref()).chain(arms.iter().map(|(_, arm)| arm)).collect()
            }
            Self::Later { ask, decided, .. } => std::iter::once(ask.as_ref()).chain(decided.get()).collect(),
            Self::Leftover { decided, .. } => decided.get().into_iter().collect(),
        }
    }

    /// Every operation below, depth first.
    pub fn operations(&self) -> Box<dyn Iterator<Item = &Planned> + '_> {
        match self {
            Self::Operation(planned) => Box::new(std::iter::once(planned.as_ref())),
            _ => Box::new(self.children().into_iter().flat_map(Node::operations)),
        }
    }

    /// The operations below that run whenever the run gets behind this node: none that answers a failure or a verdict.
    pub fn certain(&self) -> Box<dyn Iterator<Item = &Planned> + '_> {
        match self {
            Self::Operation(planned) => Box::new(std::iter::once(planned.as_ref())),
            Self::Sequence { nodes, .. } | Self::Parallel { nodes, .. } => {
                Box::new(nodes.iter().flat_map(Node::certain))
            }
            Self::Guard { body, always, .. } => {
                Box::new(body.certain().chain(always.iter().flat_map(|always| always.certain())))
            }
            Self::Choice { gate, .. } => gate.certain(),
            Self::Later { ask, .. } => ask.certain(),
            Self::Leftover { .. } => Box::new(std::iter::empty()),
        }
    }
}

/// One operation with its arguments. [`crate::operation::decode`] makes it runnable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub key: Key,
    /// Such as `container.start`.
    pub kind: String,
    /// The host that it acts on; `None` when it acts on several or on none.
    pub host: Option<HostName>,
    /// One line for people: `start shop-web-r12-1`.
    pub title: String,
    pub effect: Effect,
    pub policy: Policy,
    pub args: Value,
}

/// What can be done about an operation that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Its inverse puts back what was.
    Reversible,
    /// Harmless to keep and to do again: nothing to undo.
    Repeatable,
    /// Cannot be undone: it and what came before it stay.
    Final,
    /// The point from which on the new release is the one that is live. What came before it is not undone any more.
    Commit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Tries after the first, for failures whose outcome is known. Default 0.
    pub retry: u32,
    /// Longest time for one try. Default: the operation's own deadlines.
    pub timeout: Option<Span>,
}

/// A line of the table that `plan` shows: what becomes of one service on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub host: HostName,
    /// A service, or what else changes, such as `ingress`.
    pub subject: String,
    pub action: Action,
    /// What is there now, such as `image 3f2a91c0`; `None` where there is nothing.
    pub from: Option<String>,
    pub to: Option<String>,
    /// Which parts differ, such as `image`, `environment: DATABASE_URL`.
    pub because: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    /// The new one runs before the old one goes.
    ReplaceRolling,
    /// The old one ends before the new one starts.
    ReplaceStopFirst,
    Remove,
    /// A job that runs once.
    Run,
    Nothing,
}

impl Action {
    pub const fn symbol(self) -> char {
        match self {
            Self::Create => '+',
            Self::ReplaceRolling => '±',
            Self::ReplaceStopFirst => '∓',
            Self::Remove => '-',
            Self::Run => '>',
            Self::Nothing => '=',
        }
    }
}
