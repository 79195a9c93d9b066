//! A service as `docker compose config --format json` resolved it, by the keys that Stagecraft supports.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::model::{NetworkName, Span, VolumeName};

/// Compose's default between the stop signal and SIGKILL.
const STOP_GRACE: Span = Span::secs(10);

/// One service's definition without `environment`, whose values are secret and kept apart. The fields are named as the
/// keys of a Compose file; what is not given is the engine's or the image's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Variables named without a value: the image's own values for them are taken away.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub environment_unset: BTreeSet<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Mount>,
    /// Options of a tmpfs, such as `size=10m`, by its path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<NetworkName, Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    #[serde(skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// As the engine takes them, `name:address`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `os/architecture`, which the hosts must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// A port of the container, published on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// A port or a range of them, from which the engine takes a free one; `None` for any free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// `None` for all addresses of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
}

impl Port {
    /// The one port of the host that it takes.
    pub fn fixed(&self) -> Option<&str> {
        self.published.as_deref().filter(|published| !published.contains('-'))
    }
}

/// What is mounted into the container, by Compose's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Mount {
    Volume {
        source: VolumeName,
        target: String,
        read_only: bool,
        /// An empty volume does not get what the image has at the target.
        nocopy: bool,
    },
    Bind {
        /// On the host, absolute.
        source: String,
        target: String,
        read_only: bool,
        create_host_path: bool,
        propagation: Option<String>,
        /// `z` or `Z`.
        selinux: Option<String>,
    },
    Tmpfs {
        target: String,
        read_only: bool,
        /// In bytes.
        size: Option<i64>,
        mode: Option<u32>,
    },
}

/// A network that the service is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attachment {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<Ipv4Addr>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// `CMD` or `CMD-SHELL` and words; `NONE` takes the image's own check away; empty keeps it.
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Span>,
}

/// What the engine does when the container ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    No,
    Always,
    UnlessStopped,
    OnFailure {
        /// 0 for as often as it fails.
        attempts: u32,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
}

/// Of `deploy.resources`, or `mem_limit`, `cpus`, `pids_limit` and their like. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Memory and swap together; -1 for as much swap as there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
}

impl Limits {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ulimit {
    pub soft: i64,
    pub hard: i64,
}

impl Definition {
    /// Whether the Compose file has a health check for it that is not disabled.
    pub fn has_health_check(&self) -> bool {
        let test = self.healthcheck.as_ref().and_then(|check| check.test.first());
        test.is_some_and(|kind| kind != "NONE")
    }

    /// `stop_grace_period`, by default 10 s as in Compose.
    pub fn stop_grace(&self) -> Span {
        self.stop_grace_period.unwrap_or(STOP_GRACE)
    }

    /// What of the definition cannot exist twice at once, such as `the volume data` or `port 5432`; such a service must be
    /// replaced by stop-first.
    pub fn exclusive(&self) -> Vec<String> {
        let volumes = self.volumes.iter().filter_map(|mount| match mount {
            Mount::Volume { source, read_only: false, .. } => Some(format!("the volume {source}")),
            _ => None,
        });
        volumes.chain(self.single()).collect()
    }

    /// What of the definition not even two containers of one host can have side by side: names, ports and addresses.
    pub fn single(&self) -> Vec<String> {
        let ports = self.ports.iter().filter_map(Port::fixed).map(|port| format!("port {port}"));
        let addresses = self.networks.values().filter_map(|network| network.ipv4_address);
        let name = self.container_name.iter().map(|name| format!("the container name {name}"));
        ports.chain(addresses.map(|address| format!("the address {address}"))).chain(name).collect()
    }

    /// Binds of paths inside the project directory, such as `./html`: they are on the operator's machine, and on no other
    /// host.
    pub fn local_binds(&self, directory: &Path) -> Vec<String> {
        let binds = self.volumes.iter().filter_map(|mount| match mount {
            Mount::Bind { source, .. } => Some(source),
            _ => None,
        });
        binds.filter(|source| Path::new(source).starts_with(directory)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Definition, HealthCheck, Mount, Port};
    use crate::model::{Span, VolumeName};

    fn port(published: Option<&str>) -> Port {
        Port { target: 80, protocol: "tcp".into(), published: published.map(str::to_owned), host_ip: None }
    }

    fn volume(read_only: bool) -> Mount {
        Mount::Volume { source: VolumeName::new("data").unwrap(), target: "/data".into(), read_only, nocopy: false }
    }

    #[test]
    fn what_cannot_exist_twice_is_named() {
        let definition = Definition {
            volumes: vec![volume(false), volume(true)],
            ports: vec![port(Some("5432")), port(Some("8000-8010")), port(None)],
            container_name: Some("db".into()),
            ..Definition::default()
        };
        assert_eq!(definition.exclusive(), ["the volume data", "port 5432", "the container name db"]);
        assert_eq!(definition.single(), ["port 5432", "the container name db"]);
    }

    #[test]
    fn a_disabled_check_is_none() {
        let with = |test: &[&str]| Definition {
            healthcheck: Some(HealthCheck {
                test: test.iter().map(|&word| word.to_owned()).collect(),
                ..HealthCheck::default()
            }),
            ..Definition::default()
        };
        assert!(with(&["CMD", "/app", "check"]).has_health_check());
        assert!(!with(&["NONE"]).has_health_check());
        assert!(!with(&[]).has_health_check());
        assert!(!Definition::default().has_health_check());
    }

    #[test]
    fn only_binds_inside_the_project_are_local() {
        let bind = |source: &str| Mount::Bind {
            source: source.into(),
            target: "/x".into(),
            read_only: true,
            create_host_path: true,
            propagation: None,
            selinux: None,
        };
        let volumes = vec![bind("/srv/shop/html"), bind("/srv/shopping"), bind("/etc/ssl")];
        let definition = Definition { volumes, ..Definition::default() };
        assert_eq!(definition.local_binds(Path::new("/srv/shop")), ["/srv/shop/html"]);
    }

    /// Release records outlive the program that wrote them.
    #[test]
    fn an_empty_definition_is_an_empty_object() {
        assert_eq!(serde_json::to_string(&Definition::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Definition>("{}").unwrap(), Definition::default());
        assert!(serde_json::from_str::<Definition>("{\"privileged\": true}").is_err());
        assert_eq!(Definition::default().stop_grace(), Span::secs(10));
    }
}
