//! The environment's home host alone: what it knows of runs.

use jiff::Timestamp;
use owo_colors::OwoColorize;
use stdlib::{
    failure::Failure,
    host::{Hosts, LockGuard, Locked},
    model::{Release, RunId, Span},
    release::state,
};

use super::{CliError, lock, prepare::new_run, session::Session};
use crate::{
    config::Project,
    engine::Answer,
    mirror::{self, Bundle, Claim, Line},
    report::Standing,
};

/// A session with the home host alone: the other hosts have no part in what is asked of it, and need not answer.
pub struct Home(Session);

impl Home {
    pub async fn connect(mut project: Project) -> Result<Self, Failure> {
        let home = project.topology.home.clone();
        project.topology.hosts.retain(|host| host.name == home);
        let (session, errors) = Session::connect_to_some(project).await;
        errors.into_iter().next().map_or(Ok(Self(session)), |error| Err(error.into()))
    }

    fn compose_project(&self) -> &str {
        &self.0.project.compose.project
    }

    pub async fn audit(&self) -> Result<Vec<Line>, Failure> {
        let audit = mirror::read_audit(self.0.home(), self.compose_project()).await?;
        audit.lines().map_err(|broken| {
            Failure::new(format!("{broken}; it is on {}", self.0.home().name()))
                .on(self.0.home().name())
                .hint("what stands before it holds; see what this machine knows: `stagecraft runs --local`")
        })
    }

    pub async fn bundle(&self, run: &RunId) -> Result<Option<Bundle>, Failure> {
        mirror::fetch(self.0.home(), self.compose_project(), run).await
    }

    /// Who goes on with what has no end. The lock can only be asked by taking it, so ask only where there is such a run.
    pub async fn stage(&self) -> Result<Stage, Failure> {
        let nobody = lock::holder(&new_run(), "runs, for a moment");
        let holder = match lock::attempt(self.0.home(), self.compose_project(), &nobody).await? {
            Locked::Held(guard) => {
                guard.release().await;
                None
            }
            Locked::Busy(holder) => holder,
        };
        let claim = self.claim().await?;
        let asking = claim.filter(|(claim, _)| !claim.is_over(Timestamp::now())).map(|(claim, _)| claim.petition.run);
        Ok(Stage { holder: holder.map(|holder| holder.run), asking })
    }

    /// Takes the lock, at once or within `wait`, whoever waits for an answer.
    pub async fn hold(&self, what: &str, wait: Span) -> Result<Box<dyn LockGuard>, CliError> {
        lock::hold(&self.0, &lock::holder(&new_run(), what), wait).await
    }

    /// The claim of a run that waits for an answer, and the answer.
    pub async fn claim(&self) -> Result<Option<(Claim, Option<Answer>)>, Failure> {
        mirror::read_claim(self.0.home(), self.compose_project()).await
    }

    /// Under the lock.
    pub async fn answer(&self, claim: &Claim, answer: &Answer) -> Result<(), Failure> {
        mirror::answer(self.0.home(), self.compose_project(), claim, answer).await
    }

    /// The record of a release, while it is kept.
    pub async fn release(&self, number: u64) -> Result<Option<Release>, Failure> {
        let state = state::read(self.0.home().as_ref(), self.compose_project()).await?;
        Ok(state.releases.into_iter().find(|release| release.id.number == number))
    }

    /// For what the command has cost it.
    pub fn hosts(&self) -> Hosts {
        self.0.hosts.clone()
    }

    pub async fn close(&self) {
        self.0.close().await;
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
