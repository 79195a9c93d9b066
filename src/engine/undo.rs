//! The way back: the inverses of what has begun, in reverse order.

use std::collections::BTreeMap;

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use stdlib::{
    failure::{Certainty, Failure},
    model::HostName,
    plan::{Effect, Node, Planned},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    event::{Event, Seconds},
    journal::Entry,
    ledger::State,
    perform::Settled,
    run::{Kept, Run, Why},
};

/// What stays of that which came later, so that what it may need has to stay too.
#[derive(Debug, Clone, Default)]
pub(super) struct Stays {
    /// A final operation, or one that acts on several hosts: everything before it stays.
    everything: Option<Reason>,
    /// On these hosts, what came before stays. Other hosts go on being put back.
    hosts: BTreeMap<HostName, Reason>,
}

#[derive(Debug, Clone)]
enum Reason {
    /// What came before needs no mention of its own.
    Barrier,
    /// The title of the operation whose inverse failed.
    Failed(String),
}

impl Stays {
    fn of(planned: &Planned, reason: Reason) -> Self {
        match (&planned.host, &reason) {
            (Some(host), Reason::Failed(_)) => {
                Self { everything: None, hosts: BTreeMap::from([(host.clone(), reason)]) }
            }
            _ => Self { everything: Some(reason), hosts: BTreeMap::new() },
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.everything = self.everything.or(other.everything);
        for (host, reason) in other.hosts {
            self.hosts.entry(host).or_insert(reason);
        }
        self
    }

    /// Why this operation has to stay, if it has to.
    fn hold(&self, planned: &Planned) -> Option<&Reason> {
        let of_host = match &planned.host {
            Some(host) => self.hosts.get(host),
            None => self.hosts.values().next(),
        };
        self.everything.as_ref().or(of_host)
    }
}

impl Run {
    /// Undoes what is below `node`, when `later` is what stays of everything after it; returns what then stays.
    pub(super) fn undo<'a>(&'a self, node: &'a Node, later: Stays) -> BoxFuture<'a, Stays> {
        match node {
            Node::Operation(planned) => self.undo_operation(planned, later).boxed(),
            Node::Sequence { nodes, .. } => self.undo_backwards(nodes.iter().rev().collect(), later).boxed(),
            Node::Parallel { nodes, .. } => async move {
                let lanes = join_all(nodes.iter().map(|lane| self.undo(lane, later.clone()))).await;
                lanes.into_iter().fold(later, Stays::and)
            }
            .boxed(),
            Node::Choice { gate, arms, .. } => {
                let arm = self.ledger.arm(gate, arms);
                self.undo_backwards(arm.into_iter().chain([gate.as_ref()]).collect(), later).boxed()
            }
            Node::Later { .. } | Node::Leftover { .. } => {
                self.undo_backwards(node.children().into_iter().rev().collect(), later).boxed()
            }
            // A guard's handlers are the recipe's answer to the failure; they stay.
            Node::Guard { body, always, .. } => {
                let ordinary = always.as_deref().filter(|_| self.ledger.succeeded(body));
                self.undo_backwards(ordinary.into_iter().chain([body.as_ref()]).collect(), later).boxed()
            }
        }
    }

    async fn undo_backwards(&self, nodes: Vec<&Node>, later: Stays) -> Stays {
        let mut stays = later;
        for node in nodes {
            stays = self.undo(node, stays).await;
        }
        stays
    }

    async fn undo_operation(&self, planned: &Planned, later: Stays) -> Stays {
        let state = match self.ledger.state(&planned.key) {
            None | Some(State::Undone) => return later,
            Some(state) => state,
        };
        match planned.effect {
            Effect::Repeatable => later,
            Effect::Final | Effect::Commit => match self.barrier(planned, &state).await {
                None => later,
                Some(why) => later.and(self.keep(planned, why, Reason::Barrier)),
            },
            Effect::Reversible => match later.hold(planned).cloned() {
                Some(Reason::Barrier) => later,
                Some(Reason::Failed(title)) => {
                    let stays = self.keep(planned, Why::NeededBy(title.clone()), Reason::Failed(title));
                    later.and(stays)
                }
                None => match self.invert_if_done(planned, state).await {
                    Inverted::Failed(failure) => {
                        let reason = Reason::Failed(planned.title.clone());
                        later.and(self.keep(planned, Why::InverseFailed(failure), reason))
                    }
                    // After a cut nothing more begins, whatever is returned.
                    Inverted::Undone | Inverted::CutOff => later,
                },
            },
        }
    }

    /// Undoes an operation; one that may never have begun, unless its host says that it has not.
    async fn invert_if_done(&self, planned: &Planned, state: State) -> Inverted {
        if state != State::Doubtful {
            return self.invert(planned, &state).await;
        }
        match self.settle(planned).await {
            Settled::NotDone => Inverted::Undone,
            Settled::Partial => self.invert(planned, &State::Begun).await,
            Settled::Done(output) => self.invert(planned, &State::Done(output)).await,
            Settled::InDoubt(failure) => {
                self.course.cut(failure);
                Inverted::CutOff
            }
        }
    }

    /// Whether a final operation in this state stands in the way of undoing what came before it.
    async fn barrier(&self, planned: &Planned, state: &State) -> Option<Why> {
        match state {
            State::Done(_) => Some(Why::Final),
            State::Begun | State::Doubtful => self.settled(planned).await,
            // A person who has the run go back can tell.
            State::Failed(failure) if failure.certainty == Certainty::Unknown => {
                if self.is_told() {
                    self.settled(planned).await
                } else {
                    Some(Why::MaybeFinal(failure.clone()))
                }
            }
            State::Failed(_) | State::Stopped | State::Undone => None,
        }
    }

    /// [`Run::barrier`] of an operation whose end is not known: asks for it.
    async fn settled(&self, planned: &Planned) -> Option<Why> {
        match self.settle(planned).await {
            Settled::Done(_) => Some(Why::Final),
            Settled::NotDone | Settled::Partial => None,
            Settled::InDoubt(failure) => {
                self.course.cut(failure.clone());
                Some(Why::MaybeFinal(failure))
            }
        }
    }

    fn keep(&self, planned: &Planned, because: Why, reason: Reason) -> Stays {
        let kept = Kept { planned: planned.clone(), because };
        self.kept.lock().expect("nothing panics while it holds what is kept").push(kept);
        Stays::of(planned, reason)
    }

    async fn invert(&self, planned: &Planned, state: &State) -> Inverted {
        let _busy = self.gate.enter(planned.host.as_ref()).await;
        let key = planned.key.clone();
        if !self.may_act() || self.commit(Entry::UndoStart { key: key.clone() }).await.is_err() {
            return Inverted::CutOff;
        }
        let (host, title) = (planned.host.clone(), planned.title.clone());
        self.events.send(Event::InverseStarted { key: key.clone(), host: host.clone(), title: title.clone() });
        let began = Instant::now();
        let failure = self.try_inverse(planned, state).await.err();
        match &failure {
            None => {
                self.journal.note(Entry::Undone { key: key.clone() });
                self.ledger.set(&key, State::Undone);
            }
            Some(failure) => {
                self.journal.note(Entry::UndoFailed { key: key.clone(), failure: failure.clone() });
                self.course.fail_back(failure.clone());
            }
        }
        let seconds = Seconds(began.elapsed());
        self.events.send(Event::InverseEnded { key, host, title, failure: failure.clone(), seconds });
        failure.map_or(Inverted::Undone, Inverted::Failed)
    }

    /// Whether nothing more can be done on the operation's host.
    fn is_lost(&self, planned: &Planned) -> bool {
        let host = planned.host.as_ref().and_then(|host| self.surroundings.hosts.get(host));
        host.is_some_and(|host| host.is_lost())
    }

    /// An inverse works also when it has run before, so it is tried again whatever its failure.
    async fn try_inverse(&self, planned: &Planned, state: &State) -> Result<(), Failure> {
        let output = match state {
            State::Done(output) => Some(output),
            _ => None,
        };
        let cx = self.context(planned);
        let mut pauses = self.timing.inverse_pauses.into_iter();
        loop {
            let tried = timeout(self.timing.inverse, self.operation(planned).undo(&cx, output)).await;
            let failure = match tried {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let within = Seconds(self.timing.inverse);
                    let failure = Failure::new(format!("undoing `{}` did not end within {within}", planned.title));
                    Failure { certainty: Certainty::Unknown, ..failure }
                }
            };
            match pauses.next() {
                Some(pause) if self.may_act() && !self.is_lost(planned) => sleep(pause).await,
                _ => return Err(Failure { host: failure.host.clone().or_else(|| planned.host.clone()), ..failure }),
            }
        }
    }
}

enum Inverted {
    Undone,
    Failed(Failure),
    /// The lock or the journal is gone.
    CutOff,
}
