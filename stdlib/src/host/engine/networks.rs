//! Networks and volumes.

use bollard::{
    models::{EndpointSettings, Network, NetworkConnectRequest, NetworkCreateRequest, Volume, VolumeCreateRequest},
    query_parameters::{ListNetworksOptions, ListVolumesOptions, RemoveVolumeOptions},
};

use super::{CHANGE, Engine, HostError, Result};

impl Engine {
    pub async fn networks(&self) -> Result<Vec<Network>> {
        self.ask("its networks", || self.docker.list_networks(None::<ListNetworksOptions>)).await
    }

    /// Engines before 25 (API 1.44) would make a second network of the same name; they are asked before.
    pub async fn create_network(&self, request: NetworkCreateRequest) -> Result<()> {
        let what = format!("create network {}", request.name);
        if !self.speaks(1, 44) {
            let taken = self.networks().await?.iter().any(|network| network.name.as_ref() == Some(&request.name));
            if taken {
                let message = format!("network with name {} already exists", request.name);
                return Err(HostError::Engine { host: self.place.host.clone(), request: what, status: 409, message });
            }
        }
        self.change(&what, CHANGE, self.docker.create_network(request)).await.map(|_| ())
    }

    pub async fn connect_network(&self, network: &str, container: &str, endpoint: EndpointSettings) -> Result<()> {
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        let what = format!("connect container {container} to network {network}");
        self.change(&what, CHANGE, self.docker.connect_network(network, request)).await
    }

    pub async fn remove_network(&self, name: &str) -> Result<()> {
        self.change(&format!("remove network {name}"), CHANGE, self.docker.remove_network(name)).await
    }

    pub async fn volumes(&self) -> Result<Vec<Volume>> {
        let list = self.ask("its volumes", || self.docker.list_volumes(None::<ListVolumesOptions>)).await?;
        Ok(list.volumes.unwrap_or_default())
    }

    pub async fn create_volume(&self, request: VolumeCreateRequest) -> Result<()> {
        let what = format!("create volume {}", request.name.as_deref().unwrap_or("without a name"));
        self.change(&what, CHANGE, self.docker.create_volume(request)).await.map(|_| ())
    }

    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        let remove = self.docker.remove_volume(name, None::<RemoveVolumeOptions>);
        self.change(&format!("remove volume {name}"), CHANGE, remove).await
    }
}
