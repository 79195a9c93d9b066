//! What the environment's home host knows of runs.

use std::sync::Arc;

use jiff::Timestamp;
use owo_colors::OwoColorize;
use stdlib::{
    failure::Failure,
    host::{self, Host, Hosts, LockHolder, Locked},
    model::{HostSettings, Release, RunId},
    release::state,
};

use super::super::{lock, prepare::author};
use crate::{
    config::Project,
    mirror::{self, Bundle, Line},
};

/// The connection to the home host alone.
pub struct Home {
    host: Arc<dyn Host>,
    compose_project: String,
}

impl Home {
    pub async fn connect(project: &Project) -> Result<Self, Failure> {
        let host = host::connect(project.home()).await?;
        Ok(Self { host, compose_project: project.compose.project.clone() })
    }

    pub async fn audit(&self) -> Result<Vec<Line>, Failure> {
        let audit = mirror::read_audit(&self.host, &self.compose_project).await?;
        audit.lines().map_err(|broken| {
            Failure::new(format!("{broken}; it is on {}", self.host.name()))
                .on(self.host.name())
                .hint("what stands before it holds; see what this machine knows: `stagecraft runs --local`")
        })
    }

    pub async fn bundle(&self, run: &RunId) -> Result<Option<Bundle>, Failure> {
        mirror::fetch(&self.host, &self.compose_project, run).await
    }

    /// Who has the environment's lock. It can only be asked by taking it, so ask only where a run has no end.
    pub async fn holder(&self) -> Result<Option<LockHolder>, Failure> {
        let since = Timestamp::now().to_string();
        let asking = LockHolder { run: String::new(), who: author(), since, what: "runs, for a moment".into() };
        match self.host.lock(&lock::name(&self.compose_project), &asking).await? {
            Locked::Held(guard) => {
                guard.release().await;
                Ok(None)
            }
            Locked::Busy(holder) => Ok(holder),
        }
    }

    /// The record of a release, while it is kept.
    pub async fn release(&self, number: u64) -> Result<Option<Release>, Failure> {
        let state = state::read(self.host.as_ref(), &self.compose_project).await?;
        Ok(state.releases.into_iter().find(|release| release.id.number == number))
    }

    /// For what the command has cost it.
    pub fn hosts(&self) -> Hosts {
        Hosts::new(vec![Arc::clone(&self.host)])
    }

    pub async fn close(&self) {
        self.host.close().await;
    }
}

impl Project {
    fn home(&self) -> &HostSettings {
        let home = self.topology.hosts.iter().find(|host| host.name == self.topology.home);
        home.expect("the home is one of the hosts")
    }
}

/// On stderr: the home host did not say what it knows.
pub fn say_what_is_missing(failure: &Failure) {
    anstream::eprintln!("{} {}; this is all that this machine knows", "warning:".yellow().bold(), failure.message);
    if let Some(hint) = &failure.hint {
        anstream::eprintln!("  {} {hint}", "next:".bold());
    }
}
