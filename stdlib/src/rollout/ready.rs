//! Waits until a container that no ingress can ask is ready.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::models::HealthStatusEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    compose,
    host::Host,
    model::{ServiceName, Span},
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// Between two looks at a health check.
const POLL: Duration = Duration::from_millis(100);

/// What shows that a container is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowReady {
    /// Its own Compose health check says healthy.
    HealthCheck,
    /// It has run for so long without an exit.
    Running(Span),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    pub service: ServiceName,
    pub container: String,
    pub how: HowReady,
    /// The longest it may take.
    pub timeout: Span,
}

impl Ready {
    async fn healthy(&self, host: &Arc<dyn Host>) -> Result<()> {
        loop {
            if health(host, &self.container).await? == Some(HealthStatusEnum::HEALTHY) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    async fn wait(&self, host: &Arc<dyn Host>) -> Result<()> {
        match self.how {
            HowReady::HealthCheck => self.healthy(host).await,
            HowReady::Running(span) => {
                sleep(span.duration()).await;
                Ok(())
            }
        }
    }
}

async fn health(host: &Arc<dyn Host>, container: &str) -> Result<Option<HealthStatusEnum>> {
    let found = host.container(container).await?;
    Ok(found.and_then(|found| found.state).and_then(|state| state.health).and_then(|health| health.status))
}

#[async_trait]
impl Operation for Ready {
    const KIND: &'static str = "container.ready";

    fn title(&self) -> String {
        match self.how {
            HowReady::HealthCheck => format!("wait until {} is healthy", self.container),
            HowReady::Running(span) => format!("see {} run for {span}", self.container),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        let began = Instant::now();
        tokio::select! {
            waited = timeout(self.timeout.duration(), self.wait(host)) => match waited {
                Ok(done) => done?,
                Err(_) => return Err(compose::explain_unready(host, &self.container, &cx.values, self.timeout).await),
            },
            // An exit ends the wait at once, whatever the health check would have said later. A container that its
            // restart policy starts again has exited all the same.
            exited = host.wait_container(&self.container) => {
                exited?;
                return Err(compose::explain_exit(host, &self.container, &cx.values).await);
            }
        }
        cx.progress.say(cx.host.as_ref(), &format!("ready after {:.1} s", began.elapsed().as_secs_f64()));
        Ok(Value::Null)
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        // Asking again is how it is found out.
        Ok(Probe::NotDone)
    }
}
