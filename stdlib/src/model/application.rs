//! What is deployed: services with their resolved Compose definition and Stagecraft's settings, and what they stand on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EnvironmentName, HostName, KeyedHash, NetworkName, ProjectName, ServiceName, Span, VolumeName};
use crate::compose::Definition;

/// Everything that one release of a project runs in one environment. Complete: a rollback needs nothing else
/// but the [`super::Values`] kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub services: Vec<Service>,
    pub networks: Vec<Network>,
    pub volumes: Vec<Volume>,
}

impl Application {
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// Takes these hosts from every service. The error is the first service that then has none.
    pub fn leave_out(&mut self, hosts: &[HostName]) -> Result<(), ServiceName> {
        for service in &mut self.services {
            let had_one = !service.hosts.is_empty();
            service.hosts.retain(|host| !hosts.contains(host));
            if had_one && service.hosts.is_empty() {
                return Err(service.name.clone());
            }
        }
        Ok(())
    }

    /// The Compose project's name on the hosts: the project's, and for an environment other than `default` its name too,
    /// so that two environments can share a host.
    pub fn compose_project(&self) -> String {
        compose_project(&self.project, &self.environment)
    }
}

/// See [`Application::compose_project`].
pub fn compose_project(project: &ProjectName, environment: &EnvironmentName) -> String {
    match environment.as_str() {
        "default" => project.to_string(),
        other => format!("{project}-{other}"),
    }
}

/// The option of a command that chooses an environment, with the space before it: ` -e staging`. None is needed for `default`,
/// which is what the only environment is called where stagecraft.yml has none.
pub fn environment_option(environment: &str) -> String {
    match environment {
        "default" => String::new(),
        other => format!(" -e {other}"),
    }
}

/// One service: what Compose says it is, and what `stagecraft.yml` says of how it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: ServiceName,
    /// The service as Compose resolved it, without values of its environment.
    pub definition: Definition,
    /// The names of its environment variables, each with the keyed hash of its value.
    pub environment: BTreeMap<String, KeyedHash>,
    pub image: Image,
    /// The hosts that it runs on, in the order of `stagecraft.yml`.
    pub hosts: Vec<HostName>,
    /// Containers on each of its hosts.
    pub replicas: u32,
    pub depends_on: Vec<Dependency>,
    pub route: Option<Route>,
    pub health: Health,
    pub rollout: Rollout,
    /// `Some` for a job, which runs and ends, instead of a service that stays.
    pub job: Option<JobTime>,
}

/// An image by content. Its tag on every host is [`Image::tag`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What the Compose file calls it (`image:`), or the name Compose gives to a built one.
    pub source: String,
    /// The digest of the image's *config*, `sha256:…`: the one identity that both image stores and every layout share.
    pub digest: String,
    /// `os/architecture`, such as `linux/amd64`.
    pub platform: String,
}

impl Image {
    /// For people: `image 3f2a91c0`, by the beginning of its digest.
    pub fn short(&self) -> String {
        format!("image {}", self.digest.trim_start_matches("sha256:").chars().take(8).collect::<String>())
    }

    /// The name under which the image stands on hosts: one repository for all, the config digest as its tag.
    pub fn tag(&self) -> String {
        format!("stagecraft/image:{}", self.digest.trim_start_matches("sha256:"))
    }
}

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobTime {
    /// Once per release, after what it depends on and before all the rest is rolled out.
    Before,
    /// Once per release, after the rollout.
    After,
    /// Only when asked for, by `stagecraft run-job`.
    Manual,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    pub service: ServiceName,
    pub condition: DependencyCondition,
}

/// Compose's own conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

/// Where requests for a service come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The host name of requests, lower case.
    pub host: String,
    /// The path they begin with, by whole segments; `/` for all.
    pub path: String,
    /// The port that the container listens on.
    pub port: u16,
    pub tls: Tls,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Plain HTTP.
    Off,
    /// A certificate of the environment's own CA.
    Internal,
    /// The user's own certificate. Chain and key stand in [`super::Values`] as the file `tls/HOST`, here is their hash.
    Own { pem: KeyedHash },
}

/// When a new container counts as ready, and how the ingress watches it afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Asked for by HTTP `GET`; 2xx and 3xx pass.
    pub path: Option<String>,
    /// Between checks once the container is ready. Until then every 100 ms.
    pub interval: Span,
    /// How long one check may take.
    pub timeout: Span,
    /// Passes in a row that make it ready.
    pub passes: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { path: None, interval: Span::secs(1), timeout: Span::secs(5), passes: 2 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    pub strategy: Strategy,
    /// How long the old containers may take to finish the requests they have.
    pub drain: Span,
    /// How long a new container may take until it is ready.
    pub timeout: Span,
    /// How long the new containers are watched, the old ones kept stopped, before the release is committed.
    pub bake: Span,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { strategy: Strategy::Rolling, drain: Span::secs(30), timeout: Span::secs(60), bake: Span::secs(0) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The new container runs before the old one goes: no gap.
    Rolling,
    /// The old container ends before the new one starts: a gap, for what cannot run twice.
    StopFirst,
}

/// A network of the Compose file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub key: NetworkName,
    /// Its name on the hosts.
    pub name: String,
    pub spec: NetworkSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkSpec {
    External,
    Created {
        driver: Option<String>,
        internal: bool,
        labels: BTreeMap<String, String>,
        /// Compose's `ipam`, as its JSON has it.
        ipam: Option<serde_json::Value>,
    },
}

/// A named volume of the Compose file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub key: VolumeName,
    /// Its name on the hosts.
    pub name: String,
    pub spec: VolumeSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSpec {
    External,
    Created { driver: Option<String>, driver_opts: BTreeMap<String, String>, labels: BTreeMap<String, String> },
}
