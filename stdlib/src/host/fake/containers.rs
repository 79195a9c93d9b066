//! Containers of a fake host.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum,
    ContainerSummary, ContainerSummaryNetworkSettings, ContainerSummaryStateEnum, EndpointSettings, Health,
    HealthStatusEnum, NetworkSettings, PortSummary,
};

use super::{Answer, files::Tree, networks::Networks};
use crate::host::LogLine;

/// How containers of an image behave. By default they run, and are healthy when looked at for the first time.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Healthy from this look on; until then `starting`. Only seen where a health check is asked for.
    pub healthy_after: u32,
    /// Never healthy.
    pub unhealthy: bool,
    /// Ends with this code at this look; at 0 as soon as it is started. Waiting for it needs no look.
    pub exits: Option<(u32, i64)>,
    /// What it writes to standard output when it starts.
    pub log: Vec<String>,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Created,
    /// With how often it has been looked at since its start.
    Running(u32),
    Ended(i64),
}

#[derive(Debug)]
pub struct Container {
    id: String,
    pub name: String,
    image: String,
    image_id: String,
    body: ContainerCreateBody,
    life: Life,
    script: Script,
    endpoints: BTreeMap<String, EndpointSettings>,
    log: Vec<LogLine>,
    /// Files outside its mounts.
    pub files: Tree,
    /// Paths with the volume, or the directory of the host, that is mounted there.
    pub mounts: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub struct Containers {
    all: Vec<Container>,
    scripts: HashMap<String, Script>,
    made: u64,
}

impl Containers {
    pub fn script(&mut self, image: &str, script: Script) {
        self.scripts.insert(image.to_owned(), script);
    }

    pub fn find(&self, id: &str) -> Answer<&Container> {
        let at = self.position(id)?;
        Ok(&self.all[at])
    }

    pub fn find_mut(&mut self, id: &str) -> Answer<&mut Container> {
        let at = self.position(id)?;
        Ok(&mut self.all[at])
    }

    fn position(&self, id: &str) -> Answer<usize> {
        let named = |container: &Container| container.name == id || id.len() >= 12 && container.id.starts_with(id);
        self.all.iter().position(named).ok_or_else(|| (404, format!("No such container: {id}")))
    }

    fn check_name(&self, name: &str) -> Answer<()> {
        match self.all.iter().find(|container| container.name == name) {
            Some(other) => Err((
                409,
                format!("Conflict. The container name \"/{name}\" is already in use by container \"{}\".", other.id),
            )),
            None => Ok(()),
        }
    }

    pub fn create(&mut self, name: &str, image_id: String, body: ContainerCreateBody) -> Answer<&Container> {
        self.check_name(name)?;
        self.made += 1;
        let endpoints = body.networking_config.as_ref().and_then(|config| config.endpoints_config.clone());
        let mut endpoints: BTreeMap<_, _> = endpoints.unwrap_or_default().into_iter().collect();
        let mode = body.host_config.as_ref().and_then(|host| host.network_mode.clone()).unwrap_or_default();
        let mode = if mode.is_empty() || mode == "default" { "bridge".to_owned() } else { mode };
        if endpoints.is_empty() && !mode.starts_with("container:") && body.network_disabled != Some(true) {
            endpoints.insert(mode, EndpointSettings::default());
        }
        self.all.push(Container {
            id: format!("{:064x}", 0xfa4e_0000 + self.made),
            name: name.to_owned(),
            image: body.image.clone().unwrap_or_default(),
            image_id,
            mounts: mounts(&body),
            body,
            life: Life::Created,
            script: Script::default(),
            endpoints,
            log: Vec::new(),
            files: Tree::default(),
        });
        Ok(self.all.last().expect("just pushed"))
    }

    pub fn start(&mut self, id: &str, networks: &Networks) -> Answer<()> {
        let at = self.position(id)?;
        if self.all[at].running() {
            return Ok(());
        }
        let ports = published(&self.all[at].body);
        if let Some(port) = self.running().flat_map(|other| published(&other.body)).find(|port| ports.contains(port)) {
            return Err((
                500,
                format!("driver failed programming external connectivity: port {port} is already allocated"),
            ));
        }
        let mut endpoints = self.all[at].endpoints.clone();
        for (network, endpoint) in &mut endpoints {
            endpoint.ip_address = networks.address(network, wanted(endpoint), &self.addresses(network))?;
        }
        let script = self.scripts.get(&self.all[at].image).cloned().unwrap_or_default();
        let container = &mut self.all[at];
        container.endpoints = endpoints;
        for text in &script.log {
            let time = format!("2026-01-01T00:00:{:02}.000000000Z", container.log.len() % 60);
            container.log.push(LogLine { time, stderr: false, text: text.clone() });
        }
        container.script = script;
        container.life = Life::Running(0);
        container.live();
        Ok(())
    }

    /// Joins a network, at once when it runs.
    pub fn connect(
        &mut self,
        id: &str,
        network: &str,
        mut endpoint: EndpointSettings,
        networks: &Networks,
    ) -> Answer<()> {
        networks.exists(network)?;
        let at = self.position(id)?;
        if self.all[at].endpoints.contains_key(network) {
            let name = &self.all[at].name;
            return Err((403, format!("endpoint with name {name} already exists in network {network}")));
        }
        if self.all[at].running() {
            endpoint.ip_address = networks.address(network, wanted(&endpoint), &self.addresses(network))?;
        }
        self.all[at].endpoints.insert(network.to_owned(), endpoint);
        Ok(())
    }

    pub fn rename(&mut self, id: &str, name: &str) -> Answer<()> {
        let at = self.position(id)?;
        self.check_name(name)?;
        name.clone_into(&mut self.all[at].name);
        Ok(())
    }

    /// Ends it, if it runs.
    pub fn end(&mut self, id: &str, code: i64) -> Answer<()> {
        let container = self.find_mut(id)?;
        if container.running() {
            container.life = Life::Ended(code);
        }
        Ok(())
    }

    pub fn remove(&mut self, id: &str) {
        if let Ok(at) = self.position(id) {
            self.all.remove(at);
        }
    }

    pub fn inspect(&mut self, id: &str) -> Answer<ContainerInspectResponse> {
        let container = self.find_mut(id)?;
        if let Life::Running(looks) = &mut container.life {
            *looks += 1;
        }
        container.live();
        Ok(container.inspected())
    }

    /// The exit code, once it does not run. One that is scripted to end does so.
    pub fn exit_code(&mut self, id: &str) -> Answer<Option<i64>> {
        let container = self.find_mut(id)?;
        if let (Life::Running(_), Some((_, code))) = (container.life, container.script.exits) {
            container.life = Life::Ended(code);
        }
        Ok(match container.life {
            Life::Created => Some(0),
            Life::Running(_) => None,
            Life::Ended(code) => Some(code),
        })
    }

    pub fn log(&self, id: &str) -> Answer<Vec<LogLine>> {
        Ok(self.find(id)?.log.clone())
    }

    pub fn list(&self) -> Vec<ContainerSummary> {
        self.all.iter().map(Container::summary).collect()
    }

    pub fn use_image(&self, id: &str) -> bool {
        self.all.iter().any(|container| container.image_id == id)
    }

    pub fn use_volume(&self, name: &str) -> bool {
        self.all.iter().any(|container| container.mounts.values().any(|source| source == name))
    }

    /// Whether a running container is in it.
    pub fn use_network(&self, name: &str) -> bool {
        self.running().any(|container| container.endpoints.contains_key(name))
    }

    fn running(&self) -> impl Iterator<Item = &Container> {
        self.all.iter().filter(|container| container.running())
    }

    fn addresses(&self, network: &str) -> Vec<String> {
        let endpoints = self.running().filter_map(|container| container.endpoints.get(network));
        endpoints.filter_map(|endpoint| endpoint.ip_address.clone()).collect()
    }
}

fn wanted(endpoint: &EndpointSettings) -> Option<&str> {
    endpoint.ipam_config.as_ref()?.ipv4_address.as_deref()
}

/// The ports of the host that it asks for.
fn published(body: &ContainerCreateBody) -> BTreeSet<u16> {
    let bindings = body.host_config.as_ref().and_then(|host| host.port_bindings.as_ref());
    let bindings = bindings.into_iter().flat_map(HashMap::values).flatten().flatten();
    bindings.filter_map(|binding| binding.host_port.as_ref()?.parse().ok()).filter(|port| *port != 0).collect()
}

fn mounts(body: &ContainerCreateBody) -> BTreeMap<String, String> {
    let host = body.host_config.as_ref();
    let binds = host.and_then(|host| host.binds.as_deref()).unwrap_or_default().iter().filter_map(|bind| {
        let mut parts = bind.split(':');
        let source = parts.next()?.to_owned();
        Some((parts.next()?.to_owned(), source))
    });
    let mounts = host.and_then(|host| host.mounts.as_deref()).unwrap_or_default();
    let mounts = mounts.iter().filter_map(|mount| Some((mount.target.clone()?, mount.source.clone()?)));
    binds.chain(mounts).collect()
}

impl Container {
    pub fn id(&self) -> &str {
        &self.id
    }

    fn running(&self) -> bool {
        matches!(self.life, Life::Running(_))
    }

    /// Does what its script says is due.
    fn live(&mut self) {
        if let (Life::Running(looks), Some((at, code))) = (self.life, self.script.exits)
            && looks >= at
        {
            self.life = Life::Ended(code);
        }
    }

    fn health(&self) -> Option<Health> {
        self.body.healthcheck.as_ref()?;
        let Life::Running(looks) = self.life else { return None };
        let status = match &self.script {
            script if script.unhealthy => HealthStatusEnum::UNHEALTHY,
            script if looks >= script.healthy_after => HealthStatusEnum::HEALTHY,
            _ => HealthStatusEnum::STARTING,
        };
        Some(Health { status: Some(status), ..Default::default() })
    }

    fn inspected(&self) -> ContainerInspectResponse {
        let body = self.body.clone();
        let (status, code) = match self.life {
            Life::Created => (ContainerStateStatusEnum::CREATED, 0),
            Life::Running(_) => (ContainerStateStatusEnum::RUNNING, 0),
            Life::Ended(code) => (ContainerStateStatusEnum::EXITED, code),
        };
        ContainerInspectResponse {
            id: Some(self.id.clone()),
            name: Some(format!("/{}", self.name)),
            image: Some(self.image_id.clone()),
            state: Some(ContainerState {
                status: Some(status),
                running: Some(self.running()),
                oom_killed: Some(false),
                exit_code: Some(code),
                health: self.health(),
                ..Default::default()
            }),
            config: Some(ContainerConfig {
                image: body.image,
                labels: body.labels,
                env: body.env,
                cmd: body.cmd,
                entrypoint: body.entrypoint,
                healthcheck: body.healthcheck,
                user: body.user,
                working_dir: body.working_dir,
                hostname: body.hostname,
                exposed_ports: body.exposed_ports,
                stop_signal: body.stop_signal,
                stop_timeout: body.stop_timeout,
                tty: body.tty,
                ..Default::default()
            }),
            host_config: body.host_config,
            network_settings: Some(NetworkSettings { networks: Some(self.networks()), ..Default::default() }),
            ..Default::default()
        }
    }

    fn summary(&self) -> ContainerSummary {
        let ports = published(&self.body).into_iter().filter(|_| self.running());
        ContainerSummary {
            id: Some(self.id.clone()),
            names: Some(vec![format!("/{}", self.name)]),
            image: Some(self.image.clone()),
            image_id: Some(self.image_id.clone()),
            labels: Some(self.body.labels.clone().unwrap_or_default()),
            state: Some(match self.life {
                Life::Created => ContainerSummaryStateEnum::CREATED,
                Life::Running(_) => ContainerSummaryStateEnum::RUNNING,
                Life::Ended(_) => ContainerSummaryStateEnum::EXITED,
            }),
            ports: Some(ports.map(|port| PortSummary { public_port: Some(port), ..Default::default() }).collect()),
            network_settings: Some(ContainerSummaryNetworkSettings { networks: Some(self.networks()) }),
            ..Default::default()
        }
    }

    /// Its addresses are there while it runs.
    fn networks(&self) -> HashMap<String, EndpointSettings> {
        let endpoint = |(name, endpoint): (&String, &EndpointSettings)| {
            let ip_address = endpoint.ip_address.clone().filter(|_| self.running()).unwrap_or_default();
            (name.clone(), EndpointSettings { ip_address: Some(ip_address), ..endpoint.clone() })
        };
        self.endpoints.iter().map(endpoint).collect()
    }
}
