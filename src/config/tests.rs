//! Mistakes as their user sees them.

use std::{fs, path::Path};

use serde_json::{Value, json};
use stdlib::{
    compose,
    model::{Image, JobTime, ProjectName, SecretKey, ServiceName, Span, Strategy, Tls},
};
use tempfile::TempDir;

use super::{
    Diagnostic, Project, Starter, StarterHost,
    compose::model,
    draft::Draft,
    findings::Findings,
    render::{self, Severity},
    sources::Sources,
};

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
fn routes_that_cannot_be() {
    let case = Case::new();
    let auto = "certificates by ACME (`tls: auto`, the default) are not available yet; write `tls` with `internal` (the \
                environment's own CA), `off` (plain HTTP) or `{ cert: FILE, key: FILE }`";
    case.refuses(
        &services("  web: { route: {} }\n  site: { route: { host: a.test, port: 1, tls: auto } }\n"),
        &[
            "8:10 the route has no `host`; add `host: shop.example.com`",
            "8:10 the route has no `port`; add `port: 3000`, the port that the container listens on",
            &format!("8:10 {auto}"),
            &format!("9:48 {auto}"),
        ],
    );
    case.refuses(&services("  web: { route: { host: \"a.test:80\", path: api, port: 80, tls: off } }\n"), &[
        "8:25 `a.test:80` is not a host name; write the host name alone; the ports of the ingress are `ingress.http` and `ingress.https`",
        "8:44 the path `api` does not begin with `/`; write `/api`",
    ]);
    let two = "  web: { route: { host: Shop.Test, path: /a/, port: 80, tls: off } }\n  \
                 site: { route: { host: shop.test, path: /a, port: 80, tls: off } }\n";
    case.refuses(
        &services(two),
        &["9:26 `site` has the route of `web`: shop.test/a; give one of them another `host` or `path`"],
    );
    case.refuses(&services(&two.replace("/a, port: 80, tls: off", "/b, port: 80, tls: internal")), &[
        "9:26 `site` and `web` have one host name and different `tls`; shop.test has one certificate: write the same `tls` for both",
    ]);
    case.refuses(&services("  web: { health: { path: /up } }\n  migrate: { job: before, replicas: 2 }\n"), &[
        "8:20 `health.path` is asked for at the route's port, and there is no route; add a `route`, or a `healthcheck` in the Compose file",
        "9:27 `migrate` is a job (line 9): it runs once, on one host, and has no `replicas`; remove `replicas` or `job`",
    ]);
}

/// What stands there goes into the ingress's configuration and commands.
#[test]
fn routes_that_the_ingress_cannot_hold() {
    let case = Case::new();
    let route = |host: &str, path: &str| {
        services(&format!("  web: {{ route: {{ host: \"{host}\", path: \"{path}\", port: 80, tls: off }} }}\n"))
    };
    let semicolon =
        "8:41 the ingress cannot route by a path with `;`, as in `/a;b`; write the segments before it, such as `/api`";
    case.refuses(&route("a.test", "/a;b"), &[semicolon]);
    for (written, read) in [(" ", " "), ("\\n", "\n"), ("\\x01", "\x01"), ("#", "#"), ("\\\"", "\""), ("\\\\", "\\")] {
        let path = format!(
            "8:41 `/a{read}b` is not the beginning of a URL's path; write whole segments, such as `/api`; other characters are percent-encoded"
        );
        case.refuses(&route("a.test", &format!("/a{written}b")), &[&path]);
        let health = format!(
            "  web: {{ route: {{ host: a.test, port: 80, tls: off }}, health: {{ path: \"/a{written}b\" }} }}\n"
        );
        let path = format!(
            "8:71 `/a{read}b` is not a URL's path; write a path such as `/up`, perhaps with a query; other characters are percent-encoded"
        );
        case.refuses(&services(&health), &[&path]);
    }
    for (written, read) in [(" ", " "), ("\\n", "\n"), (";", ";"), ("#", "#"), ("'", "'"), ("\\\"", "\"")] {
        let host = format!(
            "8:25 `a{read}b.test` is not a host name; write letters, digits, hyphens and dots, such as `shop.example.com`"
        );
        case.refuses(&route(&format!("a{written}b.test"), "/a"), &[&host]);
    }
    let health = "  web: { route: { host: a.test, path: \"/it's/a%3Bb\", port: 80, tls: off }, health: { path: \"/up?a=1;b\" } }\n";
    case.project(&services(health), None);
}

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

#[test]
fn images_ingress_and_files() {
    let case = Case::new();
    let more = "images: { transfer: registry }\ningress: { http: 443 }\ncompose: [a.yaml]\n";
    case.refuses(
        &format!("{}{more}", services("")),
        &[
            "8:21 `transfer: registry` needs the place to push to; add `registry: registry.example.com/shop`",
            "9:18 HTTP and HTTPS cannot both have port 443; give each its own, with `http` and `https`",
            "10:11 there is no file a.yaml; paths count from stagecraft.yml",
        ],
    );
    case.refuses(
        &format!("{}images: {{ registry: r.test }}\n", services("")),
        &["8:11 `registry` is for `transfer: registry`; add `transfer: registry`, or remove `registry`"],
    );
}

#[test]
fn a_certificate_is_seen_to_fit_its_key() {
    let case = Case::new();
    let write = |name: &str, text: &str| fs::write(case.directory.path().join(name), text).unwrap();
    let made = rcgen::generate_simple_self_signed(["s.test".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    write("site.crt", &certificate);
    write("site.key", &key);
    write("other.key", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    let text = |cert: &str, key: &str| {
        services(&format!("  site: {{ route: {{ host: s.test, port: 80, tls: {{ cert: {cert}, key: {key} }} }} }}\n"))
    };
    let project = case.project(&text("site.crt", "site.key"), None);
    let pem = project.values().files["tls/s.test"].expose();
    assert_eq!(pem, format!("{}\n{}\n", certificate.trim_end(), key.trim_end()));
    case.refuses(
        &text("site.crt", "other.key"),
        &["8:44 the private key is not the certificate's; the chain begins with the certificate of the key"],
    );
    case.refuses(&text("site.key", "site.crt"), &[
        "8:57 the file is not a certificate chain in PEM form; it begins with `-----BEGIN CERTIFICATE-----`",
        "8:72 the file is not a private key in PEM form; it begins with `-----BEGIN PRIVATE KEY-----` and has no passphrase",
    ]);
    case.refuses(
        &text("no.crt", "site.key"),
        &["8:57 no.crt cannot be read: No such file or directory (os error 2); paths count from stagecraft.yml"],
    );
}

#[test]
fn an_environment_overrides_key_by_key() {
    let case = Case::new();
    let text = services(
        "  web: { on: web, replicas: 2, route: { host: Shop.Example.com, path: /api/, port: 3000, tls: internal }, health: { path: /up } }
environments:
  production:
  staging:
    hosts: { one: { address: local, roles: [web, db] } }
    services: { web: { replicas: 1, route: { host: staging.example.com }, health: { interval: 5s } } }
",
    );
    let key = SecretKey::new([7; 32]);
    let project = case.project(&text, Some("staging"));
    let image = Image { source: "web".into(), digest: "sha256:1".into(), platform: "linux/amd64".into() };
    let images = project.builds().into_iter().map(|build| (build.service, image.clone())).collect();
    let application = project.application(&images, &key);
    let web = application.service(&ServiceName::new("web").unwrap()).unwrap();
    let route = web.route.as_ref().unwrap();
    assert_eq!(
        (route.host.as_str(), route.path.as_str(), route.port, &route.tls),
        ("staging.example.com", "/api", 3000, &Tls::Internal)
    );
    assert_eq!((web.replicas, web.health.path.as_deref(), web.health.interval), (1, Some("/up"), Span::secs(5)));
    assert_eq!(web.environment["TOKEN"], key.hash("tops3cret"));
    assert!(!format!("{project:?}").contains("tops3cret"));
    assert_eq!((project.compose.project.as_str(), project.topology.home.as_str()), ("shop-staging", "one"));

    let project = case.project(&text, Some("production"));
    assert_eq!(project.topology.hosts.len(), 2);
    let (_, errors, _) = case.load(&text, None);
    assert_eq!(
        lines(&errors),
        ["9:1 there are several environments: `production`, `staging`; choose one with `--env`"]
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

// spec: config.init
#[test]
fn what_init_writes_is_valid() {
    let mut case = Case::new();
    case.config["services"]["db"]["deploy"] = json!({ "replicas": 2 });
    case.config["services"]["site"]["container_name"] = json!("site");
    let starter = Starter { project: ProjectName::new("shop").unwrap(), model: compose::read(&case.config).unwrap() };
    let names = [(ServiceName::new("web").unwrap(), "shop.example.com".to_owned())].into();
    for hosts in [vec!["local"], vec!["deploy@10.0.0.1", "db.example.com:2222", "db.example.org", "[2001:db8::1]:22"]] {
        let hosts: Vec<StarterHost> = hosts.into_iter().map(|host| host.parse().unwrap()).collect();
        let text = starter.text(&hosts, &names);
        let (project, errors, _) = case.load(&text, None);
        assert_eq!(lines(&errors), [""; 0], "in:\n{text}");
        assert_eq!(project.unwrap().topology.hosts.len(), hosts.len());
    }
}

#[test]
fn without_hosts_there_is_this_machine() {
    let text = "version: 1\nproject: shop\nservices:\n  db: { rollout: { strategy: stop-first } }\n";
    let project = Case::new().project(text, None);
    assert_eq!(project.topology.home.as_str(), "local");
    assert_eq!(project.topology.hosts[0].address, stdlib::model::Address::Local);
}
