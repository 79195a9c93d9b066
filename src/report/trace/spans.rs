//! The spans of a run: the run, its steps, its operations, and what was put back.
//!
//! Ids follow from the run's and the operations' own, so that a run which is gone on with stays one trace.

use std::{borrow::Cow, time::SystemTime};

use jiff::Timestamp;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    engine::Outcome,
    report::{
        Standing,
        timeline::{Deed, Mark, Part, Spell, Timeline},
        words::inert,
    },
};

/// The name of the span around all inverses.
const BACK: &str = "put back";

/// The run first.
pub(super) fn of(timeline: &Timeline) -> Vec<SpanData> {
    let Some(began) = timeline.began else { return Vec::new() };
    let last = spells(&timeline.parts).chain(timeline.undo.iter().filter_map(|deed| deed.spell));
    let last = last.flat_map(|spell| [Some(spell.began), spell.ended]).flatten().max().unwrap_or(began);
    let mut trace = Trace { id: trace_id(timeline.run.as_str()), run: timeline.run.as_str(), last, spans: Vec::new() };
    let root = trace.add(SpanId::INVALID, "", timeline.recipe.clone(), Spell::whole(began, last));
    root.attributes = attributes(timeline);
    root.status = status(timeline);
    let root = root.span_context.span_id();
    trace.parts(root, &timeline.parts);
    trace.back(root, &timeline.undo);
    trace.spans
}

fn spells(parts: &[Part]) -> impl Iterator<Item = Spell> {
    parts.iter().filter_map(Part::spell)
}

fn attributes(timeline: &Timeline) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("stagecraft.run", timeline.run.to_string()),
        KeyValue::new("stagecraft.project", timeline.project.to_string()),
        KeyValue::new("stagecraft.environment", timeline.environment.to_string()),
        KeyValue::new("stagecraft.recipe", timeline.recipe.clone()),
        KeyValue::new("stagecraft.outcome", timeline.standing.id()),
    ];
    attributes.extend(timeline.release.clone().map(|release| KeyValue::new("stagecraft.release", release)));
    attributes.extend(timeline.who.clone().map(|who| KeyValue::new("stagecraft.who", who)));
    attributes
}

fn status(timeline: &Timeline) -> Status {
    if let Standing::Ended(Outcome::Done | Outcome::Undone) = timeline.standing {
        return Status::Ok;
    }
    let cause = timeline.failures.first().map(|failure| inert(&failure.message));
    Status::error(cause.unwrap_or_else(|| timeline.standing.words().to_owned()))
}

struct Trace<'a> {
    id: TraceId,
    run: &'a str,
    /// What has no end of its own ends with the run.
    last: Timestamp,
    spans: Vec<SpanData>,
}

impl Trace<'_> {
    fn parts(&mut self, parent: SpanId, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Operation(deed) => self.deed(parent, deed.key.as_str(), deed),
                Part::Step(step) => {
                    let Some(spell) = step.spell else { continue };
                    let span = self.add(parent, step.key.as_str(), step.name.clone(), spell);
                    span.attributes = vec![KeyValue::new("stagecraft.key", step.key.to_string())];
                    span.status = status_of(step.mark, step.mark.words());
                    let id = span.span_context.span_id();
                    self.parts(id, &step.parts);
                }
            }
        }
    }

    fn back(&mut self, parent: SpanId, undo: &[Deed]) {
        let began = undo.iter().filter_map(|deed| deed.spell).map(|spell| spell.began).min();
        let Some(began) = began else { return };
        let ended = undo.iter().filter_map(|deed| deed.spell?.ended).max();
        let mark = undo.iter().map(|deed| deed.mark).max().unwrap_or(Mark::Done);
        let span = self.add(parent, BACK, BACK.to_owned(), Spell { began, ended, seconds: None });
        span.status = status_of(mark, mark.words());
        let id = span.span_context.span_id();
        for deed in undo {
            self.deed(id, &format!("{BACK}{}", deed.key), deed);
        }
    }

    fn deed(&mut self, parent: SpanId, place: &str, deed: &Deed) {
        let Some(spell) = deed.spell else { return };
        let span = self.add(parent, place, inert(&deed.title), spell);
        span.attributes = vec![
            KeyValue::new("stagecraft.key", deed.key.to_string()),
            KeyValue::new("stagecraft.kind", deed.kind.clone()),
            KeyValue::new("stagecraft.outcome", word(&deed.mark)),
        ];
        span.attributes.extend(deed.host.as_ref().map(|host| KeyValue::new("host.name", host.to_string())));
        let why =
            deed.failure.as_ref().map_or(Cow::Borrowed(deed.mark.words()), |failure| inert(&failure.message).into());
        span.status = status_of(deed.mark, &why);
    }

    /// A span in its place; `place` tells it from all others of the run.
    fn add(&mut self, parent: SpanId, place: &str, name: String, spell: Spell) -> &mut SpanData {
        let id = span_id(self.run, place);
        let context = SpanContext::new(self.id, id, TraceFlags::SAMPLED, false, TraceState::NONE);
        self.spans.push(SpanData {
            span_context: context,
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: SystemTime::from(spell.began),
            end_time: SystemTime::from(spell.ended.unwrap_or(self.last)),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("stagecraft")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        });
        self.spans.last_mut().expect("it was pushed")
    }
}

impl Spell {
    fn whole(began: Timestamp, ended: Timestamp) -> Self {
        Self { began, ended: Some(ended), seconds: None }
    }
}

fn status_of(mark: Mark, why: &str) -> Status {
    match mark {
        Mark::Done => Status::Ok,
        Mark::Failed | Mark::Open => Status::error(why.to_owned()),
        Mark::Waiting | Mark::Stopped => Status::Unset,
    }
}

/// As the JSON has it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A run's id is a UUID, which is as long as a trace's id.
fn trace_id(run: &str) -> TraceId {
    let own = uuid::Uuid::try_parse(run).map(uuid::Uuid::into_bytes);
    TraceId::from_bytes(own.unwrap_or_else(|_| digest(run)))
}

fn span_id(run: &str, place: &str) -> SpanId {
    SpanId::from_bytes(digest(&format!("{run}\n{place}")))
}

fn digest<const N: usize>(text: &str) -> [u8; N] {
    Sha256::digest(text.as_bytes())[..N].try_into().expect("a digest is longer")
}
