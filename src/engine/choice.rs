//! Choices: what a gate has answered, and the arm that follows.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stdlib::{
    failure::{Certainty, Failure},
    plan::{Arms, Key, Node, Verdict},
};

use super::{course::Way, event::Event, forward::Walked, ledger::Ledger, run::Run};

/// The output of a gate's operation: its verdict is in the journal, so that a resumed run takes the same arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ruling {
    pub verdict: Verdict,
    /// Why it has not passed.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// What the operation has returned when it has passed.
    #[serde(default)]
    pub output: Value,
}

impl Ruling {
    pub fn passed(output: Value) -> Self {
        Self { verdict: Verdict::Passed, failure: None, output }
    }

    pub fn of(failure: Failure) -> Self {
        let verdict = match failure.certainty {
            Certainty::Known => Verdict::Failed,
            Certainty::Unknown => Verdict::Inconclusive,
        };
        Self { verdict, failure: Some(failure), output: Value::Null }
    }
}

/// The operations that are gates, with the verdicts that have an arm.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<Key, HashSet<Verdict>>>);

impl Gates {
    pub fn of(root: &Node) -> Self {
        let gates = Self::default();
        gates.add(root);
        gates
    }

    /// Those below this node too.
    pub fn add(&self, node: &Node) {
        if let Node::Choice { gate, arms, .. } = node {
            let verdicts: HashSet<Verdict> = arms.iter().map(|(verdict, _)| verdict).collect();
            self.lock().extend(gate.operations().map(|planned| (planned.key.clone(), verdicts.clone())));
        }
        node.children().into_iter().for_each(|child| self.add(child));
    }

    pub fn has(&self, key: &Key) -> bool {
        self.lock().contains_key(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, HashSet<Verdict>>> {
        self.0.lock().expect("nothing panics while it holds the gates")
    }

    /// What the answer of a gate is, or its failure when there is no arm for it. An operation that is no gate is as it is.
    pub fn rule(&self, key: &Key, ended: Result<Value, Failure>) -> Result<Value, Failure> {
        let Some(arms) = self.lock().get(key).cloned() else { return ended };
        let ruling = match ended {
            Ok(output) => Ruling::passed(output),
            Err(failure) => Ruling::of(failure),
        };
        match ruling.failure {
            // It only asks, so nothing of it can have happened.
            Some(failure) if !arms.contains(&ruling.verdict) => Err(Failure { certainty: Certainty::Known, ..failure }),
            _ => Ok(serde_json::to_value(ruling).expect("plain data")),
        }
    }
}

impl Ledger {
    /// What a gate has answered; `None` while a question of it is open.
    pub fn verdict(&self, gate: &Node) -> Option<Verdict> {
        let mut worst = None;
        for planned in gate.operations() {
            let ruling: Ruling = serde_json::from_value(self.output(&planned.key)?).ok()?;
            worst = worst.max(Some(ruling.verdict));
        }
        worst
    }

    /// The arm that a choice has taken, where it has one for its verdict.
    pub fn arm<'a>(&self, gate: &Node, arms: &'a Arms) -> Option<&'a Node> {
        arms.get(self.verdict(gate)?)
    }
}

impl Run {
    pub(super) async fn choose(&self, key: &Key, gate: &Node, arms: &Arms, way: Way) -> Walked {
        let walked = self.walk(gate, way).await;
        let (Walked::Done, Some(verdict)) = (walked, self.ledger.verdict(gate)) else {
            return walked.max(Walked::Stopped);
        };
        self.events.send(Event::Decided { key: key.clone(), verdict });
        let Some(arm) = arms.get(verdict) else { return Walked::Done };
        // Whoever takes the run over must not ask again and go another way.
        if !self.ledger.touched(arm) && self.publish().await.is_err() {
            return Walked::Stopped;
        }
        self.walk(arm, way).await
    }
}
