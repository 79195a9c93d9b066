//! Mistakes as their user sees them.

mod diagnostics;
mod hosts;
mod placement;
mod project;
mod routes;

use std::{fs, path::Path};

use serde_json::{Value, json};
use stdlib::compose;
use tempfile::TempDir;

use super::{Diagnostic, Project, draft::Draft, findings::Findings, sources::Sources};

/// What every case begins with; lines 1 to 5.
const HEAD: &str = "version: 1
project: shop
hosts:
  web-1: { address: 203.0.113.10, user: deploy, roles: [web] }
  db-1: { address: 203.0.113.12, roles: [db] }
";

const COMPOSE: &str = "services:
  web:
    image: web
    depends_on: [db]
  db:
    image: db
    volumes: [\"data:/data\"]
  migrate:
    image: web
    depends_on: [db]
  site:
    image: site
volumes:
  data:
";

/// What Docker Compose makes of `COMPOSE`.
fn config() -> Value {
    let needs_db = json!({ "db": { "condition": "service_started", "required": true } });
    json!({
        "name": "shop",
        "services": {
            "web": { "image": "web", "depends_on": needs_db, "environment": { "TOKEN": "tops3cret" } },
            "db": { "image": "db", "volumes": [{ "type": "volume", "source": "data", "target": "/data" }] },
            "migrate": { "image": "web", "depends_on": needs_db },
            "site": { "image": "site" },
        },
        "volumes": { "data": { "name": "shop_data" } },
    })
}

struct Case {
    directory: TempDir,
    config: Value,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("compose.yaml"), COMPOSE).unwrap();
        Self { directory, config: config() }
    }

    fn load(&self, text: &str, environment: Option<&str>) -> (Option<Project>, Vec<Diagnostic>, Vec<Diagnostic>) {
        let mut findings = Findings::new(super::FILE, text);
        let draft = Draft::read(self.directory.path(), text, environment, &mut findings);
        let project = draft.and_then(|draft| {
            let sources = Sources::read(self.directory.path(), &[]);
            draft.finish(compose::read(&self.config).unwrap(), &sources, &mut findings)
        });
        let (errors, warnings) = findings.in_order();
        (project, errors, warnings)
    }

    #[track_caller]
    fn project(&self, text: &str, environment: Option<&str>) -> Project {
        let (project, errors, _) = self.load(text, environment);
        project.unwrap_or_else(|| panic!("{}", lines(&errors).join("\n")))
    }

    /// Expects exactly these errors, each as `[FILE:]LINE:COLUMN message; help`.
    #[track_caller]
    fn refuses(&self, text: &str, expected: &[&str]) {
        let (project, errors, _) = self.load(text, None);
        assert_eq!(lines(&errors), expected, "in:\n{text}");
        assert!(project.is_none());
    }
}

fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    let line = |one: &Diagnostic| {
        let file = if one.file == Path::new(super::FILE) { String::new() } else { format!("{}:", one.file.display()) };
        let place = one.position().map_or("-".into(), |position| format!("{}:{}", position.line, position.column));
        format!("{file}{place} {}; {}", one.message, one.help.as_deref().unwrap_or("-"))
    };
    diagnostics.iter().map(line).collect()
}

/// Settings of services that are right for `COMPOSE`, from line 7.
const DB: &str = "  db: { on: db, rollout: { strategy: stop-first } }\n";

fn services(more: &str) -> String {
    format!("{HEAD}services:\n{DB}{more}")
}
