//! The services of the Compose model on the hosts of an environment.

use std::{collections::BTreeMap, path::Path};

use stdlib::{
    compose::{Model, Resolved},
    model::{Address, Health, HostName, HostSettings, JobTime, Rollout, ServiceName, Strategy},
};

use super::{
    Diagnostic,
    findings::{Findings, instead, list},
    routes::Entrance,
    services::Settings,
    sources::Sources,
};

/// How one service of the Compose model runs in an environment.
#[derive(Debug, Clone)]
pub struct Placed {
    pub hosts: Vec<HostName>,
    pub replicas: u32,
    pub route: Option<Entrance>,
    pub health: Health,
    pub rollout: Rollout,
    pub job: Option<JobTime>,
}

/// What the services are held against.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    pub model: &'a Model,
    /// Where the services stand in the Compose files.
    pub sources: &'a Sources,
    /// Absolute.
    pub directory: &'a Path,
    pub hosts: &'a [HostSettings],
    pub home: &'a HostName,
}

/// Places every service of the model.
pub fn place(
    settings: &[Settings],
    application: Application<'_>,
    findings: &mut Findings,
) -> BTreeMap<ServiceName, Placed> {
    let model = application.model;
    for service in settings {
        if !model.services.keys().any(|name| name.as_str() == service.name) {
            let help = if application.sources.has(&["services", &service.name]) {
                "it is under a Compose profile: switch that on with `profiles`".to_owned()
            } else {
                instead(&service.name, model.services.keys().map(ServiceName::as_str))
            };
            findings.error(&service.key, format!("the Compose files have no service `{}`", service.name)).help(help);
        }
    }
    let mut placed: BTreeMap<ServiceName, Placed> = BTreeMap::new();
    // A job without `on` goes where the services are that it depends on: those first.
    let is_job = |name: &ServiceName| of(settings, name).is_some_and(|settings| settings.job.is_some());
    let (jobs, services): (Vec<_>, Vec<_>) = model.services.iter().partition(|(name, _)| is_job(name));
    for (name, resolved) in services.into_iter().chain(jobs) {
        let one = Candidate { name, resolved, settings: of(settings, name), application };
        let service = one.place(&placed, findings);
        one.check(&service, findings);
        placed.insert(name.clone(), service);
    }
    warn_of_distance(&placed, application, findings);
    placed
}

fn of<'a>(settings: &'a [Settings], name: &ServiceName) -> Option<&'a Settings> {
    settings.iter().find(|settings| settings.name == name.as_str())
}

/// A service of the model with what the file says of it.
struct Candidate<'a> {
    name: &'a ServiceName,
    resolved: &'a Resolved,
    settings: Option<&'a Settings>,
    application: Application<'a>,
}

impl Candidate<'_> {
    fn place(&self, placed: &BTreeMap<ServiceName, Placed>, findings: &mut Findings) -> Placed {
        let job = self.settings.and_then(|settings| settings.job.as_ref()).map(|job| job.value);
        let on = self.settings.and_then(|settings| settings.on.clone());
        let mut hosts = on.unwrap_or_else(|| match job {
            Some(_) => vec![self.beside_dependencies(placed)],
            None => self.all_hosts(),
        });
        if job.is_some() {
            hosts.truncate(1);
        }
        let given = self.settings.and_then(|settings| settings.replicas.as_ref()).map(|given| given.value);
        let replicas = if job.is_some() { 1 } else { given.or(self.resolved.replicas).unwrap_or(1) };
        if replicas == 0 {
            self.error("replicas of the Compose file cannot be 0", findings)
                .help("put a service that does not run under a Compose profile");
        }
        Placed {
            hosts,
            replicas,
            route: self.settings.and_then(|settings| settings.route.clone()),
            health: self.settings.map(|settings| settings.health.clone()).unwrap_or_default(),
            rollout: self.settings.map(|settings| settings.rollout.clone()).unwrap_or_default(),
            job,
        }
    }

    fn all_hosts(&self) -> Vec<HostName> {
        self.application.hosts.iter().map(|host| host.name.clone()).collect()
    }

    /// The first host that has all that the job depends on, so that it finds them by name; else the home.
    fn beside_dependencies(&self, placed: &BTreeMap<ServiceName, Placed>) -> HostName {
        let needs: Vec<&Placed> =
            self.resolved.depends_on.iter().filter_map(|dependency| placed.get(&dependency.service)).collect();
        let beside = |host: &&HostSettings| needs.iter().all(|service| service.hosts.contains(&host.name));
        let first = self.application.hosts.iter().find(beside).filter(|_| !needs.is_empty());
        first.map_or_else(|| self.application.home.clone(), |host| host.name.clone())
    }

    fn check(&self, placed: &Placed, findings: &mut Findings) {
        self.check_binds(placed, findings);
        if placed.job.is_none() {
            self.check_exclusive(placed, findings);
            self.check_state(placed, findings);
        }
    }

    /// What cannot run twice at once is stopped first, and has one replica.
    fn check_exclusive(&self, placed: &Placed, findings: &mut Findings) {
        let exclusive = self.resolved.definition.exclusive();
        if exclusive.is_empty() {
            return;
        }
        let why = exclusive.join(" and ");
        let name = self.name;
        if placed.rollout.strategy != Strategy::StopFirst {
            let help = match self.settings {
                Some(_) => format!("add to `{name}`: `rollout: {{ strategy: stop-first }}`"),
                None => format!(
                    "add under `services` in {}: `{name}: {{ rollout: {{ strategy: stop-first }} }}`",
                    super::FILE
                ),
            };
            self.error(format!("`{name}` cannot run twice at once: it has {why}"), findings).help(help);
        }
        if placed.replicas > 1 {
            let message = format!("`{name}` cannot have {} replicas: it has {why}", placed.replicas);
            let diagnostic = match self.settings.and_then(|settings| settings.replicas.as_ref()) {
                Some(given) => findings.error(&given.span, message),
                None => self.error(message, findings),
            };
            diagnostic.help("write `replicas: 1`");
        }
    }

    /// A volume is of one host: where several could have it, the file says which.
    fn check_state(&self, placed: &Placed, findings: &mut Findings) {
        let stated = self.settings.is_some_and(|settings| settings.on.is_some());
        let definition = &self.resolved.definition;
        let single = definition.single();
        let volume = definition.exclusive().into_iter().find(|what| !single.contains(what));
        if let Some(volume) = volume.filter(|_| !stated && placed.hosts.len() > 1) {
            let name = self.name;
            let message = format!("`{name}` keeps data in {volume}, and no host is named for it");
            let help = format!(
                "add to `{name}` one of: {}",
                placed.hosts.iter().map(|host| format!("`on: {host}`")).collect::<Vec<_>>().join(", ")
            );
            self.error(message, findings).help(help);
        }
    }

    /// Files beside the Compose file are on this machine alone.
    fn check_binds(&self, placed: &Placed, findings: &mut Findings) {
        let remote = |name: &&HostName| {
            let host = self.application.hosts.iter().find(|host| host.name == **name);
            host.is_some_and(|host| host.address != Address::Local)
        };
        let Some(host) = placed.hosts.iter().find(remote) else { return };
        for bind in self.resolved.definition.local_binds(self.application.directory) {
            let path = Path::new(&bind).strip_prefix(self.application.directory).unwrap_or(Path::new(&bind));
            let message =
                format!("`{}` mounts ./{}, which is on this machine and not on `{host}`", self.name, path.display());
            let path = ["services", self.name.as_str(), "volumes"];
            let diagnostic = self.application.sources.diagnostic(&path, message);
            findings.errors.push_mut(diagnostic).help("copy it into the image, or use a named volume");
        }
    }

    /// An error at the service's own line in stagecraft.yml, else in the Compose file.
    fn error<'f>(&self, message: impl Into<String>, findings: &'f mut Findings) -> &'f mut Diagnostic {
        if let Some(settings) = self.settings {
            return findings.error(&settings.key, message);
        }
        let diagnostic = self.application.sources.diagnostic(&["services", self.name.as_str()], message);
        findings.errors.push_mut(diagnostic)
    }
}

/// Names resolve on one host only.
fn warn_of_distance(placed: &BTreeMap<ServiceName, Placed>, application: Application<'_>, findings: &mut Findings) {
    for (name, service) in placed {
        for dependency in &application.model.services[name].depends_on {
            let Some(other) = placed.get(&dependency.service) else { continue };
            let without: Vec<&HostName> = service.hosts.iter().filter(|host| !other.hosts.contains(host)).collect();
            if !without.is_empty() {
                let other = &dependency.service;
                let message = format!("`{name}` depends on `{other}`, which does not run on {}", list(without));
                let path = ["services", name.as_str(), "depends_on", other.as_str()];
                let diagnostic = application.sources.diagnostic(&path, message);
                findings
                    .warnings
                    .push_mut(diagnostic)
                    .help(format!("the name `{other}` resolves only on its own hosts: reach it by its host's address"));
            }
        }
    }
}
