//! The environment's lock on its home host.

use std::time::Duration;

use jiff::Timestamp;
use stdlib::{
    host::{LockGuard, LockHolder, Locked},
    model::{RunId, Span},
};
use tokio::time::{Instant, sleep};

use super::{CliError, prepare::author, session::Session};

/// Between two tries of a run that waits.
const RETRY: Duration = Duration::from_secs(1);

/// Apart from the ingress's own lock, whatever the project is called.
pub fn name(compose_project: &str) -> String {
    format!("environment-{compose_project}")
}

/// Takes the lock, at once or within `wait`.
pub async fn take(
    session: &Session,
    run: &RunId,
    what: &str,
    wait: Option<Span>,
) -> Result<Box<dyn LockGuard>, CliError> {
    let home = session.host(&session.project.topology.home);
    let name = name(&session.project.compose.project);
    let since = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let holder = LockHolder { run: run.to_string(), who: author(), since, what: what.to_owned() };
    let until = Instant::now() + wait.unwrap_or_default().duration();
    loop {
        match home.lock(&name, &holder).await? {
            Locked::Held(guard) => return Ok(guard),
            Locked::Busy(holder) if Instant::now() >= until => {
                return Err(CliError::Locked { environment: session.project.topology.environment.to_string(), holder });
            }
            Locked::Busy(_) => sleep(RETRY).await,
        }
    }
}

/// Sees that nobody has it, without keeping it: before a build, which needs no lock, is begun in vain.
pub async fn look(session: &Session, run: &RunId, what: &str, wait: Option<Span>) -> Result<(), CliError> {
    take(session, run, what, wait).await?.release().await;
    Ok(())
}
