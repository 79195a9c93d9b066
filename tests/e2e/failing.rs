//! What fails, and what is left then.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    app::App,
    lab::{self, Place},
    load::Load,
    stagecraft::{Running, command, seconds_between, stagecraft},
};

const HTTP: u16 = 8300;
const HOSTS: [Place; 3] = [Place::Host(1), Place::Host(2), Place::Host(3)];

// spec: deploy.crash
// spec: run.undo
#[test]
fn a_container_that_dies_at_start() {
    let app = App::web("e2e-crash", &HOSTS, HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let before = app.snapshot();
    app.version_with("v2", "ENV EXIT_AFTER_MS=200\nENV EXIT_CODE=42");
    let failed = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(5);
    let said = failed.summary()["failures"].to_string();
    for word in ["exit code 42", "cannot go on", "not out of memory", "last check"] {
        assert!(said.contains(word), "`{word}` is not in {said}");
    }
    // From the start of the container to the verdict, by the run's own events.
    let started = failed.event("operation_ended", "container.start");
    let verdict = failed.event("operation_ended", "ingress.enroll");
    assert_eq!(verdict["outcome"], "failed", "{verdict:#}");
    let seconds = seconds_between(&started, &verdict);
    assert!(seconds < 3.2, "{seconds} s from the start to the verdict");
    assert_eq!(app.snapshot(), before);
}

// spec: run.undo
// spec: deploy.all-or-old
#[test]
fn a_scaled_service_serves_on_when_a_later_one_fails() {
    let app = App::web("e2e-scaled", &HOSTS, HTTP);
    let worker = "  worker:\n    build: { context: ., dockerfile: Dockerfile.worker }\n    depends_on: [web]\n";
    app.write("compose.yaml", &(app.read("compose.yaml") + worker));
    app.write("stagecraft.yml", &app.read("stagecraft.yml").replace("ingress:", "  worker: {}\ningress:"));
    let dockerfile = "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\", \"worker\"]\n";
    app.write("Dockerfile.worker", dockerfile);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let before = app.snapshot();
    app.write("stagecraft.yml", &app.read("stagecraft.yml").replace("  web:\n", "  web:\n    replicas: 2\n"));
    app.write("Dockerfile.worker", &dockerfile.replace("worker", "no-such-verb"));
    let address = |host| format!("{}:{HTTP}=100", lab::address(host));
    let load = Load::start(&[address(1), address(2), address(3)].join(","), "app.test");
    let failed = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(5);
    for operation in ["ingress.switch", "container.start"] {
        assert_eq!(failed.event("operation_ended", operation)["outcome"], "ok");
        assert!(failed.event("inverse_ended", operation)["failure"].is_null());
    }
    load.stop_without_a_failure(300);
    assert_eq!(app.snapshot(), before);
}

// spec: hosts.silent
#[test]
fn a_host_that_falls_silent() {
    let app = App::web("e2e-silent", &HOSTS, HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    app.version_with("v2", "ENV SLOW_START_MS=4000");
    let mut deploy = Running::start(app.path(), &["deploy", "--yes"]);
    // In the middle of the wait for the new containers.
    deploy.until(&["operation_ended", "container.start", "\"h3\""]);
    lab::host(3, "isolate");
    let began = Instant::now();
    let (code, text) = deploy.end();
    lab::host(3, "join");
    assert_eq!(code, Some(6), "what h3 has cannot be known: {text}");
    assert!(text.contains("h3"), "{text}");
    // 15 s to notice, then the tries to undo there.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    for host in [1, 2] {
        assert_eq!(app.running(host), 1, "h{host} is back on the old release");
    }
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    for host in 1..=3 {
        assert_eq!(app.running(host), 1, "the next deploy converges on h{host}");
    }
}

// spec: deploy.converges
// spec: run.resume
#[test]
fn a_run_that_was_killed() {
    let app = App::web("e2e-killed", &HOSTS, HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    for (number, after) in [300_u64, 900, 1500, 2200].into_iter().enumerate() {
        app.version_with(&format!("v{number}"), "ENV SLOW_START_MS=1000");
        let mut child = command(app.path(), &["deploy", "--yes"]).spawn().expect("stagecraft runs");
        sleep(Duration::from_millis(after));
        child.kill().expect("SIGKILL");
        child.wait().expect("it is gone");
        // Every second time the run itself goes on, where it had begun.
        if number % 2 == 1 {
            let resumed = stagecraft(app.path(), &["resume", "--yes"]);
            assert!([0, 2].contains(&resumed.code), "{}\n{}", resumed.stdout, resumed.stderr);
        }
        stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
        for host in 1..=3 {
            assert_eq!(app.containers(host), 1, "one container on h{host}, and none that is stopped");
            assert_eq!(App::version_on(host, HTTP), format!("v{number}"));
        }
    }
}

// spec: run.lock
#[test]
fn two_deploys_at_once() {
    let app = App::web("e2e-lock", &HOSTS, HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    app.version_with("v2", "ENV SLOW_START_MS=4000");
    let mut first = Running::start(app.path(), &["deploy", "--yes"]);
    first.until(&["operation_ended", "container.start"]);
    let second = stagecraft(app.path(), &["deploy", "--yes"]).exits(7);
    for word in ["deploy", "since", "--wait"] {
        assert!(second.stderr.contains(word), "`{word}` is not in:\n{}", second.stderr);
    }
    let third = stagecraft(app.path(), &["deploy", "--yes", "--wait", "60s"]).exits(0);
    assert!(third.stdout.contains("nothing to do"), "{}", third.stdout);
    assert_eq!(first.end().0, Some(0));
    // A killed holder leaves no lock.
    app.version_with("v3", "ENV SLOW_START_MS=4000");
    let mut killed = Running::start(app.path(), &["deploy", "--yes"]);
    killed.until(&["operation_ended", "container.start"]);
    killed.kill();
    sleep(Duration::from_secs(1));
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
}
