//! What engines before 25 (API 1.44) don't know of a request to create a container.

use bollard::models::{ContainerCreateBody, EndpointSettings};

/// Names what an old engine would drop without a word.
pub fn check_for_old_engine(body: &ContainerCreateBody) -> Result<(), &'static str> {
    let health = body.healthcheck.as_ref();
    if health.and_then(|health| health.start_interval).is_some_and(|interval| interval != 0) {
        return Err("healthcheck.start_interval");
    }
    let mounts = body.host_config.iter().flat_map(|host| host.mounts.iter().flatten());
    for options in mounts.filter_map(|mount| mount.volume_options.as_ref()) {
        if options.subpath.as_ref().is_some_and(|path| !path.is_empty()) {
            return Err("a volume's subpath");
        }
    }
    Ok(())
}

/// Leaves the network of the container's `NetworkMode` in the request, and returns the others in the order of their names.
pub fn keep_first_network(body: &mut ContainerCreateBody) -> Vec<(String, EndpointSettings)> {
    let mode = body.host_config.as_ref().and_then(|host| host.network_mode.clone());
    let Some(endpoints) = body.networking_config.as_mut().and_then(|config| config.endpoints_config.as_mut()) else {
        return Vec::new();
    };
    let first = mode.filter(|mode| endpoints.contains_key(mode)).or_else(|| endpoints.keys().min().cloned());
    let mut later: Vec<_> = endpoints.extract_if(|name, _| Some(name) != first.as_ref()).collect();
    later.sort_by(|one, other| one.0.cmp(&other.0));
    later
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::{ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, NetworkingConfig};

    use super::{check_for_old_engine, keep_first_network};

    fn in_networks(names: &[&str], mode: &str) -> ContainerCreateBody {
        let endpoints: HashMap<_, _> =
            names.iter().map(|name| ((*name).to_owned(), EndpointSettings::default())).collect();
        ContainerCreateBody {
            host_config: Some(HostConfig { network_mode: Some(mode.into()), ..Default::default() }),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
            ..Default::default()
        }
    }

    #[test]
    fn the_network_of_the_mode_stays_and_the_others_come_later() {
        let mut body = in_networks(&["shop_default", "ingress", "back"], "shop_default");
        let later: Vec<String> = keep_first_network(&mut body).into_iter().map(|(name, _)| name).collect();
        assert_eq!(later, ["back", "ingress"]);
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(endpoints.into_keys().collect::<Vec<_>>(), ["shop_default"]);
    }

    #[test]
    fn a_container_without_networks_is_left_alone() {
        assert!(keep_first_network(&mut ContainerCreateBody::default()).is_empty());
    }

    #[test]
    fn what_an_old_engine_would_drop_is_named() {
        let health = HealthConfig { start_interval: Some(1), ..Default::default() };
        let body = ContainerCreateBody { healthcheck: Some(health), ..Default::default() };
        assert_eq!(check_for_old_engine(&body), Err("healthcheck.start_interval"));
        assert_eq!(check_for_old_engine(&in_networks(&["a"], "a")), Ok(()));
    }
}
