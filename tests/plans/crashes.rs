//! The plans of the built-in recipes, whose process is lost at every line of the journal: resumed, the hosts are as after a run
//! without a crash; undone, as before it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use stagecraft::engine::{
    self, Heading, History, Journal, Outcome,
    journal::{Disk, Entry},
};
use stdlib::{model::Application, plan::Plan};
use tokio_util::sync::CancellationToken;

use super::{World, service, standing};

/// A disk in memory, with room for so many lines. The process ends when there is no more.
#[derive(Clone, Default)]
struct Room {
    bytes: Arc<Mutex<Vec<u8>>>,
    lines: usize,
    over: CancellationToken,
}

impl Disk for Room {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut all = self.bytes.lock().unwrap();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if lines_of(&all) >= self.lines {
                self.over.cancel();
                return Err(io::ErrorKind::StorageFull.into());
            }
            all.extend_from_slice(line);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines_of(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

impl Room {
    fn of(lines: usize) -> Self {
        Self { lines, ..Self::default() }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

/// From the first version to what `change` makes of it.
type Change = fn(&mut Application);

/// A world with the first version, and the plan that leads to the change.
async fn planned(change: Change) -> (World, Plan) {
    let mut world = World::new().await;
    let first = world.without_job(1).await;
    world.deploy(first).await;
    let mut application = world.without_job(2).await;
    change(&mut application);
    let plan = world.plan("deploy", application).await;
    (world, plan)
}

impl World {
    async fn standing(&self) -> Vec<String> {
        standing(self.facts().await.as_ref())
    }

    /// Runs until so many lines are written, and ends there as if by SIGKILL. `None` when the run has ended before.
    async fn lost_after(&self, plan: &Plan, lines: usize) -> Option<Vec<u8>> {
        let room = Room::of(lines);
        let run = self.shop.execution(plan, self.runs, Journal::new(room.clone(), 1), engine::library());
        tokio::select! {
            biased;
            () = room.over.cancelled() => Some(room.bytes()),
            _ = engine::execute(run) => room.over.is_cancelled().then(|| room.bytes()),
        }
    }

    async fn go_on(&self, plan: &Plan, history: &History, heading: Heading) -> Outcome {
        let journal = Journal::new(Room::of(usize::MAX), history.next());
        let run = self.shop.execution(plan, self.runs, journal, engine::library());
        let ended = engine::resume(run, history, heading).await.unwrap();
        assert!(ended.left.is_empty(), "{:#?} {:#?}", ended.left, ended.failures);
        ended.outcome
    }
}

/// A copy of the journal that is so many lines behind.
async fn behind(bytes: &[u8], lines: usize) -> History {
    let all: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let copy = all[..all.len().saturating_sub(lines).max(1)].concat();
    let lagging = Room::of(usize::MAX);
    Journal::new(lagging.clone(), History::read(&copy).unwrap().next()).commit(Entry::Lagging).await.unwrap();
    History::read(&[copy, lagging.bytes()].concat()).unwrap()
}

fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let only = |sign: &str, these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("{sign} {line}")).collect::<Vec<_>>()
    };
    [only("-", one, other), only("+", other, one)].concat()
}

/// Every `stride`th line, resumed and undone, from the journal and from a copy.
async fn crashes(change: Change, stride: usize) {
    let (world, plan) = planned(change).await;
    let before = world.standing().await;
    let room = Room::of(usize::MAX);
    let run = world.shop.execution(&plan, world.runs, Journal::new(room.clone(), 1), engine::library());
    assert_eq!(engine::execute(run).await.outcome, Outcome::Done);
    let (after, lines) = (world.standing().await, lines_of(&room.bytes()));
    let commit = plan.root.operations().find(|planned| planned.kind == "release.commit").unwrap().key.clone();
    for crash in (1..lines).step_by(stride) {
        for (heading, lag) in [(Heading::Onward, None), (Heading::Back, None), (Heading::Onward, Some(crash % 4))] {
            let (world, plan) = planned(change).await;
            let Some(bytes) = world.lost_after(&plan, crash).await else { continue };
            let history = match lag {
                None => History::read(&bytes).unwrap(),
                Some(lines) => behind(&bytes, lines).await,
            };
            // What has committed, or may have, is not put back.
            let committed = History::read(&bytes)
                .unwrap()
                .entries
                .iter()
                .any(|recorded| matches!(&recorded.entry, Entry::Start { key } if *key == commit));
            if heading == Heading::Back && committed {
                continue;
            }
            let outcome = world.go_on(&plan, &history, heading).await;
            let (expected, standing) = match heading {
                Heading::Onward => ((Outcome::Done, &after), world.standing().await),
                Heading::Back => ((Outcome::Undone, &before), world.standing().await),
            };
            let differ = differences(expected.1, &standing);
            assert!(
                outcome == expected.0 && differ.is_empty(),
                "line {crash} of {lines}, {heading:?}, a copy behind by {lag:?}: {outcome:?}, {differ:#?}"
            );
        }
    }
}

// spec: run.crash-points
#[tokio::test]
async fn of_a_new_image() {
    crashes(|_| {}, 4).await;
}

#[tokio::test]
async fn of_more_replicas() {
    crashes(|application| service(application, "web").replicas = 4, 5).await;
}

#[tokio::test]
async fn of_fewer_replicas() {
    crashes(|application| service(application, "web").replicas = 1, 5).await;
}

#[tokio::test]
async fn of_another_check() {
    crashes(|application| service(application, "web").health.path = Some("/ready".into()), 5).await;
}

#[tokio::test]
async fn of_another_route_and_certificate() {
    crashes(|application| service(application, "web").route.as_mut().unwrap().host = "new.shop.test".into(), 5).await;
}

#[tokio::test]
async fn of_a_service_that_goes() {
    crashes(|application| application.services.retain(|service| service.name.as_str() != "worker"), 5).await;
}

#[tokio::test]
async fn of_a_service_that_leaves_a_host() {
    crashes(|application| drop(service(application, "web").hosts.pop()), 5).await;
}
