//! The audit by runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use stdlib::model::RunId;

use super::audit::{Deed, Line};
use crate::engine::Outcome;

/// What the audit says of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub run: RunId,
    /// Who began it.
    pub who: String,
    pub what: String,
    pub release: Option<String>,
    pub began: Timestamp,
    /// The last end; `None` when it was cut off since, or is under way.
    pub ended: Option<(Timestamp, Outcome)>,
}

/// Each run of the audit, the newest first.
pub fn tally(lines: &[Line]) -> Vec<Tally> {
    let mut runs: BTreeMap<&RunId, Tally> = BTreeMap::new();
    for line in lines {
        let run = runs.entry(&line.run).or_insert_with(|| Tally {
            run: line.run.clone(),
            who: line.who.clone(),
            what: line.what.clone(),
            release: line.release.clone(),
            began: line.time,
            ended: None,
        });
        run.ended = match &line.deed {
            Deed::Ended { outcome } => Some((line.time, *outcome)),
            Deed::Began | Deed::Resumed | Deed::Undone | Deed::Approved { .. } | Deed::Denied { .. } => None,
        };
    }
    // Ids sort by the time they were made.
    runs.into_values().rev().collect()
}

#[cfg(test)]
mod tests {
    use stdlib::model::RunId;

    use super::tally;
    use crate::{
        engine::Outcome,
        mirror::{Deed, Line},
    };

    fn line(run: &str, who: &str, deed: Deed) -> Line {
        Line::new(deed, RunId::new(run).unwrap(), who.into(), "deploy".into())
    }

    // spec: runs.list
    #[test]
    fn a_run_is_whose_it_was_at_first_and_ended_as_it_did_at_last() {
        let left = Deed::Ended { outcome: Outcome::Left };
        let put_back = Deed::Ended { outcome: Outcome::PutBack };
        let mut lines = vec![line("0199-a", "ann@desk", Deed::Began), line("0199-a", "ann@desk", left)];
        lines.extend([line("0199-b", "ci@runner", Deed::Began), line("0199-a", "bob@desk", Deed::Undone)]);
        let seen = |lines: &[Line]| -> Vec<(String, String, Option<Outcome>)> {
            let runs = tally(lines).into_iter();
            runs.map(|run| (run.run.to_string(), run.who, run.ended.map(|(_, outcome)| outcome))).collect()
        };
        let b = ("0199-b".to_owned(), "ci@runner".to_owned(), None);
        assert_eq!(seen(&lines), [b.clone(), ("0199-a".into(), "ann@desk".into(), None)]);
        lines.push(line("0199-a", "bob@desk", put_back));
        assert_eq!(seen(&lines), [b, ("0199-a".into(), "ann@desk".into(), Some(Outcome::PutBack))]);
    }
}
