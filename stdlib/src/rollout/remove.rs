//! Removes a stopped old container, after the commit.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub id: String,
    pub name: String,
}

#[async_trait]
impl Operation for Remove {
    const KIND: &'static str = "container.remove";

    fn title(&self) -> String {
        format!("remove {}", self.name)
    }

    fn effect(&self) -> Effect {
        Effect::Final
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        cx.host()?.remove_container(&self.id).await?;
        Ok(Value::Null)
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let gone = cx.host()?.container(&self.id).await?.is_none();
        Ok(if gone { Probe::Done(Value::Null) } else { Probe::NotDone })
    }
}
