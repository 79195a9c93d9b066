//! `address: local`: this machine's engine, without SSH.

use crate::{app::App, lab::Place, load::Load, stagecraft::stagecraft};

const HTTP: u16 = 18080;

// spec: deploy.local
// spec: hosts.local
// spec: ingress.switch
// spec: deploy.rollback
#[test]
fn v1_to_v2_and_back_under_load() {
    let app = App::web("e2e-local", &[Place::Here], HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let load = Load::start(&format!("127.0.0.1:{HTTP}=200"), "app.test");
    app.version("v2");
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    stagecraft(app.path(), &["rollback", "--yes"]).exits(0);
    let report = load.stop_without_a_failure(200);
    assert!(report["versions"]["v1"].as_u64().expect("v1 answered") > 0, "{report:#}");
    assert!(report["versions"]["v2"].as_u64().expect("v2 answered") > 0, "{report:#}");
    let listed = stagecraft(app.path(), &["releases"]).exits(0).stdout;
    assert!(listed.contains('3') && listed.contains("live"), "{listed}");
}

// spec: plan.nothing
// spec: plan.check
#[test]
fn what_runs_already_is_left_alone() {
    let app = App::web("e2e-nothing", &[Place::Here], HTTP);
    stagecraft(app.path(), &["plan", "--check"]).exits(4);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let before = app.snapshot();
    let again = stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    stagecraft(app.path(), &["plan", "--check"]).exits(0);
    assert_eq!(app.snapshot(), before);
}
