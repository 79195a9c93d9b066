//! The environment's home host alone: what it knows of runs.

use jiff::Timestamp;
use owo_colors::OwoColorize;
use stdlib::{
    failure::Failure,
    host::{Hosts, LockGuard, Locked},
    model::{HostName, Release, RunId, Span, environment_option},
    release::state,
};

use super::{CliError, lock, prepare::new_run, session::Session};
use crate::{
    config::Project,
    engine::Answer,
    mirror::{self, Audit, BrokenAudit, Bundle, Claim, Line},
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
        self.0.lines(&mirror::read_audit(self.0.home(), self.compose_project()).await?)
    }

    pub async fn bundle(&self, lines: &[Line], run: &RunId) -> Result<Option<Bundle>, Failure> {
        self.0.bundle(lines, run).await
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

impl Session {
    /// What the audit says, or where it is broken and what can be done without it.
    pub fn lines(&self, audit: &Audit) -> Result<Vec<Line>, Failure> {
        let option = environment_option(self.project.topology.environment.as_str());
        audit.lines().map_err(|broken| broken_audit(&broken, self.home().name(), &option))
    }

    /// The newest bundle of a run by these lines of the audit.
    pub async fn bundle(&self, lines: &[Line], run: &RunId) -> Result<Option<Bundle>, Failure> {
        mirror::fetch(self.home(), &self.project.compose.project, lines, run).await
    }
}

/// A deploy needs only the end of the audit.
fn broken_audit(broken: &BrokenAudit, home: &HostName, option: &str) -> Failure {
    Failure::new(format!("{broken}; it is on {home}")).on(home).hint(format!(
        "see what this machine knows: `stagecraft runs --local{option}`; or start anew: `stagecraft deploy{option}`"
    ))
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

#[cfg(test)]
mod tests {
    use stdlib::model::HostName;

    use super::broken_audit;
    use crate::mirror::Audit;

    // spec: run.audit
    #[test]
    fn a_broken_audit_says_where_it_is_and_what_goes_without_it() {
        let broken = Audit::new("{}\n".into()).lines().unwrap_err();
        let failure = broken_audit(&broken, &HostName::new("web-1").unwrap(), " -e staging");
        assert!(failure.message.starts_with("line 1 of the audit cannot be read: "), "{}", failure.message);
        assert!(failure.message.ends_with("; it is on web-1"), "{}", failure.message);
        let hint = "see what this machine knows: `stagecraft runs --local -e staging`; or start anew: `stagecraft deploy -e staging`";
        assert_eq!(failure.hint.as_deref(), Some(hint));
    }
}
