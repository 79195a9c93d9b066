//! The images of a project, built or found on the operator's engine before there is a plan.

use std::{collections::BTreeMap, sync::Arc};

use stdlib::{
    failure::Failure,
    host::{self, Host, Hosts},
    image::{self, BuildRequest, Rebuild},
    model::{Address, HostName, HostSettings, Image, IngressProvider, ServiceName},
};

use super::CliError;
use crate::config::Project;

/// Which images a recipe's application has.
pub enum Images {
    /// Today's.
    Built(Built),
    /// Those of the live release: nothing is built.
    Live,
}

pub struct Built {
    /// The engine that has them.
    pub engine: Arc<dyn Host>,
    pub services: BTreeMap<ServiceName, Image>,
    pub ingress: Option<Image>,
    /// Those that were not there and have been built or pulled just now.
    pub made: Vec<Image>,
}

impl Images {
    pub fn ingress(&self) -> Option<&Image> {
        match self {
            Self::Built(built) => built.ingress.as_ref(),
            Self::Live => None,
        }
    }
}

/// The operator's own engine.
pub async fn operator() -> Result<Arc<dyn Host>, CliError> {
    let name = HostName::new("this-machine").expect("a valid name");
    let settings = HostSettings { name, address: Address::Local, roles: Vec::new(), labels: BTreeMap::new() };
    // Unlike a host, it cannot be gone without.
    Ok(host::connect(&settings).await.map_err(Failure::from)?)
}

/// Builds what has changed for the hosts' platform. Changes no host.
pub async fn build(
    project: &Project,
    hosts: &Hosts,
    operator: &Arc<dyn Host>,
    rebuild: Rebuild,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<Built, CliError> {
    let platform = platform(hosts)?;
    let builds = project.builds();
    let services = image::resolve(&project.compose, &builds, operator, &platform, rebuild, say);
    let ingress = async {
        let settings = &project.topology.ingress;
        if settings.provider == IngressProvider::None || !project.has_routes() {
            return Ok(None);
        }
        let service = ServiceName::new("ingress").expect("a valid name");
        let request = [BuildRequest { service: service.clone(), source: settings.image.clone(), build: None }];
        let resolved = image::resolve(&project.compose, &request, operator, &platform, Rebuild::Changed, say).await;
        Ok::<_, Failure>(Some(resolved?))
    };
    let (services, ingress) = tokio::try_join!(services, ingress)?;
    let ingress = ingress.and_then(|resolved| resolved.images.into_values().next());
    Ok(Built { engine: Arc::clone(operator), services: services.images, ingress, made: services.made })
}

/// The platform that all hosts report.
fn platform(hosts: &Hosts) -> Result<String, CliError> {
    let mut platforms = hosts.iter().map(|host| (host.name(), host.platform()));
    let (first, platform) = platforms.next().expect("an environment has a host");
    if let Some((other, differs)) = platforms.find(|(_, other)| *other != platform) {
        let message =
            format!("hosts of one environment have two platforms: {first} is {platform}, {other} is {differs}");
        return Err(Failure::new(message).hint("give each platform an environment of its own").into());
    }
    Ok(platform)
}
