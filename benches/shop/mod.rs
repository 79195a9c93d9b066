//! An application with a bit of everything, on hosts in memory.

mod deploy;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use stdlib::{
    compose::{Attachment, Definition, HealthCheck},
    host::{
        CommandOutput, Host, Hosts,
        fake::{FakeHost, Script},
    },
    ingress::authority,
    model::{
        Address, Application, Dependency, DependencyCondition, EnvironmentName, Health, HostName, HostSettings,
        Identity, Image, IngressProvider, IngressSettings, JobTime, Network, NetworkName, NetworkSpec, ProjectName,
        Rollout, Route, SecretKey, SecretValue, Service, ServiceName, Strategy, Tls, Topology, Transfer, Values,
    },
};

use crate::haproxy::Haproxy;

const PASSWORD: &str = "PASSWORD";
const SECRET: &str = "correct horse battery staple";
const INGRESS: &str = "haproxy:3.2";

/// The project, the operator's engine and the hosts.
pub struct Shop {
    pub topology: Arc<Topology>,
    pub hosts: Hosts,
    pub operator: Arc<dyn Host>,
    pub ingress: Image,
    pub identity: Identity,
    pub fakes: Vec<FakeHost>,
    engine: FakeHost,
}

impl Shop {
    pub async fn new(hosts: u32, retain: u32) -> Self {
        let fakes: Vec<FakeHost> = (1..=hosts).map(|number| machine(&format!("web-{number:03}"))).collect();
        let engine = FakeHost::new("this-machine");
        let topology = Topology {
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("default").unwrap(),
            hosts: fakes.iter().map(settings).collect(),
            home: fakes[0].name().clone(),
            transfer: Transfer::Direct,
            ingress: IngressSettings {
                provider: IngressProvider::Haproxy,
                image: INGRESS.into(),
                http: 80,
                https: 443,
            },
            retain,
        };
        let authority = authority::generate("shop").unwrap();
        Self {
            topology: Arc::new(topology),
            hosts: Hosts::new(fakes.iter().map(FakeHost::host).collect()),
            operator: engine.host(),
            ingress: image(&engine, INGRESS).await,
            identity: Identity { key: SecretKey::new([7; 32]), authority },
            engine,
            fakes,
        }
    }

    /// `web` and `worker` on all hosts, `db` and the job `migrate` on the first: with images of this version.
    pub async fn application(&self, version: u32) -> Application {
        let everywhere: Vec<HostName> = self.topology.hosts.iter().map(|host| host.name.clone()).collect();
        let home = vec![self.topology.home.clone()];
        let (shop, postgres) =
            (image(&self.engine, &format!("shop:{version}")).await, image(&self.engine, "postgres:18").await);
        let tools = image(&self.engine, &format!("shop-tools:{version}")).await;
        self.fakes[0].script(&tools.tag(), Script { exits: Some((0, 0)), ..Script::default() });
        let db = Service {
            definition: Definition { container_name: Some("shop-db".into()), ..checked() },
            rollout: Rollout { strategy: Strategy::StopFirst, ..Rollout::default() },
            ..self.service("db", &postgres, &home, &[])
        };
        let migrate = Service {
            definition: joined(),
            job: Some(JobTime::Before),
            ..self.service("migrate", &tools, &home, &["db"])
        };
        let web = Service {
            definition: joined(),
            replicas: 2,
            route: Some(Route { host: "shop.test".into(), path: "/".into(), port: 3000, tls: Tls::Internal }),
            health: Health { path: Some("/up".into()), ..Health::default() },
            ..self.service("web", &shop, &everywhere, &["migrate"])
        };
        let worker = self.service("worker", &shop, &everywhere, &["migrate"]);
        Application {
            project: self.topology.project.clone(),
            environment: self.topology.environment.clone(),
            services: vec![db, migrate, web, worker],
            networks: vec![Network {
                key: network(),
                name: "shop_default".into(),
                spec: NetworkSpec::Created { driver: None, internal: false, labels: BTreeMap::new(), ipam: None },
            }],
            volumes: vec![],
        }
    }

    fn service(&self, name: &str, image: &Image, hosts: &[HostName], needs: &[&str]) -> Service {
        let dependency = |need: &&str| Dependency {
            service: ServiceName::new(*need).unwrap(),
            condition: DependencyCondition::ServiceStarted,
        };
        Service {
            name: ServiceName::new(name).unwrap(),
            definition: checked(),
            environment: BTreeMap::from([(PASSWORD.to_owned(), self.identity.key.hash(SECRET))]),
            image: image.clone(),
            hosts: hosts.to_vec(),
            replicas: 1,
            depends_on: needs.iter().map(dependency).collect(),
            route: None,
            health: Health::default(),
            rollout: Rollout::default(),
            job: None,
        }
    }
}

/// The values of the services.
pub fn values() -> Values {
    let names = ["db", "migrate", "web", "worker"].map(|name| ServiceName::new(name).unwrap());
    let own = || BTreeMap::from([(PASSWORD.to_owned(), SecretValue::new(SECRET))]);
    Values { environment: names.map(|name| (name, own())).into(), files: BTreeMap::new() }
}

/// A host with an engine and nothing else.
fn machine(name: &str) -> FakeHost {
    let host = FakeHost::new(name);
    let mut haproxy = Haproxy::default();
    host.on_socket(move |_, request| Some(haproxy.answer(request)));
    // What is asked for is the group that may use the engine's socket.
    host.on_shell(|_, _| CommandOutput { code: Some(0), stdout: Bytes::from_static(b"999\n"), stderr: Bytes::new() });
    host
}

fn settings(host: &FakeHost) -> HostSettings {
    HostSettings {
        name: host.name().clone(),
        address: Address::Ssh {
            address: format!("{}.shop.test", host.name()),
            user: None,
            port: None,
            identity: None,
            known_hosts: None,
            jump: None,
        },
        roles: vec!["web".into()],
        labels: BTreeMap::new(),
    }
}

/// An image of the operator's engine, under the name that a build gives it.
async fn image(engine: &FakeHost, source: &str) -> Image {
    let digest = engine.add_image(source);
    let image = Image { source: source.into(), digest, platform: "linux/amd64".into() };
    engine.tag_image(source, &image.tag()).await.unwrap();
    image
}

fn network() -> NetworkName {
    NetworkName::new("default").unwrap()
}

fn joined() -> Definition {
    Definition { networks: BTreeMap::from([(network(), Attachment::default())]), ..Definition::default() }
}

fn checked() -> Definition {
    let test = vec!["CMD".to_owned(), "/app".to_owned(), "check".to_owned()];
    Definition { healthcheck: Some(HealthCheck { test, ..HealthCheck::default() }), ..joined() }
}
