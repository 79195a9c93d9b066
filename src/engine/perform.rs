//! One operation on the way forward: journal, deadline, retries, and what to make of a lost connection.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use stdlib::{
    failure::{Certainty, Failure},
    model::Span,
    operation::{AnyOperation, Probe},
    plan::{Effect, Planned},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info_span};

use super::{
    Assume,
    choice::Ruling,
    course::Way,
    event::{Event, OperationOutcome, Seconds},
    forward::Walked,
    journal::Entry,
    ledger::State,
    run::Run,
};

/// The pause between tries grows no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How an operation ended.
pub(super) enum Attempt {
    Done(Value),
    Failed(Failure),
    Stopped,
    /// It is not known whether it has happened, and the run waits for who can tell.
    Open,
}

/// What a host says of an operation.
enum Answer {
    Done(Value),
    NotDone,
    /// Not wholly: it can be run again.
    Partial,
    /// A person has to look: what for.
    CannotTell(String),
    /// The host doesn't answer.
    None,
}

/// What became of an operation that was under way when its run was cut off.
pub(super) enum Settled {
    Done(Value),
    NotDone,
    Partial,
    /// Nobody can tell yet.
    InDoubt(Failure),
}

impl Run {
    /// Runs one operation, unless the journal of a resumed run says that it has ended, or the run stops.
    pub(super) async fn perform(&self, planned: &Planned, way: Way) -> Walked {
        let before = self.ledger.state(&planned.key);
        match &before {
            Some(State::Done(_)) => {
                self.say_ended(planned, OperationOutcome::Skipped, None, Instant::now());
                return Walked::Done;
            }
            // The run has heard of the failure when it was resumed.
            Some(State::Failed(_)) => return Walked::Failed,
            Some(State::Stopped | State::Undone) => return Walked::Stopped,
            Some(State::Begun | State::Doubtful) | None => {}
        }
        if !self.may_begin(planned, way) {
            return Walked::Stopped;
        }
        let _busy = self.gate.enter(planned.host.as_ref()).await;
        // While it waited for its turn something may have failed.
        if !self.may_begin(planned, way) || self.before_clean_up(planned).await.is_err() {
            return Walked::Stopped;
        }
        self.events.send(Event::OperationStarted {
            key: planned.key.clone(),
            host: planned.host.clone(),
            title: planned.title.clone(),
        });
        let began = Instant::now();
        let attempt = if before.is_some() {
            self.take_up(planned, way).await
        } else if self.commit(Entry::Start { key: planned.key.clone() }).await.is_ok() {
            self.ledger.begin(&planned.key, Timestamp::now());
            self.try_again_and_again(planned, way).await
        } else {
            self.say_ended(planned, OperationOutcome::Stopped, None, began);
            return Walked::Stopped;
        };
        self.record(planned, self.rule(planned, attempt), began).await
    }

    /// An operation that had begun when the run was cut off: asks what became of it.
    async fn take_up(&self, planned: &Planned, way: Way) -> Attempt {
        match self.settle(planned).await {
            Settled::Done(output) => Attempt::Done(output),
            Settled::NotDone | Settled::Partial => {
                if self.ledger.state(&planned.key) == Some(State::Doubtful) {
                    if self.commit(Entry::Start { key: planned.key.clone() }).await.is_err() {
                        return Attempt::Open;
                    }
                    self.ledger.begin(&planned.key, Timestamp::now());
                }
                self.try_again_and_again(planned, way).await
            }
            Settled::InDoubt(failure) => {
                self.course.cut(failure);
                Attempt::Open
            }
        }
    }

    async fn try_again_and_again(&self, planned: &Planned, way: Way) -> Attempt {
        let mut pause = self.timing.retry_pause;
        let mut tries = 0;
        loop {
            let attempt = match self.attempt(planned, way).await {
                Attempt::Failed(failure) if self.is_asked_about(planned, &failure) => {
                    match self.ask(planned).await {
                        Answer::Done(output) => Attempt::Done(output),
                        Answer::NotDone | Answer::Partial => {
                            Attempt::Failed(Failure { certainty: Certainty::Known, ..failure })
                        }
                        Answer::CannotTell(look) => Attempt::Failed(failure.hint(look)),
                        // The host doesn't answer this either.
                        Answer::None => Attempt::Failed(failure),
                    }
                }
                attempt => attempt,
            };
            let Attempt::Failed(failure) = attempt else { return attempt };
            let last = tries == planned.policy.retry || (way == Way::Forward && self.course.stopping());
            if last || failure.certainty == Certainty::Unknown {
                return Attempt::Failed(failure);
            }
            tries += 1;
            self.events.send(Event::OperationRetried {
                key: planned.key.clone(),
                host: planned.host.clone(),
                title: planned.title.clone(),
                failure: failure.clone(),
            });
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.course.halted(), if way == Way::Forward => return Attempt::Failed(failure),
            }
        }
    }

    /// Whether the host can tell what became of it. That a gate has no answer is its answer.
    fn is_asked_about(&self, planned: &Planned, failure: &Failure) -> bool {
        failure.certainty == Certainty::Unknown && !self.gates.has(&planned.key)
    }

    /// One try. What is harmless to leave half done is let go when the run stops; anything else is seen to its end,
    /// since nobody could tell what an abandoned request still does to a host.
    async fn attempt(&self, planned: &Planned, way: Way) -> Attempt {
        let operation = self.operation(planned);
        if let Some(approve) = operation.approval() {
            return self.ask_a_person(planned, approve, way).await;
        }
        if let Some(later) = operation.later() {
            return self.decide(planned, later, way).await;
        }
        let deadline = planned.policy.timeout.map_or(self.timing.operation, Span::duration);
        let cx = self.context(planned);
        let span = info_span!("operation", run = %self.id, key = %planned.key, host = planned.host.as_ref().map(tracing::field::display));
        // A task of its own, so that a panic is this operation's failure and not the end of the engine.
        let running = tokio::spawn(async move { AnyOperation::run(operation.as_ref(), &cx).await }.instrument(span));
        let abandonable = way == Way::Forward && planned.effect == Effect::Repeatable;
        tokio::select! {
            ended = timeout(deadline, AbortOnDropHandle::new(running)) => match ended {
                Ok(Ok(Ok(output))) => Attempt::Done(output),
                Ok(Ok(Err(failure))) => Attempt::Failed(failure),
                Ok(Err(panic)) => Attempt::Failed(unknown(planned, format!("{}: a bug in Stagecraft: {panic}", planned.title))),
                Err(_) => Attempt::Failed(unknown(planned, format!("{}: did not end within {}", planned.title, Seconds(deadline)))),
            },
            () = self.course.halted(), if abandonable && !self.course.committed() => Attempt::Stopped,
        }
    }

    /// Asks the host whether an operation has happened.
    async fn ask(&self, planned: &Planned) -> Answer {
        let cx = self.context(planned);
        match timeout(self.timing.probe, self.operation(planned).probe(&cx)).await {
            Ok(Ok(Probe::Done(output))) => Answer::Done(output),
            Ok(Ok(Probe::NotDone)) => Answer::NotDone,
            Ok(Ok(Probe::Partial)) => Answer::Partial,
            Ok(Ok(Probe::CannotTell(look))) => Answer::CannotTell(look),
            Ok(Err(_)) | Err(_) => Answer::None,
        }
    }

    /// Asks the host, and where it cannot tell a person, about an operation that was under way when the run was cut off.
    pub(super) async fn settle(&self, planned: &Planned) -> Settled {
        let look = match self.ask(planned).await {
            Answer::Done(output) => return Settled::Done(output),
            Answer::NotDone => return Settled::NotDone,
            Answer::Partial => return Settled::Partial,
            Answer::None => {
                let next = format!("when the host answers, `{}`", self.resume());
                return Settled::InDoubt(cut_off(planned).hint(next));
            }
            Answer::CannotTell(look) => look,
        };
        let next = format!("find out {look}; then say so: `{} --assume done` or `not-done`", self.resume());
        let in_doubt = cut_off(planned).hint(next);
        let Some(assume) = self.assume.lock().expect("nothing panics while it holds it").take() else {
            return Settled::InDoubt(in_doubt);
        };
        if self.commit(Entry::Assumed { key: planned.key.clone(), assume }).await.is_err() {
            return Settled::InDoubt(in_doubt);
        }
        match assume {
            Assume::Done => Settled::Done(Value::Null),
            Assume::NotDone => Settled::NotDone,
        }
    }

    /// A gate's failure is its answer.
    fn rule(&self, planned: &Planned, attempt: Attempt) -> Attempt {
        let ended = match attempt {
            Attempt::Done(output) => Ok(output),
            Attempt::Failed(failure) => Err(failure),
            other => return other,
        };
        self.gates.rule(&planned.key, ended).map_or_else(Attempt::Failed, Attempt::Done)
    }

    async fn record(&self, planned: &Planned, attempt: Attempt, began: Instant) -> Walked {
        let key = planned.key.clone();
        match attempt {
            Attempt::Done(output) => {
                let ok = Entry::Ok { key, output: output.clone() };
                let is_gate = self.gates.has(&planned.key);
                if !is_gate && self.operation(planned).later().is_none() {
                    self.journal.note(ok);
                } else if self.commit(ok).await.is_err() {
                    // A verdict or decision is known before anything follows from it.
                    return Walked::Stopped;
                }
                let ruling = || serde_json::from_value::<Ruling>(output.clone()).ok();
                let failure = is_gate.then(ruling).flatten().and_then(|ruling| ruling.failure);
                self.ledger.set(&planned.key, State::Done(output));
                self.course.passed(planned);
                self.say_ended(planned, OperationOutcome::Ok, failure, began);
                Walked::Done
            }
            Attempt::Failed(mut failure) => {
                failure.host = failure.host.or_else(|| planned.host.clone());
                self.journal.note(Entry::Failed { key, failure: failure.clone() });
                self.ledger.set(&planned.key, State::Failed(failure.clone()));
                self.course.fail(planned, failure.clone());
                let outcome = match failure.certainty {
                    Certainty::Known => OperationOutcome::Failed,
                    Certainty::Unknown => OperationOutcome::Unknown,
                };
                self.say_ended(planned, outcome, Some(failure), began);
                Walked::Failed
            }
            Attempt::Open => {
                self.say_ended(planned, OperationOutcome::Unknown, None, began);
                Walked::Stopped
            }
            Attempt::Stopped => {
                self.journal.note(Entry::Stopped { key });
                self.ledger.set(&planned.key, State::Stopped);
                self.say_ended(planned, OperationOutcome::Stopped, None, began);
                Walked::Stopped
            }
        }
    }

    fn say_ended(&self, planned: &Planned, outcome: OperationOutcome, failure: Option<Failure>, began: Instant) {
        self.events.send(Event::OperationEnded {
            key: planned.key.clone(),
            host: planned.host.clone(),
            title: planned.title.clone(),
            outcome,
            failure,
            seconds: Seconds(began.elapsed()),
        });
    }
}

fn unknown(planned: &Planned, message: String) -> Failure {
    Failure { certainty: Certainty::Unknown, host: planned.host.clone(), ..Failure::new(message) }
}

/// What is said of an operation that was under way when the run's process ended.
fn cut_off(planned: &Planned) -> Failure {
    unknown(planned, format!("{}: the run was cut off while it was under way", planned.title))
}
