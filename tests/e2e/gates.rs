//! Runs that wait for a person, and that decide by what they find.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    app::App,
    lab::{self, Place},
    stagecraft::{Running, stagecraft, state},
};

const HTTP: u16 = 8700;

/// On two hosts, with version `v1` live, and a recipe that asks before it commits.
fn asking(project: &str, limit: &str) -> App {
    let app = App::web(project, &[Place::Host(1), Place::Host(2)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    stagecraft(app.path(), &["recipe", "eject", "deploy"]).exits(0);
    let asks = format!("approve(\"put it live?\", #{{ within: \"{limit}\" }});\nrelease::commit();");
    let recipe = app.read("recipes/deploy.rhai").replace("release::commit();", &asks);
    app.write("recipes/deploy.rhai", &recipe);
    app.version("v2");
    app
}

/// A deploy that waits for its answer.
fn waiting(app: &App) -> Running {
    let mut running = Running::start(app.path(), &["deploy", "--yes"]);
    running.until(&["\"type\":\"approval_asked\""]);
    // The lock is let go after it is said.
    let until = Instant::now() + Duration::from_secs(20);
    while !refused(app).contains("waits for an answer") {
        assert!(Instant::now() < until, "the lock is let go");
        sleep(Duration::from_millis(200));
    }
    running
}

/// What another deploy is told.
fn refused(app: &App) -> String {
    stagecraft(app.path(), &["deploy", "--yes"]).exits(7).stderr
}

#[track_caller]
fn live(version: &str) {
    for host in [1, 2] {
        assert_eq!(App::version_on(host, HTTP), version, "h{host}");
    }
}

fn outcome(stdout: &str) -> Value {
    let last = stdout.lines().last().expect("a summary");
    serde_json::from_str::<Value>(last).expect("JSON")["outcome"].clone()
}

// spec: gate.approve
#[test]
fn a_run_waits_for_a_person_and_keeps_others_out() {
    let app = asking("e2e-approve", "5m");
    let running = waiting(&app);
    let told = refused(&app);
    assert!(
        told.contains("put it live?") && told.contains("stagecraft approve") && told.contains("stagecraft undo"),
        "{told}"
    );
    stagecraft(app.path(), &["approve"]).exits(0);
    let (code, stdout) = running.end();
    assert_eq!((code, outcome(&stdout)), (Some(0), "done".into()), "{stdout}");
    live("v2");
    app.version("v3");
    let running = waiting(&app);
    stagecraft(app.path(), &["approve", "--deny"]).exits(0);
    let (code, stdout) = running.end();
    assert_eq!((code, outcome(&stdout)), (Some(5), "put_back".into()), "{stdout}");
    live("v2");
    stagecraft(app.path(), &["approve"]).exits(2);
    stagecraft(app.path(), &["deploy", "--yes", "--approve"]).exits(0);
    live("v3");
}

// spec: gate.approve
#[test]
fn without_an_answer_in_time_everything_is_put_back() {
    let app = asking("e2e-late", "3s");
    let ran = stagecraft(app.path(), &["deploy", "--yes"]).exits(5);
    assert!(ran.stderr.contains("nobody has answered within 3s: put it live?"), "{}", ran.stderr);
    live("v1");
}

// spec: gate.approve
#[test]
fn a_run_that_is_killed_while_it_waits_goes_on_with_the_answer() {
    let app = asking("e2e-killed-asking", "5m");
    waiting(&app).kill();
    assert!(refused(&app).contains("waits for an answer"));
    stagecraft(app.path(), &["approve"]).exits(0);
    stagecraft(app.path(), &["resume", "--yes"]).exits(0);
    live("v2");
    app.version("v3");
    waiting(&app).kill();
    let run =
        refused(&app).split("kept for run ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a run").to_owned();
    stagecraft(app.path(), &["undo", &run, "--yes"]).exits(0);
    live("v2");
    stagecraft(app.path(), &["approve"]).exits(2);
}

// spec: gate.approve
#[test]
fn an_answer_does_not_count_when_a_host_has_changed() {
    let app = asking("e2e-changed", "5m");
    let running = waiting(&app);
    lab::ssh(2, "docker network create e2e-changed-other");
    stagecraft(app.path(), &["approve"]).exits(0);
    let (code, stdout) = running.end();
    lab::ssh(2, "docker network rm e2e-changed-other");
    assert_eq!(code, Some(5), "{stdout}");
    assert!(stdout.contains("h2 has changed while it was asked"), "{stdout}");
    live("v1");
}

// spec: gate.choice
// spec: gate.check
#[test]
fn what_a_url_answers_decides() {
    let app = App::web("e2e-choice", &[Place::Host(1)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let url = format!("http://{}:{HTTP}/", lab::address(1));
    app.write(
        "recipes/try.rhai",
        &format!(
            "param(\"url\", #{{ fallback: \"{url}\" }});\nchoice(|| http::check(args.url, #{{ tries: 2, every: \"100ms\", status: 404 }}), #{{\n    \
             passed: || host::run(hosts(), \"echo passed >/tmp/e2e-arm\", #{{ repeatable: true }}),\n    \
             failed: || host::run(hosts(), \"echo failed >/tmp/e2e-arm\", #{{ repeatable: true }}),\n}});\n"
        ),
    );
    let shown = stagecraft(app.path(), &["plan", "try"]).exits(0).stdout;
    assert!(shown.contains("decided when the run gets there:") && shown.contains("failed:"), "{shown}");
    let arm = || lab::ssh(1, "cat /tmp/e2e-arm; rm /tmp/e2e-arm").trim().to_owned();
    // No route has this address as its name.
    stagecraft(app.path(), &["run", "try", "--yes"]).exits(0);
    assert_eq!(arm(), "passed");
    stagecraft(app.path(), &["run", "try", "--yes", "--arg", "url=http://127.0.0.1:1/"]).exits(0);
    assert_eq!(arm(), "failed");
}

/// The rollout, phase by phase, if the hosts want it. `then` comes behind it, decided as well.
fn deciding(app: &App, then: &str) {
    let rollout = "for service in app.services.in_order() {\n    if service.is_job {\n        compose::run_job(service);\n    } \
                   else {\n        rollout::replace(service);\n    }\n}\n";
    let recipe = app.read("recipes/deploy.rhai");
    assert!(recipe.contains(rollout), "{recipe}");
    let measured = format!(
        "step(\"measure\", || host::run(hosts(), \"cat /tmp/e2e-want\", #{{ repeatable: true }}));\n\
         let web = app.service(\"web\");\n\
         later(\"roll\", |results| {{\n    \
             let wanted = results[\"measure\"].filter(|r| r.output.stdout == \"go\");\n    \
             log(`${{wanted.len()}} of ${{results[\"measure\"].len()}} want it`);\n    \
             if wanted.is_empty() {{ fail(\"no host wants it\"); }}\n    \
             rollout::start(web);\n    rollout::ready(web);\n    ingress::switch(web);\n    rollout::retire(web);\n    {then}\n}});\n"
    );
    app.write("recipes/deploy.rhai", &recipe.replace(rollout, &measured));
}

fn want(word: &str) {
    for host in [1, 2] {
        lab::ssh(host, &format!("echo {word} >/tmp/e2e-want"));
    }
}

// spec: gate.later
#[test]
fn what_has_run_decides_what_comes_next() {
    let app = App::web("e2e-later", &[Place::Host(1), Place::Host(2)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    stagecraft(app.path(), &["recipe", "eject", "deploy"]).exits(0);
    deciding(&app, "");
    app.version("v2");
    want("go");
    let shown = stagecraft(app.path(), &["plan"]).exits(0).stdout;
    assert!(
        shown.contains("roll: by its closure, which may call ingress::switch, rollout::ready, rollout::retire"),
        "{shown}"
    );
    // The plan alone has what it takes to decide.
    stagecraft(app.path(), &["plan", "--out", "saved.json"]).exits(0);
    let recipe = app.read("recipes/deploy.rhai");
    app.write("recipes/deploy.rhai", "fail(\"not this one\");\n");
    let ran = stagecraft(app.path(), &["deploy", "--plan", "saved.json", "--yes"]).exits(0);
    app.write("recipes/deploy.rhai", &recipe);
    assert!(ran.stderr.contains("2 of 2 want it") && ran.stderr.contains("roll, decided: "), "{}", ran.stderr);
    live("v2");
    // What was retired is gone behind the commit.
    assert_eq!([1, 2].map(|host| app.containers(host)), [1, 1]);
    let told = stagecraft(app.path(), &["runs", "show"]).exits(0).stdout;
    assert!(told.contains("decide roll") && told.contains("start e2e-later-web"), "{told}");

    app.version("v3");
    want("no");
    let ran = stagecraft(app.path(), &["deploy", "--yes"]).exits(5);
    assert!(ran.stderr.contains("recipes/deploy.rhai:") && ran.stderr.contains("no host wants it"), "{}", ran.stderr);
    live("v2");
    assert_eq!([1, 2].map(|host| app.containers(host)), [1, 1]);
}

// spec: gate.later
#[test]
fn what_was_decided_is_gone_on_with_on_another_machine() {
    let app = App::web("e2e-later-gone", &[Place::Host(1), Place::Host(2)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    stagecraft(app.path(), &["recipe", "eject", "deploy"]).exits(0);
    let recipe = app.read("recipes/deploy.rhai");
    want("go");
    // Before it is decided, and behind the rollout that was decided on.
    for (version, inside) in [("v2", false), ("v3", true)] {
        let asks = "approve(\"go on?\");";
        app.write("recipes/deploy.rhai", &recipe);
        deciding(&app, if inside { asks } else { "" });
        if !inside {
            let asking =
                app.read("recipes/deploy.rhai").replace("step(\"measure\"", &format!("{asks}\nstep(\"measure\""));
            app.write("recipes/deploy.rhai", &asking);
        }
        app.version(version);
        waiting(&app).kill();
        // The machine is gone, and today's recipe is another one.
        std::fs::remove_dir_all(state(app.path())).unwrap();
        app.write("recipes/deploy.rhai", "fail(\"not this one\");\n");
        stagecraft(app.path(), &["resume", "--yes", "--approve"]).exits(0);
        live(version);
        assert_eq!([1, 2].map(|host| app.containers(host)), [1, 1]);
    }
    app.write("recipes/deploy.rhai", &recipe);
    deciding(&app, "approve(\"go on?\");");
    app.version("v4");
    waiting(&app).kill();
    std::fs::remove_dir_all(state(app.path())).unwrap();
    let told = refused(&app);
    let run = told.split("kept for run ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a run");
    stagecraft(app.path(), &["undo", run, "--yes"]).exits(0);
    live("v3");
    assert_eq!([1, 2].map(|host| app.containers(host)), [1, 1]);
}

// spec: gate.wait
#[test]
fn a_wait_ends_when_it_is_cancelled() {
    let app = App::web("e2e-wait", &[Place::Host(1)], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    app.write("recipes/pause.rhai", "wait(\"5m\");\n");
    let mut running = Running::start(app.path(), &["run", "pause", "--yes"]);
    running.until(&["operation_started", "wait 5m"]);
    lab::local(&format!("kill -INT {}", running.id()));
    let (code, stdout) = running.end();
    assert_eq!((code, outcome(&stdout)), (Some(130), "cancelled".into()), "{stdout}");
}
