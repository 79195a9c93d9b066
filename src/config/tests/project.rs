//! The project as a whole.

use serde_json::json;
use stdlib::{
    compose,
    model::{Image, ProjectName, SecretKey, ServiceName, Span, Tls},
};

use super::{Case, lines, services};
use crate::config::{Starter, StarterHost};

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
