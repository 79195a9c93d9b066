//! Reading what the environment's store knows of runs.

use std::sync::Arc;

use stdlib::{
    failure::Failure,
    host::Host,
    model::RunId,
    release::store::{self, Shelf},
};

use super::audit::{Audit, Line};

pub(super) const AUDIT: &str = "audit";
pub(super) const PLAN: &str = "plan.json";
pub(super) const JOURNAL: &str = "journal.jsonl";
/// Bundles that are kept.
pub(super) const SLOTS: usize = 20;

pub(super) fn directory(slot: usize) -> String {
    format!("{slot:02}")
}

/// A run as its home host knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub plan: Vec<u8>,
    /// A copy of the journal, up to a few seconds behind.
    pub journal: Vec<u8>,
}

/// The environment's audit; empty before its first run.
pub async fn read_audit(home: &Arc<dyn Host>, compose_project: &str) -> Result<Audit, Failure> {
    let files = store::read(home.as_ref(), compose_project, Shelf::Runs, AUDIT).await?;
    let text = String::from_utf8(files.into_values().flatten().collect());
    let text = text.map_err(|_| Failure::new(format!("the audit on {} is not text", home.name())).on(home.name()))?;
    Ok(Audit::new(text))
}

/// The newest bundle of a run, while it is kept.
pub async fn fetch(home: &Arc<dyn Host>, compose_project: &str, run: &RunId) -> Result<Option<Bundle>, Failure> {
    let lines = read_audit(home, compose_project).await?.lines().map_err(|broken| {
        Failure::new(format!("{broken}; it is on {}", home.name())).hint("start anew: `stagecraft deploy`")
    })?;
    let later = |line: &&Line| line.run == *run;
    let Some(line) = lines.iter().rev().find(later) else { return Ok(None) };
    let mut files = store::read(home.as_ref(), compose_project, Shelf::Runs, &directory(line.slot)).await?;
    let Some(plan) = files.remove(PLAN) else { return Ok(None) };
    // The slot may have gone to a later run.
    let taken = lines.iter().rev().find(|other| other.slot == line.slot).is_some_and(|other| other.run != *run);
    Ok((!taken).then(|| Bundle { plan, journal: files.remove(JOURNAL).unwrap_or_default() }))
}
