//! Faults of a host, at three moments of a deploy: before it, between start and switch, and between switch and commit.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{fleet::Fleet, full, rows::row};
use crate::{
    lab,
    stagecraft::{Running, stagecraft},
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

const FAULTS: [Fault; 6] = [
    Fault { name: "power cut", host: 3, strike: |host| lab::host(host, "kill"), heal: switch_on },
    Fault { name: "silence", host: 3, strike: |host| lab::host(host, "isolate"), heal: |host| lab::host(host, "join") },
    Fault { name: "reboot", host: 3, strike: reboot, heal: wait_for },
    Fault { name: "full disk", host: 2, strike: |host| lab::host(host, "fill"), heal: |host| lab::host(host, "empty") },
    Fault { name: "engine restart", host: 3, strike: |host| lab::host(host, "engine"), heal: wait_for },
    Fault { name: "ingress killed", host: 3, strike: kill_ingress, heal: wait_for },
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
        let moments = if full() { &Moment::ALL[..] } else { &Moment::ALL[number % 3..=number % 3] };
        for moment in moments {
            let after = format!("{} {moment:?}", fault.name);
            let next = format!("{}-{moment:?}", fault.name.replace(' ', "-"));
            let others: Vec<u8> = (1..=3).filter(|host| *host != fault.host).collect();
            let load = fleet.load(&others);
            // So that there is something to see of both moments.
            fleet.version_with(&next, "ENV SLOW_START_MS=1500");
            let (code, took, said) = strike(&fleet, fault, *moment);
            let agreed = fleet.agrees(&others, &after);
            assert!(agreed == version || agreed == next, "{after}: {agreed}");
            if code == 0 {
                assert_eq!(agreed, next, "{after}: {said}");
            } else {
                assert!([5, 6].contains(&code), "{after}: exit {code}: {said}");
                assert!(said.contains(&format!("h{}", fault.host)), "{after} does not name the host: {said}");
            }
            (fault.heal)(fault.host);
            stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
            fleet.is_on(&next, &[1, 2, 3], &after);
            fleet.migrated_once(&next, &after);
            let report = load.stop_without_a_failure(100);
            let late = if code != 0 && took > ERROR_WITHIN { " **(late)**" } else { "" };
            row(
                "hosts",
                &[
                    &format!("{}, {}", fault.name, words(*moment)),
                    &format!("exit {code} after {:.1} s{late}; h{} on {agreed}", took.as_secs_f64(), others[0]),
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
