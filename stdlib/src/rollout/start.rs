//! Creates and starts a container, outside every pool.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    compose::{self, ContainerSpec},
    failure::Failure,
    labels,
    model::{ServiceName, Span},
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// How long a container that an undo removes may take to stop.
const UNDO_GRACE: Span = Span::secs(2);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub service: ServiceName,
    pub spec: ContainerSpec,
}

impl Start {
    /// The container of this name, if this run made it.
    async fn made_by_this_run(&self, cx: &Context) -> Result<Option<(String, bool)>> {
        let Some(found) = cx.host()?.container(&self.spec.name).await? else { return Ok(None) };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        if labels.get(labels::RUN).map(String::as_str) != Some(cx.run.as_str()) {
            let other = labels.get(labels::RUN).map_or("something else".to_owned(), |run| format!("run {run}"));
            return Err(Failure::new(format!(
                "a container named {} is there already, made by {other}",
                self.spec.name
            ))
            .on(cx.host()?.name())
            .hint(format!("look at it with `docker inspect {}`, and remove it if nothing needs it", self.spec.name)));
        }
        let running = found.state.and_then(|state| state.running).unwrap_or(false);
        Ok(Some((found.id.unwrap_or_default(), running)))
    }
}

#[async_trait]
impl Operation for Start {
    const KIND: &'static str = "container.start";

    fn title(&self) -> String {
        format!("start {}", self.spec.name)
    }

    fn effect(&self) -> Effect {
        Effect::Reversible
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        let id = match compose::create(cx, host, &self.service, &self.spec).await {
            // A killed run that is resumed may have got as far as creating it.
            Err(conflict) => match self.made_by_this_run(cx).await? {
                Some((id, _)) => id,
                None => return Err(conflict),
            },
            Ok(id) => id,
        };
        host.start_container(&id).await?;
        Ok(json!({ "id": id }))
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        let host = cx.host()?;
        if let Some((id, _)) = self.made_by_this_run(cx).await? {
            host.stop_container(&id, UNDO_GRACE).await?;
            host.remove_container(&id).await?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        Ok(match self.made_by_this_run(cx).await? {
            None => Probe::NotDone,
            Some((id, true)) => Probe::Done(json!({ "id": id })),
            Some((_, false)) => Probe::Partial,
        })
    }
}
