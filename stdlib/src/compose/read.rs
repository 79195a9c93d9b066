//! From Compose's JSON to definitions, every unsupported key named.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Definition;
use crate::model::{Dependency, Network, SecretValue, ServiceName, Volume};

/// An application as Compose resolved it.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub services: BTreeMap<ServiceName, Resolved>,
    pub networks: Vec<Network>,
    pub volumes: Vec<Volume>,
}

/// One service of the Compose file.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub definition: Definition,
    pub environment: BTreeMap<String, SecretValue>,
    pub depends_on: Vec<Dependency>,
    /// `deploy.replicas` or `scale`.
    pub replicas: Option<u32>,
    /// `image:`, or the name that Compose gives to the image it builds.
    pub image: String,
    /// The `build` section as Compose's JSON has it. Its args may be secret.
    pub build: Option<Value>,
}

/// What Stagecraft cannot take from a Compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Such as `services`, `web`, `privileged`.
    pub path: Vec<String>,
    pub message: String,
    pub hint: Option<String>,
}

/// Reads the output of [`super::ComposeCli::config`]. All problems at once.
pub fn read(config: &Value) -> Result<Model, Vec<Problem>> {
    let _ = config;
    todo!()
}
