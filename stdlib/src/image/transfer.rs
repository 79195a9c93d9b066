//! Brings images to all hosts that lack them, at once.

use async_trait::async_trait;
use bollard::models::ImageInspect;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{direct, registry};
use crate::{
    failure::Failure,
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

/// The layers of an image on a host; empty also when the image is there and broken, as the containerd store may have it.
pub fn layers_of(found: Option<ImageInspect>) -> Vec<String> {
    found.and_then(|image| image.root_fs).and_then(|root| root.layers).unwrap_or_default()
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
        let builder = cx.builder.as_ref().ok_or_else(|| {
            Failure::new("images are sent from this machine's engine, and this run has no connection to it")
                .hint("start Docker on this machine, and run it again")
        })?;
        match &self.via {
            Transfer::Direct => direct::send(self, cx, builder).await,
            Transfer::Registry { prefix } => registry::send(self, cx, builder, prefix).await,
        }
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        let tags = self.hosts.iter().flat_map(|lack| self.lacked(lack).map(move |image| (&lack.host, image.tag())));
        let asked = tags.map(|(host, tag)| async move { Ok::<_, Failure>(cx.host_named(host)?.image(&tag).await?) });
        let found: Vec<Option<ImageInspect>> = join_all(asked).await.into_iter().collect::<Result<_>>()?;
        let there = found.into_iter().filter(|found| !layers_of(found.clone()).is_empty()).count();
        let wanted: usize = self.hosts.iter().map(|lack| lack.images.len()).sum();
        Ok(match there {
            all if all == wanted => Probe::Done(Value::Object(serde_json::Map::new())),
            0 => Probe::NotDone,
            _ => Probe::Partial,
        })
    }
}
