//! A person decides: the lock is let go while the person is asked, and a claim keeps other runs out.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stdlib::{
    approve::Approve,
    failure::{Certainty, Failure},
    host::LockGuard,
    model::{HostName, RunId},
    plan::{Key, Planned},
};

use super::{course::Way, event::Event, journal::Entry, perform::Attempt, run::Run};

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Petition {
    pub run: RunId,
    pub key: Key,
    pub message: String,
    pub since: Timestamp,
    /// Without an answer until then it is inconclusive.
    pub until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub word: Word,
    /// `user@machine`.
    pub who: String,
    pub time: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Approved,
    Denied,
}

impl Petition {
    /// Whether both are the same question, whenever it was asked.
    pub fn is(&self, other: &Self) -> bool {
        (&self.run, &self.key) == (&other.run, &other.key)
    }
}

impl Word {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Answered(Answer),
    /// The time is over.
    Nobody,
    /// The claim is not this run's any more: it was gone on with elsewhere.
    Gone,
    /// The home host does not answer.
    Lost(Failure),
}

/// What has happened to the hosts while the lock was let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meanwhile {
    Nothing,
    /// These have changed.
    Changed(Vec<HostName>),
    /// The claim is not this run's any more.
    Gone,
}

/// Where a person is asked.
#[async_trait]
pub trait Desk: Send + Sync {
    /// The answer, where a person has given it beforehand.
    fn given(&self) -> Option<Answer>;
    /// Keeps other runs out from here on, and notes the state of the hosts. The lock is held. What it returns is what was
    /// first asked: a resumed run goes on with its own claim, and with an answer that has come.
    async fn claim(&self, petition: Petition) -> Result<Petition, Failure>;
    /// Waits for the answer. The lock is not held.
    async fn reply(&self, petition: &Petition) -> Reply;
    /// Takes the environment's lock again.
    async fn lock(&self) -> Result<Box<dyn LockGuard>, Failure>;
    /// Compares the hosts with what they were. The lock is held.
    async fn meanwhile(&self, petition: &Petition) -> Result<Meanwhile, Failure>;
    /// Keeps nobody out any more on behalf of this run. The lock is held.
    async fn withdraw(&self, run: &RunId) -> Result<(), Failure>;
}

impl Run {
    pub(super) async fn ask_a_person(&self, planned: &Planned, approve: &Approve, way: Way) -> Attempt {
        if let Some(answer) = self.ledger.answer(&planned.key) {
            return of(&answer, approve);
        }
        let Some(desk) = &self.desk else {
            return Attempt::Failed(Failure::new(format!("{}: nobody can be asked here", planned.title)));
        };
        if let Some(answer) = desk.given() {
            return self.answered(planned, approve, answer).await;
        }
        let since = self.ledger.began(&planned.key).unwrap_or_else(Timestamp::now);
        let within = SignedDuration::try_from(approve.within.duration()).unwrap_or(SignedDuration::MAX);
        let until = since.checked_add(within).unwrap_or(Timestamp::MAX);
        let message = approve.message.clone();
        let petition = Petition { run: self.id.clone(), key: planned.key.clone(), message, since, until };
        // Others must see how far it is, and that it waits, before they can have the lock.
        if self.publish().await.is_err() {
            return Attempt::Open;
        }
        let petition = match desk.claim(petition).await {
            Ok(petition) => petition,
            Err(failure) => return Attempt::Failed(failure),
        };
        self.events.send(Event::ApprovalAsked { petition: petition.clone() });
        self.course.let_lock_go().await;
        let reply = tokio::select! {
            reply = desk.reply(&petition) => Some(reply),
            () = self.course.halted(), if way == Way::Forward => None,
        };
        let back = match &reply {
            Some(Reply::Gone) => Err(self.gone()),
            Some(Reply::Lost(failure)) => Err(failure.clone()),
            _ => self.come_back(desk.as_ref(), &petition).await,
        };
        match back {
            Err(failure) => {
                let next = format!("when nothing stands in its way, `{}`", self.resume());
                self.course.cut(Failure { hint: failure.hint.clone().or(Some(next)), ..failure });
                Attempt::Open
            }
            Ok(meanwhile) => self.conclude_petition(planned, approve, reply, meanwhile).await,
        }
    }

    /// Takes the lock again, and looks whether everything is as it was.
    async fn come_back(&self, desk: &dyn Desk, petition: &Petition) -> Result<Meanwhile, Failure> {
        let guard = desk.lock().await?;
        self.course.take_lock(guard).await;
        match desk.meanwhile(petition).await? {
            Meanwhile::Gone => Err(self.gone()),
            meanwhile => Ok(meanwhile),
        }
    }

    fn gone(&self) -> Failure {
        let message = format!("run {} was gone on with elsewhere, or its time was over and another run came", self.id);
        Failure::new(message).hint("see what is live: `stagecraft status`")
    }

    async fn conclude_petition(
        &self,
        planned: &Planned,
        approve: &Approve,
        reply: Option<Reply>,
        meanwhile: Meanwhile,
    ) -> Attempt {
        let attempt = match (reply, meanwhile) {
            (None, _) => Attempt::Stopped,
            (Some(Reply::Answered(answer)), Meanwhile::Nothing) => self.answered(planned, approve, answer).await,
            (Some(Reply::Answered(_)), Meanwhile::Changed(hosts)) => Attempt::Failed(moved(approve, hosts)),
            _ => Attempt::Failed(inconclusive(format!(
                "nobody has answered within {}: {}",
                approve.within, approve.message
            ))),
        };
        // What was read before the lock was let go may have been added to by others.
        if !matches!(attempt, Attempt::Open) {
            self.withdraw().await;
        }
        attempt
    }

    /// The answer is on the disk, and in the audit, before anything follows from it.
    async fn answered(&self, planned: &Planned, approve: &Approve, answer: Answer) -> Attempt {
        let entry = Entry::Answered { key: planned.key.clone(), answer: answer.clone() };
        if self.commit(entry).await.is_err() {
            return Attempt::Open;
        }
        if let Some(mirror) = &self.mirror
            && let Err(failure) = mirror.answered(&answer).await
        {
            let text = format!("the audit does not have the answer of {}: {}", answer.who, failure.message);
            self.events.send(Event::Log { text });
        }
        of(&answer, approve)
    }

    /// Lets other runs in again. A claim that stays is taken away by the next who has the lock, once its time is over.
    pub(super) async fn withdraw(&self) {
        let Some(desk) = &self.desk else { return };
        if let Err(failure) = desk.withdraw(&self.id).await {
            let text = format!("other runs may be kept out until the question's time is over: {}", failure.message);
            self.events.send(Event::Log { text });
        }
    }
}

fn of(answer: &Answer, approve: &Approve) -> Attempt {
    match answer.word {
        Word::Approved => Attempt::Done(output(answer)),
        Word::Denied => {
            let message = format!("denied by {} at {:.0}: {}", answer.who, answer.time, approve.message);
            Attempt::Failed(Failure::new(message).hint("deploy again when they agree"))
        }
    }
}

fn output(answer: &Answer) -> Value {
    json!({ "answer": answer.word.word(), "who": answer.who, "time": answer.time })
}

fn moved(approve: &Approve, hosts: Vec<HostName>) -> Failure {
    let names = hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
    let failure = inconclusive(format!("{names} has changed while it was asked: {}", approve.message));
    Failure { host: hosts.into_iter().next(), ..failure }
}

/// Nobody has said yes or no.
fn inconclusive(message: String) -> Failure {
    let failure = Failure::new(message).hint("look at the hosts: `stagecraft status`; then deploy again");
    Failure { certainty: Certainty::Unknown, ..failure }
}
