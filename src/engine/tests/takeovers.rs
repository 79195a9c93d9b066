//! Runs that another process goes on with, by the journal or by a copy of it.

use std::sync::Arc;

use stdlib::{failure::Failure, plan::Effect};

use super::{
    courses::messages,
    world::{Act, Memory, World, bad, execution, good, lagging, op, plan, run, sequence},
};
use crate::engine::{
    Assume, Heading, NotResumed, Outcome, execute,
    journal::{Entry, History},
    resume,
};

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

// spec: run.mirror
#[tokio::test]
async fn the_copy_has_what_happened_before_a_clean_up_removes_the_evidence() {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let last = |name: &str| op(name, Effect::Final, Act::default());
    let commit = op("commit", Effect::Commit, Act::default());
    let plan = plan(sequence("", vec![last("job"), commit, last("remove"), last("forget")]));
    let (mut run, _events) = execution(&world, &plan, &disk, 1);
    run.mirror = Some(Box::new(Spy { world: Arc::clone(&world), disk: disk.clone() }));
    assert_eq!(execute(run).await.outcome, Outcome::Done);
    assert_eq!(world.log(), ["run job", "run commit", "copy, turned: false", "run remove", "run forget"]);
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
