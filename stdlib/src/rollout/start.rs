//! Creates and starts a container, outside every pool.

use std::sync::Arc;

use async_trait::async_trait;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    compose::{self, ContainerSpec},
    failure::Failure,
    host::Host,
    ingress, labels,
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

/// The container of the planned name.
struct Found {
    id: String,
    running: bool,
    /// The run that made it; `None` for what no run has made.
    run: Option<String>,
}

impl Start {
    async fn found(&self, cx: &Context) -> Result<Option<Found>> {
        let found = cx.host()?.container(&self.spec.name).await?;
        Ok(found.map(|found| Found {
            id: found.id.unwrap_or_default(),
            running: found.state.and_then(|state| state.running).unwrap_or(false),
            run: found.config.and_then(|config| config.labels).and_then(|mut labels| labels.remove(labels::RUN)),
        }))
    }

    /// Another project may have started a container at the address since the plan was made.
    async fn address_taken(&self, host: &Arc<dyn Host>, own: &str) -> Option<Failure> {
        let address = self.spec.address_in(ingress::NETWORK)?.to_string();
        let has = |container: &ContainerSummary| {
            let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
            let endpoint = networks.and_then(|networks| networks.get(ingress::NETWORK));
            let running = container.state == Some(ContainerSummaryStateEnum::RUNNING);
            running && endpoint.and_then(|endpoint| endpoint.ip_address.as_ref()) == Some(&address)
        };
        let all = host.containers().await.ok()?;
        let other = all.into_iter().find(|other| other.id.as_deref() != Some(own) && has(other))?;
        let name = other.names.unwrap_or_default().pop().unwrap_or_default();
        let (name, own) = (name.trim_start_matches('/'), &self.spec.name);
        Some(
            Failure::new(format!("{own} cannot have its address {address} on {}: {name} has it since", host.name()))
                .on(host.name())
                .hint("deploy again, which chooses another address: `stagecraft deploy`"),
        )
    }

    /// The container of this name, if this run made it.
    async fn made_by_this_run(&self, cx: &Context) -> Result<Option<Found>> {
        let Some(found) = self.found(cx).await? else { return Ok(None) };
        if found.run.as_deref() == Some(cx.run.as_str()) {
            return Ok(Some(found));
        }
        let other = found.run.map_or("something else".to_owned(), |run| format!("run {run}"));
        Err(Failure::new(format!("a container named {} is there already, made by {other}", self.spec.name))
            .on(cx.host()?.name())
            .hint(format!("look at it with `docker inspect {}`, and remove it if nothing needs it", self.spec.name)))
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
                Some(found) => found.id,
                None => return Err(conflict),
            },
            Ok(id) => id,
        };
        if let Err(error) = host.start_container(&id).await {
            return Err(match self.address_taken(host, &id).await {
                Some(taken) => taken.detail(error.to_string()),
                None => error.into(),
            });
        }
        Ok(json!({ "id": id }))
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        let host = cx.host()?;
        // One that this run did not make is the old one, which had the name before.
        if let Some(made) = self.found(cx).await?.filter(|found| found.run.as_deref() == Some(cx.run.as_str())) {
            host.stop_container(&made.id, UNDO_GRACE).await?;
            host.remove_container(&made.id).await?;
        }
        Ok(())
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let found = self.found(cx).await?.filter(|found| found.run.as_deref() == Some(cx.run.as_str()));
        Ok(match found {
            None => Probe::NotDone,
            Some(Found { id, running: true, .. }) => Probe::Done(json!({ "id": id })),
            Some(_) => Probe::Partial,
        })
    }
}
