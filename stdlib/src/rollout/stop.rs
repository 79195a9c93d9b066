//! Stops an old container and keeps it until the release is committed.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    model::Span,
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub id: String,
    pub name: String,
    /// Between the stop signal and SIGKILL; Compose's `stop_grace_period`.
    pub grace: Span,
}

#[async_trait]
impl Operation for Stop {
    const KIND: &'static str = "container.stop";

    fn title(&self) -> String {
        format!("stop {}", self.name)
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        cx.host()?.stop_container(&self.id, self.grace).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        Ok(cx.host()?.start_container(&self.id).await?)
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let found = cx.host()?.container(&self.id).await?;
        let running = found.and_then(|container| container.state).and_then(|state| state.running).unwrap_or(false);
        Ok(if running { Probe::NotDone } else { Probe::Done(Value::Null) })
    }
}
