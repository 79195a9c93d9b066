//! Hosts.

use serde_json::json;

use super::{Case, services};

#[test]
fn hosts_that_cannot_be() {
    let case = Case::new();
    let hosts = "  here: { address: local, port: 22 }\n  there: { address: local }\n  web 2: { address: x }\n  db-2: { address: deploy@203.0.113.13 }\n  \
                   db-3: { address: -oProxyCommand=x }\n  db-4: { user: root }\n";
    case.refuses(
        &services("").replace("services:", &format!("{hosts}services:")),
        &[
            "6:27 `port` is for SSH, and `address: local` is the engine of this machine; remove `port`",
            "7:3 `there` is the same machine as `here`; give one host several roles instead",
            "8:3 `web 2` is not a valid host name: letters, digits, `.`, `_` and `-`, not beginning with `-` or `.`; -",
            "9:20 the SSH user stands in the address; write `address: 203.0.113.13, user: deploy`",
            "10:20 `-oProxyCommand=x` cannot be given to SSH; write a name without spaces that does not begin with `-`",
            "11:3 `address` is missing; add `address: HOST`",
        ],
    );
    case.refuses(
        &services("  web: { on: db-1 }\n").replace("roles: [web]", "roles: [db-1]"),
        &["8:14 `db-1` is a host, and a role of `web-1`; give the role another name"],
    );
}

#[test]
fn without_hosts_there_is_this_machine() {
    let text = "version: 1\nproject: shop\nservices:\n  db: { rollout: { strategy: stop-first } }\n";
    let project = Case::new().project(text, None);
    assert_eq!(project.topology.home.as_str(), "local");
    assert_eq!(project.topology.hosts[0].address, stdlib::model::Address::Local);
}

#[test]
fn files_of_this_machine_are_not_on_a_host() {
    let mut case = Case::new();
    let source = case.directory.path().join("html").display().to_string();
    case.config["services"]["site"]["volumes"] =
        json!([{ "type": "bind", "source": source, "target": "/html", "bind": { "create_host_path": true } }]);
    case.refuses(&services(""), &[
        "compose.yaml:11:3 `site` mounts ./html, which is on this machine and not on `web-1`; copy it into the image, or use a named volume",
    ]);
    let local = services("").replace("203.0.113.10, user: deploy", "local");
    case.project(&format!("{local}  site: {{ on: web }}\n"), None);
}
