//! The timeline of steps by host: bars by their place in the run's time, in percent.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    engine::event::Seconds,
    report::{
        timeline::{Clock, Deed, Mark, Part, Timeline},
        words::{counted, inert},
    },
};

/// What acts on several hosts or on none.
const SHARED: &str = "across hosts";
/// Marks on the axis at most.
const TICKS: u32 = 6;

#[derive(Debug, Serialize)]
pub(super) struct Chart {
    lanes: Vec<Lane>,
    ticks: Vec<Tick>,
    /// Where the run was cut off and gone on with.
    breaks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Lane {
    host: String,
    /// Bars of a row do not overlap.
    rows: Vec<Vec<Bar>>,
}

#[derive(Debug, Clone, Serialize)]
struct Bar {
    #[serde(skip)]
    from: f64,
    #[serde(skip)]
    to: f64,
    left: String,
    width: String,
    label: String,
    /// For a tooltip.
    says: String,
    class: &'static str,
}

#[derive(Debug, Serialize)]
struct Tick {
    left: String,
    label: String,
}

impl Chart {
    pub fn of(timeline: &Timeline) -> Self {
        let total = timeline.seconds.0.as_secs_f64().max(0.001);
        let scale = Scale { clock: &timeline.clock, total };
        let mut lanes: BTreeMap<String, Vec<Bar>> = BTreeMap::new();
        for part in &timeline.parts {
            for (host, deeds) in by_host(&part.deeds()) {
                lanes.entry(host).or_default().extend(scale.bar(&name(part), &deeds, class(worst(&deeds))));
            }
        }
        for (host, deeds) in by_host(&timeline.undo.iter().collect::<Vec<_>>()) {
            let class = if worst(&deeds) == Mark::Done { "undone" } else { "failed" };
            lanes.entry(host).or_default().extend(scale.bar("put back", &deeds, class));
        }
        let lanes = lanes.into_iter().map(|(host, bars)| Lane { host, rows: packed(bars) }).collect();
        let breaks = timeline.clock.breaks().into_iter().map(|at| scale.place(at)).collect();
        Self { lanes, ticks: ticks(total), breaks }
    }
}

/// Those that have begun.
fn by_host<'a>(deeds: &[&'a Deed]) -> BTreeMap<String, Vec<&'a Deed>> {
    let mut hosts: BTreeMap<String, Vec<&Deed>> = BTreeMap::new();
    for deed in deeds.iter().filter(|deed| deed.spell.is_some()) {
        let host = deed.host.as_ref().map_or_else(|| SHARED.to_owned(), ToString::to_string);
        hosts.entry(host).or_default().push(deed);
    }
    hosts
}

fn name(part: &Part) -> String {
    match part {
        Part::Step(step) => step.name.clone(),
        Part::Operation(deed) => inert(&deed.title),
    }
}

fn worst(deeds: &[&Deed]) -> Mark {
    deeds.iter().map(|deed| deed.mark).max().unwrap_or(Mark::Waiting)
}

pub(super) fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "waiting",
        Mark::Done => "done",
        Mark::Stopped => "stopped",
        Mark::Open => "open",
        Mark::Failed => "failed",
    }
}

struct Scale<'a> {
    clock: &'a Clock,
    /// Seconds.
    total: f64,
}

impl Scale<'_> {
    fn bar(&self, label: &str, deeds: &[&Deed], class: &'static str) -> Option<Bar> {
        let spells = || deeds.iter().filter_map(|deed| deed.spell);
        let from = self.clock.at(spells().map(|spell| spell.began).min()?).0.as_secs_f64();
        let ended: Option<Vec<_>> = spells().map(|spell| spell.ended).collect();
        let ended = ended.and_then(|ended| ended.into_iter().max());
        let to = ended.map_or(self.total, |ended| self.clock.at(ended).0.as_secs_f64()).max(from);
        let says = format!("{label}: {}, from {from:.1} s to {to:.1} s", counted(deeds.len(), "operation"));
        let width = percent((to - from) / self.total);
        let left = percent(from / self.total);
        Some(Bar { from, to, left, width, label: label.to_owned(), says, class })
    }

    fn place(&self, at: Seconds) -> String {
        percent(at.0.as_secs_f64() / self.total)
    }
}

fn percent(share: f64) -> String {
    format!("{:.3}%", share.clamp(0.0, 1.0) * 100.0)
}

/// Each bar in the first row where it has room.
fn packed(mut bars: Vec<Bar>) -> Vec<Vec<Bar>> {
    bars.sort_by(|one, other| one.from.total_cmp(&other.from));
    let mut rows: Vec<Vec<Bar>> = Vec::new();
    for bar in bars {
        let free = rows.iter_mut().find(|row| row.last().is_some_and(|last| last.to <= bar.from));
        match free {
            Some(row) => row.push(bar),
            None => rows.push(vec![bar]),
        }
    }
    rows
}

/// Round numbers of seconds, not too many of them.
fn ticks(total: f64) -> Vec<Tick> {
    let steps = (-1..7).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    let step = steps.into_iter().find(|step| total / step <= f64::from(TICKS)).unwrap_or(total);
    let places = (0..=TICKS).map(|number| f64::from(number) * step).take_while(|place| *place <= total);
    let label = |place: f64| if step < 1.0 { format!("{place:.1} s") } else { format!("{place:.0} s") };
    places.map(|place| Tick { left: percent(place / total), label: label(place) }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bar, packed, ticks};

    fn bar(from: f64, to: f64) -> Bar {
        let (left, width, label, says) = Default::default();
        Bar { from, to, left, width, label, says, class: "done" }
    }

    #[test]
    fn what_overlaps_stands_in_rows_of_its_own() {
        let rows = packed(vec![bar(2.0, 3.0), bar(0.0, 2.0), bar(1.0, 4.0)]);
        let places: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().map(|bar| bar.from).collect()).collect();
        assert_eq!(places, [vec![0.0, 2.0], vec![1.0]]);
    }

    #[test]
    fn the_axis_has_round_numbers() {
        let labels = |total| ticks(total).into_iter().map(|tick| tick.label).collect::<Vec<_>>();
        assert_eq!(labels(0.35), ["0.0 s", "0.1 s", "0.2 s", "0.3 s"]);
        assert_eq!(labels(7.1), ["0 s", "2 s", "4 s", "6 s"]);
        assert_eq!(labels(600.0), ["0 s", "100 s", "200 s", "300 s", "400 s", "500 s", "600 s"]);
    }
}
