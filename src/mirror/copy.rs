//! Keeping the copy of one run under way.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use stdlib::{
    failure::Failure,
    host::Host,
    release::store::{self, Shelf},
};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::{
    audit::{Audit, Deed, Line},
    bundle::{AUDIT, JOURNAL, PLAN, SLOTS, directory, read_audit},
};
use crate::engine::{Answer, Mirror, Outcome, RunDirectory, Word};

/// How far the copy of a journal may be behind it, beside what a write takes.
pub const LAG: Duration = Duration::from_secs(3);

/// The line of the audit with which a run begins or goes on, and where it is written.
pub struct Opening {
    pub home: Arc<dyn Host>,
    pub compose_project: String,
    pub line: Line,
    /// The audit, read under the lock.
    pub audit: Audit,
}

/// A run's copy, brought up to date while the run is under way.
pub struct Copy {
    place: Arc<Place>,
    audit: Mutex<Audit>,
    line: Line,
    /// Ends with the copy.
    following: std::sync::Mutex<Option<AbortOnDropHandle<()>>>,
}

struct Place {
    home: Arc<dyn Host>,
    compose_project: String,
    slot: usize,
    journal: PathBuf,
}

impl Place {
    async fn write(&self, files: &[(&str, &[u8])]) -> Result<(), Failure> {
        store::write(&self.home, &self.compose_project, Shelf::Runs, files).await
    }

    /// Writes the lines of the audit that its files lack, and other files with them.
    async fn write_audit(&self, audit: &mut Audit, others: &[(&str, &[u8])]) -> Result<(), Failure> {
        let lacking: Vec<(String, String)> =
            audit.unwritten().into_iter().map(|(name, text)| (format!("{AUDIT}/{name}"), text)).collect();
        let lacking = lacking.iter().map(|(path, text)| (path.as_str(), text.as_bytes()));
        let files: Vec<(&str, &[u8])> = lacking.chain(others.iter().copied()).collect();
        self.write(&files).await?;
        audit.is_written();
        Ok(())
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", directory(self.slot))
    }

    /// The journal as it is now; empty before it has begun.
    fn journal(&self) -> Vec<u8> {
        fs::read(&self.journal).unwrap_or_default()
    }

    async fn follow(&self) {
        let mut written = 0;
        loop {
            tokio::time::sleep(LAG).await;
            let journal = self.journal();
            if journal.len() == written {
                continue;
            }
            match self.write(&[(&self.file(JOURNAL), &journal)]).await {
                Ok(()) => written = journal.len(),
                // Said when the run ends, if it is still so.
                Err(error) => tracing::debug!(%error.message, "the journal's copy could not be written"),
            }
        }
    }
}

impl Copy {
    /// Writes the line, the plan, and what the journal has, before anything of the run begins. Under the environment's lock.
    pub async fn open(opening: Opening, run: &RunDirectory) -> Result<Self, Failure> {
        let Opening { home, compose_project, mut line, mut audit } = opening;
        line.slot = audit.bundles() % SLOTS;
        audit.append(line.clone());
        let journal = run.path().join(JOURNAL);
        let place = Place { home, compose_project, slot: line.slot, journal };
        let plan = fs::read(run.path().join(PLAN))
            .map_err(|error| Failure::new(format!("{}: {error}", run.path().join(PLAN).display())).hint("try again"))?;
        let run = [(place.file(PLAN), plan), (place.file(JOURNAL), place.journal())];
        place.write_audit(&mut audit, &run.each_ref().map(|(path, text)| (path.as_str(), text.as_slice()))).await?;
        let place = Arc::new(place);
        let followed = Arc::clone(&place);
        let following = AbortOnDropHandle::new(tokio::spawn(async move { followed.follow().await }));
        Ok(Self { place, audit: Mutex::new(audit), line, following: std::sync::Mutex::new(Some(following)) })
    }
}

impl Copy {
    /// Another line of the same run.
    fn line_of(&self, deed: Deed) -> Line {
        let Line { run, who, what, release, slot, .. } = self.line.clone();
        Line { release, slot, ..Line::new(deed, run, who, what) }
    }
}

#[async_trait]
impl Mirror for Copy {
    async fn catch_up(&self) -> Result<(), Failure> {
        self.place.write(&[(&self.place.file(JOURNAL), &self.place.journal())]).await
    }

    fn stop(&self) {
        self.following.lock().expect("nothing panics while it holds it").take();
    }

    async fn answered(&self, answer: &Answer) -> Result<(), Failure> {
        let place = &self.place;
        let mut audit = self.audit.lock().await;
        *audit = read_audit(&place.home, &place.compose_project).await?;
        let by = answer.who.clone();
        audit.append(self.line_of(match answer.word {
            Word::Approved => Deed::Approved { by },
            Word::Denied => Deed::Denied { by },
        }));
        place.write_audit(&mut audit, &[]).await
    }

    async fn close(&self, outcome: Option<Outcome>) -> Result<(), Failure> {
        self.stop();
        // Without the lock nothing may be written.
        let Some(outcome) = outcome else { return Ok(()) };
        let mut audit = self.audit.lock().await;
        audit.append(self.line_of(Deed::Ended { outcome }));
        let place = &self.place;
        place.write_audit(&mut audit, &[(&place.file(JOURNAL), &place.journal())]).await
    }
}
