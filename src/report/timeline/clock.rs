//! The time of a run: it stands still while the run is cut off.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Entry, History, event::Seconds};

/// Tells how far into the run a moment is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    began: Option<Timestamp>,
    /// When the run was cut off, and when it went on.
    pauses: Vec<(Timestamp, Timestamp)>,
}

impl Clock {
    pub(super) fn of(history: &History) -> Self {
        let pauses = history.entries.windows(2).filter(|pair| pair[1].entry == Entry::Resume);
        let pauses = pauses.map(|pair| (pair[0].time, pair[1].time)).collect();
        Self { began: history.began(), pauses }
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
