//! A project: one environment of stagecraft.yml held against its Compose files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use stdlib::{
    compose::{ComposeCli, Model},
    image::BuildRequest,
    ingress,
    model::{
        Application, HostName, Image, IngressProvider, KeyedHash, Route, SecretKey, Service, ServiceName, Tls,
        Topology, Values,
    },
};

use super::{
    Diagnostic, FILE, compose,
    draft::{self, Draft},
    findings::Findings,
    pipelines::Pipeline,
    placement::Placed,
    routes::{Entrance, Protection},
    sources::Sources,
    values::Table,
};

/// One environment of a project, valid: every name resolves.
#[derive(Debug)]
pub struct Project {
    /// The directory of stagecraft.yml, absolute.
    pub directory: PathBuf,
    /// Without the hosts in `without`.
    pub topology: Topology,
    /// Hosts of the file that the command goes without.
    pub without: Vec<HostName>,
    pub compose: ComposeCli,
    pub pipelines: Vec<Pipeline>,
    pub(super) model: Model,
    pub(super) placed: BTreeMap<ServiceName, Placed>,
    pub(super) values: Values,
}

impl Project {
    /// The services in the order of the Compose file's names.
    pub fn services(&self) -> Vec<ServiceName> {
        self.placed.keys().cloned().collect()
    }

    /// Whether any service has a route, and so the hosts an ingress.
    pub fn has_routes(&self) -> bool {
        self.placed.values().any(|placed| placed.route.is_some())
    }

    /// The ports of this host that services publish on all its addresses, and that the ingress listens on, each with who does.
    pub fn ports_on(&self, host: &HostName) -> BTreeMap<u16, String> {
        let here = self.placed.iter().filter(|(_, placed)| placed.hosts.contains(host));
        let mut ports = BTreeMap::new();
        for (name, placed) in here {
            let published = self.model.services[name]
                .definition
                .ports
                .iter()
                .filter(|port| port.protocol == "tcp" && port.host_ip.is_none());
            let fixed = published.filter_map(|port| port.fixed()?.parse().ok());
            ports.extend(fixed.map(|port| (port, format!("service {name}"))));
            if placed.route.is_some() && self.topology.ingress.provider != IngressProvider::None {
                let settings = &self.topology.ingress;
                ports.extend([settings.http, settings.https].map(|port| (port, ingress::CONTAINER.to_owned())));
            }
        }
        ports
    }

    /// What has to be built or found before there is an application.
    pub fn builds(&self) -> Vec<BuildRequest> {
        let request = |name: &ServiceName| {
            let service = &self.model.services[name];
            BuildRequest { service: name.clone(), source: service.image.clone(), build: service.build.clone() }
        };
        self.placed.keys().map(request).collect()
    }

    /// The application, once the image of every service is known.
    pub fn application(&self, images: &BTreeMap<ServiceName, Image>, key: &SecretKey) -> Application {
        let service = |(name, placed): (&ServiceName, &Placed)| {
            let resolved = &self.model.services[name];
            let hash = |(variable, _): (&String, _)| (variable.clone(), self.hash_of(name, variable, key));
            Service {
                name: name.clone(),
                definition: resolved.definition.clone(),
                environment: resolved.environment.iter().map(hash).collect(),
                image: images.get(name).expect("every service has a build request, and each gives an image").clone(),
                hosts: placed.hosts.clone(),
                replicas: placed.replicas,
                depends_on: resolved.depends_on.clone(),
                route: placed.route.as_ref().map(|entrance| route(entrance, key)),
                health: placed.health.clone(),
                rollout: placed.rollout.clone(),
                job: placed.job,
            }
        };
        Application {
            project: self.topology.project.clone(),
            environment: self.topology.environment.clone(),
            services: self.placed.iter().map(service).collect(),
            networks: self.model.networks.clone(),
            volumes: self.model.volumes.clone(),
        }
    }

    fn hash_of(&self, service: &ServiceName, variable: &str, key: &SecretKey) -> KeyedHash {
        key.hash(self.values.environment[service][variable].expose())
    }

    /// The values of today's files.
    pub fn values(&self) -> &Values {
        &self.values
    }
}

fn route(entrance: &Entrance, key: &SecretKey) -> Route {
    let tls = match &entrance.tls {
        Protection::Off => Tls::Off,
        Protection::Internal => Tls::Internal,
        Protection::Own(pem) => Tls::Own { pem: key.hash(pem.expose()) },
    };
    Route { host: entrance.host.clone(), path: entrance.path.clone(), port: entrance.port, tls }
}

/// Reads stagecraft.yml in `directory` for one environment (the only one, when `None`), and the Compose files.
/// The warnings of a valid project stand beside it.
pub async fn load(directory: &Path, environment: Option<&str>) -> Result<(Project, Vec<Diagnostic>), Vec<Diagnostic>> {
    let text = read(directory).map_err(|error| vec![error])?;
    load_text(directory, &text, environment).await
}

/// [`load`] of a text that is not in the file yet.
pub async fn load_text(
    directory: &Path,
    text: &str,
    environment: Option<&str>,
) -> Result<(Project, Vec<Diagnostic>), Vec<Diagnostic>> {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let mut findings = Findings::new(FILE, text);
    let mut project = None;
    if let Some(draft) = Draft::read(&directory, text, environment, &mut findings) {
        let sources = Sources::read(&directory, &draft.compose.files);
        match compose::read(&draft.compose, &sources).await {
            Ok((model, warnings)) => {
                findings.warnings.extend(warnings);
                project = draft.finish(model, &sources, &mut findings);
            }
            Err(errors) => findings.errors.extend(errors),
        }
    }
    let (errors, warnings) = findings.in_order();
    project.map(|project| (project, warnings)).ok_or(errors)
}

/// One environment of stagecraft.yml with its hosts and nothing else: for what goes by a plan that was made before, whatever
/// has become of the Compose files and the services since.
pub fn load_hosts(directory: &Path, environment: Option<&str>) -> Option<Project> {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let text = read(&directory).ok()?;
    let draft = Draft::read(&directory, &text, environment, &mut Findings::new(FILE, text.as_str()))?;
    Some(draft.with(Model::default(), BTreeMap::new(), Values::default()))
}

/// The names of the environments in `directory`'s stagecraft.yml; none when it has none or cannot be read.
pub fn environments(directory: &Path) -> Vec<String> {
    let Ok(text) = read(directory) else { return Vec::new() };
    let file = draft::parse(&text, &mut Findings::new(FILE, text.as_str()));
    file.iter().filter_map(|file| file.environments.value()).flat_map(Table::names).map(str::to_owned).collect()
}

fn read(directory: &Path) -> Result<String, Diagnostic> {
    let path = directory.join(FILE);
    fs::read_to_string(&path).map_err(|error| {
        let mut diagnostic = match error.kind() {
            io::ErrorKind::NotFound => {
                Diagnostic::of_file(FILE, format!("there is no {FILE} in {}", directory.display()))
            }
            io::ErrorKind::InvalidData => Diagnostic::of_file(FILE, "the file is not UTF-8 text"),
            _ => Diagnostic::of_file(FILE, format!("it cannot be read: {error}")),
        };
        if error.kind() == io::ErrorKind::NotFound {
            let help = if directory.join("stagecraft.yaml").exists() {
                "rename stagecraft.yaml to stagecraft.yml"
            } else {
                "`stagecraft init` writes one; `-C DIR` goes to another directory"
            };
            diagnostic.help(help);
        }
        diagnostic
    })
}
