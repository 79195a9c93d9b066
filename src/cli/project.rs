//! The project that a command is about.

use stdlib::model::{HostName, HostSettings, ServiceName};

use super::{CliError, Global};
use crate::config::{self, Project};

/// Reads stagecraft.yml and the Compose files of the directory and environment that the command line names. Warnings are
/// shown, mistakes are the error.
pub async fn load(global: &Global) -> Result<Project, CliError> {
    let loaded = config::load(&global.directory, global.environment.as_deref()).await;
    let (project, warnings) = loaded.map_err(CliError::Configuration)?;
    if !warnings.is_empty() && !global.quiet && !global.json {
        config::print_warnings(&warnings);
    }
    Ok(project)
}

/// [`load`], or where today's files are not what they should be, only the hosts: a run that goes on needs no more.
pub async fn load_for_a_run(global: &Global) -> Result<Project, CliError> {
    match load(global).await {
        Err(CliError::Configuration(diagnostics)) => {
            let hosts = config::load_hosts(&global.directory, global.environment.as_deref());
            hosts.ok_or(CliError::Configuration(diagnostics))
        }
        loaded => loaded,
    }
}

impl Project {
    /// The service that a person has named on the command line.
    pub fn service(&self, name: &str) -> Result<ServiceName, CliError> {
        let names = self.services();
        match names.iter().find(|service| service.as_str() == name) {
            Some(service) => Ok(service.clone()),
            None => Err(unknown("service", name, names.iter().map(ServiceName::as_str))),
        }
    }

    /// The host that a person has named on the command line.
    pub fn host(&self, name: &str) -> Result<&HostSettings, CliError> {
        let hosts = &self.topology.hosts;
        let found = hosts.iter().find(|host| host.name.as_str() == name);
        found.ok_or_else(|| unknown("host", name, hosts.iter().map(|host| host.name.as_str())))
    }

    /// The project without these hosts, as if stagecraft.yml did not have them.
    pub fn leave_out(mut self, names: &[String]) -> Result<Self, CliError> {
        let names = names.iter().map(|name| Ok(self.host(name)?.name.clone()));
        let without: Vec<HostName> = names.collect::<Result<_, CliError>>()?;
        if without.contains(&self.topology.home) {
            return Err(CliError::usage(
                format!("{} is the environment's home: its lock and its live release are there", self.topology.home),
                "wait for it; or make another host the home, with `state: HOST` in stagecraft.yml",
            ));
        }
        self.topology.hosts.retain(|host| !without.contains(&host.name));
        self.without = without;
        Ok(self)
    }

    /// The host that `--host` names, where it does.
    pub fn optional_host(&self, name: Option<&str>) -> Result<Option<HostName>, CliError> {
        Ok(name.map(|name| self.host(name)).transpose()?.map(|host| host.name.clone()))
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let known: Vec<&str> = known.collect();
    CliError::usage(format!("there is no {what} `{name}`"), format!("there is: {}", known.join(", ")))
}
