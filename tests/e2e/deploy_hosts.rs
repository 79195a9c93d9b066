//! Three SSH hosts.

use crate::{
    app::App,
    lab::{self, Place},
    load::Load,
    stagecraft::stagecraft,
};

const HTTP: u16 = 8000;
const HOSTS: [Place; 3] = [Place::Host(1), Place::Host(2), Place::Host(3)];

fn everywhere() -> String {
    format!("{}:{HTTP}=200,{}:{HTTP}=50,{}:{HTTP}=50", lab::address(1), lab::address(2), lab::address(3))
}

// spec: deploy.hosts
// spec: hosts.ssh
// spec: images.direct
// spec: compose.ps
#[test]
fn v1_to_v2_on_three_hosts_under_load() {
    let app = App::web("e2e-hosts", &HOSTS, HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let load = Load::start(&everywhere(), "app.test");
    app.version("v2");
    let deployed = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    load.stop_without_a_failure(300);
    let summary = deployed.summary();
    assert_eq!(summary["outcome"], "done");
    for host in 1..=3 {
        let usage = &summary["hosts"][format!("h{host}")];
        assert!(usage["sessions"].as_u64().expect("a count") <= 6, "{summary:#}");
        let shown = lab::ssh(host, "docker compose -p e2e-hosts ps");
        assert_eq!(shown.lines().count(), 2, "one container: {shown}");
        assert!(shown.contains("web"), "{shown}");
    }
}

// spec: deploy.all-or-old
#[test]
fn one_unhealthy_host_puts_all_back() {
    let app = App::web("e2e-back", &HOSTS, HTTP);
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let before = app.snapshot();
    let load = Load::start(&everywhere(), "app.test");
    // Healthy on two hosts, and on the third its name makes it unhealthy.
    app.write(
        "stagecraft.yml",
        &app.read("stagecraft.yml")
            .replace("health: { path: /up }", "health: { path: /up }\n    rollout: { timeout: 4s }"),
    );
    app.version_with("v2", "ENV UNHEALTHY_ON=h3");
    let failed = stagecraft(app.path(), &["deploy", "--yes"]).exits(5);
    assert!(failed.stderr.contains("h3"), "{}", failed.stderr);
    let report = load.stop_without_a_failure(300);
    assert!(report["versions"].get("v2").is_none(), "{report:#}");
    assert_eq!(app.snapshot(), before);
}
