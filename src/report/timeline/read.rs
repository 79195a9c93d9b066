//! From plan and journal to a timeline.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;
use stdlib::{
    failure::Failure,
    later::{Decided, Later},
    model::RunId,
    operation::Operation as _,
    plan::{Key, Node, Plan, Planned},
};

use super::{Clock, Deed, Mark, Order, Part, Spell, Standing, Step, Timeline, Turn, TurnKind};
use crate::{
    engine::{Assume, Entry, History},
    report::words::{counted, numbered},
};

impl Timeline {
    /// A run by its plan and journal. `who` began it; `open` is how it stands when the journal has no end.
    pub fn new(run: RunId, who: Option<String>, plan: &Plan, history: &History, open: Standing) -> Self {
        // What does not fit the plan is not resumed; what can be told of it is told.
        let _ = history.fill(&plan.root);
        let told = Told::of(history);
        let clock = told.clock.clone();
        let last = history.entries.last().map(|recorded| recorded.time);
        Self {
            run,
            project: plan.project.clone(),
            environment: plan.environment.clone(),
            recipe: plan.recipe.clone(),
            release: plan.release.as_ref().map(|release| release.id.to_string()),
            who,
            began: history.began(),
            standing: history.ended().map_or(open, |(_, outcome)| Standing::Ended(outcome)),
            seconds: last.map(|last| clock.at(last)).unwrap_or_default(),
            failures: told.failures(),
            turns: turns(history),
            parts: told.parts(&plan.root),
            undo: told.undo(plan),
            clock,
        }
    }
}

/// What a journal says of one operation, or of its inverse.
#[derive(Debug, Clone)]
struct Word {
    mark: Mark,
    began: Timestamp,
    ended: Option<Timestamp>,
    output: Value,
    failure: Option<Failure>,
}

impl Word {
    fn begun(began: Timestamp) -> Self {
        Self { mark: Mark::Open, began, ended: None, output: Value::Null, failure: None }
    }
}

/// What a journal says, by operation.
#[derive(Debug, Default)]
struct Told {
    clock: Clock,
    forward: HashMap<Key, Word>,
    back: HashMap<Key, Word>,
    /// In the order in which the inverses began.
    put_back: Vec<Key>,
    /// In the order in which they were written; with which way it was going.
    failed: Vec<(Key, Way)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Forward,
    Back,
}

impl Told {
    fn of(history: &History) -> Self {
        let mut told = Self { clock: Clock::of(history), ..Self::default() };
        for recorded in &history.entries {
            let time = recorded.time;
            match &recorded.entry {
                Entry::Start { key } => {
                    told.forward.insert(key.clone(), Word::begun(time));
                }
                Entry::Ok { key, output } => {
                    told.end(key, Way::Forward, time, Mark::Done).output = output.clone();
                }
                Entry::Failed { key, failure } => told.fail(key, Way::Forward, time, failure),
                Entry::Stopped { key } => {
                    told.end(key, Way::Forward, time, Mark::Stopped);
                }
                Entry::Assumed { key, assume: Assume::Done } => {
                    told.end(key, Way::Forward, time, Mark::Done);
                }
                Entry::UndoStart { key } => {
                    if told.back.insert(key.clone(), Word::begun(time)).is_none() {
                        told.put_back.push(key.clone());
                    }
                }
                Entry::Undone { key } => {
                    told.end(key, Way::Back, time, Mark::Done);
                }
                Entry::UndoFailed { key, failure } => told.fail(key, Way::Back, time, failure),
                Entry::Assumed { assume: Assume::NotDone, .. }
                | Entry::Begin { .. }
                | Entry::Resume
                | Entry::Lagging
                | Entry::Back
                | Entry::Turned
                | Entry::Answered { .. }
                | Entry::End { .. } => {}
            }
        }
        told
    }

    fn words(&self, way: Way) -> &HashMap<Key, Word> {
        match way {
            Way::Forward => &self.forward,
            Way::Back => &self.back,
        }
    }

    fn end(&mut self, key: &Key, way: Way, time: Timestamp, mark: Mark) -> &mut Word {
        let words = match way {
            Way::Forward => &mut self.forward,
            Way::Back => &mut self.back,
        };
        // What a resumed run finds done has an end alone.
        let word = words.entry(key.clone()).or_insert_with(|| Word::begun(time));
        word.mark = mark;
        word.ended = Some(time);
        word.failure = None;
        word
    }

    fn fail(&mut self, key: &Key, way: Way, time: Timestamp, failure: &Failure) {
        self.end(key, way, time, Mark::Failed).failure = Some(failure.clone());
        self.failed.push((key.clone(), way));
    }

    /// Those that still stand, each once.
    fn failures(&self) -> Vec<Failure> {
        let mut seen = HashSet::new();
        let each = self.failed.iter().filter(|failed| seen.insert(*failed));
        each.filter_map(|(key, way)| self.words(*way).get(key)?.failure.clone()).collect()
    }

    fn parts(&self, node: &Node) -> Vec<Part> {
        match node {
            Node::Operation(planned) => vec![Part::Operation(self.deed(planned, self.forward.get(&planned.key)))],
            Node::Sequence { key, nodes } => self.named(key, Order::InTurn, nodes),
            Node::Parallel { key, nodes } => self.named(key, Order::AtOnce, nodes),
            Node::Later { key, ask, decided, .. } => {
                let parts = std::iter::once(ask.as_ref()).chain(decided.get()).flat_map(|node| self.unnamed(key, node));
                vec![Part::Step(self.step(key.clone(), Order::InTurn, parts.collect()))]
            }
            Node::Leftover { key, decided, .. } => {
                decided.get().into_iter().flat_map(|node| self.unnamed(key, node)).collect()
            }
            Node::Guard { key, body, on_failure, always } => {
                let mut parts = self.parts(body);
                let handlers = [("on failure", on_failure), ("always", always)];
                let handlers = handlers.into_iter().filter_map(|(name, node)| Some((name, node.as_ref()?)));
                let told = handlers.map(|(name, node)| self.step(key.child(name), Order::InTurn, self.parts(node)));
                // An answer to a failure that was not needed is not something that was left out.
                parts.extend(told.filter(|step| step.mark != Mark::Waiting).map(Part::Step));
                parts
            }
            Node::Choice { key, gate, arms } => {
                let mut parts = self.parts(gate);
                let arms = arms.iter().map(|(verdict, arm)| (format!("if {}", verdict.word()), arm));
                let told = arms.map(|(name, arm)| self.step(key.child(&name), Order::InTurn, self.parts(arm)));
                // Nor is an arm that was not taken.
                parts.extend(told.filter(|step| step.mark != Mark::Waiting).map(Part::Step));
                parts
            }
        }
    }

    /// What is inside, without a step of the name that the step around it has already.
    fn unnamed(&self, around: &Key, node: &Node) -> Vec<Part> {
        match node {
            Node::Sequence { key, nodes } if key == around => nodes.iter().flat_map(|node| self.parts(node)).collect(),
            _ => self.parts(node),
        }
    }

    fn named(&self, key: &Key, order: Order, nodes: &[Node]) -> Vec<Part> {
        let parts: Vec<Part> = nodes.iter().flat_map(|node| self.parts(node)).collect();
        if parts.is_empty() || key.name().is_empty() {
            return parts;
        }
        vec![Part::Step(self.step(key.clone(), order, parts))]
    }

    fn undo(&self, plan: &Plan) -> Vec<Deed> {
        let planned: HashMap<&Key, &Planned> = plan.root.operations().map(|planned| (&planned.key, planned)).collect();
        let inverse = |key: &Key| Some(self.deed(planned.get(key)?, self.back.get(key)));
        self.put_back.iter().filter_map(inverse).collect()
    }

    fn deed(&self, planned: &Planned, word: Option<&Word>) -> Deed {
        Deed {
            key: planned.key.clone(),
            kind: planned.kind.clone(),
            host: planned.host.clone(),
            title: planned.title.clone(),
            effect: planned.effect,
            mark: word.map_or(Mark::Waiting, |word| word.mark),
            spell: word.map(|word| Spell::new(word.began, word.ended, &self.clock)),
            output: word.map(|word| returned(planned, &word.output)).unwrap_or_default(),
            failure: word.and_then(|word| word.failure.clone()),
        }
    }

    fn step(&self, key: Key, order: Order, parts: Vec<Part>) -> Step {
        let spells: Vec<Spell> = parts.iter().filter_map(Part::spell).collect();
        let began = spells.iter().map(|spell| spell.began).min();
        let ends: Option<Vec<Timestamp>> = spells.iter().map(|spell| spell.ended).collect();
        let ended = ends.and_then(|ends| ends.into_iter().max());
        let spell = began.map(|began| Spell::new(began, ended, &self.clock));
        let name = numbered(key.name());
        Step { key, name, order, mark: mark(&parts), spell, parts }
    }
}

/// What an operation has returned; of a decision how much was decided, since what follows is shown in its place.
fn returned(planned: &Planned, output: &Value) -> Value {
    let decided = (planned.kind == Later::KIND).then(|| Decided::deserialize(output).ok()).flatten();
    let Some(Decided { node, reads, .. }) = decided else { return output.clone() };
    let count = counted(node.operations().count(), "operation");
    let reads = reads.into_iter().map(|read| format!("{}: {}", read.question, read.answer));
    std::iter::once(count).chain(reads).collect::<Vec<_>>().join("\n").into()
}

/// As bad as the worst of its parts; one that was begun and not ended has been stopped.
fn mark(parts: &[Part]) -> Mark {
    let worst = parts.iter().map(Part::mark).max().unwrap_or(Mark::Done);
    let waiting = parts.iter().filter(|part| part.mark() == Mark::Waiting).count();
    match worst {
        Mark::Done if waiting > 0 => Mark::Stopped,
        worst => worst,
    }
}

fn turns(history: &History) -> Vec<Turn> {
    let turn = |entry: &Entry| {
        Some(match entry {
            Entry::Resume => TurnKind::Resumed,
            Entry::Lagging => TurnKind::TakenOver,
            Entry::Back => TurnKind::TurnedBack,
            Entry::Assumed { key, assume } => TurnKind::Assumed { key: key.clone(), assume: *assume },
            Entry::Answered { key, answer } => {
                TurnKind::Answered { key: key.clone(), who: answer.who.clone(), word: answer.word }
            }
            _ => return None,
        })
    };
    let entries = history.entries.iter();
    entries.filter_map(|recorded| Some(Turn { time: recorded.time, kind: turn(&recorded.entry)? })).collect()
}
