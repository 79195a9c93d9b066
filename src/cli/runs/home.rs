//! What the environment's home host knows of runs.

use std::sync::Arc;

use jiff::Timestamp;
use owo_colors::OwoColorize;
use stdlib::{
    failure::Failure,
    host::{self, Host, Hosts, Locked},
    model::{HostSettings, Release, RunId},
    release::state,
};

use super::super::{lock, prepare::new_run};
use crate::{
    config::Project,
    mirror::{self, Bundle, Line},
    report::Standing,
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

    /// Who goes on with what has no end. The lock can only be asked by taking it, so ask only where there is such a run.
    pub async fn stage(&self) -> Result<Stage, Failure> {
        let nobody = lock::holder(&new_run(), "runs, for a moment");
        let holder = match lock::attempt(&self.host, &self.compose_project, &nobody).await? {
            Locked::Held(guard) => {
                guard.release().await;
                None
            }
            Locked::Busy(holder) => holder,
        };
        let claim = mirror::read_claim(&self.host, &self.compose_project).await?;
        let asking = claim.filter(|(claim, _)| !claim.is_over(Timestamp::now())).map(|(claim, _)| claim.petition.run);
        Ok(Stage { holder: holder.map(|holder| holder.run), asking })
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
        self.topology.host(&self.topology.home).expect("the home is one of the hosts")
    }
}

/// Which runs go on.
pub struct Stage {
    holder: Option<String>,
    asking: Option<RunId>,
}

impl Stage {
    /// How a run without an end stands.
    pub fn of(&self, run: &RunId) -> Standing {
        if self.holder.as_deref() == Some(run.as_str()) {
            Standing::UnderWay
        } else if self.asking.as_ref() == Some(run) {
            Standing::Asking
        } else {
            Standing::CutOff
        }
    }
}

/// On stderr: the home host did not say what it knows.
pub fn say_what_is_missing(failure: &Failure) {
    anstream::eprintln!("{} {}; this is all that this machine knows", "warning:".yellow().bold(), failure.message);
    if let Some(hint) = &failure.hint {
        anstream::eprintln!("  {} {hint}", "next:".bold());
    }
}
