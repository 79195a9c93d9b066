//! Makes a release the live one.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{self, File};
use crate::{
    failure::Failure,
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// Replaces `current` on the home host: this *is* the commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    pub compose_project: String,
    pub number: u64,
    /// The release that must be live until then: the one that was when this was planned.
    pub predecessor: Option<u64>,
}

/// Replaces `current` on another host. What a crash leaves behind here, the next run repairs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    pub compose_project: String,
    pub number: u64,
}

async fn write(cx: &Context, compose_project: &str, number: u64) -> Result<Value> {
    state::write(cx.host()?, compose_project, &[File::current(number)]).await?;
    Ok(Value::Null)
}

/// Whether this run's release is live: another one may have the same number.
async fn own(cx: &Context, compose_project: &str, number: u64) -> Result<bool> {
    let state = state::read(cx.host()?.as_ref(), compose_project).await?;
    let record = state.releases.iter().find(|release| release.id.number == number);
    Ok(state.current == Some(number) && record.is_some_and(|release| release.run == cx.run))
}

async fn probe(cx: &Context, compose_project: &str, number: u64) -> Result<Probe> {
    let live = state::current(cx.host()?.as_ref(), compose_project).await?;
    Ok(if live == Some(number) { Probe::Done(Value::Null) } else { Probe::NotDone })
}

#[async_trait]
impl Operation for Commit {
    const KIND: &'static str = "release.commit";

    fn title(&self) -> String {
        format!("commit release {}", self.number)
    }

    fn effect(&self) -> Effect {
        Effect::Commit
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let live = state::current(cx.host()?.as_ref(), &self.compose_project).await?;
        if live != self.predecessor && !own(cx, &self.compose_project, self.number).await? {
            let live = live.map_or("no release".to_owned(), |number| format!("release {number}"));
            return Err(Failure::new(format!("{live} has gone live since release {} was planned", self.number))
                .hint("somebody deploys without the lock; see `stagecraft runs --audit`, then deploy again"));
        }
        write(cx, &self.compose_project, self.number).await
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        probe(cx, &self.compose_project, self.number).await
    }
}

#[async_trait]
impl Operation for Follow {
    const KIND: &'static str = "release.follow";

    fn title(&self) -> String {
        format!("note that release {} is live", self.number)
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        write(cx, &self.compose_project, self.number).await
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        probe(cx, &self.compose_project, self.number).await
    }
}
