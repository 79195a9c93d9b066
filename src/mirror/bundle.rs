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

/// The newest bundle of a run by these lines of the audit, while it is kept.
pub async fn fetch(
    home: &Arc<dyn Host>,
    compose_project: &str,
    lines: &[Line],
    run: &RunId,
) -> Result<Option<Bundle>, Failure> {
    let later = |line: &&Line| line.run == *run;
    let Some(line) = lines.iter().rev().find(later) else { return Ok(None) };
    let mut files = store::read(home.as_ref(), compose_project, Shelf::Runs, &directory(line.slot)).await?;
    let Some(plan) = files.remove(PLAN) else { return Ok(None) };
    // The slot may have gone to a later run.
    let taken = lines.iter().rev().find(|other| other.slot == line.slot).is_some_and(|other| other.run != *run);
    Ok((!taken).then(|| Bundle { plan, journal: files.remove(JOURNAL).unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use stdlib::{
        host::fake::FakeHost,
        model::RunId,
        release::store::{self, Shelf},
    };

    use super::{AUDIT, Bundle, fetch, read_audit};
    use crate::mirror::{Audit, Deed, Line};

    fn line(run: &str, slot: usize) -> Line {
        let began = Line::new(Deed::Began, RunId::new(run).unwrap(), "ann@desk".into(), "deploy".into());
        Line { slot, ..began }
    }

    // spec: run.mirror
    #[tokio::test]
    async fn a_bundle_is_found_by_an_audit_that_is_read_once() {
        let fake = FakeHost::new("web-1");
        let home = fake.host();
        let mut audit = Audit::default();
        for line in [line("0199-a", 0), line("0199-b", 1), line("0199-c", 0)] {
            audit.append(line);
        }
        let [(name, lines)] = &audit.unwritten()[..] else { panic!("one file") };
        let name = format!("{AUDIT}/{name}");
        let files: [(&str, &[u8]); 4] = [
            (&name, lines.as_bytes()),
            ("00/plan.json", b"another plan"),
            ("01/plan.json", b"plan"),
            ("01/journal.jsonl", b"journal"),
        ];
        store::write(&home, "shop", Shelf::Runs, &files).await.unwrap();
        fake.forget_calls();
        let lines = read_audit(&home, "shop").await.unwrap().lines().unwrap();
        let found = fetch(&home, "shop", &lines, &RunId::new("0199-b").unwrap()).await.unwrap();
        assert_eq!(found, Some(Bundle { plan: b"plan".to_vec(), journal: b"journal".to_vec() }));
        assert_eq!(fake.calls().len(), 2, "{:?}", fake.calls());
        // Its slot has gone to a later run.
        assert_eq!(fetch(&home, "shop", &lines, &RunId::new("0199-a").unwrap()).await.unwrap(), None);
        assert_eq!(fetch(&home, "shop", &lines, &RunId::new("0199-d").unwrap()).await.unwrap(), None);
    }
}
