//! The environment's lock on its home host, and the claim of a run that waits for a person without it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use stdlib::{
    host::{Host, HostError, LockGuard, LockHolder, Locked},
    model::{RunId, Span},
};
use tokio::time::{Instant, sleep};

use super::{CliError, prepare::author, session::Session};
use crate::mirror::{self, Claim};

/// Between two tries of a run that waits.
pub const RETRY: Duration = Duration::from_secs(1);

/// Takes the lock, at once or within `wait`. A run that waits for a person's answer keeps all others out.
pub async fn take(
    session: &Session,
    run: &RunId,
    what: &str,
    wait: Option<Span>,
) -> Result<Box<dyn LockGuard>, CliError> {
    take_and_read(session, run, what, wait, async || Ok(())).await.map(|(guard, ())| guard)
}

/// [`take`], and what `read` finds under the lock. It reads while it is seen that nobody else waits for an answer; when it
/// fails, the lock is let go.
pub async fn take_and_read<T>(
    session: &Session,
    run: &RunId,
    what: &str,
    wait: Option<Span>,
    read: impl AsyncFn() -> Result<T, CliError>,
) -> Result<(Box<dyn LockGuard>, T), CliError> {
    let until = Instant::now() + wait.unwrap_or_default().duration();
    let holder = holder(run, what);
    loop {
        let guard = hold_until(session, &holder, until).await?;
        let claim = match tokio::join!(in_the_way(session, run), read()) {
            (Ok(None), Ok(found)) => return Ok((guard, found)),
            (Ok(Some(claim)), _) => Ok(claim),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        guard.release().await;
        let claim = claim?;
        if Instant::now() >= until {
            let environment = session.project.topology.environment.to_string();
            return Err(CliError::Claimed { environment, claim: Box::new(claim) });
        }
        sleep(RETRY).await;
    }
}

/// Takes the lock, at once or within `wait`, whoever waits for an answer.
pub async fn hold(session: &Session, holder: &LockHolder, wait: Span) -> Result<Box<dyn LockGuard>, CliError> {
    hold_until(session, holder, Instant::now() + wait.duration()).await
}

async fn hold_until(session: &Session, holder: &LockHolder, until: Instant) -> Result<Box<dyn LockGuard>, CliError> {
    let home = session.home();
    loop {
        match attempt(home, &session.project.compose.project, holder).await? {
            Locked::Held(guard) => return Ok(guard),
            Locked::Busy(holder) if Instant::now() >= until => {
                return Err(CliError::Locked { environment: session.project.topology.environment.to_string(), holder });
            }
            Locked::Busy(_) => sleep(RETRY).await,
        }
    }
}

/// One try.
pub async fn attempt(home: &Arc<dyn Host>, compose_project: &str, holder: &LockHolder) -> Result<Locked, HostError> {
    // Apart from the ingress's own lock, whatever the project is called.
    home.lock(&format!("environment-{compose_project}"), holder).await
}

pub fn holder(run: &RunId, what: &str) -> LockHolder {
    let since = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    LockHolder { run: run.to_string(), who: author(), since, what: what.to_owned() }
}

/// The claim of another run. One whose time is over goes.
async fn in_the_way(session: &Session, run: &RunId) -> Result<Option<Claim>, CliError> {
    let home = session.home();
    let compose_project = &session.project.compose.project;
    let Some((claim, _)) = mirror::read_claim(home, compose_project).await? else { return Ok(None) };
    if claim.petition.run == *run {
        return Ok(None);
    }
    if !claim.is_over(Timestamp::now()) {
        return Ok(Some(claim));
    }
    let (run, until) = (&claim.petition.run, claim.petition.until);
    eprintln!("run {run} has waited for an answer until {until:.0}, and its time is over: taking over from it");
    mirror::clear(home, compose_project).await?;
    Ok(None)
}

/// Sees that nobody has it, without keeping it: before a build, which needs no lock, is begun in vain.
pub async fn look(session: &Session, run: &RunId, what: &str, wait: Option<Span>) -> Result<(), CliError> {
    take(session, run, what, wait).await?.release().await;
    Ok(())
}
