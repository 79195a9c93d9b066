//! Gives an old container another name, so that a new one can have its fixed `container_name`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    pub id: String,
    pub from: String,
    pub to: String,
}

impl Rename {
    async fn set(&self, cx: &Context, name: &str) -> Result<()> {
        let host = cx.host()?;
        let there = host.container(&self.id).await?.and_then(|container| container.name);
        if there.as_deref().map(|name| name.trim_start_matches('/')) != Some(name) {
            host.rename_container(&self.id, name).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Operation for Rename {
    const KIND: &'static str = "container.rename";

    fn title(&self) -> String {
        format!("rename {} to {}", self.from, self.to)
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        self.set(cx, &self.to).await?;
        Ok(Value::Null)
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        self.set(cx, &self.from).await
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let name = cx.host()?.container(&self.id).await?.and_then(|container| container.name).unwrap_or_default();
        Ok(if name.trim_start_matches('/') == self.to { Probe::Done(Value::Null) } else { Probe::NotDone })
    }
}
