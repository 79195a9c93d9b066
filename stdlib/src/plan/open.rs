//! Places of a plan that are filled while it runs.

use std::sync::OnceLock;

use super::{Key, Node};
use crate::later::Decided;

/// What was decided for a place. Not part of the plan's text: a run has it from its journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Open(OnceLock<Box<Node>>);

/// What was decided does not fit the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("{0} is no place of the plan that is open")]
    NoPlace(Key),
    #[error("what `later` has retired has nowhere to be removed: the recipe ends with `release::commit()`")]
    NeverCommitted,
}

impl Open {
    pub fn get(&self) -> Option<&Node> {
        self.0.get().map(AsRef::as_ref)
    }
}

impl Node {
    /// Fills the place of a `later`, named by the key of its operation, and that of what it leaves for the commit. One that is
    /// filled stays as it is.
    pub fn fill(&self, operation: &Key, decided: Decided) -> Result<(), Unfit> {
        let places = self.places(operation).ok_or_else(|| Unfit::NoPlace(operation.clone()))?;
        if let Some(clean_up) = decided.clean_up {
            let leftover = self.leftover(places.0).ok_or(Unfit::NeverCommitted)?;
            leftover.0.get_or_init(|| Box::new(clean_up));
        }
        places.1.0.get_or_init(|| Box::new(decided.node));
        Ok(())
    }

    /// Whether this operation decides what comes next.
    pub fn decides(&self, operation: &Key) -> bool {
        self.places(operation).is_some()
    }

    /// The key and the place of the `later` that this operation decides.
    fn places(&self, operation: &Key) -> Option<(&Key, &Open)> {
        match self {
            Self::Later { key, ask, decided } if ask.key() == operation => Some((key, decided)),
            _ => self.children().into_iter().find_map(|child| child.places(operation)),
        }
    }

    fn leftover(&self, later: &Key) -> Option<&Open> {
        match self {
            Self::Leftover { of, decided, .. } if of == later => Some(decided),
            _ => self.children().into_iter().find_map(|child| child.leftover(later)),
        }
    }

    /// Whether something below is decided only when the run gets there.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Later { .. }) || self.children().into_iter().any(Self::is_open)
    }
}
