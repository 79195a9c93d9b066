use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HealthStatusEnum, HostConfig, Ipam,
    IpamConfig, NetworkCreateRequest, NetworkingConfig, PortBinding,
};
use bytes::Bytes;

use super::{FakeHost, Script};
use crate::{
    host::{Host, HostError, ImageStore, LockHolder, Locked, LogQuery, Result},
    model::Span,
};

fn of(image: &str) -> ContainerCreateBody {
    ContainerCreateBody { image: Some(image.into()), ..Default::default() }
}

fn at(network: &str, address: &str) -> ContainerCreateBody {
    let ipam = EndpointIpamConfig { ipv4_address: Some(address.into()), ..Default::default() };
    let endpoint = EndpointSettings { ipam_config: Some(ipam), ..Default::default() };
    let endpoints = HashMap::from([(network.to_owned(), endpoint)]);
    ContainerCreateBody {
        networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
        ..of("web:1")
    }
}

fn network(name: &str, subnet: &str) -> NetworkCreateRequest {
    let config = IpamConfig { subnet: Some(subnet.into()), ..Default::default() };
    let ipam = Ipam { config: Some(vec![config]), ..Default::default() };
    NetworkCreateRequest { name: name.into(), ipam: Some(ipam), ..Default::default() }
}

fn status<T>(answer: Result<T>) -> Option<u16> {
    answer.err().and_then(|error| error.status())
}

fn with_image() -> FakeHost {
    let host = FakeHost::new("web-1");
    host.add_image("web:1");
    host
}

#[tokio::test]
async fn it_refuses_what_docker_refuses() {
    let host = with_image();
    assert_eq!(status(host.create_container("a", of("other:1")).await), Some(404));
    host.create_container("a", of("web:1")).await.unwrap();
    assert_eq!(status(host.create_container("a", of("web:1")).await), Some(409));
    assert_eq!(status(host.start_container("b").await), Some(404));
    assert_eq!(status(host.stop_container("b", Span::secs(1)).await), Some(404));
    assert_eq!(status(host.put_archive("b", "/", Bytes::new()).await), Some(404));
    assert_eq!(status(host.put_archive("a", "/nowhere", Bytes::new()).await), Some(404));
    assert_eq!(status(host.tag_image("other:1", "x:1").await), Some(404));
    assert_eq!(status(host.remove_image("web:1").await), Some(409));
    assert_eq!(status(host.pull_image("other:1", None).await), Some(404));
    assert_eq!(status(host.remove_volume("v").await), Some(404));
    assert_eq!(status(host.create_network(network("bridge", "10.0.0.0/24")).await), Some(409));
    host.create_container("in-none", at("nowhere", "10.0.0.2")).await.unwrap();
    assert_eq!(status(host.start_container("in-none").await), Some(404));
}

#[tokio::test]
async fn what_is_gone_is_no_error_where_the_trait_says_so() {
    let host = with_image();
    host.remove_container("a").await.unwrap();
    assert!(host.container("a").await.unwrap().is_none());
    assert!(host.image("other:1").await.unwrap().is_none());
    assert!(host.get_archive("a", "/").await.unwrap().is_none());
}

#[tokio::test]
async fn addresses_are_of_their_network_and_are_given_once() {
    let host = with_image();
    host.create_network(network("front", "10.9.0.0/24")).await.unwrap();
    assert_eq!(status(host.create_network(network("back", "10.9.0.128/25")).await), Some(403));
    for (name, address) in [("a", "10.9.0.7"), ("b", "10.9.0.7"), ("c", "10.8.0.7")] {
        host.create_container(name, at("front", address)).await.unwrap();
    }
    host.start_container("a").await.unwrap();
    assert_eq!(status(host.start_container("b").await), Some(403));
    assert_eq!(status(host.start_container("c").await), Some(400));
    let networks = host.container("a").await.unwrap().unwrap().network_settings.unwrap().networks.unwrap();
    assert_eq!(networks["front"].ip_address.as_deref(), Some("10.9.0.7"));
    assert_eq!(status(host.remove_network("front").await), Some(403));
    host.stop_container("a", Span::secs(1)).await.unwrap();
    host.start_container("b").await.unwrap();
}

#[tokio::test]
async fn a_published_port_is_given_once() {
    let host = with_image();
    let binding = PortBinding { host_port: Some("8080".into()), ..Default::default() };
    let ports = HashMap::from([("80/tcp".to_owned(), Some(vec![binding]))]);
    let host_config = HostConfig { port_bindings: Some(ports), ..Default::default() };
    let body = ContainerCreateBody { host_config: Some(host_config), ..of("web:1") };
    for name in ["a", "b"] {
        host.create_container(name, body.clone()).await.unwrap();
    }
    host.start_container("a").await.unwrap();
    assert_eq!(status(host.start_container("b").await), Some(500));
}

#[tokio::test]
async fn a_script_says_when_it_is_healthy_and_when_it_ends() {
    let host = with_image();
    host.script("web:1", Script { healthy_after: 2, log: vec!["hello".into()], ..Script::default() });
    let body = ContainerCreateBody { healthcheck: Some(HealthConfig::default()), ..of("web:1") };
    host.create_container("a", body).await.unwrap();
    host.start_container("a").await.unwrap();
    for expected in [HealthStatusEnum::STARTING, HealthStatusEnum::HEALTHY] {
        let state = host.container("a").await.unwrap().unwrap().state.unwrap();
        assert_eq!(state.health.unwrap().status, Some(expected));
    }
    let lines: Vec<_> = futures_util::StreamExt::collect(host.logs("a", LogQuery::default()).await.unwrap()).await;
    assert_eq!(lines.into_iter().map(|line| line.unwrap().text).collect::<Vec<_>>(), ["hello"]);

    host.script("web:1", Script { exits: Some((0, 3)), ..Script::default() });
    host.create_container("b", of("web:1")).await.unwrap();
    host.start_container("b").await.unwrap();
    assert_eq!(host.wait_container("b").await.unwrap(), 3);
}

#[tokio::test]
async fn waiting_ends_when_the_container_does_and_when_the_host_is_lost() {
    let host = with_image();
    host.create_container("a", of("web:1")).await.unwrap();
    host.start_container("a").await.unwrap();
    let (code, ()) = tokio::join!(host.wait_container("a"), async { host.exit_container("a", 137) });
    assert_eq!(code.unwrap(), 137);
    host.start_container("a").await.unwrap();
    let (code, ()) = tokio::join!(host.wait_container("a"), async { host.go_silent() });
    assert!(matches!(code, Err(HostError::Timeout { .. })));
}

#[tokio::test]
async fn files_live_in_the_volume_that_is_mounted_there() {
    let host = with_image();
    let host_config = HostConfig { binds: Some(vec!["state:/state:rw".into()]), ..Default::default() };
    host.create_container("a", ContainerCreateBody { host_config: Some(host_config), ..of("web:1") }).await.unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_size(2);
    tar.append_data(&mut header, "releases/1.json", &b"{}"[..]).unwrap();
    host.put_archive("a", "/state", tar.into_inner().unwrap().into()).await.unwrap();
    assert_eq!(host.file("state", "releases/1.json"), Some(Bytes::from_static(b"{}")));
    let archive = host.get_archive("a", "/state").await.unwrap().unwrap();
    let mut archive = tar::Archive::new(archive.as_ref());
    let paths: Vec<_> = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(paths, ["state", "state/releases", "state/releases/1.json"]);
    assert!(host.get_archive("a", "/state/releases/2.json").await.unwrap().is_none());
    assert_eq!(host.volumes().await.unwrap()[0].name, "state");
    assert_eq!(status(host.remove_volume("state").await), Some(409));
}

#[tokio::test]
async fn a_saved_image_is_loaded_elsewhere_as_the_same() {
    let (here, there) = (with_image(), FakeHost::new("web-2"));
    let archive = here.save_image("web:1").await.unwrap();
    let archive = futures_util::StreamExt::map(archive, |chunk| Ok(chunk.unwrap()));
    there.load_image(Box::pin(archive)).await.unwrap();
    let id = |image: Option<bollard::models::ImageInspect>| image.unwrap().id;
    assert_eq!(id(there.image("web:1").await.unwrap()), id(here.image("web:1").await.unwrap()));
}

#[tokio::test]
async fn a_load_without_its_layers_fails_and_the_containerd_store_keeps_what_is_broken() {
    let manifest = br#"[{"Config":"c","RepoTags":["web:2"],"Layers":["missing"]}]"#;
    let config = br#"{"rootfs":{"diff_ids":["sha256:00"]}}"#;
    let mut tar = tar::Builder::new(Vec::new());
    for (path, contents) in [("manifest.json", &manifest[..]), ("c", &config[..])] {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        tar.append_data(&mut header, path, contents).unwrap();
    }
    let tar = Bytes::from(tar.into_inner().unwrap());
    for (store, left) in [(ImageStore::Classic, false), (ImageStore::Containerd, true)] {
        let host = FakeHost::new("web-1");
        host.set_info(crate::host::EngineInfo { store, ..super::modern_engine() });
        let loaded = host.load_image(Box::pin(futures_util::stream::iter([Ok(tar.clone())]))).await;
        assert_eq!(status(loaded), Some(500));
        assert_eq!(host.image("web:2").await.unwrap().is_some(), left);
    }
}

#[tokio::test]
async fn failures_are_as_the_test_wants_them() {
    let host = with_image();
    let full = HostError::Engine {
        host: host.name().clone(),
        request: "create container a".into(),
        status: 500,
        message: "no space left on device".into(),
    };
    host.fail_next("create_container", full.clone());
    assert_eq!(host.create_container("a", of("web:1")).await, Err(full));
    host.lose_next("create_container");
    assert!(matches!(host.create_container("a", of("web:1")).await, Err(HostError::Lost { .. })));
    assert!(host.container("a").await.unwrap().is_some());
    assert_eq!(host.calls(), ["create_container a", "create_container a", "container a"]);
    assert_eq!(host.changes(), ["create_container a", "create_container a"]);
}

// spec: hosts.silent
#[tokio::test]
async fn a_silent_host_answers_nothing_and_loses_its_locks() {
    let host = with_image();
    let (run, who, since, what) = ("r1".into(), "ann@box".into(), "2026-01-02T03:04:05Z".into(), "deploy".into());
    let holder = LockHolder { run, who, since, what };
    let Locked::Held(guard) = host.lock("shop", &holder).await.unwrap() else { panic!("is free") };
    let Locked::Busy(found) = host.clone().lock("shop", &holder).await.unwrap() else { panic!("is held") };
    assert_eq!(found, Some(holder));
    assert!(guard.held());
    host.go_silent();
    guard.lost().await;
    assert!(!guard.held());
    assert!(matches!(host.info().await, Err(HostError::Timeout { .. })));
    assert!(matches!(host.create_container("a", of("web:1")).await, Err(HostError::Lost { .. })));
}
