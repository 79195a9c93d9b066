//! Builds what a project needs on the operator's engine, before there is a plan: building changes no host.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    compose::ComposeCli,
    failure::Failure,
    host::Host,
    model::{Image, ServiceName},
};

/// An image that a service needs.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    pub service: ServiceName,
    /// The name of the image on the operator's engine.
    pub source: String,
    /// Compose's `build` section; `None` for an image that is only named.
    pub build: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// Only what has changed since it was built.
    Changed,
    /// All, whatever is there.
    All,
}

/// Builds the images whose content has changed, pulls those that are only named and missing, and returns the content
/// identity of each. `say` gets short phrases of progress.
pub async fn resolve(
    compose: &ComposeCli,
    requests: &[BuildRequest],
    engine: &Arc<dyn Host>,
    platform: &str,
    rebuild: Rebuild,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<BTreeMap<ServiceName, Image>, Failure> {
    let _ = (compose, requests, engine, platform, rebuild, say);
    todo!()
}
