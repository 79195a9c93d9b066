//! A project that is not the sample: three services, two images, a stateful one, a job.

use crate::{
    app::App,
    lab::{self, Place},
    load::Load,
    stagecraft::stagecraft,
};

const HTTP: u16 = 8200;
const HOSTS: [Place; 3] = [Place::Host(1), Place::Host(2), Place::Host(3)];

/// `web` everywhere with a route, `worker` on host 2, `store` on host 1 with a volume, and the job `migrate` beside it.
fn shop() -> App {
    let app = App::empty("e2e-shop", &HOSTS);
    app.write(
        "compose.yaml",
        "services:\n  \
           web: { build: ., environment: { GREETING: hello } }\n  \
           worker: { build: { context: ., dockerfile: Dockerfile.worker }, depends_on: [web] }\n  \
           store:\n    image: e2e-shop-store:1\n    build: { context: ., dockerfile: Dockerfile.store }\n    volumes: [\"data:/data\"]\n    \
             environment: { DATA_DIR: /data }\n    stop_grace_period: 3s\n  \
           migrate:\n    build: { context: ., dockerfile: Dockerfile.migrate }\n    environment: { STORE_ADDR: \"store:5432\" }\n    depends_on: [store]\n\
         volumes: { data: {} }\n",
    );
    app.write("Dockerfile.store", "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\", \"store\"]\n");
    app.write(
        "stagecraft.yml",
        &app.manifest(
            HTTP,
            "  web:\n    replicas: 2\n    route: { host: shop.test, port: 8080, tls: off }\n    health: { path: /up }\n  \
               worker: { on: h2 }\n  \
               store:\n    on: h1\n    rollout: { strategy: stop-first }\n  \
               migrate: { on: h1, job: before }\n",
        ),
    );
    version(&app, "v1");
    app
}

fn version(app: &App, version: &str) {
    app.version(version);
    for verb in ["worker", "migrate"] {
        let program = if verb == "migrate" { "job" } else { verb };
        let text =
            format!("FROM scratch\nCOPY app /app\nENV VERSION={version}\nENTRYPOINT [\"/app\", \"{program}\"]\n");
        app.write(&format!("Dockerfile.{verb}"), &text);
    }
}

fn migrations() -> String {
    lab::ssh(1, "cat $(docker volume inspect -f '{{.Mountpoint}}' e2e-shop_data)/data.log")
}

// spec: deploy.jobs
// spec: deploy.stop-first
// spec: deploy.replicas
// spec: cli.status
// spec: cli.logs
// spec: cli.exec
#[test]
fn several_services_a_job_and_a_store() {
    let app = shop();
    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    assert_eq!(migrations(), "migrated v1\n");
    let address = |host| format!("{}:{HTTP}=100", lab::address(host));
    let load = Load::start(&[address(1), address(2), address(3)].join(","), "shop.test");
    version(&app, "v2");
    let deployed = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    let place = |kind, host, title| deployed.place(kind, host, title);
    let (first, second) =
        (place("operation_ended", "h1", "switch from"), place("operation_started", "h1", "start e2e-shop-web-r2-2"));
    assert!(first < second, "the second replica starts when the first has been switched to: {first}, {second}");
    assert_eq!(migrations(), "migrated v1\nmigrated v2\n");
    load.stop_without_a_failure(300);

    app.write("compose.yaml", &app.read("compose.yaml").replace("DATA_DIR: /data", "DATA_DIR: /data, TUNING: more"));
    let deployed = stagecraft(app.path(), &["deploy", "--yes", "--json"]).exits(0);
    let stopped = deployed.place("operation_ended", "h1", "stop e2e-shop-store");
    let started = deployed.place("operation_started", "h1", "start e2e-shop-store");
    assert!(stopped < started, "the old store has stopped before the new one starts: {stopped}, {started}");
    assert_eq!(migrations(), "migrated v1\nmigrated v2\nmigrated v2\n", "once per release");

    let status = stagecraft(app.path(), &["status"]).exits(0).stdout;
    assert_eq!(status.matches("running").count(), 8, "{status}");
    assert!(stagecraft(app.path(), &["logs", "worker"]).exits(0).stdout.contains("v2"));
    let merged = stagecraft(app.path(), &["logs", "web", "--grep", "listens", "--since", "10m"]).exits(0).stdout;
    let times: Vec<&str> = merged.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(times.len() >= 6 && times.is_sorted(), "all hosts' lines, by their time:\n{merged}");
    for host in ["h1", "h2", "h3"] {
        assert!(merged.contains(host), "{merged}");
    }
    let one = stagecraft(app.path(), &["logs", "web", "--host", "h2"]).exits(0).stdout;
    assert!(one.contains("h2") && !one.contains("h1"), "{one}");
    let greeting = stagecraft(app.path(), &["exec", "store", "/app", "tcpcheck", "127.0.0.1:5432"]).exits(0);
    assert_eq!(greeting.code, 0);
    for (host, containers) in [(1, 3), (2, 3), (3, 2)] {
        let shown = lab::ssh(host, "docker compose -p e2e-shop ps");
        assert_eq!(shown.lines().count(), containers + 1, "{shown}");
    }

    stagecraft(app.path(), &["rollback", "1", "--yes"]).exits(0);
    assert_eq!(migrations(), "migrated v1\nmigrated v2\nmigrated v2\n", "a rollback runs no job");
    assert!(stagecraft(app.path(), &["logs", "worker", "--tail", "3"]).exits(0).stdout.contains("v1"));
}
