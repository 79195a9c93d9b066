//! A project's part of the ingress's configuration.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    facts::IngressFacts,
    model::{KeyedHash, Service, ServiceName, Span, Tls},
};

/// What one project has on the host's ingress. On the host it is the file `apps/PROJECT.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fragment {
    pub backends: Vec<Backend>,
    pub routes: Vec<Entry>,
    /// By the host name of requests.
    pub certificates: BTreeMap<String, Certificate>,
}

/// Servers that are checked in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// `PROJECT:SERVICE:HASH`. The hash is over check and port: a service whose check changes gets a new backend, so that old
    /// containers are never asked in the new way.
    pub name: String,
    pub service: ServiceName,
    pub check: Check,
    /// Those in service, and no others: what a restart comes back with.
    pub servers: Vec<Server>,
}

/// How a backend's servers are asked whether they are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// HTTP `GET`, 2xx and 3xx pass; a TCP connect when `None`.
    pub path: Option<String>,
    /// The `Host` of that request.
    pub host: String,
    pub interval: Span,
    pub timeout: Span,
    pub passes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The container's name.
    pub name: String,
    pub address: Ipv4Addr,
    pub port: u16,
}

/// Requests for a host name and path go to a backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub service: ServiceName,
    pub host: String,
    /// `/` or `/api`: whole segments.
    pub path: String,
    pub backend: String,
    /// Plain HTTP is redirected to HTTPS.
    pub secure: bool,
}

impl Entry {
    /// The key in the map: what a request's host, path and a `/` begin with.
    pub fn key(&self) -> String {
        format!("{}{}/", self.host, self.path.trim_end_matches('/'))
    }

    pub fn value(&self) -> String {
        format!("{}/{}", self.backend, if self.secure { "tls" } else { "plain" })
    }
}

/// Which certificate a host name has, without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certificate {
    /// Of the environment's own authority, until this time.
    Internal { expires: jiff::Timestamp },
    /// The user's own.
    Own { pem: KeyedHash },
}

impl Certificate {
    /// The name of its file for this host name, by what it is: no file is replaced by another certificate.
    pub fn file(&self, host: &str) -> String {
        match self {
            Self::Internal { expires } => format!("certs/{host}-{}.pem", expires.as_second()),
            Self::Own { pem } => format!("certs/{host}-{}.pem", pem.0),
        }
    }
}

impl Fragment {
    /// The file that holds a project's fragment, below the configuration directory.
    pub fn file(project: &str) -> String {
        format!("apps/{project}.json")
    }

    /// The fragment of a project on a host; empty when it has none.
    pub fn of(facts: &IngressFacts, project: &str) -> Self {
        let text = facts.files.get(&Self::file(project));
        // A file that cannot be read is reported where it would be written.
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Every project's fragment on a host, by the project.
    pub fn all(files: &BTreeMap<String, String>) -> Result<BTreeMap<String, Self>, String> {
        let named = |path: &str| Some(path.strip_prefix("apps/")?.strip_suffix(".json")?.to_owned());
        let fragments = files.iter().filter_map(|(path, text)| Some((named(path)?, text)));
        fragments
            .map(|(project, text)| match serde_json::from_str(text) {
                Ok(fragment) => Ok((project, fragment)),
                Err(error) => Err(format!("apps/{project}.json cannot be read: {error}")),
            })
            .collect()
    }

    pub fn backend_mut(&mut self, name: &str) -> Option<&mut Backend> {
        self.backends.iter_mut().find(|backend| backend.name == name)
    }

    /// A service's servers in service, each with its backend.
    pub fn servers_of(&self, service: &ServiceName) -> impl Iterator<Item = (&Backend, &Server)> {
        let backends = self.backends.iter().filter(move |backend| backend.service == *service);
        backends.flat_map(|backend| backend.servers.iter().map(move |server| (backend, server)))
    }

    pub fn routes_of(&self, service: &ServiceName) -> Vec<Entry> {
        self.routes.iter().filter(|entry| entry.service == *service).cloned().collect()
    }

    /// What is put in the place of when the service gets these entries.
    pub fn routes_replaced(&self, service: &ServiceName, entries: &[Entry]) -> Vec<Entry> {
        let taken = |entry: &Entry| entries.iter().any(|new| new.key() == entry.key());
        self.routes.iter().filter(|entry| entry.service == *service || taken(entry)).cloned().collect()
    }

    /// The certificates of the hosts that these entries route.
    pub fn certificates_of(&self, entries: &[Entry]) -> BTreeMap<String, Certificate> {
        let routed = |host: &String| entries.iter().any(|entry| entry.host == *host);
        let certificates = self.certificates.iter().filter(|(host, _)| routed(host));
        certificates.map(|(host, certificate)| (host.clone(), certificate.clone())).collect()
    }

    /// Puts these entries in the place of the service's, and of those that have the same host and path: a route may go from
    /// one service to another.
    pub fn set_routes(&mut self, service: &ServiceName, entries: &[Entry]) {
        let taken = |entry: &Entry| entries.iter().any(|new| new.key() == entry.key());
        self.routes.retain(|entry| entry.service != *service && !taken(entry));
        self.routes.extend(entries.iter().cloned());
        self.routes.sort();
    }
}

/// How the service's new containers are checked; `None` without a route.
pub fn check(service: &Service) -> Option<Check> {
    let route = service.route.as_ref()?;
    let health = &service.health;
    Some(Check {
        path: health.path.clone(),
        host: route.host.clone(),
        interval: health.interval,
        timeout: health.timeout,
        passes: health.passes,
    })
}

/// The name of the backend for a service that is checked so, at this port: a server's port cannot change while it serves.
pub fn backend_name(project: &str, service: &ServiceName, check: &Check, port: u16) -> String {
    let text = serde_json::to_vec(&(check, port)).expect("plain data");
    format!("{project}:{service}:{}", hex::encode(&Sha256::digest(text)[..4]))
}

/// The entries that the service should have; none without a route.
pub fn entries(service: &Service, backend: &str) -> Vec<Entry> {
    let entry = service.route.as_ref().map(|route| Entry {
        service: service.name.clone(),
        host: route.host.clone(),
        path: route.path.clone(),
        backend: backend.to_owned(),
        secure: route.tls != Tls::Off,
    });
    entry.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{Entry, Fragment};
    use crate::model::ServiceName;

    #[test]
    fn keys_end_whole_segments() {
        let entry = |path: &str| Entry {
            service: ServiceName::new("web").unwrap(),
            host: "shop.test".into(),
            path: path.into(),
            backend: "shop:web:0".into(),
            secure: false,
        };
        assert_eq!(entry("/").key(), "shop.test/");
        assert_eq!(entry("/api").key(), "shop.test/api/");
        assert_eq!(entry("/api/").key(), "shop.test/api/");
        assert_eq!(entry("/").value(), "shop:web:0/plain");
    }

    #[test]
    fn a_fragment_of_version_one_is_read() {
        let text = r#"{"backends":[{"name":"shop:web:0","service":"web","check":{"path":"/up","host":"a.test","interval":"1s",
            "timeout":"5s","passes":2},"servers":[{"name":"shop-web-r1-1","address":"10.210.0.2","port":80}]}],
            "routes":[{"service":"web","host":"a.test","path":"/","backend":"shop:web:0","secure":true}],
            "certificates":{"a.test":{"internal":{"expires":"2029-01-01T00:00:00Z"}},"b.test":{"own":{"pem":"00"}}}}"#;
        let fragment: Fragment = serde_json::from_str(text).unwrap();
        assert_eq!(fragment.servers_of(&ServiceName::new("web").unwrap()).count(), 1);
    }
}
