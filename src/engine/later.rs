//! What is decided when the run gets there: `later`.

use async_trait::async_trait;
use serde_json::Value;
use stdlib::{
    failure::Failure,
    later::{Decided, Later, Ran},
    model::Span,
    operation::Operation as _,
    plan::{Key, Node, Open, Planned},
};
use tokio::time::timeout;

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

/// Evaluates what was left open.
#[async_trait]
pub trait Decider: Send + Sync {
    /// What the closure of the `later` with this key leads to, with the facts of now. Changes nothing.
    async fn decide(&self, key: &Key, later: &Later, ran: Vec<Ran>) -> Result<Decided, Failure>;
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
        // Whoever takes the run over must know what may have begun.
        if !self.ledger.touched(node) && node.operations().next().is_some() && self.publish().await.is_err() {
            return Walked::Stopped;
        }
        self.walk(node, way).await
    }

    pub(super) async fn decide(&self, planned: &Planned, later: &Later, way: Way) -> Attempt {
        let Some(decider) = &self.decider else {
            return Attempt::Failed(Failure::new(format!("{}: nothing can be decided here", planned.title)));
        };
        let deadline = planned.policy.timeout.map_or(self.timing.operation, Span::duration);
        let key = planned.key.parent();
        let deciding = timeout(deadline, decider.decide(&key, later, self.ran()));
        let ended = tokio::select! {
            ended = deciding => ended,
            () = self.course.halted(), if way == Way::Forward && !self.course.committed() => return Attempt::Stopped,
        };
        let late = || Failure::new(format!("{}: did not end within {}", planned.title, Seconds(deadline)));
        match ended.unwrap_or_else(|_| Err(late())).and_then(|decided| self.take_in(planned, later, decided)) {
            Ok(output) => Attempt::Done(output),
            Err(failure) => Attempt::Failed(failure),
        }
    }

    /// What the decision can look at.
    fn ran(&self) -> Vec<Ran> {
        let ran = |planned: &Planned| Ran {
            key: planned.key.clone(),
            host: planned.host.clone(),
            output: self.ledger.output(&planned.key),
        };
        self.plan.root.operations().filter(|planned| planned.kind != Later::KIND).map(ran).collect()
    }

    /// Makes what was decided a part of the plan. All of it is decoded before anything of it begins.
    fn take_in(&self, planned: &Planned, later: &Later, decided: Decided) -> Result<Value, Failure> {
        let output = serde_json::to_value(&decided).expect("plain data");
        let parts = || [Some(&decided.node), decided.clean_up.as_ref()].into_iter().flatten();
        for part in parts() {
            let operations = decode_all(part, &self.decode)?;
            self.operations().extend(operations);
            self.gates.add(part);
        }
        let operations = parts().map(|part| part.operations().count()).sum();
        let event = Event::Planned {
            key: planned.key.clone(),
            name: later.name.clone(),
            operations,
            changes: decided.changes.clone(),
        };
        self.plan
            .root
            .fill(&planned.key, decided)
            .map_err(|unfit| Failure::new(format!("{}: {unfit}", planned.title)))?;
        self.events.send(event);
        Ok(output)
    }
}
