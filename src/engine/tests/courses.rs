//! One course of a run each.

use std::sync::Arc;

use stdlib::{
    failure::Failure,
    plan::{Arms, Effect, Key, Node, Verdict},
};

use super::world::{
    Act, Deed, Memory, World, bad, execution, good, guard, lagging, on, op, parallel, plan, retried, run, sequence,
};
use crate::engine::{
    Assume, Ended, Event, Heading, Left, NotResumed, Outcome, execute,
    journal::{Entry, History, Recorded},
    resume,
};

fn fails() -> Act {
    Act { fails: 1, ..Act::default() }
}

fn messages(ended: &Ended) -> Vec<&str> {
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
async fn a_run_that_has_ended_is_not_resumed() {
    let (world, _, disk) = run(good("a")).await;
    let history = History::read(&disk.bytes()).unwrap();
    let (execution, _events) = execution(&world, &plan(good("a")), &disk, history.next());
    let refused = resume(execution, &history, Heading::Onward).await.unwrap_err();
    assert_eq!(refused.to_string(), "run 0199-run has ended already: done; what comes next: `stagecraft deploy`");
}

#[tokio::test]
async fn a_journal_is_not_read_with_another_plan() {
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(1));
    let (first, _events) = execution(&world, &plan(good("a")), &disk, 1);
    execute(first).await;
    let history = History::read(&disk.bytes()).unwrap();
    let (other, _events) = execution(&world, &plan(good("b")), &Memory::default(), history.next());
    assert!(matches!(resume(other, &history, Heading::Onward).await, Err(NotResumed::OtherPlan { .. })));
}

// spec: run.resume
#[tokio::test]
async fn resume_skips_what_has_ended_and_asks_about_what_was_under_way() {
    let root = sequence("", vec![good("a"), good("b"), good("c")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(4));
    // begin, start a, ok a, start b: b happens, and its `ok` is lost.
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    let history = History::read(&disk.bytes()).unwrap();
    let disk = Memory::default();
    let (second, _events) = execution(&world, &plan(root), &disk, history.next());
    let ended = resume(second, &history, Heading::Onward).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(world.log(), ["run a", "run b", "probe b", "run c"]);
}

#[tokio::test]
async fn a_run_that_was_going_back_only_goes_back() {
    let root = sequence("", vec![good("a"), good("b"), bad("c")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(10));
    // … failed c, turned, undo_start c, undone c: then the crash.
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    world.forget_tries();
    let history = History::read(&disk.bytes()).unwrap();
    assert_eq!(history.entries.last().map(|line| matches!(line.entry, Entry::Undone { .. })), Some(true));
    let (second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    let ended = resume(second, &history, Heading::Onward).await.unwrap();
    assert_eq!(ended.outcome, Outcome::PutBack);
    assert_eq!(messages(&ended), ["c failed"]);
    assert_eq!(world.log()[3..], ["undo c", "undo b", "undo a"]);
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

/// A run of `a` and `b` whose process ends while the mute `b` is under way, and its journal.
async fn cut_off_in_doubt() -> (Arc<World>, stdlib::plan::Plan, History) {
    let mute = op("b", Effect::Final, Act { mute: true, ..Act::default() });
    let plan = plan(sequence("", vec![good("a"), mute, good("c")]));
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(4));
    let (first, _events) = execution(&world, &plan, &disk, 1);
    execute(first).await;
    (world, plan, History::read(&disk.bytes()).unwrap())
}

// spec: run.assume
#[tokio::test]
async fn what_nobody_can_tell_is_asked_of_a_person() {
    let (world, plan, history) = cut_off_in_doubt().await;
    let disk = Memory::default();
    let (second, _events) = execution(&world, &plan, &disk, history.next());
    let ended = resume(second, &history, Heading::Onward).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Left);
    let hint = ended.failures[0].hint.as_deref().unwrap();
    assert!(hint.contains("stagecraft resume 0199-run --assume done"), "{hint}");
    assert!(!disk.bytes().windows(5).any(|bytes| bytes == b"\"end\""), "it can still go on");

    for (assume, expected) in [(Assume::Done, ["run c"].as_slice()), (Assume::NotDone, &["run b", "twice b", "run c"])]
    {
        let (world, plan, history) = cut_off_in_doubt().await;
        let disk = Memory::default();
        let (mut third, _events) = execution(&world, &plan, &disk, history.next());
        third.assume = Some(assume);
        let before = world.log().len();
        let ended = resume(third, &history, Heading::Onward).await.unwrap();
        assert_eq!(ended.outcome, Outcome::Done);
        assert_eq!(world.log()[before + 1..], *expected);
        let said = String::from_utf8(disk.bytes()).unwrap();
        assert!(said.contains("\"kind\":\"assumed\",\"key\":\"/b\""), "{said}");
    }
}

// spec: run.undo-command
#[tokio::test]
async fn a_run_that_was_cut_off_is_put_back_when_a_person_wants_it() {
    let root = sequence("", vec![good("a"), good("b"), good("c")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(4));
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    let history = History::read(&disk.bytes()).unwrap();
    let (second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    let ended = resume(second, &history, Heading::Back).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Undone);
    assert_eq!(world.log(), ["run a", "run b", "undo b", "undo a"]);
    assert!(world.slots().is_empty());
}

#[tokio::test]
async fn what_has_committed_is_not_put_back() {
    let root = sequence("", vec![good("a"), op("live", Effect::Commit, Act::default()), good("b")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(6));
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    let history = History::read(&disk.bytes()).unwrap();
    let (second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    let refused = resume(second, &history, Heading::Back).await.unwrap_err();
    assert!(refused.to_string().contains("stagecraft rollback"), "{refused}");
}

// spec: run.mirror
#[tokio::test]
async fn what_a_lagging_copy_does_not_show_is_asked() {
    let root = sequence("", vec![good("a"), good("b"), good("c")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(6));
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    // The copy ends with `ok a`; meanwhile b has begun and ended, and c has begun.
    let copy: Vec<u8> = disk.bytes().split_inclusive(|byte| *byte == b'\n').take(3).flatten().copied().collect();
    let history = lagging(&copy).await;
    let (second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    let before = world.log().len();
    let ended = resume(second, &history, Heading::Onward).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Done);
    let since = world.log()[before..].to_vec();
    assert!(since.contains(&"probe b".to_owned()) && !since.contains(&"run b".to_owned()), "{since:?}");
    assert!(since.contains(&"probe c".to_owned()), "{since:?}");
}

/// A copy that notes in the world's log when it is brought up to date.
struct Spy {
    world: Arc<World>,
    disk: Memory,
}

#[async_trait::async_trait]
impl crate::engine::Mirror for Spy {
    async fn catch_up(&self) -> Result<(), Failure> {
        let turned = String::from_utf8(self.disk.bytes()).unwrap().contains("\"turned\"");
        self.world.say(&format!("copy, turned: {turned}"));
        Ok(())
    }
    fn stop(&self) {}
    async fn answered(&self, _: &crate::engine::Answer) -> Result<(), Failure> {
        Ok(())
    }
    async fn close(&self, _: Option<Outcome>) -> Result<(), Failure> {
        Ok(())
    }
}

// spec: run.mirror
#[tokio::test]
async fn the_copy_says_that_the_run_goes_back_before_anything_is_undone() {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let plan = plan(sequence("", vec![good("a"), bad("b")]));
    let (mut first, _events) = execution(&world, &plan, &disk, 1);
    first.mirror = Some(Box::new(Spy { world: Arc::clone(&world), disk: disk.clone() }));
    assert_eq!(execute(first).await.outcome, Outcome::PutBack);
    assert_eq!(world.log(), ["run a", "run b", "copy, turned: true", "undo b", "undo a"]);
}

#[tokio::test]
async fn what_a_copy_does_not_show_and_has_not_begun_is_not_undone() {
    let root = sequence("", vec![good("a"), good("b")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(2));
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    let history = lagging(&disk.bytes()).await;
    let (second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    assert_eq!(resume(second, &history, Heading::Back).await.unwrap().outcome, Outcome::Undone);
    assert_eq!(world.log(), ["run a", "probe b", "undo a"]);
}

// spec: run.assume
#[tokio::test]
async fn a_word_is_for_one_operation() {
    let mute = |name: &str| op(name, Effect::Final, Act { mute: true, ..Act::default() });
    let root = sequence("", vec![mute("a"), mute("b")]);
    let (world, disk) = (Arc::new(World::default()), Memory::crashing_after(1));
    let (first, _events) = execution(&world, &plan(root.clone()), &disk, 1);
    execute(first).await;
    let history = lagging(&disk.bytes()).await;
    let (mut second, _events) = execution(&world, &plan(root), &Memory::default(), history.next());
    second.assume = Some(Assume::Done);
    let ended = resume(second, &history, Heading::Onward).await.unwrap();
    assert_eq!(
        (ended.outcome, messages(&ended)),
        (Outcome::Left, vec!["do b: the run was cut off while it was under way"])
    );
}

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
