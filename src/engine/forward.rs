//! The way forward: walks the plan's tree.

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all, ready},
};
use stdlib::plan::{Key, Node};
use tokio::time::Instant;

use super::{
    course::Way,
    event::{Event, Seconds, StepOutcome},
    run::Run,
};

/// How a node ended: as badly as the worst of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Walked {
    Done,
    /// Something in it has not begun or was let go, because the run stops.
    Stopped,
    Failed,
}

impl Run {
    /// Runs what is below `node`, as far as the course of the run allows. Each operation asks for itself whether it may
    /// begin, so a failure need not be carried through the tree.
    pub(super) fn walk<'a>(&'a self, node: &'a Node, way: Way) -> BoxFuture<'a, Walked> {
        match node {
            Node::Operation(planned) => self.perform(planned, way).boxed(),
            Node::Sequence { nodes, .. } => self.step(node, way, self.in_order(nodes, way)).boxed(),
            Node::Parallel { nodes, .. } => self.step(node, way, self.at_once(nodes, way)).boxed(),
            Node::Choice { key, gate, arms } => self.choose(key, gate, arms, way).boxed(),
            Node::Later { ask, decided, .. } => self.go_into(ask, decided, way).boxed(),
            Node::Leftover { decided, .. } => match decided.get() {
                Some(node) => self.walk(node, way),
                None => ready(Walked::Done).boxed(),
            },
            Node::Guard { body, on_failure, always, .. } => {
                self.guard(body, on_failure.as_deref(), always.as_deref(), way).boxed()
            }
        }
    }

    async fn in_order(&self, nodes: &[Node], way: Way) -> Walked {
        let mut worst = Walked::Done;
        for node in nodes {
            worst = worst.max(self.walk(node, way).await);
        }
        worst
    }

    async fn at_once(&self, nodes: &[Node], way: Way) -> Walked {
        let walked = join_all(nodes.iter().map(|node| self.walk(node, way))).await;
        walked.into_iter().max().unwrap_or(Walked::Done)
    }

    /// Tells of a named step around its body. One that nothing of begins is not told of.
    async fn step(&self, node: &Node, way: Way, body: impl Future<Output = Walked>) -> Walked {
        // In a resumed run something below may have begun although the run stops.
        if way == Way::Forward && self.course.stopping() && !self.ledger.touched(node) {
            return Walked::Stopped;
        }
        let key = node.key();
        if *key == Key::root() {
            return body.await;
        }
        let (name, began) = (key.name().to_owned(), Instant::now());
        self.events.send(Event::StepStarted { key: key.clone(), name: name.clone() });
        let walked = body.await;
        let outcome = match walked {
            Walked::Done => StepOutcome::Ok,
            Walked::Stopped => StepOutcome::Stopped,
            Walked::Failed => StepOutcome::Failed,
        };
        self.events.send(Event::StepEnded { key: key.clone(), name, outcome, seconds: Seconds(began.elapsed()) });
        walked
    }

    /// `on_failure` and `always` on the way down are the recipe's own answer to the failure: they are not undone.
    async fn guard(&self, body: &Node, on_failure: Option<&Node>, always: Option<&Node>, way: Way) -> Walked {
        let walked = self.walk(body, way).await;
        if !self.ledger.touched(body) {
            return walked;
        }
        if let (Walked::Failed, Some(node)) = (walked, on_failure) {
            self.walk(node, Way::Handler).await;
        }
        let Some(always) = always else { return walked };
        let way = if walked == Walked::Done { way } else { Way::Handler };
        walked.max(self.walk(always, way).await)
    }
}
