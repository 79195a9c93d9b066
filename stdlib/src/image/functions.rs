//! `image::…` as recipes call it.

use std::collections::BTreeSet;

use super::transfer::{Lack, SendImages};
use crate::{
    facts::HostFacts,
    function::{Call, Function, Kind, Parameter, PlanError, Planning},
    model::{Application, HostName, Image},
    plan::Scope,
};

/// The images of a host that are looked at for layers, beside one for each image that it lacks.
const MORE_BASES: usize = 2;

pub const TRANSFER: Function = Function {
    module: "image",
    name: "transfer",
    docs: "Brings images to the hosts that lack them, all at once, before anything else changes.\n\n\
        Each host gets the images of the services that are placed on it, and the ingress's where it has a route and no \
        ingress yet. With `transfer: direct` each image is exported once from this machine's engine, and each host gets \
        only the layers that it lacks, compressed, over SSH. With `transfer: registry` each image is pushed once, and \
        the hosts pull it by digest. What has arrived is verified.\n\n\
        Appends nothing when every host has what it needs. Images that have been sent are not taken back by an undo.",
    parameters: &[Parameter { name: "images", kind: Kind::Images }, Parameter { name: "hosts", kind: Kind::Hosts }],
    options: None,
    call: transfer,
};

fn transfer(planning: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    scope.before_commit()?;
    let (images, hosts) = (call.images(0), call.hosts(1));
    let mut sent: Vec<Image> = Vec::new();
    let mut lacks: Vec<Lack> = Vec::new();
    for host in planning.facts.hosts.iter().filter(|host| hosts.contains(&host.name)) {
        let lacked = lacked(planning, host, images);
        if lacked.is_empty() {
            continue;
        }
        lacks.push(Lack {
            host: host.name.clone(),
            store: host.engine.store,
            images: lacked.iter().map(|image| image.digest.clone()).collect(),
            bases: bases(host, &lacked),
        });
        for image in lacked {
            if sent.iter().all(|other| other.digest != image.digest) {
                sent.push(image.clone());
            }
        }
    }
    if !lacks.is_empty() {
        scope.operation(None, &SendImages { via: planning.topology.transfer.clone(), images: sent, hosts: lacks });
    }
    Ok(())
}

/// The images that the host needs and does not have, each once.
fn lacked<'a>(planning: &Planning<'a>, host: &HostFacts, images: &'a [Image]) -> Vec<&'a Image> {
    let application = &planning.release.application;
    let placed = images.iter().filter(|image| is_placed(application, image, &host.name));
    let ingress = planning.ingress_image.filter(|_| needs_ingress(application, host));
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    placed.chain(ingress).filter(|image| !has(host, image) && seen.insert(&image.digest)).collect()
}

/// Whether a service with this image runs on the host. What no service has goes wherever the recipe sends it.
fn is_placed(application: &Application, image: &Image, host: &HostName) -> bool {
    let mut users = application.services.iter().filter(|service| service.image.digest == image.digest).peekable();
    users.peek().is_none() || users.any(|service| service.hosts.contains(host))
}

fn needs_ingress(application: &Application, host: &HostFacts) -> bool {
    let mut routed = application.services.iter().filter(|service| service.route.is_some());
    host.ingress.container.is_none() && routed.any(|service| service.hosts.contains(&host.name))
}

fn has(host: &HostFacts, image: &Image) -> bool {
    tags(host).any(|tag| *tag == image.tag())
}

/// The tags that Stagecraft has given to images on this host.
fn tags(host: &HostFacts) -> impl Iterator<Item = &String> {
    host.images.iter().flat_map(|image| &image.tags).filter(|tag| tag.starts_with("stagecraft/image:"))
}

/// Images of the host that most likely share layers with those that it lacks: for each the newest of the same name, then
/// the newest others of this project, then any.
fn bases(host: &HostFacts, lacked: &[&Image]) -> Vec<String> {
    let there: BTreeSet<&String> = tags(host).collect();
    let newest_first = host.state.releases.iter().rev().flat_map(|release| &release.application.services);
    let known: Vec<&Image> =
        newest_first.map(|service| &service.image).filter(|image| there.contains(&image.tag())).collect();
    let before = |image: &&Image| known.iter().find(|known| known.source == image.source).map(|known| known.tag());
    let all = lacked.iter().filter_map(before).chain(known.iter().map(|image| image.tag())).chain(tags(host).cloned());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    all.filter(|tag| seen.insert(tag.clone())).take(lacked.len() + MORE_BASES).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{TRANSFER, bases};
    use crate::{
        compose::Definition,
        facts::{Facts, HostFacts, ImageFact, StateFacts, fixture},
        function::{Argument, Call, Planning},
        image::forget_unused,
        model::{
            Application, EnvironmentName, Health, HostName, Image, IngressProvider, IngressSettings, ProjectName,
            Release, ReleaseId, Rollout, Route, RunId, Service, ServiceName, Tls, Topology, Transfer,
        },
        plan::Scope,
    };

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn image(source: &str, digest: &str) -> Image {
        Image { source: source.into(), digest: format!("sha256:{digest}"), platform: "linux/amd64".into() }
    }

    fn service(name: &str, image: Image, hosts: &[&str], route: Option<Route>) -> Service {
        Service {
            name: ServiceName::new(name).unwrap(),
            definition: Definition::default(),
            environment: [].into(),
            image,
            hosts: hosts.iter().map(|name| host(name)).collect(),
            replicas: 1,
            depends_on: vec![],
            route,
            health: Health::default(),
            rollout: Rollout::default(),
            job: None,
        }
    }

    fn release(number: u64, services: Vec<Service>) -> Release {
        Release {
            schema: Release::SCHEMA,
            id: ReleaseId { number, commit: None, dirty: false },
            predecessor: number.checked_sub(1).filter(|number| *number > 0),
            run: RunId::new("run").unwrap(),
            created: String::new(),
            author: String::new(),
            without: vec![],
            application: Application {
                project: ProjectName::new("shop").unwrap(),
                environment: EnvironmentName::new("default").unwrap(),
                services,
                networks: vec![],
                volumes: vec![],
            },
        }
    }

    fn facts(name: &str, digests: &[&str], releases: Vec<Release>) -> HostFacts {
        let tags = digests.iter().map(|digest| image("", digest).tag()).collect();
        HostFacts {
            images: vec![ImageFact { id: "sha256:id".into(), tags }],
            state: StateFacts { releases, ..StateFacts::default() },
            ..fixture::host(name)
        }
    }

    /// The operations that `image::transfer` plans for all hosts.
    fn transfer(release: &Release, hosts: Vec<HostFacts>, ingress: Option<&Image>) -> Vec<Value> {
        let topology = Topology {
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("default").unwrap(),
            hosts: vec![],
            home: host("web-1"),
            transfer: Transfer::Direct,
            ingress: IngressSettings { provider: IngressProvider::Haproxy, image: String::new(), http: 80, https: 443 },
            retain: 5,
        };
        let names = hosts.iter().map(|host| host.name.clone()).collect();
        let facts = Facts { hosts };
        let images = release.application.services.iter().map(|service| service.image.clone()).collect();
        let planning = Planning {
            topology: &topology,
            facts: &facts,
            application: &release.application,
            release,
            ingress_image: ingress,
            run: &release.run,
        };
        let mut scope = Scope::default();
        let call = Call { arguments: vec![Argument::Images(images), Argument::Hosts(names)], options: Value::Null };
        (TRANSFER.call)(&planning, &mut scope, &call).unwrap();
        let (root, _) = scope.finish().unwrap();
        root.operations().map(|planned| planned.args.clone()).collect()
    }

    fn route() -> Route {
        Route { host: "shop.example.com".into(), path: "/".into(), port: 80, tls: Tls::Off }
    }

    // spec: images.direct
    #[test]
    fn each_host_gets_what_it_lacks_of_the_services_placed_on_it() {
        let services = vec![
            service("web", image("shop-web", "aa"), &["web-1", "web-2"], Some(route())),
            service("db", image("postgres", "bb"), &["db-1"], None),
        ];
        let hosts = vec![facts("web-1", &["aa"], vec![]), facts("web-2", &["00"], vec![]), facts("db-1", &[], vec![])];
        let planned = transfer(&release(1, services), hosts, Some(&image("haproxy:3.2", "cc")));
        let expected = json!([{
            "via": "direct",
            "images": [
                { "source": "haproxy:3.2", "digest": "sha256:cc", "platform": "linux/amd64" },
                { "source": "shop-web", "digest": "sha256:aa", "platform": "linux/amd64" },
                { "source": "postgres", "digest": "sha256:bb", "platform": "linux/amd64" },
            ],
            "hosts": [
                { "host": "web-1", "store": "classic", "images": ["sha256:cc"], "bases": ["stagecraft/image:aa"] },
                { "host": "web-2", "store": "classic", "images": ["sha256:aa", "sha256:cc"], "bases": ["stagecraft/image:00"] },
                { "host": "db-1", "store": "classic", "images": ["sha256:bb"], "bases": [] },
            ],
        }]);
        assert_eq!(Value::Array(planned), expected);
    }

    #[test]
    fn nothing_is_planned_where_nothing_lacks() {
        let services = vec![service("web", image("shop-web", "aa"), &["web-1"], None)];
        assert_eq!(transfer(&release(1, services), vec![facts("web-1", &["aa"], vec![])], None), Vec::<Value>::new());
    }

    #[test]
    fn the_newest_image_of_the_same_name_is_the_first_base() {
        let old = |number, web: &str, api: &str| {
            let services = [("web", "shop-web", web), ("api", "shop-api", api)];
            release(
                number,
                services.map(|(name, source, digest)| service(name, image(source, digest), &[], None)).into(),
            )
        };
        let host = facts("web-1", &["ff", "a1", "b1", "a2", "b2"], vec![old(1, "a1", "b1"), old(2, "a2", "b2")]);
        let found = bases(&host, &[&image("shop-api", "b3")]);
        assert_eq!(found, ["stagecraft/image:b2", "stagecraft/image:a2", "stagecraft/image:a1"]);
    }

    #[test]
    fn only_unused_images_of_the_projects_own_releases_are_forgotten() {
        let web = |number, digest| release(number, vec![service("web", image("shop-web", digest), &[], None)]);
        // `ff` is another project's, `a1` was removed already.
        let host = facts("web-1", &["ff", "a2", "a3"], vec![web(1, "a1"), web(2, "a2"), web(3, "a3")]);
        let mut scope = Scope::default();
        forget_unused(&host, &BTreeSet::from(["stagecraft/image:a3".to_owned()]), &mut scope);
        scope.run_deferred();
        let (root, _) = scope.finish().unwrap();
        let planned: Vec<_> = root.operations().map(|planned| (planned.kind.as_str(), planned.args.clone())).collect();
        assert_eq!(planned, [("image.forget", json!({ "tags": ["stagecraft/image:a2"] }))]);
    }
}
