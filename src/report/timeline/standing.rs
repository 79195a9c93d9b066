//! How a run stands.

use serde::{Serialize, Serializer};

use crate::engine::Outcome;

/// Its outcome, or why it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Ended(Outcome),
    /// The lock's holder says so.
    UnderWay,
    /// It waits for a person's answer.
    Asking,
    /// Nobody goes on with it.
    CutOff,
    /// It has no end, and it was not asked whether somebody goes on with it.
    NotEnded,
}

impl Standing {
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ended(outcome) => outcome.words(),
            Self::UnderWay => "under way",
            Self::Asking => "waits for an answer",
            Self::CutOff => "cut off",
            Self::NotEnded => "cut off, or under way",
        }
    }

    /// In JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Ended(Outcome::Done) => "done",
            Self::Ended(Outcome::PutBack) => "put_back",
            Self::Ended(Outcome::Left) => "left",
            Self::Ended(Outcome::Cancelled) => "cancelled",
            Self::Ended(Outcome::Undone) => "undone",
            Self::UnderWay => "under_way",
            Self::Asking => "asking",
            Self::CutOff => "cut_off",
            Self::NotEnded => "not_ended",
        }
    }
}

impl Serialize for Standing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
