//! Plans that are saved, releases that come back, and what of secrets is seen.

use crate::{
    app::App,
    lab::{self, Place},
    stagecraft::{stagecraft, state},
};

const HTTP: u16 = 8400;

// spec: plan.saved
// spec: plan.render
#[test]
fn a_saved_plan() {
    let app = App::web("e2e-saved", &[Place::Host(1)], HTTP);
    let shown = stagecraft(app.path(), &["plan", "--out", "first.plan"]).exits(0).stdout;
    assert!(shown.contains("+ ") && shown.contains("h1") && shown.contains("web"), "{shown}");
    stagecraft(app.path(), &["deploy", "--yes", "--plan", "first.plan"]).exits(0);
    assert_eq!(App::version_on(1, HTTP), "v1");
    app.version("v2");
    let shown = stagecraft(app.path(), &["plan", "--out", "second.plan"]).exits(0).stdout;
    assert!(shown.contains("± ") && shown.contains("image"), "{shown}");
    // Something happens to the host in between.
    app.version("v3");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let before = app.snapshot();
    let refused = stagecraft(app.path(), &["deploy", "--yes", "--plan", "second.plan"]).exits(5);
    assert!(refused.stderr.contains("h1") && refused.stderr.contains("plan"), "{}", refused.stderr);
    assert_eq!(app.snapshot(), before);
}

// spec: deploy.rollback
#[test]
fn a_rollback_brings_its_own_configuration() {
    let app = App::web("e2e-rollback", &[Place::Host(1), Place::Host(2)], HTTP);
    let environment = |value: &str| {
        app.write(
            "compose.yaml",
            &format!("services:\n  web:\n    build: .\n    environment:\n      GREETING: {value}\n"),
        );
    };
    environment("first-value");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    environment("second-value");
    app.version("v2");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let environment_of = || {
        lab::ssh(
            1,
            "docker inspect -f '{{.Config.Env}}' $(docker ps -q --filter label=com.docker.compose.project=e2e-rollback)",
        )
    };
    assert!(environment_of().contains("GREETING=second-value"));
    // Today's files do not matter: they do not even build.
    app.write("Dockerfile", "FROM scratch\nCOPY missing /\n");
    stagecraft(app.path(), &["rollback", "--yes"]).exits(0);
    assert!(environment_of().contains("GREETING=first-value"));
    assert_eq!(App::version_on(2, HTTP), "v1");
    let releases = stagecraft(app.path(), &["releases", "--json"]).exits(0).stdout;
    assert_eq!(releases.matches("\"type\":\"release\"").count(), 3, "{releases}");
    assert!(releases.lines().next().expect("a line").contains("\"number\":1"), "{releases}");
    stagecraft(app.path(), &["rollback", "2", "--yes"]).exits(0);
    assert!(environment_of().contains("GREETING=second-value"));
    stagecraft(app.path(), &["rollback", "99", "--yes"]).exits(5);
}

// spec: cli.exit-codes
#[test]
fn with_nothing_to_go_back_to() {
    let app = App::web("e2e-first", &[Place::Host(1)], HTTP);
    let refused = stagecraft(app.path(), &["rollback", "--yes"]).exits(5);
    assert!(refused.stderr.contains("has no release to go back from"), "{}", refused.stderr);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let before = app.snapshot();
    let refused = stagecraft(app.path(), &["rollback", "--yes"]).exits(5);
    assert!(refused.stderr.starts_with("error: there is no release to go back to: 1"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("-->") && !refused.stderr.contains("recipe"), "{}", refused.stderr);
    assert_eq!(app.snapshot(), before);
}

// spec: plan.secrets
#[test]
fn values_are_seen_nowhere() {
    let app = App::web("e2e-secrets", &[Place::Host(1)], HTTP);
    let secret = "tops3cret";
    let mut seen = Vec::new();
    for args in [&["plan", "--json", "-v"][..], &["deploy", "--yes", "--json", "-v"], &["plan", "--out", "some.plan"]] {
        let ran = stagecraft(app.path(), args).exits(0);
        seen.push(format!("{}{}", ran.stdout, ran.stderr));
    }
    app.write("compose.yaml", "services:\n  web:\n    build: .\n    environment:\n      SECRET: an0thersecret\n");
    let plan = stagecraft(app.path(), &["plan"]).exits(0);
    assert!(plan.stdout.contains("environment SECRET"), "{}", plan.stdout);
    seen.push(format!("{}{}{}", plan.stdout, plan.stderr, app.read("some.plan")));
    for entry in walkdir::WalkDir::new(state(app.path()).join("stagecraft")) {
        let entry = entry.expect("a readable directory");
        if entry.file_type().is_file() {
            seen.push(std::fs::read_to_string(entry.path()).expect("text"));
        }
    }
    // What the state holds is root's alone, and labels are for everyone to see.
    seen.push(lab::ssh(1, "docker ps -a --no-trunc --format '{{.Labels}} {{.Command}}'"));
    for text in seen {
        assert!(!text.contains(secret) && !text.contains("an0thersecret"), "{text}");
    }
    let open = lab::ssh(
        1,
        "find $(docker volume inspect -f '{{.Mountpoint}}' e2e-secrets-stagecraft-state) -type f -perm /077",
    );
    assert_eq!(open, "", "files of the state that others can read");
}

// spec: deploy.removed
#[test]
fn a_service_that_left_the_application() {
    let app = App::web("e2e-removed", &[Place::Host(1)], HTTP);
    let compose = app.read("compose.yaml");
    app.write("compose.yaml", &format!("{compose}  extra:\n    build: .\n    command: [worker]\n"));
    app.version_with("v1", "");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert_eq!(app.containers(1), 2);
    app.write("compose.yaml", &compose);
    let plan = stagecraft(app.path(), &["plan"]).exits(0).stdout;
    assert!(plan.lines().any(|line| line.contains("- ") && line.contains("extra")), "{plan}");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert_eq!(app.containers(1), 1);
}
