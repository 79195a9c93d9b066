//! Runs whose way is decided by what a gate answers.

use std::sync::Arc;

use stdlib::plan::{Arms, Effect, Key, Node, Verdict};

use super::{
    courses::{fails, messages},
    world::{Act, Memory, World, bad, execution, good, op, parallel, plan, run, sequence},
};
use crate::engine::{
    Heading, Outcome, execute,
    journal::{Entry, History, Recorded},
    resume,
};

fn chosen(gate: Node, arms: &[(Verdict, &str)]) -> Node {
    let mut filled = Arms::default();
    for (verdict, name) in arms {
        filled.set(*verdict, good(name));
    }
    Node::Choice { key: Key::root().child("choice"), gate: Box::new(gate), arms: filled }
}

fn question(act: Act) -> Node {
    op("ask", Effect::Repeatable, act)
}

const ARMS: [(Verdict, &str); 3] =
    [(Verdict::Passed, "passed"), (Verdict::Failed, "failed"), (Verdict::Inconclusive, "inconclusive")];

// spec: gate.choice
#[tokio::test]
async fn the_answer_decides_which_arm_runs() {
    let unknown = || Act { unknown: true, ..fails() };
    for (act, arm) in [(Act::default(), "passed"), (fails(), "failed"), (unknown(), "inconclusive")] {
        let (world, ended, _) = run(sequence("", vec![chosen(question(act), &ARMS), good("then")])).await;
        assert_eq!((ended.outcome, ended.failures.len()), (Outcome::Done, 0));
        assert_eq!(world.log(), ["run ask", &format!("run {arm}"), "run then"]);
    }
    let (world, ended, _) = run(sequence("", vec![chosen(question(Act::default()), &ARMS[1..]), good("then")])).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(world.log(), ["run ask", "run then"]);
}

// spec: gate.choice
#[tokio::test]
async fn an_answer_without_an_arm_fails_the_run_unless_it_has_passed() {
    let (world, ended, _) = run(sequence("", vec![good("a"), chosen(question(fails()), &ARMS[..1]), good("b")])).await;
    assert_eq!((ended.outcome, messages(&ended)), (Outcome::PutBack, vec!["ask failed"]));
    assert_eq!(world.log(), ["run a", "run ask", "undo a"]);
}

// spec: gate.choice
#[tokio::test]
async fn of_several_answers_the_worst_counts() {
    let ask = |name, act| op(name, Effect::Repeatable, act);
    let gate = parallel("gate", vec![ask("one", Act::default()), ask("two", fails())]);
    let (world, ended, _) = run(sequence("", vec![chosen(gate, &ARMS), bad("then")])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    // The way back goes through the arm that ran.
    assert_eq!(world.log()[2..], ["run failed", "run then", "undo then", "undo failed"]);
}

// spec: gate.choice
#[tokio::test]
async fn a_resumed_run_takes_the_arm_that_its_journal_has() {
    let whole = plan(sequence("", vec![chosen(question(fails()), &ARMS), good("then")]));
    let world = Arc::new(World::default());
    let disk = Memory::default();
    let (begun, _events) = execution(&world, &whole, &disk, 1);
    assert_eq!(execute(begun).await.outcome, Outcome::Done);
    // Up to the verdict; asked again it would pass now.
    let bytes: Vec<u8> = disk.bytes().split_inclusive(|byte| *byte == b'\n').take(3).flatten().copied().collect();
    for copied in [false, true] {
        let world = Arc::new(World::default());
        let mut history = History::read(&bytes).unwrap();
        if copied {
            let time = history.entries[0].time;
            history.entries.push(Recorded { time, entry: Entry::Lagging });
        }
        let (resumed, _events) = execution(&world, &whole, &Memory::default(), history.next());
        let ended = resume(resumed, &history, Heading::Onward).await.unwrap();
        assert_eq!(ended.outcome, Outcome::Done);
        let ran: Vec<String> = world.log().into_iter().filter(|line| line.starts_with("run")).collect();
        assert_eq!(ran, ["run failed", "run then"]);
    }
}

// spec: gate.choice
#[tokio::test]
async fn an_arm_that_nobody_could_see_chosen_has_not_begun() {
    let whole = plan(sequence("", vec![good("a"), chosen(question(Act::default()), &ARMS)]));
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(2));
    let (begun, _events) = execution(&world, &whole, &disk, 1);
    execute(begun).await;
    let mut history = History::read(&disk.bytes()).unwrap();
    let time = history.entries[0].time;
    history.entries.push(Recorded { time, entry: Entry::Lagging });
    let world = Arc::new(World::default());
    let (undone, _events) = execution(&world, &whole, &Memory::default(), history.next());
    let ended = resume(undone, &history, Heading::Back).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Undone);
    assert_eq!(world.log(), ["undo a"]);
}
