//! Removes images that no kept release uses.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    facts::HostFacts,
    failure::Failure,
    host::HostError,
    operation::{Context, Operation, Probe, Result},
    plan::{Effect, Scope},
};

/// Removes the tags of images, and the images with them where nothing else holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    pub tags: Vec<String>,
}

/// Defers the removal of the images of this project's releases that are not in `used`. Only what the project's own records
/// name is looked at: other projects on the host keep images for their rollbacks. The ingress's image stays.
pub fn forget_unused(host: &HostFacts, used: &BTreeSet<String>, scope: &mut Scope) {
    let there: BTreeSet<&String> = host.images.iter().flat_map(|image| &image.tags).collect();
    let ingress = host.ingress.container.as_ref().map(|container| container.image.as_str());
    let services = host.state.releases.iter().flat_map(|release| &release.application.services);
    let own: BTreeSet<String> = services.map(|service| service.image.tag()).collect();
    let unused =
        own.into_iter().filter(|tag| there.contains(tag) && !used.contains(tag) && ingress != Some(tag.as_str()));
    let tags: Vec<String> = unused.collect();
    if !tags.is_empty() {
        scope.defer(&host.name, &Forget { tags });
    }
}

#[async_trait]
impl Operation for Forget {
    const KIND: &'static str = "image.forget";

    fn title(&self) -> String {
        match &self.tags[..] {
            [_] => "forget 1 image".to_owned(),
            tags => format!("forget {} images", tags.len()),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Final
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        let host = cx.host()?;
        let removals = self.tags.iter().map(|tag| async move {
            match host.remove_image(tag).await {
                // It is gone, or a container of somebody else uses it.
                Ok(()) | Err(HostError::Engine { status: 404 | 409, .. }) => Ok(()),
                Err(error) => Err(Failure::from(error)),
            }
        });
        try_join_all(removals).await?;
        Ok(Value::Null)
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        // Removing again is how it is found out: what is in use stays.
        Ok(Probe::Partial)
    }
}
