//! Forgets releases beyond `retain`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{self, File};
use crate::{
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// Empties the records of releases that are not kept: the archive API cannot delete a file, and an empty one counts as none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    pub compose_project: String,
    pub releases: Vec<u64>,
}

#[async_trait]
impl Operation for Trim {
    const KIND: &'static str = "release.trim";

    fn title(&self) -> String {
        let numbers: Vec<String> = self.releases.iter().map(u64::to_string).collect();
        format!("forget release {}", numbers.join(", "))
    }

    fn effect(&self) -> Effect {
        Effect::Final
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let files: Vec<File> = self.releases.iter().flat_map(|number| File::emptied(*number)).collect();
        state::write(cx.host()?, &self.compose_project, &files).await?;
        Ok(Value::Null)
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let state = state::read(cx.host()?.as_ref(), &self.compose_project).await?;
        let left = state.values.keys().any(|number| self.releases.contains(number));
        Ok(if left { Probe::Partial } else { Probe::Done(Value::Null) })
    }
}
