//! Facts for tests.

use super::{HostFacts, IngressFacts, StateFacts};
use crate::{
    host::{EngineInfo, ImageStore},
    model::HostName,
};

/// A host with an engine and nothing on it.
pub fn host(name: &str) -> HostFacts {
    HostFacts {
        name: HostName::new(name).unwrap(),
        engine: EngineInfo {
            version: "20.10.24".into(),
            api: "1.41".into(),
            platform: "linux/amd64".into(),
            directory: "/var/lib/docker".into(),
            store: ImageStore::Classic,
            desktop: false,
        },
        containers: vec![],
        networks: vec![],
        volumes: vec![],
        images: vec![],
        ingress: IngressFacts::default(),
        state: StateFacts::default(),
    }
}
