//! The operations of a run as rows, each with its depth in the plan.

use serde::Serialize;
use serde_json::Value;

use super::chart::class;
use crate::report::{
    timeline::{Clock, Deed, Mark, Part, Spell, Step},
    words::{counted, inert, short},
};

/// What belongs together: a step of the plan's first level, or an operation that stands there by itself.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    name: String,
    count: String,
    took: String,
    class: &'static str,
    symbol: char,
    how: &'static str,
    open: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    depth: usize,
    /// Of a step there is a heading alone.
    heading: bool,
    host: String,
    title: String,
    at: String,
    took: String,
    class: &'static str,
    symbol: char,
    how: &'static str,
    /// In short.
    says: String,
    /// In full, where it is more than that.
    output: String,
    /// A log excerpt.
    detail: String,
}

/// Whether what went well can stand open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Ample,
    Scarce,
}

pub(super) fn groups(parts: &[Part], clock: &Clock, room: Room) -> Vec<Group> {
    parts.iter().map(|part| group(part, clock, room)).collect()
}

fn group(part: &Part, clock: &Clock, room: Room) -> Group {
    let mut rows = Vec::new();
    let name = match part {
        Part::Step(step) => {
            add_all(&mut rows, &step.parts, 0, clock);
            step.name.clone()
        }
        Part::Operation(deed) => {
            rows.push(operation(deed, 0, clock));
            inert(&deed.title)
        }
    };
    let mark = part.mark();
    Group {
        name,
        count: counted(part.deeds().len(), "operation"),
        took: took(part.spell()),
        class: class(mark),
        symbol: mark.symbol(),
        how: mark.words(),
        open: room == Room::Ample || matches!(mark, Mark::Failed | Mark::Open),
        rows,
    }
}

/// What was put back.
pub(super) fn undone(undo: &[Deed], clock: &Clock, room: Room) -> Option<Group> {
    let mark = undo.iter().map(|deed| deed.mark).max()?;
    let spells = || undo.iter().filter_map(|deed| deed.spell);
    let spell = spells().map(|spell| spell.began).min().map(|began| {
        let ended = spells().filter_map(|spell| spell.ended).max();
        Spell::new(began, ended, clock)
    });
    Some(Group {
        name: "put back, the last first".into(),
        count: counted(undo.len(), "operation"),
        took: took(spell),
        class: class(mark),
        symbol: mark.symbol(),
        how: mark.words(),
        open: room == Room::Ample || mark != Mark::Done,
        rows: undo.iter().map(|deed| operation(deed, 0, clock)).collect(),
    })
}

fn add_all(rows: &mut Vec<Row>, parts: &[Part], depth: usize, clock: &Clock) {
    for part in parts {
        match part {
            Part::Operation(deed) => rows.push(operation(deed, depth, clock)),
            Part::Step(step) if step.is_lane() => add_all(rows, &step.parts, depth, clock),
            Part::Step(step) => {
                rows.push(heading(step, depth, clock));
                add_all(rows, &step.parts, depth + 1, clock);
            }
        }
    }
}

fn heading(step: &Step, depth: usize, clock: &Clock) -> Row {
    Row {
        depth,
        heading: true,
        host: String::new(),
        title: step.name.clone(),
        at: at(step.spell, clock),
        took: took(step.spell),
        class: class(step.mark),
        symbol: step.mark.symbol(),
        how: step.mark.words(),
        says: String::new(),
        output: String::new(),
        detail: String::new(),
    }
}

fn operation(deed: &Deed, depth: usize, clock: &Clock) -> Row {
    let failure = deed.failure.as_ref();
    Row {
        depth,
        heading: false,
        host: deed.host.as_ref().map(ToString::to_string).unwrap_or_default(),
        title: inert(&deed.title),
        at: at(deed.spell, clock),
        took: took(deed.spell),
        class: class(deed.mark),
        symbol: deed.mark.symbol(),
        how: deed.mark.words(),
        says: failure.map_or_else(|| short(&deed.output), |failure| inert(&failure.message)),
        output: full(&deed.output),
        detail: failure.and_then(|failure| failure.detail.as_deref()).map(inert).unwrap_or_default(),
    }
}

/// The whole output, where [`short`] does not say all of it.
fn full(output: &Value) -> String {
    let text = match output {
        Value::Object(map) if map.len() == 1 && map.contains_key("stdout") => {
            map["stdout"].as_str().unwrap_or_default().to_owned()
        }
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let said = short(output);
    if said.is_empty() || text == said { String::new() } else { inert(&text) }
}

/// Since the run began.
fn at(spell: Option<Spell>, clock: &Clock) -> String {
    spell.map(|spell| format!("+{}", clock.at(spell.began))).unwrap_or_default()
}

fn took(spell: Option<Spell>) -> String {
    spell.and_then(|spell| spell.seconds).map(|seconds| seconds.to_string()).unwrap_or_default()
}
