//! `later`: what comes next is decided when the run gets there, by a closure of the recipe.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    failure::Failure,
    model::{HostName, Image, Release, Topology},
    operation::{Context, Operation, Probe, Result},
    plan::{Change, Effect, Key, Node, Policy, Read, Scope},
};

/// Decides what comes next. Its output is a [`Decided`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Later {
    pub name: String,
    /// The library functions that the closure's text calls: it can do nothing else.
    pub may: Vec<String>,
    pub body: Body,
    /// Of the operations that are decided on.
    pub policy: Policy,
    /// Whether the release is committed by then.
    pub committed: bool,
    /// Whether something else runs at the same time.
    pub beside: bool,
}

/// A closure as data: where it stands in the plan's [`Script`], and what it has captured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// Line and column, both 1 for the first.
    pub closure: (usize, usize),
    /// Copies, in the order of the closure's parameters, as `src/recipe` writes them.
    pub captures: Vec<Value>,
}

/// The recipe of a plan that leaves something open, with what it was evaluated with: the run may go on where its project's
/// files are not, or have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What an error calls its file; `None` for a recipe of the binary.
    pub path: Option<PathBuf>,
    pub source: String,
    pub topology: Topology,
    /// The release with the application of the files that the plan was made from.
    pub release: Release,
    /// The release that the recipe has chosen instead.
    pub restored: Option<Release>,
    pub ingress_image: Option<Image>,
    /// Steps that the plan leaves out because nothing is to be done in them.
    pub steps_without_operations: Vec<Key>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    pub node: Node,
    /// What has to wait for the commit.
    pub clean_up: Option<Node>,
    /// What the closure asked, with the answers.
    pub reads: Vec<Read>,
    pub changes: Vec<Change>,
}

/// What a decision can look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    pub ran: Vec<Ran>,
    /// Every place of the plan, whether something has run there or not.
    pub places: Vec<Key>,
}

/// An operation that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    pub key: Key,
    pub host: Option<HostName>,
    pub output: Value,
}

impl Later {
    /// Appends it.
    pub fn plan(name: String, may: Vec<String>, body: Body, scope: &mut Scope) {
        let (policy, committed, beside) = (scope.policy(), scope.committed(), scope.runs_beside_others());
        scope.later(&name.clone(), &Self { name, may, body, policy, committed, beside });
    }
}

#[async_trait]
impl Operation for Later {
    const KIND: &'static str = "later";

    fn title(&self) -> String {
        format!("decide {}", self.name)
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    fn later(&self) -> Option<&Later> {
        Some(self)
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        // Only the engine knows who evaluates a recipe.
        Err(Failure::new(format!("{}: nothing can be decided here", cx.key)))
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        Ok(Probe::NotDone)
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Later};
    use crate::{
        model::{HostName, Span},
        operation::Operation as _,
        plan::{Node, Policy, Scope, Unfit},
        wait::Wait,
    };

    fn later(scope: &mut Scope, name: &str) {
        Later::plan(name.into(), vec![], Body { closure: (1, 1), captures: vec![] }, scope);
    }

    fn kinds(node: &Node) -> Vec<&str> {
        node.operations().map(|planned| planned.kind.as_str()).collect()
    }

    // spec: gate.later
    #[test]
    fn what_it_leaves_for_the_commit_has_a_place_there() {
        let (host, operation) = (HostName::new("h1").unwrap(), Wait { duration: Span::secs(1) });
        let mut scope = Scope::default();
        later(&mut scope, "open");
        scope.run_deferred();
        later(&mut scope, "last");
        let (root, _) = scope.finish().unwrap();
        assert_eq!(kinds(&root), [Later::KIND; 2]);

        let ask = root.operations().next().unwrap().clone();
        let operation_of =
            |planned: &crate::plan::Planned| serde_json::from_value::<Later>(planned.args.clone()).unwrap();
        let mut inside = Scope::inside(ask.key.parent(), &operation_of(&ask));
        inside.operation(Some(&host), &operation);
        inside.defer(&host, &operation);
        // What is open in what was decided has its place too.
        later(&mut inside, "nested");
        let decided = inside.decided(vec![]).unwrap();
        assert_eq!(decided.node.key().as_str(), "/open");
        root.fill(&ask.key, decided.clone()).unwrap();
        assert_eq!(kinds(&root), [Later::KIND, Wait::KIND, Later::KIND, Wait::KIND, Later::KIND]);

        let nested = root.operations().find(|planned| planned.key.as_str() == "/open/nested/later").unwrap().clone();
        root.fill(&nested.key, decided.clone()).unwrap();
        assert_eq!(kinds(&root).len(), 8);

        let last = root.operations().last().unwrap().clone();
        assert_eq!(root.fill(&last.key, decided.clone()), Err(Unfit::NeverCommitted));
        assert_eq!(root.fill(&last.key.parent(), decided), Err(Unfit::NoPlace(last.key.parent())));
        assert_eq!(operation_of(&last).policy, Policy::default());
    }
}
