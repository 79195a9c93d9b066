//! What a gate answers, and what follows from each answer.

use serde::{Deserialize, Serialize};

use super::Node;

/// A gate's answer. Of several questions the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passed,
    /// It cannot be known: nobody answered, or the answer leaves it open.
    Inconclusive,
    Failed,
}

impl Verdict {
    /// In the order in which they are written and shown.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Inconclusive];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
        }
    }
}

/// What runs for each verdict. Without an arm the run goes on when the gate has passed, and fails otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arms {
    pub passed: Option<Box<Node>>,
    pub failed: Option<Box<Node>>,
    pub inconclusive: Option<Box<Node>>,
}

impl Arms {
    pub fn get(&self, verdict: Verdict) -> Option<&Node> {
        match verdict {
            Verdict::Passed => self.passed.as_deref(),
            Verdict::Failed => self.failed.as_deref(),
            Verdict::Inconclusive => self.inconclusive.as_deref(),
        }
    }

    pub fn set(&mut self, verdict: Verdict, arm: Node) {
        let place = match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed => &mut self.failed,
            Verdict::Inconclusive => &mut self.inconclusive,
        };
        *place = Some(Box::new(arm));
    }

    /// Those that there are, in the order of [`Verdict::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, &Node)> {
        Verdict::ALL.into_iter().filter_map(|verdict| self.get(verdict).map(|arm| (verdict, arm)))
    }
}
