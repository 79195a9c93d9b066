//! One course of a run each.

use std::sync::Arc;

use stdlib::{failure::Failure, plan::Effect};

use super::world::{
    Act, Deed, Memory, World, bad, execution, good, guard, on, op, parallel, plan, retried, run, sequence,
};
use crate::engine::{Ended, Event, Left, Outcome, execute, journal::History};

pub fn fails() -> Act {
    Act { fails: 1, ..Act::default() }
}

pub fn messages(ended: &Ended) -> Vec<&str> {
    ended.failures.iter().map(|failure| failure.message.as_str()).collect()
}

fn whats(ended: &Ended) -> Vec<&str> {
    ended.left.iter().map(|left| left.what.as_str()).collect()
}

#[tokio::test]
async fn a_plan_runs_in_its_order() {
    let (world, ended, _) = run(sequence("", vec![good("a"), good("b")])).await;
    assert_eq!((ended.outcome, ended.left.len()), (Outcome::Done, 0));
    assert_eq!(world.log(), ["run a", "run b"]);
}

// spec: run.undo
#[tokio::test]
async fn a_failure_is_undone_in_reverse_order() {
    let (world, ended, _) = run(sequence("", vec![good("a"), good("b"), bad("c"), good("d")])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert_eq!(messages(&ended), ["c failed"]);
    // The one that failed may have half happened.
    assert_eq!(world.log(), ["run a", "run b", "run c", "undo c", "undo b", "undo a"]);
    assert!(world.slots().is_empty());
}

#[tokio::test]
async fn running_siblings_settle_before_the_undo_begins() {
    let slow = op("a", Effect::Reversible, Act { after: Some("c".into()), ..Act::default() });
    let (world, ended, _) = run(parallel("p", vec![sequence("l", vec![slow, good("b")]), bad("c")])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    let mut log = world.log();
    log[2..].sort();
    assert_eq!(log, ["run a", "run c", "undo a", "undo c"]);
    assert!(world.slots().is_empty());
}

#[tokio::test]
async fn a_repeatable_sibling_is_let_go_instead_of_waited_for() {
    let waits = op("wait", Effect::Repeatable, Act { deed: Deed::Hang, ..Act::default() });
    let (_, ended, _) = run(parallel("p", vec![waits, bad("c")])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
}

#[tokio::test]
async fn only_known_failures_are_tried_again() {
    let (world, ended, _) = run(retried(bad("a"), 1)).await;
    assert_eq!((ended.outcome, world.log().len()), (Outcome::Done, 2));
    let mute = Act { fails: 1, unknown: true, mute: true, ..Act::default() };
    let (world, ended, _) = run(retried(op("a", Effect::Reversible, mute), 5)).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert_eq!(world.log(), ["run a", "probe a", "undo a"]);
}

#[tokio::test]
async fn an_unknown_outcome_is_asked_about() {
    let lost = Act { fails: 1, unknown: true, late: true, ..Act::default() };
    let (world, ended, _) = run(sequence("", vec![op("a", Effect::Reversible, lost), good("b")])).await;
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(world.log(), ["run a", "probe a", "run b"]);
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_operation() {
    let panics = op("b", Effect::Reversible, Act { deed: Deed::Panic, ..Act::default() });
    let (world, ended, _) = run(sequence("", vec![good("a"), panics])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert!(messages(&ended)[0].starts_with("do b: a bug in Stagecraft: "), "{ended:?}");
    assert!(world.slots().is_empty());
}

#[tokio::test]
async fn what_came_before_a_final_operation_stays() {
    let job = op("job", Effect::Final, Act::default());
    let (world, ended, _) = run(sequence("", vec![good("a"), job, good("b"), bad("c")])).await;
    assert_eq!(ended.outcome, Outcome::Left);
    assert_eq!(world.log()[4..], ["undo c", "undo b"]);
    let expected = Left {
        host: None,
        what: "done, and stays: do job".into(),
        why: "it cannot be undone, nor what came before it".into(),
        next: "stagecraft deploy".into(),
    };
    assert_eq!(ended.left, [expected]);
}

#[tokio::test]
async fn a_final_operation_that_is_known_to_have_failed_stands_in_nobodys_way() {
    let (world, ended, _) = run(sequence("", vec![good("a"), op("job", Effect::Final, fails())])).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert_eq!(world.log(), ["run a", "run job", "undo a"]);
}

#[tokio::test]
async fn after_the_commit_the_other_hosts_go_on_and_the_release_is_live() {
    let lane = |host, act| {
        let first = on(Some(host), &format!("remove-{host}"), Effect::Final, act);
        sequence(host, vec![first, on(Some(host), &format!("trim-{host}"), Effect::Final, Act::default())])
    };
    let commit = op("commit", Effect::Commit, Act::default());
    let clean = parallel("clean-up", vec![lane("h1", fails()), lane("h2", Act::default())]);
    let (world, ended, _) = run(sequence("", vec![good("a"), commit, clean])).await;
    assert_eq!(ended.outcome, Outcome::Left);
    assert_eq!(world.slots().keys().collect::<Vec<_>>(), ["a", "commit", "remove-h2", "trim-h2"]);
    assert_eq!(whats(&ended), ["the commit stays", "not done: do remove-h1", "not done: do trim-h1"]);
}

#[tokio::test]
async fn an_inverse_that_fails_on_one_host_keeps_only_what_it_needs_there() {
    let start = |host: &str| on(Some(host), &format!("start-{host}"), Effect::Reversible, Act::default());
    let switch = |host: &str, undo_fails| {
        on(Some(host), &format!("switch-{host}"), Effect::Reversible, Act { undo_fails, ..Act::default() })
    };
    let root = sequence(
        "",
        vec![
            parallel("start", vec![start("h1"), start("h2")]),
            parallel("switch", vec![switch("h1", 3), switch("h2", 2)]),
            bad("check"),
        ],
    );
    let (world, ended, _) = run(root).await;
    assert_eq!(ended.outcome, Outcome::Left);
    assert_eq!(world.slots().keys().collect::<Vec<_>>(), ["start-h1", "switch-h1"]);
    assert_eq!(messages(&ended), ["check failed", "switch-h1 cannot be put back"]);
    assert_eq!(whats(&ended), ["not undone: do switch-h1", "not undone: do start-h1"]);
    assert_eq!(ended.left[1].why, "`do switch-h1` is not undone, and may need it");
}

#[tokio::test]
async fn a_guard_answers_its_bodys_failure_before_the_undo() {
    let root = guard(sequence("", vec![good("a"), bad("b")]), Some(good("answer")), Some(good("always")));
    let (world, ended, _) = run(root).await;
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert_eq!(world.log(), ["run a", "run b", "run answer", "run always", "undo b", "undo a"]);
}

#[tokio::test]
async fn a_guard_that_succeeded_is_undone_with_its_always() {
    let root = sequence("", vec![guard(good("a"), Some(good("answer")), Some(good("always"))), bad("b")]);
    let (world, _, _) = run(root).await;
    assert_eq!(world.log(), ["run a", "run always", "run b", "undo b", "undo always", "undo a"]);
}

#[tokio::test]
async fn cancelling_undoes_what_has_begun() {
    let cancels = op("b", Effect::Reversible, Act { deed: Deed::Cancel, ..Act::default() });
    let (world, ended, disk) = run(sequence("", vec![good("a"), cancels, good("c")])).await;
    assert_eq!((ended.outcome, ended.failures.len()), (Outcome::Cancelled, 0));
    assert_eq!(world.log(), ["run a", "run b", "undo b", "undo a"]);
    assert_eq!(History::read(&disk.bytes()).unwrap().ended().unwrap().1, Outcome::Cancelled);
}

#[tokio::test]
async fn without_the_lock_nothing_begins_not_even_an_inverse() {
    let loses = op("b", Effect::Reversible, Act { deed: Deed::LoseLock, ..Act::default() });
    let (world, ended, disk) = run(sequence("", vec![good("a"), loses, good("c")])).await;
    assert_eq!(ended.outcome, Outcome::Left);
    assert_eq!(world.log(), ["run a", "run b"]);
    assert_eq!(ended.left[0].next, "stagecraft resume 0199-run");
    assert_eq!(History::read(&disk.bytes()).unwrap().ended(), None);
}

// spec: run.journal
#[tokio::test]
async fn what_cannot_be_journaled_does_not_happen() {
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(3));
    // begin, start a, ok a: then the disk is full.
    let (execution, _events) = execution(&world, &plan(sequence("", vec![good("a"), good("b")])), &disk, 1);
    let ended = execute(execution).await;
    assert_eq!(ended.outcome, Outcome::Left);
    assert_eq!(world.log(), ["run a"]);
    let expected = "the journal of run 0199-run cannot be written: no space left on device";
    assert_eq!(messages(&ended), [expected]);
}

#[tokio::test]
async fn events_tell_the_course_of_the_run() {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let (execution, mut events) = execution(&world, &plan(sequence("roll", vec![good("a"), bad("b")])), &disk, 1);
    execute(execution).await;
    let mut told = Vec::new();
    while let Ok(emitted) = events.try_recv() {
        told.push(match emitted.event {
            Event::RunStarted { operations, .. } => format!("run of {operations}"),
            Event::StepStarted { name, .. } => format!("step {name}"),
            Event::StepEnded { name, outcome, .. } => format!("step {name} {outcome:?}"),
            Event::OperationStarted { title, .. } => title,
            Event::OperationEnded { title, outcome, .. } => format!("{title} {outcome:?}"),
            Event::UndoStarted { because } => format!("back: {because:?}"),
            Event::InverseStarted { title, .. } => format!("undo {title}"),
            Event::InverseEnded { title, failure, .. } => format!("undo {title} {}", failure.is_none()),
            Event::RunEnded { outcome, failures, .. } => format!("{outcome:?}, {}", failures.len()),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "run of 2",
            "step roll",
            "do a",
            "do a Ok",
            "do b",
            "do b Failed",
            "step roll Failed",
            "back: Failed",
            "undo do b",
            "undo do b true",
            "undo do a",
            "undo do a true",
            "PutBack, 1",
        ]
    );
}

#[tokio::test]
async fn a_plan_with_an_unknown_operation_changes_nothing() {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let (mut execution, _events) = execution(&world, &plan(good("a")), &disk, 1);
    execution.decode = crate::engine::library();
    let ended = execute(execution).await;
    let message = "/a: no operation of kind `act` is known; the plan was made by another version of Stagecraft";
    assert_eq!(ended.failures, [Failure::new(message).hint("plan again with this Stagecraft")]);
    assert_eq!((ended.outcome, disk.bytes().len()), (Outcome::PutBack, 0));
}
