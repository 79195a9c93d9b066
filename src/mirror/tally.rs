//! The audit by runs.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use stdlib::model::RunId;

use super::audit::{Deed, Line};
use crate::engine::{Outcome, Seconds};

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
    /// How many processes have had it, one after the other.
    pub processes: usize,
    /// How long they had it, all in all; `None` where one was cut off, and the audit cannot tell when.
    pub took: Option<Seconds>,
    /// Since when the last of them has had it, where it has not said how that ended.
    since: Option<Timestamp>,
}

impl Tally {
    fn of(line: &Line) -> Self {
        Self {
            run: line.run.clone(),
            who: line.who.clone(),
            what: line.what.clone(),
            release: line.release.clone(),
            began: line.time,
            ended: None,
            processes: 0,
            took: Some(Seconds::default()),
            since: None,
        }
    }

    fn add(&mut self, line: &Line) {
        self.ended = None;
        match &line.deed {
            Deed::Began | Deed::Resumed | Deed::Undone => {
                self.processes += 1;
                if self.since.replace(line.time).is_some() {
                    self.took = None;
                }
            }
            Deed::Ended { outcome } => {
                self.ended = Some((line.time, *outcome));
                let had = self.since.take().map_or(Duration::ZERO, |since| {
                    // Nothing where the clock of the machine went back.
                    Duration::try_from(line.time.duration_since(since)).unwrap_or_default()
                });
                self.took = self.took.map(|took| Seconds(took.0 + had));
            }
            Deed::Approved { .. } | Deed::Denied { .. } => {}
        }
    }
}

/// Each run of the audit, the newest first.
pub fn tally(lines: &[Line]) -> Vec<Tally> {
    let mut runs: BTreeMap<&RunId, Tally> = BTreeMap::new();
    for line in lines {
        runs.entry(&line.run).or_insert_with(|| Tally::of(line)).add(line);
    }
    // Ids sort by the time they were made.
    runs.into_values().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use stdlib::model::RunId;

    use super::tally;
    use crate::{
        engine::{Outcome, Seconds},
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

    // spec: runs.list
    #[test]
    fn it_took_as_long_as_somebody_had_it_where_that_is_known() {
        let at =
            |second, deed| Line { time: Timestamp::from_second(second).unwrap(), ..line("0199-a", "ann@desk", deed) };
        let (left, undone) = (Deed::Ended { outcome: Outcome::Left }, Deed::Ended { outcome: Outcome::Undone });
        let known = [at(0, Deed::Began), at(5, left.clone()), at(1000, Deed::Undone), at(1004, undone.clone())];
        let run = tally(&known).remove(0);
        assert_eq!((run.processes, run.took), (2, Some(Seconds(Duration::from_secs(9)))));
        let cut_off = [at(0, Deed::Began), at(1000, Deed::Resumed), at(1004, undone)];
        let run = tally(&cut_off).remove(0);
        assert_eq!((run.processes, run.took, run.ended.is_some()), (2, None, true));
    }
}
