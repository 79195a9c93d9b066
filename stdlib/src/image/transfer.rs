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

/// All hosts' outcomes, or one failure out of them: the first, with the others beside it, each once with its hosts.
pub fn settle<T>(outcomes: Vec<(&Lack, Result<T>)>) -> Result<Vec<(&Lack, T)>> {
    let mut done = Vec::new();
    let mut failures: Vec<(Failure, Vec<&HostName>)> = Vec::new();
    for (lack, outcome) in outcomes {
        let host = &lack.host;
        match outcome {
            Ok(outcome) => done.push((lack, outcome)),
            Err(failure) => {
                let same =
                    failures.iter_mut().find(|(other, hosts)| says_the_same((&failure, host), (other, hosts[0])));
                match same {
                    Some((_, hosts)) => hosts.push(host),
                    None => failures.push((failure, vec![host])),
                }
            }
        }
    }
    let mut failures = failures.into_iter();
    let Some((first, hosts)) = failures.next() else { return Ok(done) };
    let host = first.host.clone().filter(|_| hosts.len() == 1);
    let first = Failure { host, ..first };
    let others = failures.map(|(failure, hosts)| match on_several(&hosts) {
        Some(hosts) => format!("{} ({hosts})", failure.message),
        None => failure.message,
    });
    let detail: Vec<String> = on_several(&hosts).into_iter().chain(first.detail.clone()).chain(others).collect();
    Err(if detail.is_empty() { first } else { first.detail(detail.join("\n")) })
}

/// What each host was sent, as the operation's output.
pub fn report(sent: &[(&Lack, Sent)]) -> Value {
    let sent = sent
        .iter()
        .map(|(lack, Sent { layers, bytes })| (lack.host.to_string(), json!({ "layers": layers, "bytes": bytes })));
    Value::Object(sent.collect())
}

/// Whether two hosts' failures differ in nothing but the names of their hosts.
fn says_the_same((one, on): (&Failure, &HostName), (other, on_other): (&Failure, &HostName)) -> bool {
    let neutral = |failure: &Failure, host: &HostName| {
        [Some(&failure.message), failure.detail.as_ref()].map(|text| text.map(|text| text.replace(host.as_str(), "\0")))
    };
    one.certainty == other.certainty && neutral(one, on) == neutral(other, on_other)
}

/// `on web-1, web-2`; `None` for a single host, which the failure itself is about.
fn on_several(hosts: &[&HostName]) -> Option<String> {
    let names: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
    (names.len() > 1).then(|| format!("on {}", names.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::{Lack, Sent, settle};
    use crate::{failure::Failure, host::ImageStore, model::HostName, operation::Result};

    fn settled(outcomes: Vec<Result<Sent>>) -> Failure {
        let lack = |number| Lack {
            host: HostName::new(format!("web-{number}")).unwrap(),
            store: ImageStore::Classic,
            images: vec![],
            bases: vec![],
        };
        let lacks: Vec<Lack> = (1..=outcomes.len()).map(lack).collect();
        settle(lacks.iter().zip(outcomes).collect()).unwrap_err()
    }

    #[test]
    fn the_same_failure_of_several_hosts_is_told_once() {
        let same = || Err(Failure::new("image shop-web: there is no such image").detail("404"));
        let failure = settled(vec![same(), Ok(Sent::default()), same(), same()]);
        assert_eq!(failure.message, "image shop-web: there is no such image");
        assert_eq!(failure.detail.as_deref(), Some("on web-1, web-3, web-4\n404"));
    }

    #[test]
    fn a_failure_that_names_its_host_is_told_once_too() {
        let refused = |host: u32| Err(Failure::new(format!("host web-{host}: pull: no route to the registry")));
        let full = Err(Failure::new("host web-3: load: no space left on device"));
        let failure = settled(vec![refused(1), refused(2), full]);
        assert_eq!(failure.message, "host web-1: pull: no route to the registry");
        assert_eq!(failure.detail.as_deref(), Some("on web-1, web-2\nhost web-3: load: no space left on device"));
    }

    #[test]
    fn the_failure_of_one_host_stays_as_it_is() {
        assert_eq!(settled(vec![Err(Failure::new("no room"))]), Failure::new("no room"));
    }
}
