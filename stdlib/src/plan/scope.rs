//! Builds a plan: what library functions append to while a recipe is evaluated.

use std::collections::BTreeMap;

use super::{Arms, Change, Effect, Key, Node, Open, Planned, Policy, Read};
use crate::{
    later::{Decided, Later},
    model::{HostName, Span},
    operation::Operation,
};

/// A misuse of the plan's structure, shown at the recipe's line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("`{0}` is read after the plan has changed it; read it before")]
    ReadAfterChange(String),
    #[error("the release is committed already; what changes a service comes before `release::commit`")]
    AfterCommit,
    #[error(
        "`approve` stands beside what runs at the same time, and while a person is asked nothing runs; put it before or behind"
    )]
    ApprovalInParallel,
    #[error("the gate of this `choice` asks nothing")]
    NoQuestion,
    #[error("a gate only asks, and what `later` {0} will do is not known yet")]
    LaterInGate(String),
    #[error("a gate only asks, and `{0}` is not harmless to do again; `host::run` is with `repeatable: true`")]
    NotAQuestion(String),
    #[error("this recipe retires containers and never commits: end it with `release::commit()`")]
    NeverCommitted,
    #[error("what goes live is decided when the plan is made: `{0}` cannot be called inside `later`")]
    InLater(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Sequence,
    Parallel,
}

#[derive(Debug)]
struct Frame {
    shape: Shape,
    key: Key,
    policy: Policy,
    nodes: Vec<Node>,
    /// How often each name has been used among the children.
    names: BTreeMap<String, u32>,
}

/// The growing plan: a stack of open sequences and parallels.
#[derive(Debug)]
pub struct Scope {
    frames: Vec<Frame>,
    changes: Vec<Change>,
    deferred: Deferred,
    traceless: Vec<Key>,
    inside: Option<Inside>,
}

/// The plan around what a `later` decides.
#[derive(Debug, Clone, Copy)]
struct Inside {
    committed: bool,
    beside: bool,
}

/// What waits for the commit, in the order it was deferred.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deferred {
    operations: Vec<(HostName, Planned)>,
    /// Those that may have more when they have been decided.
    laters: Vec<Key>,
}

impl Deferred {
    /// Adds what the other has more.
    fn join(&mut self, other: Self) {
        for operation in other.operations {
            if !self.operations.contains(&operation) {
                self.operations.push(operation);
            }
        }
        for later in other.laters {
            if !self.laters.contains(&later) {
                self.laters.push(later);
            }
        }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::below(Key::root(), Policy::default(), None)
    }
}

impl Scope {
    fn below(key: Key, policy: Policy, inside: Option<Inside>) -> Self {
        let root = Frame { shape: Shape::Sequence, key, policy, nodes: vec![], names: BTreeMap::new() };
        Self { frames: vec![root], changes: vec![], deferred: Deferred::default(), traceless: vec![], inside }
    }

    /// Builds what a `later` decides, below its key.
    pub fn inside(key: Key, later: &Later) -> Self {
        Self::below(key, later.policy, Some(Inside { committed: later.committed, beside: later.beside }))
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the root frame is never popped")
    }

    fn child_key(&mut self, name: &str) -> Key {
        let frame = self.top();
        let count = frame.names.entry(name.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 { frame.key.child(name) } else { frame.key.child(&format!("{name}~{count}")) }
    }

    /// Appends one operation and returns its key, by which later operations may name its output.
    pub fn operation<O: Operation>(&mut self, host: Option<&HostName>, operation: &O) -> Key {
        let key = self.child_key(O::KIND);
        let policy = self.top().policy;
        let planned = planned(key.clone(), policy, host, operation);
        self.top().nodes.push(Node::Operation(Box::new(planned)));
        key
    }

    /// Appends one operation that is tried once and has a time limit of its own, whatever the step around it says.
    pub fn operation_within<O: Operation>(&mut self, limit: Span, operation: &O) -> Key {
        let key = self.child_key(O::KIND);
        let policy = Policy { retry: 0, timeout: Some(limit) };
        let planned = planned(key.clone(), policy, None, operation);
        self.top().nodes.push(Node::Operation(Box::new(planned)));
        key
    }

    /// Appends one operation, unless the same one comes before this place anyway. What stands beside it in a parallel does not
    /// come before it.
    pub fn once<O: Operation>(&mut self, host: Option<&HostName>, operation: &O) {
        let wanted = planned(Key::root(), Policy::default(), host, operation);
        let before = self.frames.iter().filter(|frame| frame.shape == Shape::Sequence).flat_map(|frame| &frame.nodes);
        let same =
            |other: &Planned| (&other.kind, &other.host, &other.args) == (&wanted.kind, &wanted.host, &wanted.args);
        if !before.flat_map(Node::certain).any(same) {
            self.operation(host, operation);
        }
    }

    /// Keeps an operation back until the release is committed: the removal of what an undo would need.
    pub fn defer<O: Operation>(&mut self, host: &HostName, operation: &O) {
        self.deferred.operations.push((host.clone(), planned(Key::root(), Policy::default(), Some(host), operation)));
    }

    /// Appends what is decided by this operation when the run gets there.
    pub fn later(&mut self, name: &str, operation: &Later) {
        let (key, policy) = (self.child_key(name), self.policy());
        // What a recipe says is not tried again.
        let policy = Policy { retry: 0, ..policy };
        let ask = planned(key.child(Later::KIND), policy, None, operation);
        let commits = !self.committed();
        if commits {
            self.deferred.laters.push(key.clone());
        }
        let ask = Box::new(Node::Operation(Box::new(ask)));
        self.top().nodes.push(Node::Later { key, ask, commits, decided: Open::default() });
    }

    /// Of the innermost open step.
    pub fn policy(&self) -> Policy {
        self.frames.last().expect("the root frame is never popped").policy
    }

    /// Appends what was kept back, the hosts at once.
    pub fn run_deferred(&mut self) {
        let mut by_host: BTreeMap<HostName, Vec<Planned>> = BTreeMap::new();
        let Deferred { operations, laters } = std::mem::take(&mut self.deferred);
        for (host, planned) in operations {
            by_host.entry(host).or_default().push(planned);
        }
        self.parallel("clean-up", |scope| {
            for (host, operations) in by_host {
                scope.open_sequence(host.as_str());
                for mut planned in operations {
                    planned.key = scope.child_key(&planned.kind);
                    scope.top().nodes.push(Node::Operation(Box::new(planned)));
                }
                scope.close();
            }
            for of in laters {
                let key = scope.child_key(of.name());
                scope.top().nodes.push(Node::Leftover { key, of, decided: Open::default() });
            }
        });
    }

    /// Moves the node appended last to the beginning of the plan.
    pub fn move_last_to_front(&mut self) {
        if let Some(node) = self.top().nodes.pop() {
            self.frames[0].nodes.insert(0, node);
        }
    }

    /// Records a line of the change table.
    pub fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Opens a sequence; what is appended until [`Scope::close`] is inside.
    pub fn open_sequence(&mut self, name: &str) {
        self.open(Shape::Sequence, name, None);
    }

    /// Opens a sequence whose operations have this policy.
    pub fn open_step(&mut self, name: &str, policy: Policy) {
        self.open(Shape::Sequence, name, Some(policy));
    }

    /// Opens a parallel, whose children run at once.
    pub fn open_parallel(&mut self, name: &str) {
        self.open(Shape::Parallel, name, None);
    }

    fn open(&mut self, shape: Shape, name: &str, policy: Option<Policy>) {
        let key = self.child_key(name);
        let policy = policy.unwrap_or(self.top().policy);
        self.frames.push(Frame { shape, key, policy, nodes: vec![], names: BTreeMap::new() });
    }

    /// Closes the innermost open sequence or parallel. One without operations leaves no trace.
    pub fn close(&mut self) {
        assert!(self.frames.len() > 1, "close without open");
        let frame = self.frames.pop().expect("checked above");
        let key = frame.key.clone();
        match finish(frame) {
            Some(node) => self.top().nodes.push(node),
            None => self.traceless.push(key),
        }
    }

    /// The keys of what was closed without operations.
    pub fn traceless(&self) -> &[Key] {
        &self.traceless
    }

    /// Takes the node appended last, so that it can be wrapped.
    pub fn take_last(&mut self) -> Option<Node> {
        self.top().nodes.pop()
    }

    /// Appends a node that was taken.
    pub fn put_back(&mut self, node: Node) {
        self.top().nodes.push(node);
    }

    /// Appends a guard around nodes made before.
    pub fn guard(&mut self, body: Node, on_failure: Option<Node>, always: Option<Node>) {
        let key = self.child_key("guard");
        let (on_failure, always) = (on_failure.map(Box::new), always.map(Box::new));
        self.top().nodes.push(Node::Guard { key, body: Box::new(body), on_failure, always });
    }

    /// Begins an arm of a choice, where `before` waits for the commit.
    pub fn begin_arm(&mut self, before: Deferred) {
        self.deferred = before;
    }

    /// Whether what is appended now may run at the same time as something else.
    pub fn runs_beside_others(&self) -> bool {
        self.inside.is_some_and(|around| around.beside)
            || self.frames.iter().any(|frame| frame.shape == Shape::Parallel)
    }

    /// What waits for the commit.
    pub fn deferred(&self) -> &Deferred {
        &self.deferred
    }

    /// A sequence of this name in which nothing happens.
    pub fn nothing(&mut self, name: &str) -> Node {
        Node::Sequence { key: self.top().key.child(name), nodes: vec![] }
    }

    /// Appends a choice made of nodes that were taken. `waiting` is what each way through it leaves for the commit.
    pub fn choice(&mut self, gate: Node, arms: Arms, waiting: Vec<Deferred>) {
        let key = self.child_key("verdict");
        let mut all = Deferred::default();
        for deferred in waiting {
            all.join(deferred);
        }
        self.deferred = all;
        self.top().nodes.push(Node::Choice { key, gate: Box::new(gate), arms });
    }

    /// `in order`, inside a sequence of this name.
    pub fn sequence<R>(&mut self, name: &str, body: impl FnOnce(&mut Self) -> R) -> R {
        self.open_sequence(name);
        let result = body(self);
        self.close();
        result
    }

    /// `at once`, inside a parallel of this name.
    pub fn parallel<R>(&mut self, name: &str, body: impl FnOnce(&mut Self) -> R) -> R {
        self.open_parallel(name);
        let result = body(self);
        self.close();
        result
    }

    /// Whether anything appended so far changes a host.
    pub fn has_operations(&self) -> bool {
        self.frames.iter().any(|frame| !frame.nodes.is_empty())
    }

    /// Whether an operation appended so far acts on this host, or may: one that names no host may act on any.
    pub fn touches(&self, host: &HostName) -> bool {
        self.operations().any(|planned| planned.host.as_ref().is_none_or(|other| other == host))
    }

    /// Whether a commit has been appended.
    pub fn committed(&self) -> bool {
        self.inside.is_some_and(|around| around.committed)
            || self.operations().any(|planned| planned.effect == Effect::Commit)
    }

    fn operations(&self) -> impl Iterator<Item = &Planned> {
        self.frames.iter().flat_map(|frame| &frame.nodes).flat_map(Node::operations)
    }

    /// What changes services comes before the commit.
    pub fn before_commit(&self) -> Result<(), ScopeError> {
        if self.committed() { Err(ScopeError::AfterCommit) } else { Ok(()) }
    }

    /// What decides which release goes live stands in the plan itself.
    pub fn outside_later(&self, function: &'static str) -> Result<(), ScopeError> {
        if self.inside.is_some() { Err(ScopeError::InLater(function)) } else { Ok(()) }
    }

    /// The finished tree and the change table.
    pub fn finish(mut self) -> Result<(Node, Vec<Change>), ScopeError> {
        assert_eq!(self.frames.len(), 1, "a sequence or parallel was left open");
        if !self.deferred.operations.is_empty() {
            return Err(ScopeError::NeverCommitted);
        }
        let root = self.frames.pop().expect("checked above");
        let mut root = Node::Sequence { key: root.key, nodes: root.nodes };
        root.never_commits(&mut |later| self.deferred.laters.contains(later));
        Ok((root, self.changes))
    }

    /// What a `later` decides, when the closure has asked this.
    pub fn decided(mut self, reads: Vec<Read>) -> Result<Decided, ScopeError> {
        let waits = self.deferred != Deferred::default();
        self.run_deferred();
        let clean_up = if waits { self.take_last() } else { None };
        let (node, changes) = self.finish()?;
        Ok(Decided { node, clean_up, reads, changes })
    }
}

fn planned<O: Operation>(key: Key, policy: Policy, host: Option<&HostName>, operation: &O) -> Planned {
    Planned {
        key,
        kind: O::KIND.to_owned(),
        host: host.cloned(),
        title: operation.title(),
        effect: operation.effect(),
        policy,
        args: serde_json::to_value(operation).expect("operations are plain data"),
    }
}

fn finish(frame: Frame) -> Option<Node> {
    if frame.nodes.is_empty() {
        return None;
    }
    let Frame { shape, key, nodes, .. } = frame;
    Some(match shape {
        Shape::Sequence => Node::Sequence { key, nodes },
        Shape::Parallel => Node::Parallel { key, nodes },
    })
}
