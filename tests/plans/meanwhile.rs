//! Something else changes a host between the plan and its run: the operation that was planned on it refuses, and names it.

use bollard::models::{ContainerCreateBody, NetworkCreateRequest};
use stagecraft::engine::{self, Outcome};
use stdlib::{host::Host, plan::Plan};

use super::World;

/// Runs a plan on which something else has worked in between; what it says, when everything was put back.
async fn refused(world: &World, plan: &Plan) -> String {
    let (outcome, failures) = world.run(plan, engine::library()).await.unwrap_err();
    assert_eq!(outcome, Outcome::PutBack, "{failures:?}");
    failures.into_iter().next().expect("a failure")
}

fn first_host(world: &World) -> std::sync::Arc<dyn Host> {
    world.shop.fakes[0].host()
}

// spec: plan.precondition
#[tokio::test]
async fn a_network_of_the_name() {
    let mut world = World::new().await;
    let application = world.without_job(1).await;
    let plan = world.plan("deploy", application).await;
    let host = first_host(&world);
    let request = NetworkCreateRequest { name: "shop_default".into(), ..NetworkCreateRequest::default() };
    host.create_network(request).await.unwrap();
    assert_eq!(
        refused(&world, &plan).await,
        "network shop_default on web-001 was made by something else since the plan was made"
    );
    let networks = host.networks().await.unwrap();
    assert!(networks.iter().any(|network| network.name.as_deref() == Some("shop_default")), "it is not ours to remove");
}

// spec: plan.precondition
#[tokio::test]
async fn a_container_of_the_name() {
    let mut world = World::deployed().await;
    let application = world.without_job(2).await;
    let plan = world.plan("deploy", application).await;
    let start = plan.root.operations().find(|planned| planned.kind == "container.start").expect("a start").clone();
    let name = start.args["spec"]["name"].as_str().expect("a name").to_owned();
    let host = world.shop.hosts.get(start.host.as_ref().expect("a host")).expect("it is there");
    let image = host.containers().await.unwrap().into_iter().find_map(|container| container.image);
    host.create_container(&name, ContainerCreateBody { image, ..ContainerCreateBody::default() }).await.unwrap();
    assert_eq!(
        refused(&world, &plan).await,
        format!("a container named {name} is there already, made by something else")
    );
    assert!(host.container(&name).await.unwrap().is_some(), "it is not ours to remove");
}
