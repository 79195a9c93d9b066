//! Brings images to all hosts that lack them, at once.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{direct, registry};
use crate::{
    failure::Failure,
    host::{Host, HostError, ImageStore},
    model::{HostName, Image, Transfer},
    operation::{Context, Operation, Probe, Result},
    plan::Effect,
};

/// One operation for all hosts and images, so that each layer is read once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendImages {
    pub via: Transfer,
    pub images: Vec<Image>,
    pub hosts: Vec<Lack>,
}

/// What a host lacks, by the facts when it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lack {
    pub host: HostName,
    pub store: ImageStore,
    /// The digests of the images.
    pub images: Vec<String>,
    /// Tags of images of the host that may share layers with them.
    pub bases: Vec<String>,
}

/// What a host was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    pub layers: usize,
    pub bytes: u64,
}

impl SendImages {
    /// The images that this host lacks.
    pub fn lacked<'a>(&'a self, lack: &'a Lack) -> impl Iterator<Item = &'a Image> {
        self.images.iter().filter(|image| lack.images.contains(&image.digest))
    }
}

/// An image as an engine has it, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    pub id: String,
    /// The digests of the uncompressed layers, from the base up.
    pub layers: Vec<String>,
}

/// Looks for an image. One that is there and broken counts as missing: the containerd store describes it without layers,
/// which the client takes for an answer that it cannot read.
pub async fn find(host: &Arc<dyn Host>, tag: &str) -> std::result::Result<Option<Present>, HostError> {
    let found = match host.image(tag).await {
        Err(HostError::Engine { status: 200, .. }) => None,
        found => found?,
    };
    Ok(found.and_then(|image| Some(Present { id: image.id?, layers: image.root_fs?.layers? })))
}

/// One failure out of the hosts' outcomes: the first, with the others beside it.
pub fn settle(outcomes: Vec<(&Lack, Result<Sent>)>) -> Result<Value> {
    let mut sent = serde_json::Map::new();
    let mut failures: Vec<Failure> = Vec::new();
    for (lack, outcome) in outcomes {
        match outcome {
            Ok(Sent { layers, bytes }) => {
                sent.insert(lack.host.to_string(), json!({ "layers": layers, "bytes": bytes }));
            }
            Err(failure) => failures.push(failure),
        }
    }
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(Value::Object(sent)) };
    let others: Vec<String> = failures.map(|failure| failure.message).collect();
    let detail: Vec<String> = first.detail.iter().cloned().chain(others).collect();
    Err(if detail.is_empty() { first } else { first.detail(detail.join("\n")) })
}

#[async_trait]
impl Operation for SendImages {
    const KIND: &'static str = "image.transfer";

    fn title(&self) -> String {
        let images: Vec<&str> = self.images.iter().map(|image| image.source.as_str()).collect();
        let hosts: Vec<&str> = self.hosts.iter().map(|lack| lack.host.as_str()).collect();
        format!("send {} to {}", images.join(", "), hosts.join(", "))
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let source = cx.source.as_ref().ok_or_else(|| {
            Failure::new("images are sent from this machine's engine, and this run has no connection to it")
                .hint("start Docker on this machine, and run it again")
        })?;
        match &self.via {
            Transfer::Direct => direct::send(self, cx, source).await,
            Transfer::Registry { prefix } => registry::send(self, cx, source.engine(), prefix).await,
        }
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let tags = self.hosts.iter().flat_map(|lack| self.lacked(lack).map(move |image| (&lack.host, image.tag())));
        let asked = tags.map(|(host, tag)| async move { Ok::<_, Failure>(find(cx.host_named(host)?, &tag).await?) });
        let there = try_join_all(asked).await?.iter().flatten().count();
        let wanted: usize = self.hosts.iter().map(|lack| lack.images.len()).sum();
        Ok(match there {
            all if all == wanted => Probe::Done(Value::Object(serde_json::Map::new())),
            0 => Probe::NotDone,
            _ => Probe::Partial,
        })
    }
}
