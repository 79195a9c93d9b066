//! What is decided when the run gets there.

use std::sync::Arc;

use stdlib::plan::{Effect, Key, Node, Open};

use super::world::{Memory, World, bad, decided, execution, good, later, op, plan, run, sequence};
use crate::engine::{Ended, Heading, Outcome, execute, journal::History, resume};

fn messages(ended: &Ended) -> Vec<&str> {
    ended.failures.iter().map(|failure| failure.message.as_str()).collect()
}

fn leftover() -> Node {
    Node::Leftover { key: Key::root().child("clean-up"), of: Key::root().child("open"), decided: Open::default() }
}

fn commit() -> Node {
    op("commit", Effect::Commit, super::world::Act::default())
}

// spec: gate.later
#[tokio::test]
async fn it_is_decided_in_its_place_and_cleaned_up_behind_the_commit() {
    let open = later("open", Some(decided(good("b"), Some(good("remove")))));
    let (world, ended, disk) = run(sequence("", vec![good("a"), open, commit(), leftover(), good("c")])).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(world.log(), ["run a", "decide open", "run b", "run commit", "run remove", "run c"]);
    assert!(String::from_utf8(disk.bytes()).unwrap().contains("clean_up"));
}

// spec: gate.later
#[tokio::test]
async fn what_was_decided_is_put_back_with_the_rest() {
    let open = later("open", Some(decided(good("b"), None)));
    let (world, ended, _) = run(sequence("", vec![good("a"), open, bad("c")])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert_eq!(world.log(), ["run a", "decide open", "run b", "run c", "undo c", "undo b", "undo a"]);
}

// spec: gate.later
#[tokio::test]
async fn a_decision_that_fails_fails_the_run() {
    let (world, ended, _) = run(sequence("", vec![good("a"), later("open", None), good("b")])).await;
    assert_eq!((ended.outcome, messages(&ended)), (Outcome::PutBack, vec!["open failed"]));
    assert_eq!(world.log(), ["run a", "decide open", "undo a"]);
}

// spec: gate.later
#[tokio::test]
async fn what_waits_for_a_commit_that_does_not_come_is_refused_before_it_begins() {
    let open = later("open", Some(decided(good("b"), Some(good("remove")))));
    let (world, ended, _) = run(sequence("", vec![good("a"), open])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert!(messages(&ended)[0].contains("ends with `release::commit()`"), "{:?}", ended.failures);
    assert_eq!(world.log(), ["run a", "decide open", "undo a"]);
}

// spec: gate.later
#[tokio::test]
async fn what_was_decided_before_a_crash_is_not_decided_again() {
    let root = || sequence("", vec![later("open", Some(decided(sequence("body", vec![good("a"), good("b")]), None)))]);
    for (lines, before, after) in [
        // Nothing but the question is in the journal: it is asked again.
        (2, vec!["decide open"], vec!["decide open", "run a", "run b"]),
        (3, vec!["decide open"], vec!["run a", "run b"]),
        (5, vec!["decide open", "run a"], vec!["run b"]),
    ] {
        let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(lines));
        let (first, _events) = execution(&world, &plan(root()), &disk, 1);
        execute(first).await;
        assert_eq!(world.log(), before, "{lines} lines");
        let history = History::read(&disk.bytes()).unwrap();
        let (second, _events) = execution(&world, &plan(root()), &Memory::default(), history.next());
        let ended = resume(second, &history, Heading::Onward).await.unwrap();
        assert_eq!(ended.outcome, Outcome::Done);
        assert_eq!(world.log()[before.len()..], after, "{lines} lines");
    }
}
