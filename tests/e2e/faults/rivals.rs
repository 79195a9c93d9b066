//! Several runs at once: one of them runs, whatever happens to it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{fleet::Fleet, rows::row};
use crate::{
    lab,
    stagecraft::{command, stagecraft},
};

/// How many of these ended with each exit code: `(0, 7)`; any other is a failure.
fn codes(children: Vec<Child>) -> (usize, usize) {
    let codes: Vec<Option<i32>> = children.into_iter().map(|mut child| child.wait().expect("it ends").code()).collect();
    let count = |wanted| codes.iter().filter(|code| **code == Some(wanted)).count();
    assert_eq!(count(0) + count(7), codes.len(), "{codes:?}");
    (count(0), count(7))
}

// spec: fault.rivals
#[test]
fn two_and_then_ten_deploys_at_once() {
    let fleet = Fleet::deployed("e2e-rivals");
    for rivals in [2, 10] {
        let version = format!("v-of-{rivals}");
        fleet.version_with(&version, "ENV SLOW_START_MS=3000");
        // Built before, so that all are at the lock at the same time.
        stagecraft(fleet.app.path(), &["plan"]).exits(0);
        let (done, refused) = codes((0..rivals).map(|_| fleet.start(&["deploy", "--yes"])).collect());
        assert_eq!(done, 1, "one runs");
        assert_eq!(refused, rivals - 1, "the others are refused at once");
        fleet.is_on(&version, &[1, 2, 3], "rivals");
        fleet.migrated_once(&version, "rivals");
        row(
            "rivals",
            &[&format!("{rivals} deploys at once"), "1 ran, the others exited 7", "one release, one migration"],
        );
    }
    fleet.version("queued");
    let (done, _) = codes((0..4).map(|_| fleet.start(&["deploy", "--yes", "--wait", "2m"])).collect());
    assert_eq!(done, 4, "each in its turn");
    fleet.is_on("queued", &[1, 2, 3], "a queue");
    fleet.migrated_once("queued", "a queue");
    row("rivals", &["4 deploys at once with `--wait`", "all ran, one after the other", "one release, one migration"]);
}

/// The times of the operations that a journal has started, and when it began.
fn starts(journal: &[String]) -> Vec<jiff::Timestamp> {
    let lines = journal.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let begins =
        lines.filter(|line| ["begin", "start", "undo_start"].contains(&line["kind"].as_str().unwrap_or_default()));
    begins.map(|line| line["time"].as_str().expect("a time").parse().expect("a time")).collect()
}

/// Until a run after `before` waits for its new containers; returns its directory.
fn until_it_waits(fleet: &Fleet, before: &Path) -> PathBuf {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let run = fleet.newest_run();
        if run != before && fleet.journal().iter().any(|line| line.contains("ingress.enroll")) {
            return run;
        }
        assert!(Instant::now() < until, "no new container within a minute");
        sleep(Duration::from_millis(20));
    }
}

/// A network of its own for the first runner, so that its cable alone can be pulled.
struct Elsewhere {
    namespace: String,
    switch: String,
}

impl Elsewhere {
    fn plug_in() -> Self {
        let prefix = lab::prefix();
        let elsewhere = Self { namespace: format!("{prefix}-runner"), switch: format!("{prefix}-sw") };
        let (Self { namespace, switch }, address) = (&elsewhere, lab::in_network(2));
        lab::local(&format!(
            "ip netns add {namespace} && ip -n {namespace} link set lo up && \
             ip link add eth0 netns {namespace} type veth peer name runner netns {switch} && \
             ip -n {switch} link set runner master br0 up && \
             ip -n {namespace} addr add {address}/24 dev eth0 && ip -n {namespace} link set eth0 up",
        ));
        elsewhere
    }

    fn cable(&self, state: &str) {
        lab::local(&format!("ip -n {} link set runner {state}", self.switch));
    }

    fn start(&self, fleet: &Fleet, args: &[&str]) -> Child {
        let inner = command(fleet.app.path(), args);
        let log = std::fs::File::create(fleet.app.path().with_extension("elsewhere")).expect("a log");
        let mut outer = Command::new("ip");
        outer.args(["netns", "exec", &self.namespace]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            outer.env(name, value.unwrap_or_default());
        }
        outer.stdin(std::process::Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        outer.spawn().expect("it runs")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

/// Asserts that the first runner ends, and began nothing after the second one had the lock.
#[track_caller]
fn ends_without_another_start(first: &mut Child, run: &Path, second_began: jiff::Timestamp) {
    let code = first.wait().expect("it ends").code();
    assert_eq!(code, Some(6), "it knows that it has lost the lock");
    let last = starts(&Fleet::journal_of(run)).into_iter().max().expect("a start");
    assert!(
        last < second_began,
        "the first began something at {last}, after the second had the lock at {second_began}"
    );
}

// spec: fault.partition
#[test]
fn a_runner_that_is_cut_off_and_a_second_one() {
    let fleet = Fleet::deployed("e2e-partition");
    let elsewhere = Elsewhere::plug_in();
    fleet.version_with("cut-off", "ENV SLOW_START_MS=60000");
    let before = fleet.newest_run();
    let mut first = elsewhere.start(&fleet, &["deploy", "--yes"]);
    let journal_of_first = until_it_waits(&fleet, &before);
    elsewhere.cable("down");
    fleet.version("second");
    stagecraft(fleet.app.path(), &["deploy", "--yes", "--wait", "60s"]).exits(0);
    let second_began = starts(&fleet.journal())[0];
    elsewhere.cable("up");
    ends_without_another_start(&mut first, &journal_of_first, second_began);
    fleet.is_on("second", &[1, 2, 3], "a partition");
    drop(elsewhere);
    row(
        "rivals",
        &[
            "the runner is cut off while it holds the lock, a second one waits for it",
            "the first ended with exit 6 and began nothing after the second had the lock",
            "the second's release, nothing left over",
        ],
    );
}

// spec: fault.partition
#[test]
fn a_runner_that_sleeps_and_wakes_up() {
    let fleet = Fleet::deployed("e2e-asleep");
    fleet.version_with("asleep", "ENV SLOW_START_MS=4000");
    let before = fleet.newest_run();
    let mut first = fleet.start(&["deploy", "--yes"]);
    let journal_of_first = until_it_waits(&fleet, &before);
    lab::local(&format!("kill -STOP {}", first.id()));
    fleet.version("second");
    stagecraft(fleet.app.path(), &["deploy", "--yes", "--wait", "60s"]).exits(0);
    let second_began = starts(&fleet.journal())[0];
    lab::local(&format!("kill -CONT {}", first.id()));
    ends_without_another_start(&mut first, &journal_of_first, second_began);
    fleet.is_on("second", &[1, 2, 3], "a sleep");
    row(
        "rivals",
        &[
            "the runner is stopped (SIGSTOP) while it holds the lock, and goes on when a second one has run",
            "the first ended with exit 6 and began nothing any more",
            "the second's release, nothing left over",
        ],
    );
}
