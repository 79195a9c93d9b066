//! What is decided when the run gets there: `later`.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use stdlib::{
    failure::Failure,
    later::{Decided, Later, Past, Ran},
    model::Span,
    operation::Operation as _,
    plan::{Key, Node, Open, Planned, Unfit},
};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{
    History, PLAN_AGAIN,
    course::Way,
    decode_all,
    event::{Event, Seconds},
    forward::Walked,
    journal::Entry,
    perform::Attempt,
    run::Run,
};

/// The longest that a decision may take, where its step says nothing else: hosts are asked, and a script has its own limits.
const DEADLINE: Duration = Duration::from_mins(5);

/// Evaluates what was left open.
#[async_trait]
pub trait Decider: Send + Sync {
    /// What the closure of the `later` with this key leads to, with the facts of now. Changes nothing.
    async fn decide(&self, key: Key, later: Later, past: Past) -> Result<Decided, Failure>;
}

impl History {
    /// Fills the open places of the run's plan with what it has decided.
    pub fn fill(&self, root: &Node) -> Result<(), Failure> {
        if !root.is_open() {
            return Ok(());
        }
        for recorded in &self.entries {
            if let Entry::Ok { key, output } = &recorded.entry
                && root.decides(key)
            {
                let misfit = |why: String| Failure::new(format!("{key}: {why}")).hint(PLAN_AGAIN);
                let decided = serde_json::from_value(output.clone()).map_err(|error| misfit(error.to_string()))?;
                root.fill(key, decided).map_err(|error| misfit(error.to_string()))?;
            }
        }
        Ok(())
    }
}

impl Run {
    /// Decides, and runs what was decided on.
    pub(super) async fn go_into(&self, ask: &Node, decided: &Open, way: Way) -> Walked {
        let walked = self.walk(ask, way).await;
        let (Walked::Done, Some(node)) = (walked, decided.get()) else { return walked.max(Walked::Stopped) };
        // Whoever takes the run over must not decide again, and must know what may have begun.
        let goes_on = way == Way::Handler || !self.course.stopping();
        if goes_on && !self.ledger.touched(node) && self.publish().await.is_err() {
            return Walked::Stopped;
        }
        self.walk(node, way).await
    }

    pub(super) async fn decide(&self, planned: &Planned, later: &Later, way: Way) -> Attempt {
        let Some(decider) = self.decider.clone() else {
            let failure = Failure::new(format!("{}: nothing can be decided here", planned.title));
            return Attempt::Failed(failure.hint(PLAN_AGAIN));
        };
        let deadline = planned.policy.timeout.map_or(DEADLINE, Span::duration);
        let (key, later, past) = (planned.key.parent(), later.clone(), self.past());
        let (name, deciding) = (later.name.clone(), async move { decider.decide(key, later, past).await });
        // A task of its own, so that a panic is this operation's failure and not the end of the engine.
        let deciding = timeout(deadline, AbortOnDropHandle::new(tokio::spawn(deciding)));
        let ended = tokio::select! {
            ended = deciding => ended,
            () = self.course.halted(), if way == Way::Forward && !self.course.committed() => return Attempt::Stopped,
        };
        let outcome = match ended {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Failure::new(format!("{}: a bug in Stagecraft: {panic}", planned.title))),
            Err(_) => Err(Failure::new(format!("{}: did not end within {}", planned.title, Seconds(deadline)))),
        };
        match outcome.and_then(|decided| self.take_in(planned, name, decided)) {
            Ok(output) => Attempt::Done(output),
            Err(failure) => Attempt::Failed(failure),
        }
    }

    fn past(&self) -> Past {
        let ran = |planned: &Planned| {
            let output = self.ledger.output(&planned.key).filter(|_| planned.kind != Later::KIND)?;
            Some(Ran { key: planned.key.clone(), host: planned.host.clone(), output })
        };
        let root = &self.plan.root;
        let mut places = self.plan.script.as_ref().map_or_else(Vec::new, |kept| kept.steps_without_operations.clone());
        add_places(root, &mut places);
        Past { ran: root.operations().filter_map(ran).collect(), places }
    }

    /// Makes what was decided a part of the plan. All of it is decoded before anything of it begins.
    fn take_in(&self, planned: &Planned, name: String, decided: Decided) -> Result<Value, Failure> {
        let output = serde_json::to_value(&decided).expect("plain data");
        for part in [Some(&decided.node), decided.clean_up.as_ref()].into_iter().flatten() {
            decode_all(part, &self.decode)?;
        }
        let (operations, changes) = (decided.node.operations().count(), decided.changes.clone());
        let root = &self.plan.root;
        root.fill(&planned.key, decided).map_err(|unfit| refused(planned, &unfit))?;
        self.operations().extend(decode_all(root, &self.decode)?);
        self.gates.add(root);
        self.events.send(Event::Planned { key: planned.key.clone(), name, operations, changes });
        Ok(output)
    }
}

fn refused(planned: &Planned, unfit: &Unfit) -> Failure {
    let failure = Failure::new(format!("{}: {unfit}", planned.title));
    failure.hint(match unfit {
        Unfit::NeverCommitted => "end every way through the recipe with `release::commit()`",
        Unfit::NoPlace(_) | Unfit::Decided(_) => PLAN_AGAIN,
    })
}

fn add_places(node: &Node, places: &mut Vec<Key>) {
    places.push(node.key().clone());
    node.children().into_iter().for_each(|child| add_places(child, places));
}
