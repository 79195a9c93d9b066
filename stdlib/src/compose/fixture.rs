//! An application of one service on one host, for tests.

use std::collections::BTreeMap;

use super::{
    Definition,
    definition::{Attachment, Mount},
};
use crate::{
    facts::{Facts, HostFacts, fixture},
    function::{Argument, Call, Function, PlanError, Planning},
    model::{
        Address, Application, Dependency, DependencyCondition, EnvironmentName, Health, HostName, HostSettings, Image,
        IngressProvider, IngressSettings, KeyedHash, Network, NetworkName, NetworkSpec, ProjectName, Release,
        ReleaseId, Rollout, RunId, Service, ServiceName, Topology, Transfer, Volume, VolumeName, VolumeSpec,
    },
    plan::{Planned, Scope},
};

pub fn host_name() -> HostName {
    HostName::new("h1").unwrap()
}

pub fn service() -> Service {
    let data = Mount::Volume {
        source: VolumeName::new("data").unwrap(),
        target: "/data".into(),
        read_only: false,
        nocopy: false,
    };
    let attachment = Attachment { aliases: vec!["www".into()], ipv4_address: None };
    Service {
        name: ServiceName::new("web").unwrap(),
        definition: Definition {
            volumes: vec![data],
            networks: BTreeMap::from([(NetworkName::new("default").unwrap(), attachment)]),
            ..Definition::default()
        },
        environment: BTreeMap::from([("PASSWORD".into(), KeyedHash("ab12".into()))]),
        image: Image { source: "web".into(), digest: "sha256:c0ffee00c0ffee00".into(), platform: "linux/amd64".into() },
        hosts: vec![host_name()],
        replicas: 1,
        depends_on: vec![Dependency {
            service: ServiceName::new("db").unwrap(),
            condition: DependencyCondition::ServiceHealthy,
        }],
        route: None,
        health: Health::default(),
        rollout: Rollout::default(),
        job: None,
    }
}

pub fn release(service: Service) -> Release {
    let default = NetworkSpec::Created {
        driver: None,
        internal: false,
        labels: BTreeMap::from([("l".into(), "m".into())]),
        ipam: None,
    };
    let data = VolumeSpec::Created { driver: None, driver_opts: BTreeMap::new(), labels: BTreeMap::new() };
    Release {
        schema: Release::SCHEMA,
        id: ReleaseId { number: 12, commit: None, dirty: false },
        predecessor: Some(11),
        run: RunId::new("run-1").unwrap(),
        created: "2026-11-24T15:00:00Z".into(),
        author: "me@here".into(),
        without: vec![],
        application: Application {
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("default").unwrap(),
            services: vec![service],
            networks: vec![Network {
                key: NetworkName::new("default").unwrap(),
                name: "shop_default".into(),
                spec: default,
            }],
            volumes: vec![Volume { key: VolumeName::new("data").unwrap(), name: "shop_data".into(), spec: data }],
        },
    }
}

pub fn empty_host() -> HostFacts {
    fixture::host(host_name().as_str())
}

/// What a function appends for the release's service on the one host, and the lines of the change table.
pub fn plan(
    function: &Function,
    release: &Release,
    host: HostFacts,
    argument: Argument,
) -> Result<(Vec<Planned>, Vec<String>), PlanError> {
    let settings = HostSettings { name: host_name(), address: Address::Local, roles: vec![], labels: BTreeMap::new() };
    let topology = Topology {
        project: release.application.project.clone(),
        environment: release.application.environment.clone(),
        hosts: vec![settings],
        home: host_name(),
        transfer: Transfer::Direct,
        ingress: IngressSettings { provider: IngressProvider::None, image: String::new(), http: 80, https: 443 },
        retain: 5,
    };
    let facts = Facts { hosts: vec![host] };
    let planning = Planning {
        topology: &topology,
        facts: &facts,
        application: &release.application,
        release,
        ingress_image: None,
        run: &release.run,
    };
    let mut scope = Scope::default();
    let call = Call { arguments: vec![argument], options: serde_json::Value::Null };
    (function.call)(&planning, &mut scope, &call)?;
    scope.run_deferred();
    let (root, changes) = scope.finish().expect("nothing deferred");
    let changes = changes.iter().map(|change| format!("{} {} {}", change.action.symbol(), change.host, change.subject));
    Ok((root.operations().cloned().collect(), changes.collect()))
}
