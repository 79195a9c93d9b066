//! Faults of a host, at three moments of a deploy: before it, between start and switch, and between switch and commit.

use std::{
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{fleet::Fleet, full, rows::row};
use crate::{
    lab,
    stagecraft::{Running, command, seconds_between, stagecraft},
};

/// From a fault that a run cannot get around to the run's word about it.
const ERROR_WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    BeforeTheSwitch,
    AfterTheSwitch,
}

impl Moment {
    const ALL: [Self; 3] = [Self::Before, Self::BeforeTheSwitch, Self::AfterTheSwitch];
}

/// What happens to a host, and how it is well again.
struct Fault {
    name: &'static str,
    host: u8,
    strike: fn(u8),
    heal: fn(u8),
}

const FAULTS: [Fault; 8] = [
    Fault { name: "power cut", host: 3, strike: |host| lab::host(host, "kill"), heal: switch_on },
    Fault { name: "silence", host: 3, strike: |host| lab::host(host, "isolate"), heal: |host| lab::host(host, "join") },
    Fault { name: "reboot", host: 3, strike: reboot, heal: wait_for },
    Fault { name: "full disk", host: 2, strike: |host| lab::host(host, "fill"), heal: |host| lab::host(host, "empty") },
    Fault { name: "engine restart", host: 3, strike: |host| lab::host(host, "engine"), heal: wait_for },
    Fault { name: "ingress killed", host: 3, strike: kill_ingress, heal: wait_for },
    Fault { name: "power cut of the home host", host: 1, strike: |host| lab::host(host, "kill"), heal: switch_on },
    Fault {
        name: "silence of the home host",
        host: 1,
        strike: |host| lab::host(host, "isolate"),
        heal: |host| lab::host(host, "join"),
    },
];

fn switch_on(host: u8) {
    // What is left of its processes holds its disk.
    sleep(Duration::from_millis(300));
    lab::host(host, "start");
    wait_for(host);
}

fn reboot(host: u8) {
    lab::host(host, "stop");
    lab::host(host, "start");
}

fn kill_ingress(host: u8) {
    lab::ssh(host, "kill -9 $(docker inspect -f '{{.State.Pid}}' stagecraft-ingress)");
}

/// Until its engine answers and its ingress serves.
fn wait_for(host: u8) {
    let until = Instant::now() + Duration::from_mins(1);
    let up = || {
        let script = "docker inspect -f '{{.State.Running}}' stagecraft-ingress";
        let asked =
            lab::ssh_command().args(["-o", "ConnectTimeout=2"]).arg(lab::destination(host)).arg(script).output();
        asked.is_ok_and(|answer| answer.stdout.starts_with(b"true"))
    };
    while !up() {
        assert!(Instant::now() < until, "h{host} is not up within a minute");
        sleep(Duration::from_millis(200));
    }
}

/// One fault at one moment of a deploy: the run's exit code, and how long it took from the fault to its end.
fn strike(fleet: &Fleet, fault: &Fault, moment: Moment) -> (i32, Duration, String) {
    let args = ["deploy", "--yes"];
    if moment == Moment::Before {
        (fault.strike)(fault.host);
        let ran = stagecraft(fleet.app.path(), &args);
        return (ran.code, ran.took, ran.stderr);
    }
    let host = format!("\"h{}\"", fault.host);
    let mut deploy = Running::start(fleet.app.path(), &args);
    match moment {
        Moment::AfterTheSwitch => deploy.until(&["operation_ended", "ingress.switch", &host]),
        _ => deploy.until(&["operation_ended", "web", "container.start", &host]),
    }
    (fault.strike)(fault.host);
    let began = Instant::now();
    let (code, text) = deploy.end();
    (code.expect("an exit code"), began.elapsed(), text)
}

// spec: fault.hosts
#[test]
fn faults_of_a_host() {
    let fleet = Fleet::deployed("e2e-faults");
    fleet.bake(3);
    let mut version = "v1".to_owned();
    for (number, fault) in FAULTS.iter().enumerate() {
        // A sample has every second fault, and each moment.
        let moments = match number {
            _ if full() => &Moment::ALL[..],
            number if number % 2 == 1 => &Moment::ALL[number / 2 % 3..=number / 2 % 3],
            _ => &[],
        };
        for moment in moments {
            let after = format!("{} {moment:?}", fault.name);
            let next = format!("{}-{moment:?}", fault.name.replace(' ', "-"));
            let others: Vec<u8> = (1..=3).filter(|host| *host != fault.host).collect();
            let load = Fleet::load(&others);
            // So that there is something to see of both moments.
            fleet.version_with(&next, "ENV SLOW_START_MS=1500");
            let (code, took, said) = strike(&fleet, fault, *moment);
            let agreed = Fleet::agrees(&others, &after);
            assert!(agreed == version || agreed == next, "{after}: {agreed}");
            if code == 0 {
                assert_eq!(agreed, next, "{after}: {said}");
            } else {
                assert!([5, 6].contains(&code), "{after}: exit {code}: {said}");
                assert!(said.contains(&format!("h{}", fault.host)), "{after} does not name the host: {said}");
            }
            (fault.heal)(fault.host);
            // A home host that was silent frees the lock 15 s after the last beat.
            stagecraft(fleet.app.path(), &["deploy", "--yes", "--wait", "30s"]).exits(0);
            fleet.is_on(&next, &[1, 2, 3], &after);
            fleet.migrated_once(&next, &after);
            let report = load.stop_without_a_failure(100);
            let late = if code != 0 && took > ERROR_WITHIN { " **(late)**" } else { "" };
            let stands = if agreed == next { "new" } else { "old" };
            row(
                "hosts",
                &[
                    &format!("{}, {}", fault.name, words(*moment)),
                    &format!("exit {code} after {:.1} s{late}; the others on the {stands} release", took.as_secs_f64()),
                    &format!("next deploy: all three on it; 0 of {} requests to the others failed", report["sent"]),
                ],
            );
            version = next;
        }
    }
}

fn words(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "before the run",
        Moment::BeforeTheSwitch => "between start and switch",
        Moment::AfterTheSwitch => "between switch and commit",
    }
}

// spec: fault.hosts
#[test]
fn clocks_a_day_apart() {
    let fleet = Fleet::deployed("e2e-clock");
    let load = Fleet::load(&[1, 2, 3]);
    // The hosts of the lab have one clock; it is the operator's that is off.
    for off in ["+1d", "-1d"] {
        let version = format!("v{off}");
        fleet.version(&version);
        let deploy = command(fleet.app.path(), &["deploy", "--yes"]);
        let mut faked = Command::new("faketime");
        faked.args(["-f", off]).arg(deploy.get_program()).args(deploy.get_args());
        faked.envs(deploy.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = faked.env("DONT_FAKE_MONOTONIC", "1").output().expect("faketime runs");
        assert!(ran.status.success(), "{off}: {}", String::from_utf8_lossy(&ran.stderr));
        fleet.is_on(&version, &[1, 2, 3], off);
        fleet.migrated_once(&version, off);
    }
    // With the right clock again, what was made in the future is what was made before.
    fleet.version("v-now");
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    fleet.is_on("v-now", &[1, 2, 3], "clocks that agree again");
    let report = load.stop_without_a_failure(500);
    row(
        "hosts",
        &[
            "clock off by a day, ahead and behind",
            "exit 0",
            &format!("each deploy on all three; 0 of {} requests failed", report["sent"]),
        ],
    );
}

// spec: fault.unhealthy
#[test]
fn a_version_that_is_unhealthy_on_one_host() {
    let fleet = Fleet::deployed("e2e-unhealthy");
    fleet.app.write("stagecraft.yml", &fleet.app.read("stagecraft.yml").replace("job: before", "job: manual"));
    let settings = fleet.app.read("stagecraft.yml").replace("rollout: { bake", "rollout: { timeout: 4s, bake");
    fleet.app.write("stagecraft.yml", &settings);
    fleet.version("v1");
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    let load = Fleet::load(&[1, 2, 3]);
    fleet.version_with("bad", "ENV UNHEALTHY_ON=h3");
    let ran = stagecraft(fleet.app.path(), &["deploy", "--yes", "--json"]).exits(5);
    let failures = ran.summary()["failures"].to_string();
    assert!(failures.contains("h3") && failures.contains("503"), "{failures}");
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed = |event: &&serde_json::Value| event["type"] == "operation_ended" && event["outcome"] == "failed";
    let verdict = events.iter().find(failed).expect("a verdict");
    let back = events.iter().rfind(|event| event["type"] == "inverse_ended").expect("what was put back");
    let seconds = seconds_between(verdict, back);
    fleet.is_on("v1", &[1, 2, 3], "an unhealthy version");
    let report = load.stop_without_a_failure(300);
    let late = if seconds > 5.0 { " **(late)**" } else { "" };
    row(
        "versions",
        &[
            "unhealthy on one host of three",
            &format!("exit 5, cause shown; all on the old release {seconds:.1} s after the verdict{late}"),
            &format!("0 of {} requests failed", report["sent"]),
        ],
    );
}

// spec: fault.crash
#[test]
fn a_container_that_crashes_again_and_again() {
    let fleet = Fleet::deployed("e2e-crashes");
    fleet.app.write("stagecraft.yml", &fleet.app.read("stagecraft.yml").replace("job: before", "job: manual"));
    let compose = fleet.app.read("compose.yaml").replace("web: { build: . }", "web: { build: ., restart: always }");
    fleet.app.write("compose.yaml", &compose);
    fleet.version("v1");
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    let load = Fleet::load(&[1, 2, 3]);
    fleet.version_with("bad", "ENV EXIT_AFTER_MS=100\nENV EXIT_CODE=42");
    let ran = stagecraft(fleet.app.path(), &["deploy", "--yes", "--json"]).exits(5);
    let failures = ran.summary()["failures"].to_string();
    assert!(failures.contains("exit code 42"), "{failures}");
    let started = ran.event("operation_ended", "container.start");
    let verdict = ran.event("operation_ended", "ingress.enroll");
    // The first exit is 100 ms after the start.
    let seconds = seconds_between(&started, &verdict) - 0.1;
    fleet.is_on("v1", &[1, 2, 3], "a version that crashes");
    let report = load.stop_without_a_failure(200);
    let late = if seconds > 3.0 { " **(late)**" } else { "" };
    row(
        "versions",
        &[
            "crashes again and again at start",
            &format!("exit 5, exit code and log shown; verdict {seconds:.1} s after the first exit{late}"),
            &format!("0 of {} requests failed", report["sent"]),
        ],
    );
}

// spec: run.without
#[test]
fn a_deploy_without_a_dead_host() {
    let fleet = Fleet::deployed("e2e-without");
    lab::host(3, "kill");
    let load = Fleet::load(&[1, 2]);
    fleet.version("v2");
    let refused = stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(5);
    assert!(refused.stderr.contains("`--without h3`"), "{}", refused.stderr);
    assert_eq!(Fleet::agrees(&[1, 2], "a refusal"), "v1");
    stagecraft(fleet.app.path(), &["deploy", "--yes", "--without", "h1"]).exits(2);
    stagecraft(fleet.app.path(), &["deploy", "--yes", "--without", "h3"]).exits(0);
    fleet.is_on("v2", &[1, 2], "a deploy without h3");
    let status = stagecraft(fleet.app.path(), &["status"]).exits(0);
    assert!(status.stderr.contains("h3") && status.stdout.contains("h2"), "{}\n{}", status.stdout, status.stderr);
    // Back again too.
    stagecraft(fleet.app.path(), &["rollback", "--yes", "--without", "h3"]).exits(0);
    fleet.is_on("v1", &[1, 2], "a rollback without h3");
    switch_on(3);
    let status = stagecraft(fleet.app.path(), &["status"]).exits(0);
    assert!(status.stderr.contains("without h3; `stagecraft deploy` brings it there"), "{}", status.stderr);
    stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
    fleet.is_on("v2", &[1, 2, 3], "the debt");
    let status = stagecraft(fleet.app.path(), &["status"]).exits(0);
    assert!(!status.stderr.contains("without"), "{}", status.stderr);
    let report = load.stop_without_a_failure(300);
    row(
        "hosts",
        &[
            "power cut, and `deploy --without` it",
            "exit 0, the debt is in the release's record",
            &format!("next deploy: all three on it; 0 of {} requests to the others failed", report["sent"]),
        ],
    );
}
