//! Random trees with random failures, barriers and crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use stdlib::{
    later::Later,
    operation::Operation as _,
    plan::{Arms, Effect, Key, Node, Plan, Verdict},
};

use super::world::{Act, Memory, World, decided, execution, lagging, later, on, plan};
use crate::engine::{Ended, Heading, Outcome, execute, journal::History, resume};

/// A node without its names.
#[derive(Debug, Clone)]
enum Shape {
    Operation {
        effect: Effect,
        host: Option<u8>,
        slot: u8,
        fails: bool,
        late: bool,
    },
    Sequence(Vec<Shape>),
    Parallel(Vec<Shape>),
    Guard(Box<Shape>, Box<Shape>),
    /// What the gate answers, and the arms: one that is missing makes the run go on or fail.
    Choice(Verdict, Vec<(Verdict, Shape)>),
    /// What is decided when the run gets there; `None` where that fails.
    Later(Option<Box<Shape>>),
}

fn shape(
    effects: impl Strategy<Value = Effect> + Clone + 'static,
    failing: f64,
    late: impl Strategy<Value = bool> + Clone + 'static,
) -> impl Strategy<Value = Shape> {
    let host = prop_oneof![Just(None), (1u8..4).prop_map(Some)];
    let operation = (effects, host, 0u8..2, prop::bool::weighted(failing), late)
        .prop_map(|(effect, host, slot, fails, late)| Shape::Operation { effect, host, slot, fails, late });
    operation.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::Sequence),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::Parallel),
            1 => (inner.clone(), inner.clone())
                .prop_map(|(body, always)| Shape::Guard(Box::new(body), Box::new(always))),
            2 => (verdict(), prop::collection::vec((verdict(), inner.clone()), 0..4))
                .prop_map(|(answer, arms)| Shape::Choice(answer, arms)),
            2 => prop::option::weighted(1.0 - failing, inner).prop_map(|shape| Shape::Later(shape.map(Box::new))),
        ]
    })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![2 => Just(Verdict::Passed), 1 => Just(Verdict::Failed), 1 => Just(Verdict::Inconclusive)]
}

fn undoable() -> impl Strategy<Value = Effect> + Clone {
    prop_oneof![4 => Just(Effect::Reversible), 1 => Just(Effect::Repeatable)]
}

/// Names the nodes. Lanes of a parallel have slots of their own, so that the end state does not depend on their pace.
fn build(shape: &Shape, lane: &str, count: &mut u32) -> Node {
    *count += 1;
    let key = Key::root().child(&format!("n{count}"));
    match shape {
        Shape::Operation { effect, host, slot, fails, late } => {
            let act = Act {
                // What is repeatable leaves no trace here: nothing of it is undone.
                slot: (*effect != Effect::Repeatable).then(|| format!("{lane}{slot}")),
                fails: u32::from(*fails) * 99,
                late: *late,
                ..Act::default()
            };
            let host = host.map(|number| format!("h{number}"));
            let node = on(host.as_deref(), &format!("o{count}"), *effect, act);
            let Node::Operation(mut planned) = node else { unreachable!("on makes operations") };
            if *effect == Effect::Repeatable {
                planned.args["slot"] = serde_json::Value::Null;
            }
            Node::Operation(planned)
        }
        Shape::Sequence(shapes) => {
            Node::Sequence { key, nodes: shapes.iter().map(|shape| build(shape, lane, count)).collect() }
        }
        Shape::Parallel(shapes) => {
            let lanes = shapes.iter().enumerate();
            Node::Parallel {
                key,
                nodes: lanes.map(|(number, shape)| build(shape, &format!("{lane}{number}."), count)).collect(),
            }
        }
        Shape::Guard(body, always) => {
            let body = Box::new(build(body, lane, count));
            // What answers a failure stays by design, so here it leaves no trace.
            let always = Box::new(build(&traceless(always), lane, count));
            Node::Guard { key, body, on_failure: None, always: Some(always) }
        }
        Shape::Choice(answer, shapes) => {
            let gate = Box::new(question(*answer, *count));
            let mut arms = Arms::default();
            for (verdict, shape) in shapes {
                arms.set(*verdict, build(shape, lane, count));
            }
            Node::Choice { key, gate, arms }
        }
        Shape::Later(shape) => {
            let name = key.name().to_owned();
            later(&name, shape.as_ref().map(|shape| decided(build(shape, lane, count), None)))
        }
    }
}

fn question(answer: Verdict, count: u32) -> Node {
    let fails = if answer == Verdict::Passed { 0 } else { 99 };
    let act = Act { fails, unknown: answer == Verdict::Inconclusive, ..Act::default() };
    let Node::Operation(mut planned) = on(None, &format!("o{count}"), Effect::Repeatable, act) else { unreachable!() };
    planned.args["slot"] = serde_json::Value::Null;
    Node::Operation(planned)
}

fn traceless(shape: &Shape) -> Shape {
    match shape {
        Shape::Operation { host, slot, fails, late, .. } => {
            Shape::Operation { effect: Effect::Repeatable, host: *host, slot: *slot, fails: *fails, late: *late }
        }
        Shape::Sequence(shapes) => Shape::Sequence(shapes.iter().map(traceless).collect()),
        Shape::Parallel(shapes) => Shape::Parallel(shapes.iter().map(traceless).collect()),
        Shape::Guard(body, always) => Shape::Guard(Box::new(traceless(body)), Box::new(traceless(always))),
        Shape::Choice(answer, arms) => {
            Shape::Choice(*answer, arms.iter().map(|(verdict, arm)| (*verdict, traceless(arm))).collect())
        }
        Shape::Later(shape) => Shape::Later(shape.as_ref().map(|shape| Box::new(traceless(shape)))),
    }
}

fn planned(shape: &Shape) -> Plan {
    plan(Node::Sequence { key: Key::root(), nodes: vec![build(shape, "", &mut 0)] })
}

/// The plan with everything decided.
fn filled(plan: &Plan) -> Plan {
    let plan = plan.clone();
    let mut before = 0;
    while plan.root.operations().count() != before {
        before = plan.root.operations().count();
        let asks: Vec<_> = plan.root.operations().filter(|planned| planned.kind == Later::KIND).cloned().collect();
        for ask in asks {
            let operation: Later = serde_json::from_value(ask.args).unwrap();
            if let Some(decided) = operation.body.captures.into_iter().next() {
                plan.root.fill(&ask.key, serde_json::from_value(decided).unwrap()).unwrap();
            }
        }
    }
    plan
}

/// Every pair of operations of which the first ends before the second begins.
fn before(node: &Node, pairs: &mut BTreeSet<(String, String)>) {
    let name = |node: &Node| node.operations().map(|planned| planned.key.name().to_owned()).collect::<Vec<_>>();
    let ordered = !matches!(node, Node::Parallel { .. });
    let children = node.children();
    for (place, child) in children.iter().enumerate() {
        before(child, pairs);
        for later in children[place + 1..].iter().filter(|_| ordered) {
            for one in name(child) {
                pairs.extend(name(later).into_iter().map(|other| (one.clone(), other)));
            }
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn to_the_end(plan: &Plan) -> (Arc<World>, Ended, Memory) {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let (execution, _events) = execution(&world, plan, &disk, 1);
    let ended = block_on(execute(execution));
    (world, ended, disk)
}

/// Runs until so many lines of journal are written, and loses the process there. `None` when it ended before.
fn until_crash(plan: &Plan, world: &Arc<World>, history: &History, lines: usize) -> (Option<Ended>, Vec<u8>) {
    let disk = Memory::crashing_after(lines);
    let crashed = disk.crashed.clone();
    let (execution, _events) = execution(world, plan, &disk, history.next());
    let ended = block_on(async {
        let running = async {
            if history.entries.is_empty() {
                execute(execution).await
            } else {
                resume(execution, history, Heading::Onward).await.unwrap()
            }
        };
        tokio::select! {
            biased;
            () = crashed.cancelled() => None,
            ended = running => Some(ended),
        }
    });
    (ended.filter(|_| !crashed.is_cancelled()), disk.bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_failure_leaves_the_world_as_it_was(shape in shape(undoable(), 0.15, any::<bool>())) {
        let plan = planned(&shape);
        let (world, ended, _) = to_the_end(&plan);
        if ended.failures.is_empty() {
            prop_assert_eq!(ended.outcome, Outcome::Done);
        } else {
            prop_assert_eq!(ended.outcome, Outcome::PutBack);
            prop_assert_eq!(world.slots(), BTreeMap::new());
        }
        let mut pairs = BTreeSet::new();
        before(&filled(&plan).root, &mut pairs);
        let undone: Vec<String> =
            world.log().iter().filter_map(|line| line.strip_prefix("undo ")).map(str::to_owned).collect();
        for (place, one) in undone.iter().enumerate() {
            for later in &undone[place + 1..] {
                prop_assert!(!pairs.contains(&(one.clone(), later.clone())), "{} was undone before {}", one, later);
            }
        }
    }

    #[test]
    fn what_came_before_a_barrier_stays_and_nothing_else(
        shape in shape(prop_oneof![6 => Just(Effect::Reversible), 1 => Just(Effect::Final)], 0.15, any::<bool>())
    ) {
        let plan = planned(&shape);
        let (world, ended, _) = to_the_end(&plan);
        if ended.outcome == Outcome::Done {
            return Ok(());
        }
        let mut pairs = BTreeSet::new();
        before(&filled(&plan).root, &mut pairs);
        let log = world.log();
        let did = |what: &str, name: &str| log.contains(&format!("{what} {name}"));
        let happened = |name: &str| did("run", name)
            && !ended.failures.iter().any(|failure| failure.message == format!("{name} failed"));
        let filled = filled(&plan);
        let operations: Vec<_> = filled.root.operations().collect();
        let barriers: Vec<&str> = operations.iter()
            .filter(|planned| planned.effect == Effect::Final && happened(planned.key.name()))
            .map(|planned| planned.key.name()).collect();
        for planned in operations.iter().filter(|planned| planned.effect == Effect::Reversible) {
            let name = planned.key.name();
            let stays = barriers.iter().any(|barrier| pairs.contains(&(name.to_owned(), (*barrier).to_owned())));
            prop_assert_eq!(did("undo", name), did("run", name) && !stays, "{}", name);
        }
        prop_assert_eq!(ended.outcome == Outcome::Left, !barriers.is_empty());
    }

    // spec: run.resume
    #[test]
    fn a_crash_and_a_resume_end_like_a_run_without(
        // One that fails after its effect would be found done by the resumed run.
        shape in shape(undoable(), 0.05, Just(false)), first in 1usize..40, second in 1usize..20
    ) {
        let plan = planned(&shape);
        let (unbroken, expected, _) = to_the_end(&plan);
        let world = Arc::new(World::default());
        let mut bytes = Vec::new();
        let mut ended = None;
        for lines in [first, second, usize::MAX] {
            let history = History::read(&bytes).unwrap();
            let (end, more) = until_crash(&plan, &world, &history, lines);
            bytes.extend(more);
            if end.is_some() {
                ended = end;
                break;
            }
        }
        let ended = ended.expect("the last one does not crash");
        prop_assert_eq!(ended.outcome, expected.outcome);
        prop_assert!(!world.log().iter().any(|line| line.starts_with("twice")), "{:?}", world.log());
        prop_assert_eq!(world.slots(), unbroken.slots());
        prop_assert_eq!(History::read(&bytes).unwrap().ended().map(|end| end.1), Some(expected.outcome));
    }
}

/// Crash points that [`every_crash_point_of_many_plans`] tries at least.
const CASES: usize = 10_000;

/// What the next process knows of the run.
#[derive(Debug, Clone, Copy)]
enum Memo {
    Journal,
    /// A copy that is so many lines behind, but has every verdict and decision: nothing follows before others can see it.
    Copy(usize),
}

impl Memo {
    fn of(self, bytes: &[u8]) -> History {
        let Self::Copy(behind) = self else { return History::read(bytes).unwrap() };
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let verdict = |line: &&[u8]| {
            let line = String::from_utf8_lossy(line);
            ["\"verdict\"", "\"clean_up\""].iter().any(|known| line.contains(known))
        };
        let seen = lines.iter().rposition(verdict).map_or(1, |last| last + 1);
        let copy = lines[..lines.len().saturating_sub(behind).max(seen)].concat();
        block_on(lagging(&copy))
    }
}

/// Loses the process after so many lines, and has another one go on.
fn crashed_and_gone_on(plan: &Plan, lines: usize, memo: Memo, heading: Heading) -> Option<(Arc<World>, Ended)> {
    let world = Arc::new(World::default());
    let (ended, bytes) = until_crash(plan, &world, &History::default(), lines);
    if ended.is_some() {
        return None;
    }
    world.forget_tries();
    let history = memo.of(&bytes);
    let (second, _events) = execution(&world, plan, &Memory::default(), history.next());
    Some((world, block_on(resume(second, &history, heading)).unwrap()))
}

// spec: run.crash-points
#[test]
fn every_crash_point_of_many_plans() {
    let mut runner = TestRunner::deterministic();
    let (mut cases, mut plans) = (0, 0);
    while cases < CASES {
        let shape = shape(undoable(), 0.05, Just(false)).new_tree(&mut runner).unwrap().current();
        let plan = planned(&shape);
        let (unbroken, expected, disk) = to_the_end(&plan);
        plans += 1;
        let lines = disk.bytes().split(|byte| *byte == b'\n').count() - 1;
        for crash in 1..lines {
            for memo in [Memo::Journal, Memo::Copy(crash % 4)] {
                let Some((world, ended)) = crashed_and_gone_on(&plan, crash, memo, Heading::Onward) else { continue };
                let case = || format!("crash after {crash} of {lines}, {memo:?}: {shape:?}: {:?}", world.log());
                assert_eq!(ended.outcome, expected.outcome, "{}", case());
                assert_eq!(world.slots(), unbroken.slots(), "{}", case());
                assert!(!world.log().iter().any(|line| line.starts_with("twice")), "{}", case());
                let Some((world, ended)) = crashed_and_gone_on(&plan, crash, memo, Heading::Back) else { continue };
                assert_eq!(
                    ended.outcome,
                    Outcome::Undone,
                    "crash after {crash}, {memo:?}: {shape:?}: {:?}",
                    world.log()
                );
                assert_eq!(
                    world.slots(),
                    BTreeMap::new(),
                    "crash after {crash}, {memo:?}: {shape:?}: {:?}",
                    world.log()
                );
                cases += 2;
            }
        }
    }
    assert!(plans > 100, "{plans} plans");
}
