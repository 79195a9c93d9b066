//! Where a run's person is asked: at this terminal, and with `stagecraft approve` from anywhere.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
    thread,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use stdlib::{
    facts,
    failure::Failure,
    host::{Host, Hosts, LockGuard, LockHolder, Locked},
    model::{HostName, RunId},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    lock,
    prepare::author,
    session::{Session, gather},
};
use crate::{
    engine::{Answer, Desk, Meanwhile, Petition, Reply, Word},
    mirror::{self, Claim},
};

/// Between two looks for an answer.
const POLL: Duration = Duration::from_secs(2);
/// A home host that does not answer for so long has to be seen to first.
const SILENCE: Duration = Duration::from_mins(1);
/// The longest wait for the lock when the answer is there.
const LOCK: Duration = Duration::from_mins(1);

/// Whether a person has approved beforehand what the recipe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    Given,
    Ask,
}

pub struct Counter {
    approval: Approval,
    home: Arc<dyn Host>,
    hosts: Hosts,
    compose_project: String,
    holder: LockHolder,
}

impl Counter {
    pub fn new(session: &Session, run: &RunId, what: &str, approval: Approval) -> Self {
        Self {
            approval,
            home: Arc::clone(session.home()),
            hosts: session.hosts.clone(),
            compose_project: session.project.compose.project.clone(),
            holder: lock::holder(run, what),
        }
    }

    async fn claimed(&self) -> Result<Option<(Claim, Option<Answer>)>, Failure> {
        mirror::read_claim(&self.home, &self.compose_project).await
    }

    async fn fingerprints(&self) -> Result<std::collections::BTreeMap<HostName, String>, Failure> {
        Ok(facts::fingerprint(&gather(&self.hosts, &self.compose_project).await?))
    }

    /// The answer that comes by the store.
    async fn poll(&self, petition: &Petition) -> Reply {
        let mut heard = Instant::now();
        loop {
            match self.claimed().await {
                Ok(Some((claim, answer))) if claim.petition.is(petition) => {
                    if let Some(answer) = answer {
                        return Reply::Answered(answer);
                    }
                    heard = Instant::now();
                }
                Ok(_) => return Reply::Gone,
                Err(failure) if heard.elapsed() > SILENCE => return Reply::Lost(failure),
                Err(failure) => tracing::debug!(%failure.message, "the claim could not be read"),
            }
            if Timestamp::now() >= petition.until {
                return Reply::Nobody;
            }
            sleep(POLL).await;
        }
    }
}

#[async_trait]
impl Desk for Counter {
    fn given(&self) -> Option<Answer> {
        (self.approval == Approval::Given).then(|| answer(Word::Approved))
    }

    async fn claim(&self, petition: Petition) -> Result<Petition, Failure> {
        if let Some((claim, _)) = self.claimed().await?
            && claim.petition.is(&petition)
        {
            return Ok(claim.petition);
        }
        let LockHolder { who, what, .. } = self.holder.clone();
        let claim = Claim::new(who, what, petition, self.fingerprints().await?);
        mirror::write_claim(&self.home, &self.compose_project, &claim).await?;
        Ok(claim.petition)
    }

    async fn reply(&self, petition: &Petition) -> Reply {
        if !io::stdin().is_terminal() {
            return self.poll(petition).await;
        }
        tokio::select! {
            reply = self.poll(petition) => reply,
            word = typed() => Reply::Answered(answer(word)),
        }
    }

    async fn lock(&self) -> Result<Box<dyn LockGuard>, Failure> {
        let until = Instant::now() + LOCK;
        loop {
            match lock::attempt(&self.home, &self.compose_project, &self.holder).await? {
                Locked::Held(guard) => return Ok(guard),
                Locked::Busy(holder) if Instant::now() >= until => {
                    let by = holder.map(|holder| format!(": {} by {}", holder.what, holder.who)).unwrap_or_default();
                    return Err(Failure::new(format!("another run holds the lock{by}")));
                }
                Locked::Busy(_) => sleep(lock::RETRY).await,
            }
        }
    }

    async fn meanwhile(&self, petition: &Petition) -> Result<Meanwhile, Failure> {
        let Some((claim, _)) = self.claimed().await?.filter(|(claim, _)| claim.petition.is(petition)) else {
            return Ok(Meanwhile::Gone);
        };
        let now = self.fingerprints().await?;
        let differs = |host: &&HostName| claim.fingerprints.get(*host) != now.get(*host);
        let hosts: Vec<HostName> = now.keys().filter(differs).cloned().collect();
        Ok(if hosts.is_empty() { Meanwhile::Nothing } else { Meanwhile::Changed(hosts) })
    }

    async fn withdraw(&self, run: &RunId) -> Result<(), Failure> {
        match self.claimed().await? {
            Some((claim, _)) if claim.petition.run == *run => mirror::clear(&self.home, &self.compose_project).await,
            _ => Ok(()),
        }
    }
}

/// This person's answer, now.
pub fn answer(word: Word) -> Answer {
    Answer { word, who: author(), time: Timestamp::now() }
}

/// What the person at the terminal says, once it is yes or no. Never, when the terminal is gone.
async fn typed() -> Word {
    let (lines, mut coming) = mpsc::unbounded_channel();
    // A read of the terminal cannot be ended: the thread goes with the process.
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = coming.recv().await {
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Word::Approved,
            "n" | "no" => return Word::Denied,
            _ => {}
        }
    }
    std::future::pending().await
}
