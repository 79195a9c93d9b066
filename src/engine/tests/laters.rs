//! What is decided when the run gets there.

use std::sync::Arc;

use stdlib::plan::{Arms, Effect, Key, Node, Open, Verdict};

use super::world::{Act, Memory, World, bad, decided, execution, good, later, op, plan, run, sequence};
use crate::engine::{Ended, Entry, Heading, Outcome, execute, journal::History, resume};

fn messages(ended: &Ended) -> Vec<&str> {
    ended.failures.iter().map(|failure| failure.message.as_str()).collect()
}

fn leftover() -> Node {
    Node::Leftover { key: Key::root().child("clean-up"), of: Key::root().child("open"), decided: Open::default() }
}

/// What waits for the commit, with its keys as a plan has them.
fn clean_up() -> Node {
    let (key, mut remove) = (Key::root().child("open").child("clean-up"), good("remove"));
    if let Node::Operation(planned) = &mut remove {
        planned.key = key.child("remove");
    }
    Node::Sequence { key, nodes: vec![remove] }
}

fn commit() -> Node {
    op("commit", Effect::Commit, Act::default())
}

// spec: gate.later
#[tokio::test]
async fn it_is_decided_in_its_place_and_cleaned_up_behind_the_commit() {
    let open = later("open", Some(decided(good("b"), Some(clean_up()))));
    let (world, ended, disk) = run(sequence("", vec![good("a"), open, commit(), leftover(), good("c")])).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(world.log(), ["run a", "decide open", "run b", "run commit", "run remove", "run c"]);
    assert!(String::from_utf8(disk.bytes()).unwrap().contains("clean_up"));
}

// spec: gate.later
#[tokio::test]
async fn it_is_cleaned_up_behind_whichever_commit_comes() {
    for (fails, arm) in [(0, "passed"), (1, "failed")] {
        let ask = op("ask", Effect::Repeatable, Act { fails, ..Act::default() });
        let mut arms = Arms::default();
        for verdict in [Verdict::Passed, Verdict::Failed] {
            let word = verdict.word();
            let leftover = Node::Leftover {
                key: Key::root().child(word).child("clean-up"),
                of: Key::root().child("open"),
                decided: Open::default(),
            };
            arms.set(
                verdict,
                sequence(word, vec![op(&format!("commit-{word}"), Effect::Commit, Act::default()), leftover]),
            );
        }
        let choice = Node::Choice { key: Key::root().child("choice"), gate: Box::new(ask), arms };
        let open = later("open", Some(decided(good("b"), Some(clean_up()))));
        let (world, ended, _) = run(sequence("", vec![open, choice])).await;
        assert_eq!(ended.outcome, Outcome::Done, "{:?}", ended.failures);
        let commit = format!("run commit-{arm}");
        assert_eq!(world.log(), ["decide open", "run b", "run ask", &commit, "run remove"]);
    }
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
    let mut open = later("open", Some(decided(good("b"), Some(clean_up()))));
    let Node::Later { commits, .. } = &mut open else { panic!("a later") };
    *commits = false;
    // One of two ways on has a commit.
    let (world, ended, _) = run(sequence("", vec![good("a"), open, leftover()])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert!(messages(&ended)[0].contains("can end without a `release::commit`"), "{:?}", ended.failures);
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

// spec: gate.later
#[tokio::test]
async fn one_inside_another_needs_no_commit_where_nothing_waits_for_it() {
    let nested = later("nested", Some(decided(good("b"), None)));
    let leftover = Node::Leftover {
        key: Key::root().child("clean-up").child("nested"),
        of: Key::root().child("nested"),
        decided: Open::default(),
    };
    let outer = later("open", Some(decided(nested, Some(sequence("clean-up", vec![leftover])))));
    let (world, ended, _) = run(sequence("", vec![outer])).await;
    assert_eq!(ended.outcome, Outcome::Done, "{:?}", ended.failures);
    assert_eq!(world.log(), ["decide open", "decide nested", "run b"]);
}

// spec: gate.later
#[tokio::test]
async fn a_journal_that_does_not_fit_its_plan_leaves_the_run_where_it_is() {
    let root = sequence("", vec![good("a"), later("open", Some(decided(good("b"), None))), good("c")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(5));
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    let mut history = History::read(&disk.bytes()).unwrap();
    for recorded in &mut history.entries {
        if let Entry::Ok { key, output } = &mut recorded.entry
            && key.as_str() == "/open/later"
        {
            *output = serde_json::json!({ "of": "another version" });
        }
    }
    let (second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    let ended = resume(second, &history, Heading::Onward).await.unwrap();
    assert_eq!((ended.outcome, ended.left.len()), (Outcome::Left, 1));
    assert!(ended.left[0].next.contains("stagecraft resume"), "{}", ended.left[0].next);
}
