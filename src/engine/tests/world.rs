//! A world of named slots, operations that set them, and plans of such operations.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stdlib::{
    failure::{Certainty, Failure},
    host::Hosts,
    later::{Body, Decided, Later, Past},
    model::{Authority, EnvironmentName, HostName, Identity, ProjectName, RunId, SecretKey, SecretValue},
    operation::{AnyOperation, Context, Operation as _, Probe, Result},
    plan::{Effect, Key, Node, Open, Plan, Planned, Policy},
};
use tokio_util::sync::CancellationToken;

use crate::engine::{
    Decider, Decode, Ended, EventReceiver, Execution, Timing, channel, execute,
    journal::{Disk, Entry, History, Journal},
};

/// How an operation behaves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Act {
    /// The slot that it sets to its own key.
    pub slot: Option<String>,
    /// How often it fails before it succeeds.
    pub fails: u32,
    /// Its failures leave open whether it has happened.
    pub unknown: bool,
    /// It fails after it has changed the world.
    pub late: bool,
    /// It ends only some time after this other operation has begun.
    pub after: Option<String>,
    pub deed: Deed,
    /// It cannot say whether it has happened.
    pub mute: bool,
    /// How often its inverse fails.
    pub undo_fails: u32,
}

/// What an operation does beside its effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    #[default]
    Nothing,
    Panic,
    /// It never ends.
    Hang,
    /// It cancels the run.
    Cancel,
    /// It makes the lock be lost.
    LoseLock,
}

#[derive(Debug, Default)]
pub struct World {
    slots: Mutex<BTreeMap<String, String>>,
    /// What was in the slot before an operation, and whether the operation has got to its end.
    marks: Mutex<HashMap<Key, (Option<String>, bool)>>,
    log: Mutex<Vec<String>>,
    tries: Mutex<HashMap<String, u32>>,
    pub cancel: CancellationToken,
    pub lock_lost: CancellationToken,
}

impl World {
    pub fn slots(&self) -> BTreeMap<String, String> {
        self.slots.lock().unwrap().clone()
    }

    /// What was done, in order: `run a`, `undo a`, `probe a`.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn say(&self, what: &str) {
        self.log.lock().unwrap().push(what.to_owned());
    }

    fn note(&self, what: &str, key: &Key) {
        self.log.lock().unwrap().push(format!("{what} {}", key.name()));
    }

    fn count(&self, what: &str, key: &Key) -> u32 {
        let mut tries = self.tries.lock().unwrap();
        let count = tries.entry(format!("{what} {key}")).or_default();
        *count += 1;
        *count
    }

    fn set(&self, slot: &str, to: Option<String>) -> Option<String> {
        let mut slots = self.slots.lock().unwrap();
        match to {
            Some(to) => slots.insert(slot.to_owned(), to),
            None => slots.remove(slot),
        }
    }

    /// Forgets which operations have failed how often, as a process that ends does.
    pub fn forget_tries(&self) {
        self.tries.lock().unwrap().clear();
    }
}

#[derive(Debug)]
struct Actor {
    world: Arc<World>,
    act: Act,
}

impl Actor {
    async fn change(&self, cx: &Context) {
        let Some(slot) = &self.act.slot else { return };
        // Half of it, and a moment at which a crash may come.
        if self.world.marks.lock().unwrap().get(&cx.key).is_some_and(|(_, whole)| *whole) {
            self.world.note("twice", &cx.key);
        }
        let before = self.world.set(slot, Some("half".into()));
        self.world.marks.lock().unwrap().entry(cx.key.clone()).or_insert((before, false));
        tokio::task::yield_now().await;
        self.world.set(slot, Some(cx.key.to_string()));
        self.world.marks.lock().unwrap().get_mut(&cx.key).unwrap().1 = true;
    }
}

#[async_trait]
impl AnyOperation for Actor {
    async fn run(&self, cx: &Context) -> Result<Value> {
        self.world.note("run", &cx.key);
        match self.act.deed {
            Deed::Nothing => {}
            Deed::Panic => panic!("on demand"),
            Deed::Hang => std::future::pending().await,
            Deed::Cancel => self.world.cancel.cancel(),
            Deed::LoseLock => self.world.lock_lost.cancel(),
        }
        if let Some(other) = &self.act.after {
            while !self.world.log().contains(&format!("run {other}")) {
                tokio::task::yield_now().await;
            }
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let fails = self.world.count("run", &cx.key) <= self.act.fails;
        if fails && !self.act.late {
            tokio::task::yield_now().await;
        } else {
            self.change(cx).await;
        }
        if fails {
            let certainty = if self.act.unknown { Certainty::Unknown } else { Certainty::Known };
            return Err(Failure { certainty, ..Failure::new(format!("{} failed", cx.key.name())) });
        }
        Ok(json!(cx.key.name()))
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        if self.world.count("undo", &cx.key) <= self.act.undo_fails {
            return Err(Failure::new(format!("{} cannot be put back", cx.key.name())));
        }
        self.world.note("undo", &cx.key);
        tokio::task::yield_now().await;
        let mark = self.world.marks.lock().unwrap().remove(&cx.key);
        if let (Some(slot), Some((before, _))) = (&self.act.slot, mark) {
            self.world.set(slot, before);
        }
        Ok(())
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        self.world.note("probe", &cx.key);
        if self.act.mute {
            return Ok(Probe::CannotTell("look".into()));
        }
        Ok(match self.world.marks.lock().unwrap().get(&cx.key) {
            Some((_, true)) => Probe::Done(json!(cx.key.name())),
            Some((_, false)) => Probe::Partial,
            None => Probe::NotDone,
        })
    }
}

/// An operation of a plan under construction.
pub fn op(name: &str, effect: Effect, act: Act) -> Node {
    on(None, name, effect, act)
}

pub fn on(host: Option<&str>, name: &str, effect: Effect, act: Act) -> Node {
    let act = Act { slot: act.slot.or_else(|| Some(name.to_owned())), ..act };
    Node::Operation(Box::new(Planned {
        key: Key::root().child(name),
        kind: "act".into(),
        host: host.map(|host| HostName::new(host).unwrap()),
        title: format!("do {name}"),
        effect,
        policy: Policy::default(),
        args: serde_json::to_value(act).unwrap(),
    }))
}

/// A reversible operation that succeeds.
pub fn good(name: &str) -> Node {
    op(name, Effect::Reversible, Act::default())
}

/// A reversible operation that fails.
pub fn bad(name: &str) -> Node {
    op(name, Effect::Reversible, Act { fails: 1, ..Act::default() })
}

pub fn retried(node: Node, retry: u32) -> Node {
    let Node::Operation(mut planned) = node else { panic!("an operation") };
    planned.policy.retry = retry;
    Node::Operation(planned)
}

pub fn sequence(name: &str, nodes: Vec<Node>) -> Node {
    Node::Sequence { key: Key::root().child(name), nodes }
}

pub fn parallel(name: &str, nodes: Vec<Node>) -> Node {
    Node::Parallel { key: Key::root().child(name), nodes }
}

pub fn guard(body: Node, on_failure: Option<Node>, always: Option<Node>) -> Node {
    let (on_failure, always) = (on_failure.map(Box::new), always.map(Box::new));
    Node::Guard { key: Key::root().child("guard"), body: Box::new(body), on_failure, always }
}

/// Decides on what it has captured, or fails when it has captured nothing.
pub fn later(name: &str, decided: Option<Decided>) -> Node {
    let key = Key::root().child(name);
    let captures = decided.map(|decided| serde_json::to_value(decided).unwrap()).into_iter().collect();
    let operation = Later {
        name: name.to_owned(),
        may: vec![],
        body: Body { closure: (1, 1), captures },
        policy: Policy::default(),
        committed: false,
        beside: false,
    };
    let ask = Node::Operation(Box::new(Planned {
        key: key.child(Later::KIND),
        kind: Later::KIND.into(),
        host: None,
        title: format!("decide {name}"),
        effect: Effect::Repeatable,
        policy: Policy::default(),
        args: serde_json::to_value(operation).unwrap(),
    }));
    Node::Later { key, ask: Box::new(ask), commits: true, decided: Open::default() }
}

pub fn decided(node: Node, clean_up: Option<Node>) -> Decided {
    Decided { node, clean_up, reads: vec![], changes: vec![] }
}

struct Decides(Arc<World>);

#[async_trait]
impl Decider for Decides {
    async fn decide(&self, key: Key, later: Later, _: Past) -> Result<Decided> {
        self.0.note("decide", &key);
        tokio::task::yield_now().await;
        match later.body.captures.first() {
            Some(decided) => Ok(serde_json::from_value(decided.clone()).unwrap()),
            None => Err(Failure::new(format!("{} failed", key.name()))),
        }
    }
}

pub fn plan(root: Node) -> Plan {
    Plan {
        schema: Plan::SCHEMA,
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("default").unwrap(),
        recipe: "deploy".into(),
        args: BTreeMap::new(),
        reads: vec![],
        fingerprints: BTreeMap::new(),
        release: None,
        changes: vec![],
        root,
        script: None,
    }
}

/// A disk in memory. After so many lines, if set, the machine crashes: nothing more is written.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    crash_after: Option<usize>,
    pub crashed: CancellationToken,
}

impl Memory {
    pub fn crashing_after(lines: usize) -> Self {
        Self { crash_after: Some(lines), ..Self::default() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl Disk for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut all = self.bytes.lock().unwrap();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let lines = all.split(|byte| *byte == b'\n').count() - 1;
            if self.crash_after.is_some_and(|limit| lines >= limit) {
                self.crashed.cancel();
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
            }
            all.extend_from_slice(line);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What another machine makes of a copy of a journal that may be behind.
pub async fn lagging(copy: &[u8]) -> History {
    let (next, more) = (History::read(copy).unwrap().next(), Memory::default());
    Journal::new(more.clone(), next).commit(Entry::Lagging).await.unwrap();
    History::read(&[copy, &more.bytes()].concat()).unwrap()
}

pub struct Lock(pub CancellationToken);

#[async_trait]
impl stdlib::host::LockGuard for Lock {
    fn held(&self) -> bool {
        !self.0.is_cancelled()
    }
    async fn lost(&self) {
        self.0.cancelled().await;
    }
    async fn release(self: Box<Self>) {}
}

/// No pauses: nothing in these tests waits for a clock.
pub const TIMING: Timing = Timing {
    operation: Duration::from_mins(10),
    inverse: Duration::from_mins(10),
    probe: Duration::from_mins(10),
    retry_pause: Duration::ZERO,
    inverse_pauses: [Duration::ZERO; 2],
};

pub fn execution(world: &Arc<World>, plan: &Plan, disk: &Memory, next: u64) -> (Execution, EventReceiver) {
    let (events, receiver) = channel();
    let acting = Arc::clone(world);
    let decode: Decode = Arc::new(move |planned| {
        if planned.kind == Later::KIND {
            return stdlib::operation::decode(planned);
        }
        let act = serde_json::from_value(planned.args.clone()).unwrap();
        Ok(Box::new(Actor { world: Arc::clone(&acting), act }))
    });
    let execution = Execution {
        plan: Arc::new(plan.clone()),
        run: RunId::new("0199-run").unwrap(),
        hosts: Hosts::default(),
        source: None,
        release: None,
        values: Arc::default(),
        identity: Arc::new(Identity {
            key: SecretKey::new([0; 32]),
            authority: Authority { certificate: String::new(), key: SecretValue::new("") },
        }),
        lock: Some(Box::new(Lock(world.lock_lost.clone()))),
        journal: Journal::new(disk.clone(), next),
        mirror: None,
        desk: None,
        decider: Some(Arc::new(Decides(Arc::clone(world)))),
        assume: None,
        limit: 10,
        timing: TIMING,
        cancel: world.cancel.clone(),
        events,
        decode,
    };
    (execution, receiver)
}

/// Runs a plan to its end in a new world.
pub async fn run(root: Node) -> (Arc<World>, Ended, Memory) {
    let (world, disk) = (Arc::new(World::default()), Memory::default());
    let (execution, _events) = execution(&world, &plan(root), &disk, 1);
    let ended = execute(execution).await;
    (world, ended, disk)
}
