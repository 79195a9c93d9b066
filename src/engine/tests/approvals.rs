//! A person is asked while a run is under way.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use stdlib::{
    approve::{Approve, Options},
    failure::Failure,
    host::LockGuard,
    model::{HostName, RunId},
    plan::{Arms, Effect, Key, Node, Plan, Verdict},
};
use tokio_util::sync::CancellationToken;

use super::world::{Act, Lock, Memory, World, execution, good, op, plan, sequence};
use crate::engine::{
    Answer, Desk, Ended, Heading, Meanwhile, Outcome, Petition, Reply, Word, execute,
    journal::{Entry, History, Recorded},
    resume,
};

/// Notes what is done, in order, and answers what it is told to.
struct Scripted {
    log: Arc<Mutex<Vec<&'static str>>>,
    given: Option<Answer>,
    /// `None`: the user cancels the run instead.
    reply: Option<Reply>,
    meanwhile: Meanwhile,
    cancel: CancellationToken,
}

impl Scripted {
    fn note(&self, what: &'static str) {
        self.log.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Desk for Scripted {
    fn given(&self) -> Option<Answer> {
        self.given.clone()
    }
    async fn claim(&self, petition: Petition) -> Result<Petition, Failure> {
        self.note("claim");
        Ok(petition)
    }
    async fn reply(&self, _: &Petition) -> Reply {
        self.note("ask");
        if self.reply.is_none() {
            self.cancel.cancel();
        }
        match &self.reply {
            Some(reply) => reply.clone(),
            None => std::future::pending().await,
        }
    }
    async fn lock(&self) -> Result<Box<dyn LockGuard>, Failure> {
        self.note("lock");
        Ok(Box::new(Lock(CancellationToken::new())))
    }
    async fn meanwhile(&self, _: &Petition) -> Result<Meanwhile, Failure> {
        Ok(self.meanwhile.clone())
    }
    async fn withdraw(&self, _: &RunId) -> Result<(), Failure> {
        self.note("withdraw");
        Ok(())
    }
}

fn answer(word: Word) -> Answer {
    Answer { word, who: "ann@desk".into(), time: "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap() }
}

fn approve() -> Node {
    let approve = Approve::new("live?".into(), &Options::default());
    let Node::Operation(mut planned) = op("approve", Effect::Repeatable, Act::default()) else { unreachable!() };
    planned.kind = "approve".into();
    planned.args = serde_json::to_value(approve).unwrap();
    Node::Operation(planned)
}

struct Course {
    ended: Ended,
    world: Vec<String>,
    desk: Vec<&'static str>,
    journal: Vec<Recorded>,
}

async fn run(
    plan: &Plan,
    history: &History,
    reply: Option<Reply>,
    meanwhile: Meanwhile,
    given: Option<Answer>,
) -> Course {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let (mut execution, _events) = execution(&world, plan, &disk, history.next());
    let log = Arc::default();
    let cancel = world.cancel.clone();
    execution.desk = Some(Box::new(Scripted { log: Arc::clone(&log), given, reply, meanwhile, cancel }));
    let others = Arc::clone(&execution.decode);
    execution.decode = Arc::new(move |planned| match planned.kind.as_str() {
        "approve" => stdlib::operation::decode(planned),
        _ => others(planned),
    });
    let ended = if history.entries.is_empty() {
        execute(execution).await
    } else {
        resume(execution, history, Heading::Onward).await.unwrap()
    };
    let written = match history.entries.len() {
        0 => History::read(&disk.bytes()).unwrap().entries,
        _ => Vec::new(),
    };
    let noted = log.lock().unwrap().clone();
    Course { ended, world: world.log(), desk: noted, journal: written }
}

fn two() -> Plan {
    plan(sequence("", vec![good("a"), approve(), good("b")]))
}

async fn asked(reply: Option<Reply>, meanwhile: Meanwhile) -> Course {
    run(&two(), &History::default(), reply, meanwhile, None).await
}

// spec: gate.approve
#[tokio::test]
async fn approved_the_run_goes_on_under_the_lock() {
    let course = asked(Some(Reply::Answered(answer(Word::Approved))), Meanwhile::Nothing).await;
    assert_eq!(course.ended.outcome, Outcome::Done);
    assert_eq!(course.world, ["run a", "run b"]);
    assert_eq!(course.desk[..4], ["claim", "ask", "lock", "withdraw"]);
    let answered = Entry::Answered { key: Key::root().child("approve"), answer: answer(Word::Approved) };
    assert!(course.journal.iter().any(|recorded| recorded.entry == answered));
}

// spec: gate.approve
#[tokio::test]
async fn denied_it_is_put_back_and_says_by_whom() {
    let course = asked(Some(Reply::Answered(answer(Word::Denied))), Meanwhile::Nothing).await;
    assert_eq!(course.ended.outcome, Outcome::PutBack);
    assert_eq!(course.ended.failures[0].message, "denied by ann@desk at 2026-01-02T03:04:05Z: live?");
    assert_eq!(course.world, ["run a", "undo a"]);
}

// spec: gate.approve
#[tokio::test]
async fn without_an_answer_that_counts_it_is_inconclusive() {
    let web = HostName::new("web-1").unwrap();
    let yes = || Reply::Answered(answer(Word::Approved));
    for (reply, meanwhile, why) in [
        (Reply::Nobody, Meanwhile::Nothing, "nobody has answered within 1h: live?"),
        (yes(), Meanwhile::Changed(vec![web]), "web-1 has changed while it was asked: live?"),
    ] {
        let course = asked(Some(reply.clone()), meanwhile.clone()).await;
        assert_eq!((course.ended.outcome, course.ended.failures[0].message.as_str()), (Outcome::PutBack, why));
        let mut arms = Arms::default();
        arms.set(Verdict::Inconclusive, good("later"));
        let gate = Box::new(approve());
        let choice = plan(sequence("", vec![Node::Choice { key: Key::root().child("choice"), gate, arms }]));
        let course = run(&choice, &History::default(), Some(reply), meanwhile, None).await;
        assert_eq!((course.ended.outcome, course.world), (Outcome::Done, vec!["run later".to_owned()]));
    }
}

// spec: gate.approve
#[tokio::test]
async fn a_run_whose_claim_is_gone_begins_nothing_any_more() {
    let yes = Reply::Answered(answer(Word::Approved));
    for (reply, meanwhile) in [(Reply::Gone, Meanwhile::Nothing), (yes, Meanwhile::Gone)] {
        let course = asked(Some(reply), meanwhile).await;
        assert_eq!(course.ended.outcome, Outcome::Left);
        assert_eq!(course.world, ["run a"]);
        assert!(!course.desk.contains(&"withdraw"));
    }
}

// spec: gate.approve
#[tokio::test]
async fn cancelled_while_it_waits_it_takes_the_lock_again_and_goes_back() {
    let course = asked(None, Meanwhile::Nothing).await;
    assert_eq!(course.ended.outcome, Outcome::Cancelled);
    assert_eq!(course.world, ["run a", "undo a"]);
    assert_eq!(course.desk[..4], ["claim", "ask", "lock", "withdraw"]);
}

// spec: gate.approve
#[tokio::test]
async fn who_has_approved_beforehand_is_not_asked() {
    let given = Some(answer(Word::Approved));
    let course = run(&two(), &History::default(), Some(Reply::Nobody), Meanwhile::Nothing, given).await;
    assert_eq!(course.ended.outcome, Outcome::Done);
    assert!(!course.desk.contains(&"ask"));
}

// spec: gate.approve
#[tokio::test]
async fn an_answer_in_the_journal_is_not_asked_for_again() {
    let first = asked(Some(Reply::Answered(answer(Word::Approved))), Meanwhile::Nothing).await;
    let place = first.journal.iter().position(|recorded| matches!(recorded.entry, Entry::Answered { .. })).unwrap();
    let history = History { entries: first.journal[..=place].to_vec(), length: 0 };
    let course = run(&two(), &history, Some(Reply::Nobody), Meanwhile::Nothing, None).await;
    assert_eq!((course.ended.outcome, course.world.contains(&"run b".to_owned())), (Outcome::Done, true));
    assert!(!course.desk.contains(&"ask"));
}
