//! What runs where, and how often.

use serde_json::json;
use stdlib::model::{JobTime, ProjectName, ServiceName, Strategy};

use super::{Case, HEAD, lines, services};

#[test]
fn what_cannot_run_twice_says_so_and_is_placed() {
    let mut case = Case::new();
    case.refuses(&format!("{HEAD}services:\n  db: {{ replicas: 2 }}\n"), &[
        "7:3 `db` cannot run twice at once: it has the volume data; add to `db`: `rollout: { strategy: stop-first }`",
        "7:3 `db` keeps data in the volume data, and no host is named for it; add to `db` one of: `on: web-1`, `on: db-1`",
        "7:19 `db` cannot have 2 replicas: it has the volume data; write `replicas: 1`",
    ]);
    let site = "compose.yaml:11:3 `site` cannot run twice at once: it has port 8080";
    case.config["services"]["site"]["ports"] =
        json!([{ "mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp" }]);
    case.refuses(
        &services(""),
        &[&format!(
            "{site}; add under `services` in stagecraft.yml: `site: {{ rollout: {{ strategy: stop-first }} }}`"
        )],
    );
    case.project(&services("  site: { rollout: { strategy: stop-first } }\n"), None);
    case.refuses(
        &services("  site: { rollout: { strategy: stopfirst } }\n"),
        &["8:32 `stopfirst` is not a choice here; did you mean `stop-first`?"],
    );
}

#[test]
fn defaults_and_the_place_of_a_job() {
    let case = Case::new();
    let (project, _, warnings) = case.load(&services("  migrate: { job: before }\n"), None);
    let project = project.unwrap();
    let placed = |name: &str| &project.placed[&ServiceName::new(name).unwrap()];
    let hosts = |name: &str| placed(name).hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(hosts("site"), ["web-1", "db-1"]);
    assert_eq!(hosts("migrate"), ["db-1"], "beside what it depends on");
    assert_eq!((placed("migrate").job, placed("db").rollout.strategy), (Some(JobTime::Before), Strategy::StopFirst));
    assert_eq!((project.topology.retain, project.topology.ingress.image.as_str()), (5, "haproxy:3.2"));
    assert_eq!(project.topology.project, ProjectName::new("shop").unwrap());
    assert_eq!(
        project.services().iter().map(ServiceName::as_str).collect::<Vec<_>>(),
        ["db", "migrate", "site", "web"]
    );
    assert_eq!(
        lines(&warnings),
        [
            "compose.yaml:4:18 `web` depends on `db`, which does not run on `web-1`; the name `db` resolves only on its own hosts: \
         reach it by its host's address",
        ]
    );
}
