//! The time of a run: it stands still while no process has the run.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Entry, History, event::Seconds};

/// Tells how far into the run a moment is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    began: Option<Timestamp>,
    /// From the last sign of one process to the first of the next.
    pauses: Vec<(Timestamp, Timestamp)>,
}

impl Clock {
    pub fn of(history: &History) -> Self {
        let mut pauses = Vec::new();
        let mut last = None;
        for recorded in &history.entries {
            match (&recorded.entry, last) {
                (Entry::Resume | Entry::Back, Some(last)) => pauses.push((last, recorded.time)),
                // Who takes a run over says so before it goes on.
                (Entry::Lagging, _) => continue,
                _ => {}
            }
            last = Some(recorded.time);
        }
        Self { began: history.began(), pauses }
    }

    /// How many processes have had the run, one after the other.
    pub fn processes(&self) -> usize {
        self.pauses.len() + usize::from(self.began.is_some())
    }

    /// From the beginning of the run to this moment, without its pauses.
    pub fn at(&self, moment: Timestamp) -> Seconds {
        let Some(began) = self.began else { return Seconds::default() };
        let paused = self.pauses.iter().map(|(from, to)| between(*from, moment.min(*to)).0).sum();
        Seconds(between(began, moment).0.saturating_sub(paused))
    }

    /// Where in the run, on this clock, it was cut off and gone on with.
    pub fn breaks(&self) -> Vec<Seconds> {
        self.pauses.iter().map(|(from, _)| self.at(*from)).collect()
    }
}

/// None where the clock of the machine went back.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Seconds {
    Seconds(Duration::try_from(later.duration_since(earlier)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Clock;
    use crate::engine::{Entry, History, Outcome, event::Seconds, journal::Recorded};

    // spec: runs.list
    #[test]
    fn it_stands_still_until_somebody_goes_on_or_has_it_go_back() {
        let begin = Entry::Begin { run: stdlib::model::RunId::new("0199-a").unwrap(), plan: String::new() };
        let (left, undone) = (Entry::End { outcome: Outcome::Left }, Entry::End { outcome: Outcome::Undone });
        let told = [(0, begin), (5, Entry::Turned), (100, Entry::Lagging), (102, Entry::Resume), (105, left)];
        let told = told.into_iter().chain([(1000, Entry::Back), (1004, undone)]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let entries = told.map(|(second, entry)| Recorded { time: at(second), entry }).collect();
        let clock = Clock::of(&History { entries, length: 0 });
        let seconds = |seconds| Seconds(Duration::from_secs(seconds));
        assert_eq!(clock.at(at(1004)), seconds(5 + 3 + 4));
        assert_eq!(clock.breaks(), [seconds(5), seconds(8)]);
        assert_eq!(clock.processes(), 3);
    }
}
