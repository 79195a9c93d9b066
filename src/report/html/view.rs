//! What the page shows, in words.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use stdlib::{
    failure::Failure,
    model::Release,
    plan::{Action, Change, Plan},
};

use super::{
    chart::Chart,
    rows::{Group, Room, groups, undone},
};
use crate::{
    engine::Outcome,
    report::{
        Standing, Timeline,
        difference::{Difference, differences},
        timeline::Turn,
        words::inert,
    },
};

/// Operations up to which all of them stand open.
const FEW: usize = 30;

#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    style: &'a str,
    version: &'static str,
    made: String,
    run: String,
    project: String,
    environment: String,
    recipe: String,
    release: Option<String>,
    verdict: Verdict,
    who: Option<String>,
    began: Option<Moment>,
    took: String,
    hosts: usize,
    operations: usize,
    failures: Vec<Failed>,
    turns: Vec<Turned>,
    chart: Chart,
    changes: Vec<Changed>,
    comparison: Comparison,
    groups: Vec<Group>,
    undo: Option<Group>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    words: &'static str,
    class: &'static str,
    symbol: char,
}

#[derive(Debug, Serialize)]
struct Moment {
    iso: String,
    words: String,
}

#[derive(Debug, Serialize)]
struct Failed {
    host: Option<String>,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// It is not known whether it happened.
    unknown: bool,
}

#[derive(Debug, Serialize)]
struct Turned {
    at: String,
    words: String,
}

#[derive(Debug, Serialize)]
struct Changed {
    symbol: char,
    action: &'static str,
    subject: String,
    host: String,
    from: String,
    to: String,
    because: String,
}

/// The release against the one before.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Comparison {
    /// The run was for no release.
    None,
    First,
    /// The record of the release before is not at hand.
    Missing {
        predecessor: u64,
    },
    Of {
        predecessor: String,
        differences: Vec<Difference>,
    },
}

impl<'a> View<'a> {
    pub fn new(timeline: &Timeline, plan: &Plan, predecessor: Option<&Release>, style: &'a str) -> Self {
        let deeds = timeline.deeds();
        let hosts: BTreeSet<_> = deeds.iter().filter_map(|deed| deed.host.as_ref()).collect();
        let room = if deeds.len() <= FEW { Room::Ample } else { Room::Scarce };
        Self {
            style,
            version: env!("CARGO_PKG_VERSION"),
            made: moment(Timestamp::now()).words,
            run: timeline.run.to_string(),
            project: timeline.project.to_string(),
            environment: timeline.environment.to_string(),
            recipe: timeline.recipe.clone(),
            release: timeline.release.clone(),
            verdict: verdict(timeline.standing),
            who: timeline.who.clone(),
            began: timeline.began.map(moment),
            took: timeline.seconds.to_string(),
            hosts: hosts.len(),
            operations: deeds.len(),
            failures: timeline.failures.iter().map(failed).collect(),
            turns: timeline.turns.iter().map(|turn| turned(turn, timeline)).collect(),
            chart: Chart::of(timeline),
            changes: plan.changes.iter().map(changed).collect(),
            comparison: comparison(plan, predecessor),
            groups: groups(&timeline.parts, &timeline.clock, room),
            undo: undone(&timeline.undo, &timeline.clock, room),
        }
    }
}

fn verdict(standing: Standing) -> Verdict {
    let (class, symbol) = match standing {
        Standing::Ended(Outcome::Done) => ("done", '✓'),
        Standing::Ended(Outcome::PutBack | Outcome::Cancelled | Outcome::Undone) => ("undone", '↶'),
        Standing::Ended(Outcome::Left) => ("failed", '✗'),
        Standing::UnderWay | Standing::Asking => ("stopped", '…'),
        Standing::CutOff | Standing::NotEnded => ("open", '?'),
    };
    Verdict { words: standing.words(), class, symbol }
}

fn moment(time: Timestamp) -> Moment {
    Moment { iso: time.to_string(), words: time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string() }
}

fn failed(failure: &Failure) -> Failed {
    Failed {
        host: failure.host.as_ref().map(ToString::to_string),
        message: inert(&failure.message),
        detail: failure.detail.as_deref().map(inert),
        hint: failure.hint.as_deref().map(inert),
        unknown: failure.certainty == stdlib::failure::Certainty::Unknown,
    }
}

fn turned(turn: &Turn, timeline: &Timeline) -> Turned {
    let words = inert(&turn.kind.words());
    Turned { at: format!("+{}", timeline.clock.at(turn.time)), words }
}

fn changed(change: &Change) -> Changed {
    let action = match change.action {
        Action::Create => "create",
        Action::ReplaceRolling => "replace",
        Action::ReplaceStopFirst => "replace with a gap",
        Action::Remove => "remove",
        Action::Run => "run",
        Action::Nothing => "unchanged",
    };
    Changed {
        symbol: change.action.symbol(),
        action,
        subject: change.subject.clone(),
        host: change.host.to_string(),
        from: change.from.clone().unwrap_or_default(),
        to: change.to.clone().unwrap_or_default(),
        because: change.because.join(", "),
    }
}

fn comparison(plan: &Plan, predecessor: Option<&Release>) -> Comparison {
    let Some(release) = &plan.release else { return Comparison::None };
    match (release.predecessor, predecessor) {
        (None, _) => Comparison::First,
        (Some(_), Some(before)) => Comparison::Of {
            predecessor: before.id.to_string(),
            differences: differences(&before.application, &release.application),
        },
        (Some(predecessor), None) => Comparison::Missing { predecessor },
    }
}
