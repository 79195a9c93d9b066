//! What a release changed against the one before, for people. Of the environment only names: values are in no record.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use stdlib::model::{Application, HostName, Route, Service, Tls};

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub service: String,
    /// Such as `image`, `environment DATABASE_URL`.
    pub what: String,
    pub before: Option<String>,
    pub now: Option<String>,
}

/// Service by service, in the order of their names.
pub fn differences(before: &Application, now: &Application) -> Vec<Difference> {
    let names: BTreeSet<_> = before.services.iter().chain(&now.services).map(|service| &service.name).collect();
    let each = names.into_iter().flat_map(|name| match (before.service(name), now.service(name)) {
        (Some(old), Some(new)) => changed(old, new),
        (None, Some(new)) => vec![whole(new, None, Some(described(new)))],
        (Some(old), None) => vec![whole(old, Some(described(old)), None)],
        (None, None) => Vec::new(),
    });
    each.collect()
}

fn whole(service: &Service, before: Option<String>, now: Option<String>) -> Difference {
    Difference { service: service.name.to_string(), what: "service".into(), before, now }
}

fn described(service: &Service) -> String {
    format!("{} ({}) on {}", service.image.source, service.image.short(), hosts(&service.hosts))
}

fn changed(old: &Service, new: &Service) -> Vec<Difference> {
    let image = |service: &Service| Some(format!("{} ({})", service.image.source, service.image.short()));
    let named = [
        ("image", image(old), image(new)),
        ("replicas", Some(old.replicas.to_string()), Some(new.replicas.to_string())),
        ("hosts", Some(hosts(&old.hosts)), Some(hosts(&new.hosts))),
        ("route", old.route.as_ref().map(route), new.route.as_ref().map(route)),
    ];
    let named = named.into_iter().filter(|(_, before, now)| before != now);
    let mut found: Vec<(String, Option<String>, Option<String>)> =
        named.map(|(what, before, now)| (what.to_owned(), before, now)).collect();
    found.extend(environment(old, new));
    let settings = definition(old, new).into_iter();
    found.extend(settings.map(|what| (what, Some("one setting".to_owned()), Some("another".to_owned()))));
    let service = new.name.to_string();
    let difference = |(what, before, now)| Difference { service: service.clone(), what, before, now };
    found.into_iter().map(difference).collect()
}

/// The variables by name.
fn environment(old: &Service, new: &Service) -> Vec<(String, Option<String>, Option<String>)> {
    let names: BTreeSet<&String> = old.environment.keys().chain(new.environment.keys()).collect();
    let differing = names.into_iter().filter(|name| old.environment.get(*name) != new.environment.get(*name));
    let told = differing.map(|name| {
        let had = old.environment.contains_key(name).then(|| "a value".to_owned());
        let has = new.environment.contains_key(name).then(|| match had {
            Some(_) => "another value".to_owned(),
            None => "a value".to_owned(),
        });
        (format!("environment {name}"), had, has)
    });
    told.collect()
}

/// The rest, by the Compose file's and stagecraft.yml's own names. What they are set to may say more than a report should.
fn definition(old: &Service, new: &Service) -> Vec<String> {
    let fields = |service: &Service| match serde_json::to_value(&service.definition) {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (was, is) = (fields(old), fields(new));
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).filter(|key| *key != "image").collect();
    let mut names: Vec<String> = keys.into_iter().filter(|key| was.get(*key) != is.get(*key)).cloned().collect();
    let settings = [
        ("health", old.health != new.health),
        ("rollout", old.rollout != new.rollout),
        ("depends_on", old.depends_on != new.depends_on),
        ("job", old.job != new.job),
    ];
    names.extend(settings.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()));
    names
}

fn hosts(hosts: &[HostName]) -> String {
    hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ")
}

fn route(route: &Route) -> String {
    let tls = match route.tls {
        Tls::Off => "without TLS",
        Tls::Internal => "TLS by the environment's own CA",
        Tls::Own { .. } => "TLS with an own certificate",
    };
    format!("{}{} to port {}, {tls}", route.host, route.path, route.port)
}

#[cfg(test)]
mod tests {
    use stdlib::{
        compose::Definition,
        model::{
            Application, EnvironmentName, Health, HostName, Image, ProjectName, Rollout, Route, SecretKey, Service,
            ServiceName, Tls,
        },
    };

    use super::{Difference, differences};

    fn service(name: &str) -> Service {
        Service {
            name: ServiceName::new(name).unwrap(),
            definition: Definition::default(),
            environment: [("A".to_owned(), hash("one")), ("B".to_owned(), hash("two"))].into(),
            image: Image { source: "shop".into(), digest: format!("sha256:{:064}", 1), platform: "linux/amd64".into() },
            hosts: vec![HostName::new("web-1").unwrap()],
            replicas: 1,
            depends_on: vec![],
            route: None,
            health: Health::default(),
            rollout: Rollout::default(),
            job: None,
        }
    }

    fn hash(value: &str) -> stdlib::model::KeyedHash {
        SecretKey::new([7; 32]).hash(value)
    }

    fn application(services: Vec<Service>) -> Application {
        let (project, environment) = (ProjectName::new("shop").unwrap(), EnvironmentName::new("default").unwrap());
        Application { project, environment, services, networks: vec![], volumes: vec![] }
    }

    // spec: runs.report
    #[test]
    fn a_release_differs_in_images_names_routes_and_replicas() {
        let before = application(vec![service("web"), service("gone")]);
        let route = Route { host: "shop.test".into(), path: "/".into(), port: 80, tls: Tls::Off };
        let mut web = Service { replicas: 3, route: Some(route), ..service("web") };
        web.environment = [("A".to_owned(), hash("other")), ("C".to_owned(), hash("three"))].into();
        web.definition.command = Some(vec!["--password=hunter2".into()]);
        let found = differences(&before, &application(vec![web, service("new")]));
        let line = |found: &Difference| {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
            format!("{}, {}: {} → {}", found.service, found.what, or_none(&found.before), or_none(&found.now))
        };
        let lines: Vec<String> = found.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "gone, service: shop (image 00000000) on web-1 → none",
                "new, service: none → shop (image 00000000) on web-1",
                "web, replicas: 1 → 3",
                "web, route: none → shop.test/ to port 80, without TLS",
                "web, environment A: a value → another value",
                "web, environment B: a value → none",
                "web, environment C: none → a value",
                "web, command: one setting → another",
            ]
        );
    }
}
