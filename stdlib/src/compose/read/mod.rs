//! From Compose's JSON to definitions, every unsupported key named.

mod mounts;
mod section;
mod service;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::section::{Problems, Section};
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
    /// Such as `services`, `web`, `privileged`. Places in lists count from 0.
    pub path: Vec<String>,
    pub message: String,
    pub hint: Option<String>,
}

/// Reads the output of [`super::ComposeCli::config`]. All problems at once.
pub fn read(config: &Value) -> Result<Model, Vec<Problem>> {
    let problems = Problems::default();
    let mut top = Section::new(Vec::new(), config.clone(), &problems);
    let project = top.text("name").unwrap_or_default();
    let networks = shared::networks(&mut top);
    let volumes = shared::volumes(&mut top);
    let sections = top.named("services");
    let names: Vec<String> = sections.iter().map(|(name, _)| name.clone()).collect();
    let mut services = BTreeMap::new();
    for (name, section) in sections {
        match ServiceName::new(name.as_str()) {
            Ok(valid) => {
                services.insert(valid, service::service(section, &name, &project, &names));
            }
            Err(error) => section.wrong(error.to_string()),
        }
    }
    top.finish(top_hint);
    let problems = problems.into_inner();
    if problems.is_empty() { Ok(Model { services, networks, volumes }) } else { Err(problems) }
}

fn top_hint(key: &str) -> Option<&'static str> {
    match key {
        "secrets" | "configs" => Some(
            "give the value by `environment` or `env_file`, or the file by a volume or in the image; Stagecraft keeps values \
             of the environment secret",
        ),
        _ => None,
    }
}
