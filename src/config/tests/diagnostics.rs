//! Mistakes of a file's form and names, with their place.

use std::fs;

use serde_json::json;

use super::{COMPOSE, Case, lines, services};
use crate::config::{
    compose::model,
    render::{self, Severity},
    sources::Sources,
};

// spec: config.diagnostics
#[test]
fn all_mistakes_are_shown_at_once_with_place_caret_and_help() {
    let text =
        "version: 1\nproject: shop\nretain: many\nservices:\n  db: { on: local, rollout: { stratgy: stop-first } }\n";
    let (_, errors, _) = Case::new().load(text, None);
    let shown = anstream::adapter::strip_str(&render::all(Severity::Error, &errors)).to_string();
    assert_eq!(
        shown,
        "\
error: this should be a whole number from 1 to 100, not the text `many`
 --> stagecraft.yml:3:9
  |
3 | retain: many
  |         ^^^^

error: `db` cannot run twice at once: it has the volume data
 --> stagecraft.yml:5:3
  |
5 |   db: { on: local, rollout: { stratgy: stop-first } }
  |   ^^
  help: add to `db`: `rollout: { strategy: stop-first }`

error: unknown key `stratgy`
 --> stagecraft.yml:5:31
  |
5 |   db: { on: local, rollout: { stratgy: stop-first } }
  |                               ^^^^^^^
  help: did you mean `strategy`?

3 errors
"
    );
}

// spec: config.diagnostics
#[test]
fn texts_that_are_not_yaml() {
    let bomb = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("{text}a{level}: &a{level} [{inner}]\n")
    });
    let too_much = "more than a configuration may hold: 20000 values, 32 levels, aliases counted in full; write it without \
                    anchors and aliases";
    let cases = [
        ("", "- the file is empty; `stagecraft init` writes one".to_owned()),
        ("# nothing\n", "- the file is empty; `stagecraft init` writes one".to_owned()),
        ("services: [\n  web: {}\n", "1:11 not valid YAML: unclosed bracket '['; -".to_owned()),
        (
            "hosts:\n\tweb: {}\n",
            "2:2 not valid YAML: tabs disallowed within this context (block indentation); indent with spaces"
                .to_owned(),
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2:1 a second YAML document begins here; remove the `---`: one file holds one document".to_owned(),
        ),
        ("project: !!js shop\n", "1:15 not valid YAML: unsupported tag `!!js`; -".to_owned()),
        ("hosts: *all\n", "1:8 not valid YAML: alias references unknown anchor; -".to_owned()),
        (&bomb, format!("5:10 {too_much}")),
    ];
    for (text, expected) in cases {
        let case = Case::new();
        let (_, errors, _) = case.load(text, None);
        assert_eq!(lines(&errors), [expected], "in:\n{text}");
    }
}

// spec: config.diagnostics
#[test]
fn keys_and_types() {
    let case = Case::new();
    case.refuses("hosts:\n", &[
        "1:1 `version` is missing; add `version: 1`",
        "1:1 `project` is missing; add `project: NAME`",
        "1:1 there is no value: this should be a map of names; -",
        "compose.yaml:5:3 `db` cannot run twice at once: it has the volume data; add under `services` in stagecraft.yml: `db: { rollout: { strategy: stop-first } }`",
    ]);
    case.refuses(
        &format!("{}version: 2\n", services("")),
        &[
            "8:1 `version` stands twice; it is on line 1 already: keep one",
            "8:10 this should be `1`, the version of the format, not the number 2; -",
        ],
    );
    case.refuses(&services("").replace("shop", "My Shop"), &[
        "2:10 `My Shop` is not a valid project name: lower-case letters, digits and hyphens, at most 63, not beginning with a hyphen; -",
    ]);
    case.refuses(
        &services("  web: { rout: {}, replicas: yes, on: [db, 5] }\n"),
        &[
            "8:10 unknown key `rout`; did you mean `route`?",
            "8:30 this should be a whole number from 1 to 100, not the text `yes`; -",
            "8:44 this should be text, not the number 5; write it in quotes: `\"5\"`",
        ],
    );
    case.refuses(
        &services("  web: { rollout: { drain: 30, timeout: 1 min, strategy: bluegreen } }\n"),
        &[
            "8:28 this should be a duration such as `30s`, not the number 30; -",
            "8:41 `1 min` is not a duration; write a whole number with ms, s, m or h, such as `30s`; -",
            "8:58 `bluegreen` is not a choice here; known here: `rolling`, `stop-first`",
        ],
    );
    case.refuses(&services("  web:\n  web: {}\n"), &["9:3 `web` stands twice; it is on line 8 already: keep one"]);
    case.refuses(&services("  web: [web]\n"), &["8:8 this should be a map of settings, not a list; -"]);
}

// spec: config.names
#[test]
fn names_that_do_not_exist() {
    let case = Case::new();
    case.refuses(
        &services("  wbe: { on: wbe }\n  migrate: { on: [db, mars] }\n"),
        &[
            "8:3 the Compose files have no service `wbe`; did you mean `web`?",
            "8:14 there is no role or host `wbe`; did you mean `web`?",
            "9:23 there is no role or host `mars`; known here: `db`, `db-1`, `web`, `web-1`",
        ],
    );
    let more =
        "state: db-2\npipelines:\n  release: { recipe: deploy, environment: prod }\nenvironments:\n  production:\n";
    case.refuses(
        &format!("{}{more}", services("")),
        &[
            "8:8 there is no host `db-2`; did you mean `db-1`?",
            "10:43 there is no environment `prod`; known here: `production`",
        ],
    );
    let (_, errors, _) = case.load(&format!("{}{more}", services("")).replace("db-2", "db-1"), Some("productoin"));
    assert_eq!(lines(&errors)[1..], ["11:1 there is no environment `productoin`; did you mean `production`?"]);
}

// spec: config.names
#[test]
fn a_service_under_a_profile_that_is_off_is_told_from_one_that_is_not_there() {
    let mut case = Case::new();
    case.config["services"].as_object_mut().unwrap().remove("site");
    case.refuses(&services("  site: {}\n"), &[
        "8:3 the Compose files have no service `site`; it is under a Compose profile: switch that on with `profiles`",
    ]);
}

// spec: compose.unsupported
#[test]
fn a_compose_key_that_is_not_supported_is_shown_at_its_line() {
    let mut case = Case::new();
    let text = COMPOSE.replace("    image: site\n", "    image: site\n    tty: true\n    privileged: true\n");
    fs::write(case.directory.path().join("compose.yaml"), text).unwrap();
    case.config["services"]["site"]["privileged"] = json!(true);
    case.config["services"]["site"]["tty"] = json!(true);
    let mistakes = model(&case.config, &Sources::read(case.directory.path(), &[])).unwrap_err();
    let mut places: Vec<String> = lines(&mistakes);
    places.sort();
    assert!(places[0].starts_with("compose.yaml:13:5 ") && places[0].contains("tty"), "{places:?}");
    assert!(places[1].starts_with("compose.yaml:14:5 ") && places[1].contains("privileged"), "{places:?}");
    assert_eq!(places.len(), 2, "{places:?}");
}
