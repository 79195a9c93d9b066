//! A service's definition as a container of the engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use bollard::models::ContainerCreateBody;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::body::body;
use crate::{
    labels,
    model::{Application, KeyedHash, NetworkName, Release, Service},
};

/// The release of Docker Compose whose containers these agree with, field by field.
pub(super) const COMPOSE_VERSION: &str = "2.40.3";
/// What `docker compose ls` shows as the project's files: the files themselves are on the operator's machine.
const CONFIG_FILES: &str = "stagecraft.yml";

/// A container to be created, without the values of its environment: those are added when it is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerSpec {
    pub name: String,
    /// See [`config_hash`].
    pub(super) config: String,
    /// The engine's create request, all but `Env`, `NetworkingConfig` and the labels of the run.
    #[serde(serialize_with = "sorted")]
    pub(super) body: ContainerCreateBody,
    /// The names of the environment's variables with the keyed hashes of their values.
    pub(super) environment: BTreeMap<String, KeyedHash>,
    /// Variables of the image that the container does not get.
    pub(super) unset: BTreeSet<String>,
    /// The networks to join; the first is the one of `NetworkMode`.
    pub(super) networks: Vec<Endpoint>,
}

impl ContainerSpec {
    /// Its fixed address in this network of the host.
    pub fn address_in(&self, network: &str) -> Option<Ipv4Addr> {
        self.networks.iter().find(|endpoint| endpoint.network == network)?.address
    }
}

/// A network that a container joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    /// Its name on the host.
    pub network: String,
    pub aliases: Vec<String>,
    pub address: Option<Ipv4Addr>,
}

/// The container of one replica: `PROJECT-SERVICE-rRELEASE-REPLICA`, or the definition's `container_name`.
/// `network` is one more network with a fixed address, that of the ingress.
pub fn specify(release: &Release, service: &Service, replica: u32, network: Option<(&str, Ipv4Addr)>) -> ContainerSpec {
    let application = &release.application;
    let project = application.compose_project();
    let mut body = body(application, &service.definition, service.image.tag());
    let mut networks = networks(application, service);
    if let Some(host_config) = &mut body.host_config {
        host_config.network_mode = networks.first().map(|endpoint| endpoint.network.clone());
    }
    let config = hash(service, &body, &networks, network.map(|(name, _)| name));
    // Compose's name for the replica, by which others may know it; its own is resolved anyway.
    let fixed = service.definition.container_name.clone();
    let known = fixed.clone().unwrap_or_else(|| format!("{project}-{}-{replica}", service.name));
    for endpoint in &mut networks {
        endpoint.aliases.insert(0, known.clone());
    }
    if let Some((name, address)) = network {
        networks.push(Endpoint { network: name.to_owned(), aliases: vec![], address: Some(address) });
    }
    let name = fixed.unwrap_or_else(|| format!("{project}-{}-r{}-{replica}", service.name, release.id.number));
    body.labels.get_or_insert_default().extend(identity(release, service, replica, &config));
    let unset = service.definition.environment_unset.clone();
    ContainerSpec { name, config, body, environment: service.environment.clone(), unset, networks }
}

/// Hash of all that decides what the container is: image, definition, environment (by keyed hash), mounts, ports. Not its name,
/// replica, release, run or address. Equal hashes are the same container.
pub fn config_hash(spec: &ContainerSpec) -> String {
    spec.config.clone()
}

fn networks(application: &Application, service: &Service) -> Vec<Endpoint> {
    let name = |key: &NetworkName| {
        let network = application.networks.iter().find(|network| network.key == *key);
        network.map_or_else(|| format!("{}_{key}", application.compose_project()), |network| network.name.clone())
    };
    let endpoint = |(key, attachment): (&NetworkName, &super::definition::Attachment)| Endpoint {
        network: name(key),
        aliases: [service.name.to_string()].into_iter().chain(attachment.aliases.clone()).collect(),
        address: attachment.ipv4_address,
    };
    service.definition.networks.iter().map(endpoint).collect()
}

fn hash(service: &Service, body: &ContainerCreateBody, networks: &[Endpoint], ingress: Option<&str>) -> String {
    fingerprint(json!({
        "name": service.definition.container_name,
        "body": body,
        "environment": service.environment,
        "unset": service.definition.environment_unset,
        "networks": networks,
        "ingress": ingress,
        "job": service.job.is_some(),
    }))
}

/// SHA-256 of a value, whatever the order of its maps.
pub(super) fn fingerprint(value: Value) -> String {
    hex::encode(Sha256::digest(sort(value).to_string()))
}

/// The labels that tell a container from others: Compose's own, as `docker compose ps`, `logs` and `ls` look for them,
/// and ours.
fn identity(release: &Release, service: &Service, replica: u32, config: &str) -> Vec<(String, String)> {
    let application = &release.application;
    let depends_on: Vec<String> = service
        .depends_on
        .iter()
        .map(|dependency| format!("{}:{}:false", dependency.service, condition(dependency)))
        .collect();
    let role = if service.job.is_some() { labels::role::JOB } else { labels::role::SERVICE };
    let labels = [
        ("com.docker.compose.project", application.compose_project()),
        ("com.docker.compose.service", service.name.to_string()),
        ("com.docker.compose.container-number", replica.to_string()),
        ("com.docker.compose.oneoff", "False".to_owned()),
        ("com.docker.compose.config-hash", config.to_owned()),
        ("com.docker.compose.image", service.image.digest.clone()),
        ("com.docker.compose.depends_on", depends_on.join(",")),
        ("com.docker.compose.project.config_files", CONFIG_FILES.to_owned()),
        ("com.docker.compose.version", COMPOSE_VERSION.to_owned()),
        (labels::PROJECT, application.project.to_string()),
        (labels::ENVIRONMENT, application.environment.to_string()),
        (labels::ROLE, role.to_owned()),
        (labels::SERVICE, service.name.to_string()),
        (labels::REPLICA, replica.to_string()),
        (labels::CONFIG, config.to_owned()),
        (labels::RELEASE, release.id.number.to_string()),
    ];
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn condition(dependency: &crate::model::Dependency) -> &'static str {
    use crate::model::DependencyCondition as Condition;
    match dependency.condition {
        Condition::ServiceStarted => "service_started",
        Condition::ServiceHealthy => "service_healthy",
        Condition::ServiceCompletedSuccessfully => "service_completed_successfully",
    }
}

/// The same text for the same request: the engine's types keep their maps in no order.
fn sorted<S: Serializer>(body: &ContainerCreateBody, serializer: S) -> Result<S::Ok, S::Error> {
    let value = serde_json::to_value(body).map_err(serde::ser::Error::custom)?;
    sort(value).serialize(serializer)
}

fn sort(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sort(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sort).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use super::{ContainerSpec, config_hash, specify};
    use crate::{
        compose::fixture::{release, service},
        model::{KeyedHash, Service},
    };

    const INGRESS: (&str, Ipv4Addr) = ("stagecraft-ingress", Ipv4Addr::new(10, 213, 0, 9));

    fn of(service: &Service) -> ContainerSpec {
        specify(&release(service.clone()), service, 2, None)
    }

    #[test]
    fn a_plan_holds_the_whole_request_and_no_value() {
        let spec = specify(&release(service()), &service(), 2, Some(INGRESS));
        let config = config_hash(&spec);
        assert_eq!(
            serde_json::to_value(&spec).unwrap(),
            json!({
                "name": "shop-web-r12-2",
                "config": config,
                "body": {
                    "AttachStderr": true,
                    "AttachStdout": true,
                    "HostConfig": {
                        "Binds": ["shop_data:/data:rw"],
                        "NetworkMode": "shop_default",
                        "OomKillDisable": false,
                    },
                    "Image": "stagecraft/image:c0ffee00c0ffee00",
                    "Labels": {
                        "com.docker.compose.config-hash": config,
                        "com.docker.compose.container-number": "2",
                        "com.docker.compose.depends_on": "db:service_healthy:false",
                        "com.docker.compose.image": "sha256:c0ffee00c0ffee00",
                        "com.docker.compose.oneoff": "False",
                        "com.docker.compose.project": "shop",
                        "com.docker.compose.project.config_files": "stagecraft.yml",
                        "com.docker.compose.service": "web",
                        "com.docker.compose.version": "2.40.3",
                        "io.stagecraft.config": config,
                        "io.stagecraft.environment": "default",
                        "io.stagecraft.project": "shop",
                        "io.stagecraft.release": "12",
                        "io.stagecraft.replica": "2",
                        "io.stagecraft.role": "service",
                        "io.stagecraft.service": "web",
                    },
                },
                "environment": { "PASSWORD": "ab12" },
                "unset": [],
                "networks": [
                    { "network": "shop_default", "aliases": ["shop-web-2", "web", "www"], "address": null },
                    { "network": "stagecraft-ingress", "aliases": [], "address": "10.213.0.9" },
                ],
            })
        );
        let text = serde_json::to_string(&spec).unwrap();
        let again: ContainerSpec = serde_json::from_str(&text).unwrap();
        assert_eq!(again, spec);
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }

    /// A version of Stagecraft that comes to another hash would replace every container that runs.
    #[test]
    fn the_hash_outlives_the_program() {
        assert_eq!(config_hash(&of(&service())), "78906055e6ad99abf1f0c382f6d71f700d6c12daad868d25814f4a7845f9eeb0");
    }

    #[test]
    fn the_hash_is_of_what_the_container_is() {
        let hash = |replica, number, address| {
            let mut release = release(service());
            release.id.number = number;
            config_hash(&specify(&release, &service(), replica, Some(("stagecraft-ingress", address))))
        };
        let unspecified = hash(1, 12, Ipv4Addr::UNSPECIFIED);
        assert_eq!(unspecified, hash(2, 13, INGRESS.1));
        assert_ne!(unspecified, config_hash(&of(&service())), "a route is a difference");

        let changed = |change: fn(&mut Service)| {
            let mut service = service();
            change(&mut service);
            config_hash(&of(&service)) != config_hash(&of(&super::tests::service()))
        };
        assert!(changed(|service| service.image.digest = "sha256:2".into()));
        assert!(changed(|service| {
            service.environment.insert("PASSWORD".into(), KeyedHash("cd34".into()));
        }));
        assert!(changed(|service| service.definition.volumes.clear()));
        assert!(changed(|service| service.definition.container_name = Some("web".into())));
        assert!(changed(|service| {
            service.definition.environment_unset.insert("DEBUG".into());
        }));
        assert!(!changed(|service| service.replicas = 3));
        assert!(!changed(|service| service.depends_on.clear()));
    }

    #[test]
    fn a_container_name_is_its_name_and_alias() {
        let mut named = service();
        named.definition.container_name = Some("store".into());
        let spec = of(&named);
        assert_eq!(spec.name, "store");
        assert_eq!(spec.networks[0].aliases, ["store", "web", "www"]);
    }
}
