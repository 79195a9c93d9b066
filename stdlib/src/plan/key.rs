//! The identity of a plan's node: a path of names, such as `/roll/web/web-1/container.start`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A path of names with a count among equals. Stable from one evaluation to the next, whatever order threads run in
/// and wherever a line of the recipe moves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    pub fn root() -> Self {
        Self(String::new())
    }

    /// The key of a child. `/` in a name would make two nodes look like one path, so it becomes `-`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self(format!("{}/{}", self.0, name.replace('/', "-")))
    }

    /// The key that this is a child of; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default())
    }

    /// The same place below another key; one that is not below `from` stays.
    #[must_use]
    pub fn moved(&self, from: &Self, to: &Self) -> Self {
        match self.0.strip_prefix(&from.0) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self(format!("{}{rest}", to.0)),
            _ => self.clone(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name of the path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
