//! Writes the release's record, values included, into the state of a host before anything else changes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{self, File};
use crate::{
    failure::Failure,
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// What `resume`, `undo` and `rollback` read, instead of today's files. Harmless to keep: a staged record is not live.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub compose_project: String,
    pub number: u64,
}

#[async_trait]
impl Operation for Stage {
    const KIND: &'static str = "release.stage";

    fn title(&self) -> String {
        format!("write the record of release {}", self.number)
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let release = cx.release.as_ref().filter(|release| release.id.number == self.number).ok_or_else(|| {
            Failure::new(format!("release {} is not the one that this plan makes", self.number)).hint("plan again")
        })?;
        let files = [File::identity(&cx.identity), File::release(release), File::values(self.number, &cx.values)];
        state::write(cx.host()?, &self.compose_project, &files).await?;
        Ok(Value::Null)
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let state = state::read(cx.host()?.as_ref(), &self.compose_project).await?;
        // A run that was cut off before it staged may have had the same number.
        let own = state.releases.iter().any(|release| release.id.number == self.number && release.run == cx.run);
        let staged = own && state.values.contains_key(&self.number);
        Ok(if staged { Probe::Done(Value::Null) } else { Probe::NotDone })
    }
}
