//! What is worth a look in a project that is valid.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

const CONFIG: &str = "version: 1
project: shop
hosts:
  web-1: { address: 203.0.113.10, roles: [web] }
  db-1: { address: 203.0.113.12, roles: [db] }
services:
  web: { on: web }
  db: { on: db }
";

const COMPOSE: &str = "services:
  web:
    image: web
    depends_on: [db]
  db:
    image: db
";

/// A `docker` that says of the application what Docker Compose would.
const DOCKER: &str = r#"#!/bin/sh
cat << 'END'
{ "name": "shop", "services": {
  "web": { "image": "web", "depends_on": { "db": { "condition": "service_started", "required": true } } },
  "db": { "image": "db" } } }
END
"#;

// spec: config.diagnostics
#[test]
fn a_warning_is_no_error() {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in [("stagecraft.yml", CONFIG), ("compose.yaml", COMPOSE), ("docker", DOCKER)] {
        fs::write(place.path().join(name), text).unwrap();
    }
    fs::set_permissions(place.path().join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap());
    let mut stagecraft = Command::new(env!("CARGO_BIN_EXE_stagecraft"));
    stagecraft.current_dir(place.path()).env("PATH", path).env("NO_COLOR", "1");
    let told = stagecraft.args(["logs", "wbe"]).output().unwrap();
    assert_eq!(told.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(told.stderr).unwrap(),
        "\
warning: `web` depends on `db`, which does not run on `web-1`
 --> compose.yaml:4:18
  |
4 |                  db
  |                  ^^
  help: the name `db` resolves only on its own hosts: reach it by its host's address

1 warning
error: there is no service `wbe`
  next: there is: db, web
"
    );
}
