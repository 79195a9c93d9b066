//! The connected hosts of one command.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use futures_util::future::join_all;
use stdlib::{
    facts::{self, Facts, ground::Disk},
    failure::Failure,
    host::{self, Ahead, Host, HostError, Hosts},
    model::HostName,
};
use tokio_util::task::AbortOnDropHandle;

use super::CliError;
use crate::{
    config::Project,
    mirror::{self, Audit},
};

/// A project and the connections to all hosts of its environment.
pub struct Session {
    pub project: Project,
    pub hosts: Hosts,
    /// What the preflight has seen of the hosts' disks.
    pub disks: OnceLock<BTreeMap<HostName, Disk>>,
    /// What is being opened; given up when it is dropped.
    opening: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl Session {
    /// Connects to all hosts at once. When some fail, all their errors are shown and the rest is let go.
    pub async fn connect(project: Project) -> Result<Self, CliError> {
        let (session, errors) = Self::connect_to_some(project).await;
        if errors.is_empty() {
            return Ok(session);
        }
        session.close().await;
        Err(CliError::Hosts(errors))
    }

    /// Connects to the hosts that can be reached. The session's project has only these; why the others cannot stands beside it.
    pub async fn connect_to_some(mut project: Project) -> (Self, Vec<HostError>) {
        let settings = &project.topology.hosts;
        let connected = join_all(settings.iter().map(host::connect)).await;
        let (hosts, errors): (Vec<_>, Vec<_>) = connected.into_iter().partition(Result::is_ok);
        let hosts = Hosts::new(hosts.into_iter().filter_map(Result::ok).collect());
        project.topology.hosts.retain(|host| hosts.get(&host.name).is_some());
        let session = Self { project, hosts, disks: OnceLock::new(), opening: Mutex::default() };
        (session, errors.into_iter().filter_map(Result::err).collect())
    }

    /// A host that the facts or the topology name.
    pub fn host(&self, name: &HostName) -> &Arc<dyn Host> {
        self.hosts.get(name).expect("every host of the topology is connected")
    }

    /// The environment's home host.
    pub fn home(&self) -> &Arc<dyn Host> {
        self.host(&self.project.topology.home)
    }

    pub async fn audit(&self) -> Result<Audit, CliError> {
        Ok(mirror::read_audit(self.home(), &self.project.compose.project).await?)
    }

    pub async fn facts(&self) -> Result<Facts, CliError> {
        facts::gather(&self.hosts, &self.project.compose.project).await.map_err(CliError::Hosts)
    }

    /// Has something opened on all hosts that will be needed soon, and returns at once.
    pub fn open_ahead(&self, what: Ahead) {
        let open = |host: &Arc<dyn Host>| {
            let host = Arc::clone(host);
            AbortOnDropHandle::new(tokio::spawn(async move { host.open_ahead(what).await }))
        };
        self.opening().extend(self.hosts.iter().map(open));
    }

    fn opening(&self) -> MutexGuard<'_, Vec<AbortOnDropHandle<()>>> {
        self.opening.lock().expect("nothing panics while holding it")
    }

    pub async fn close(&self) {
        self.opening().clear();
        join_all(self.hosts.iter().map(|host| host.close())).await;
    }
}

/// The facts of a run's hosts while it is under way. Of several that do not answer, the first is the failure.
pub async fn gather(hosts: &Hosts, compose_project: &str) -> Result<Facts, Failure> {
    facts::gather(hosts, compose_project).await.map_err(|errors| {
        let first = errors.into_iter().next();
        first.map_or_else(|| Failure::new("the hosts do not answer"), Failure::from)
    })
}
