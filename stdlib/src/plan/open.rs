//! Places of a plan that are filled while it runs.

use std::sync::OnceLock;

use super::{Arms, Key, Node};
use crate::later::Decided;

/// What was decided for a place. Not part of the plan's text: a run has it from its journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Open(OnceLock<Box<Node>>);

/// What was decided does not fit the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("{0} is no place of the plan that is open")]
    NoPlace(Key),
    #[error("{0} is decided already, in another way")]
    Decided(Key),
    #[error("it retires containers, and the recipe can end without a `release::commit`, behind which they are removed")]
    NeverCommitted,
}

impl Open {
    pub fn get(&self) -> Option<&Node> {
        self.0.get().map(AsRef::as_ref)
    }

    /// `place` is for the message.
    fn set(&self, place: &Key, node: Node) -> Result<(), Unfit> {
        // Of what was decided before, places inside may have been filled since.
        let text = |node: &Node| serde_json::to_value(node).expect("plain data");
        match self.get() {
            Some(before) if text(before) != text(&node) => Err(Unfit::Decided(place.clone())),
            _ => {
                self.0.get_or_init(|| Box::new(node));
                Ok(())
            }
        }
    }
}

/// The place of a `later`.
struct Place<'a> {
    key: &'a Key,
    decided: &'a Open,
    commits: bool,
}

impl Node {
    /// Fills the place of a `later`, named by the key of its operation, and those behind each commit that may follow of what it
    /// leaves for that.
    pub fn fill(&self, operation: &Key, decided: Decided) -> Result<(), Unfit> {
        let Place { key, decided: place, commits } =
            self.place(operation).ok_or_else(|| Unfit::NoPlace(operation.clone()))?;
        let Decided { mut node, clean_up, .. } = decided;
        let leftovers = if commits { self.leftovers(key) } else { Vec::new() };
        if leftovers.is_empty() {
            if clean_up.is_some_and(|clean_up| clean_up.operations().next().is_some()) {
                return Err(Unfit::NeverCommitted);
            }
            node.never_commits(&mut |_| true);
        } else if let Some(clean_up) = clean_up {
            for (at, leftover) in leftovers {
                // Only one of several commits happens, and each key stands once in a plan.
                leftover.set(at, clean_up.clone().moved(clean_up.key(), at))?;
            }
        }
        place.set(key, node)
    }

    /// Whether this operation decides what comes next.
    pub fn decides(&self, operation: &Key) -> bool {
        self.place(operation).is_some()
    }

    fn place(&self, operation: &Key) -> Option<Place<'_>> {
        match self {
            Self::Later { key, ask, decided, commits } if ask.key() == operation => {
                Some(Place { key, decided, commits: *commits })
            }
            _ => self.children().into_iter().find_map(|child| child.place(operation)),
        }
    }

    fn leftovers(&self, later: &Key) -> Vec<(&Key, &Open)> {
        match self {
            Self::Leftover { key, of, decided } if of == later => vec![(key, decided)],
            _ => self.children().into_iter().flat_map(|child| child.leftovers(later)).collect(),
        }
    }

    /// Whether something below is decided only when the run gets there.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Later { .. }) || self.children().into_iter().any(Self::is_open)
    }

    /// There is a way to the end of the plan without a commit behind these `later`.
    pub(super) fn never_commits(&mut self, these: &mut impl FnMut(&Key) -> bool) {
        if let Self::Later { key, commits, .. } = self
            && these(key)
        {
            *commits = false;
        }
        self.children_mut().into_iter().for_each(|child| child.never_commits(these));
    }

    /// The node with its keys below another one.
    fn moved(mut self, from: &Key, to: &Key) -> Self {
        self.change_keys(&|key| key.moved(from, to));
        self
    }

    fn change_keys(&mut self, change: &impl Fn(&Key) -> Key) {
        match self {
            Self::Sequence { key, .. }
            | Self::Parallel { key, .. }
            | Self::Guard { key, .. }
            | Self::Choice { key, .. }
            | Self::Later { key, .. }
            | Self::Leftover { key, .. } => *key = change(key),
            Self::Operation(planned) => planned.key = change(&planned.key),
        }
        self.children_mut().into_iter().for_each(|child| child.change_keys(change));
    }

    /// Without what was decided.
    fn children_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::Sequence { nodes, .. } | Self::Parallel { nodes, .. } => nodes.iter_mut().collect(),
            Self::Operation(_) | Self::Leftover { .. } => Vec::new(),
            Self::Guard { body, on_failure, always, .. } => {
                [Some(body), on_failure.as_mut(), always.as_mut()].into_iter().flatten().map(AsMut::as_mut).collect()
            }
            Self::Choice { gate, arms, .. } => {
                let Arms { passed, failed, inconclusive } = arms;
                let arms = [passed, failed, inconclusive].into_iter().flatten();
                std::iter::once(gate).chain(arms).map(AsMut::as_mut).collect()
            }
            Self::Later { ask, .. } => vec![ask.as_mut()],
        }
    }
}
