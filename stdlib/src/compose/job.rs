//! A job: a container that runs once and ends, such as a migration of a database.

use std::sync::Arc;

use async_trait::async_trait;
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum as Status};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    container::ContainerSpec,
    create::{create, made_by, own},
    explain::explain_exit,
};
use crate::{
    failure::Failure,
    host::{Host, LogQuery},
    labels,
    model::ServiceName,
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// Runs a job's container to its end. It may take as long as it needs, unless its step has a `timeout`.
///
/// A job is never begun twice: what an interrupted run has begun, this one or an earlier one of the same release, is waited
/// for, and what has ended well is not run again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunJob {
    pub service: ServiceName,
    pub spec: ContainerSpec,
    /// The name of the container in which an earlier run of the same release had begun the job.
    pub begun: Option<String>,
}

/// How far this operation's container has got.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// There is none; another run's may be in the way.
    Absent,
    Created,
    Running,
    Exited(i64),
}

impl RunJob {
    /// The container that the job is or was run in, and how far it has got.
    async fn stage(&self, cx: &Context) -> Result<(&str, Stage)> {
        let host = cx.host()?;
        let mine = host.container(&self.spec.name).await?.filter(|found| own(cx, found));
        if let Some(found) = mine {
            return Ok((&self.spec.name, stage(&found)));
        }
        if let Some(begun) = &self.begun
            && let Some(found) = host.container(begun).await?
        {
            match stage(&found) {
                // It had failed, and is tried anew.
                Stage::Exited(code) if code != 0 => {}
                stage => return Ok((begun, stage)),
            }
        }
        Ok((&self.spec.name, Stage::Absent))
    }

    /// Removes what an earlier run left under this name. One that still runs is left to end.
    async fn make_way(&self, cx: &Context) -> Result<()> {
        let host = cx.host()?;
        let Some(found) = host.container(&self.spec.name).await? else { return Ok(()) };
        let run = made_by(&found, labels::RUN).unwrap_or("something else").to_owned();
        let job = made_by(&found, labels::ROLE) == Some(labels::role::JOB);
        if !job || stage(&found) == Stage::Running {
            return Err(Failure::new(format!(
                "{} is there already, made by {run}, and may be at work",
                self.spec.name
            ))
            .on(host.name())
            .hint(format!("wait until it has ended, or remove it: `docker rm -f {}`", self.spec.name)));
        }
        Ok(host.remove_container(&self.spec.name).await?)
    }
}

/// Waits for the end, and meanwhile says each line of the log.
async fn watch(container: &str, cx: &Context, host: &Arc<dyn Host>) -> Result<i64> {
    let say = async {
        let query = LogQuery { follow: true, ..LogQuery::default() };
        let Ok(mut lines) = host.logs(container, query).await else { return };
        while let Some(Ok(line)) = lines.next().await {
            cx.progress.say(cx.host.as_ref(), &cx.values.scrub(&line.text));
        }
    };
    let wait = host.wait_container(container);
    tokio::pin!(say, wait);
    tokio::select! {
        // The log ends with the container, or cannot be read.
        () = &mut say => Ok(wait.await?),
        code = &mut wait => Ok(code?),
    }
}

fn stage(found: &ContainerInspectResponse) -> Stage {
    let state = found.state.as_ref();
    match state.and_then(|state| state.status) {
        Some(Status::CREATED) => Stage::Created,
        Some(Status::EXITED | Status::DEAD) => {
            Stage::Exited(state.and_then(|state| state.exit_code).unwrap_or_default())
        }
        _ => Stage::Running,
    }
}

#[async_trait]
impl Operation for RunJob {
    const KIND: &'static str = "job.run";

    fn title(&self) -> String {
        format!("run {}", self.spec.name)
    }

    fn effect(&self) -> Effect {
        Effect::Final
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        let (container, stage) = self.stage(cx).await?;
        if stage == Stage::Absent {
            self.make_way(cx).await?;
            create(cx, host, &self.service, &self.spec).await?;
        }
        if matches!(stage, Stage::Absent | Stage::Created) {
            host.start_container(container).await?;
        }
        let code = match stage {
            Stage::Exited(code) => code,
            _ => watch(container, cx, host).await?,
        };
        if code == 0 { Ok(json!({ "exit": 0 })) } else { Err(explain_exit(host, container, &cx.values).await) }
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        Ok(match self.stage(cx).await?.1 {
            Stage::Absent => Probe::NotDone,
            Stage::Exited(0) => Probe::Done(json!({ "exit": 0 })),
            // Running it again waits for what runs, and tells of what has failed; it never begins anew.
            Stage::Created | Stage::Running | Stage::Exited(_) => Probe::Partial,
        })
    }
}
