//! A first stagecraft.yml, from what the Compose files say.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, str::FromStr};

use stdlib::{
    compose::{ComposeCli, Model, Resolved},
    model::{HostName, ProjectName, ServiceName},
};

use super::{Diagnostic, compose, sources::Sources};

/// Where `stagecraft init` puts the schema for editors.
pub const SCHEMA_FILE: &str = ".stagecraft/schema.json";

/// A host to begin with, `[USER@]ADDRESS[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterHost {
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
}

impl FromStr for StarterHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a host; write `USER@ADDRESS`, or `local` for the engine of this machine");
        let (user, place) = text.split_once('@').map_or((None, text), |(user, place)| (Some(user.to_owned()), place));
        let (address, port) = match place.rsplit_once(':') {
            // More than one colon is an IPv6 address, which has a port only behind brackets.
            Some((address, port)) if !address.contains(':') || address.ends_with(']') => (address, Some(port)),
            _ => (place, None),
        };
        let address = address.trim_matches(['[', ']']).to_owned();
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.contains(|c: char| c.is_whitespace() || "\"'{},#".contains(c))
        };
        if !plain(&address) || user.as_deref().is_some_and(|user| !plain(user)) {
            return Err(wrong());
        }
        let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
        Ok(Self { address, user, port })
    }
}

impl StarterHost {
    pub fn local() -> Self {
        Self { address: "local".to_owned(), user: None, port: None }
    }

    /// `web-1` of `web-1.example.com`; an address of digits has no name to give.
    fn name(&self) -> Option<&str> {
        let first = self.address.split('.').next()?;
        let named = first.starts_with(|c: char| c.is_ascii_alphabetic()) && HostName::new(first).is_ok();
        named.then_some(first)
    }

    fn settings(&self) -> String {
        let mut text = format!("address: {}", quoted(&self.address));
        if let Some(user) = &self.user {
            let _ = write!(text, ", user: {}", quoted(user));
        }
        if let Some(port) = self.port {
            let _ = write!(text, ", port: {port}");
        }
        text
    }
}

/// In quotes where YAML could take it for something else.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) || text.split('.').count() == 4;
    if plain && !text.contains(':') { text.to_owned() } else { format!("\"{text}\"") }
}

/// The directory's name as a project's.
pub fn project_name(directory: &Path) -> ProjectName {
    let name = directory.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).collect();
    let mut slug = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    slug.truncate(63);
    ProjectName::new(slug.trim_end_matches('-')).unwrap_or_else(|_| ProjectName::new("app").expect("a valid name"))
}

/// What a first stagecraft.yml is made from.
#[derive(Debug)]
pub struct Starter {
    pub(super) project: ProjectName,
    pub(super) model: Model,
}

impl Starter {
    /// Asks Compose for the application in a directory.
    pub async fn read(directory: &Path) -> Result<Self, Vec<Diagnostic>> {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let project = project_name(&directory);
        let cli = ComposeCli {
            directory: directory.clone(),
            files: Vec::new(),
            env_files: Vec::new(),
            profiles: Vec::new(),
            project: project.to_string(),
        };
        // Its warnings come again when the file is checked.
        let (model, _) = compose::read(&cli, &Sources::read(&directory, &[])).await?;
        Ok(Self { project, model })
    }

    /// The services with a published port and no data of their own, and the port that their container listens on.
    pub fn routable(&self) -> Vec<(&ServiceName, u16)> {
        let port = |service: &Resolved| {
            let mut ports = service.definition.ports.iter().filter(|port| port.protocol == "tcp");
            ports.next().filter(|_| !keeps_data(service)).map(|port| port.target)
        };
        self.model.services.iter().filter_map(|(name, service)| Some((name, port(service)?))).collect()
    }

    /// The file's text, with these hosts, and routes for the services that have a host name here.
    pub fn text(&self, hosts: &[StarterHost], names: &BTreeMap<ServiceName, String>) -> String {
        let hosts = name_all(hosts);
        let mut text = format!(
            "# yaml-language-server: $schema={SCHEMA_FILE}\nversion: 1\nproject: {}\n\nhosts:\n",
            quoted(self.project.as_str())
        );
        for (name, host) in &hosts {
            let _ = writeln!(text, "  {name}: {{ {} }}", host.settings());
        }
        if hosts.iter().all(|(_, host)| **host == StarterHost::local()) {
            text += "  # over SSH: web-1: { address: 203.0.113.10, user: deploy, roles: [web] }\n";
        }
        text += "\nservices:\n";
        for (name, service) in &self.model.services {
            let port = self.routable().into_iter().find(|(other, _)| *other == name).map(|(_, port)| port);
            text += &entry(name, service, port, names.get(name), &hosts);
        }
        text
    }
}

/// Every host with a name of its own.
fn name_all(hosts: &[StarterHost]) -> Vec<(String, &StarterHost)> {
    let mut named: Vec<(String, &StarterHost)> = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let taken = |name: &str| named.iter().any(|(other, _)| other == name);
        let own = host.name().filter(|name| !taken(name)).map(str::to_owned);
        named.push((own.unwrap_or_else(|| format!("host-{}", index + 1)), host));
    }
    named
}

/// Whether it has a volume: what is exclusive beyond what a host can have only once.
fn keeps_data(service: &Resolved) -> bool {
    let single = service.definition.single();
    service.definition.exclusive().iter().any(|what| !single.contains(what))
}

fn entry(
    name: &ServiceName,
    service: &Resolved,
    port: Option<u16>,
    host_name: Option<&String>,
    hosts: &[(String, &StarterHost)],
) -> String {
    let mut lines = Vec::new();
    let exclusive = service.definition.exclusive();
    if let (true, [(first, _), _, ..]) = (keeps_data(service), hosts) {
        lines.push(format!("on: {first}"));
    }
    if !exclusive.is_empty() && service.replicas.is_some_and(|replicas| replicas > 1) {
        lines.push("replicas: 1".to_owned());
    }
    match (port, host_name) {
        (Some(port), Some(host)) => {
            lines.push(format!("route: {{ host: {}, port: {port}, tls: internal }}", quoted(host)));
        }
        (Some(port), None) => {
            lines.push(format!("# route: {{ host: {name}.example.com, port: {port}, tls: internal }}"));
        }
        (None, _) => {}
    }
    if !exclusive.is_empty() {
        lines.push(format!("rollout: {{ strategy: stop-first }}  # it has {}", exclusive.join(", ")));
    }
    // A comment alone would leave the key without a value.
    let value = if lines.iter().all(|line| line.starts_with('#')) { " {}" } else { "" };
    lines.insert(0, format!("{name}:{value}"));
    let text = lines.join("\n    ");
    format!("  {text}\n")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use serde_json::json;
    use stdlib::{
        compose,
        model::{ProjectName, ServiceName},
    };

    use super::{Starter, StarterHost, project_name};

    fn starter() -> Starter {
        let config = json!({
            "name": "shop",
            "services": {
                "db": { "image": "db", "volumes": [{ "type": "volume", "source": "data", "target": "/data" }] },
                "web": { "image": "web", "ports": [{ "mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp" }] },
                "worker": { "image": "web" },
            },
            "volumes": { "data": { "name": "shop_data" } },
        });
        Starter { project: ProjectName::new("shop").unwrap(), model: compose::read(&config).unwrap() }
    }

    fn hosts(texts: &[&str]) -> Vec<StarterHost> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn writes_what_can_be_derived() {
        let names = BTreeMap::from([(ServiceName::new("web").unwrap(), "shop.example.com".to_owned())]);
        assert_eq!(
            starter().text(&hosts(&["deploy@web-1.example.com", "root@203.0.113.11:2222"]), &names),
            "\
# yaml-language-server: $schema=.stagecraft/schema.json
version: 1
project: shop

hosts:
  web-1: { address: web-1.example.com, user: deploy }
  host-2: { address: 203.0.113.11, user: root, port: 2222 }

services:
  db:
    on: web-1
    rollout: { strategy: stop-first }  # it has the volume data
  web:
    route: { host: shop.example.com, port: 80, tls: internal }
    rollout: { strategy: stop-first }  # it has port 8080
  worker: {}
"
        );
    }

    #[test]
    fn begins_with_this_machine() {
        let text = starter().text(&[StarterHost::local()], &BTreeMap::new());
        assert!(text.contains("hosts:\n  local: { address: local }\n  # over SSH:"), "{text}");
        assert!(text.contains("  web:\n    # route: { host: web.example.com, port: 80, tls: internal }\n"), "{text}");
        assert!(!text.contains("on:  "), "{text}");
    }

    #[test]
    fn hosts_are_read_as_ssh_writes_them() {
        let host = |address: &str, user: Option<&str>, port| StarterHost {
            address: address.into(),
            user: user.map(str::to_owned),
            port,
        };
        assert_eq!(hosts(&["web", "me@web:22"]), [host("web", None, None), host("web", Some("me"), Some(22))]);
        assert_eq!(
            hosts(&["2001:db8::1", "[2001:db8::1]:22"]),
            [host("2001:db8::1", None, None), host("2001:db8::1", None, Some(22))]
        );
        for wrong in ["", "@web", "me@", "-oProxyCommand=x", "a b", "web:ssh"] {
            assert!(wrong.parse::<StarterHost>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_names_the_project() {
        for (directory, name) in
            [("/srv/My Shop_2", "my-shop-2"), ("/", "app"), ("/srv/__", "app"), ("/srv/shop", "shop")]
        {
            assert_eq!(project_name(Path::new(directory)).as_str(), name, "{directory}");
        }
    }
}
