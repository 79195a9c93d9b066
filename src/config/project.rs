//! A project: one environment of stagecraft.yml held against its Compose files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use stdlib::{
    compose::ComposeCli,
    image::BuildRequest,
    model::{Application, EnvironmentName, Image, SecretKey, ServiceName, Topology, Values},
};

use super::Diagnostic;

/// A recipe bound to arguments and an environment under a name.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: String,
    /// A recipe's name, or a path of a `.rhai` file relative to the project directory.
    pub recipe: String,
    pub environment: Option<EnvironmentName>,
    pub args: BTreeMap<String, Value>,
}

/// One environment of a project, valid: every name resolves.
#[derive(Debug)]
pub struct Project {
    /// The directory of stagecraft.yml.
    pub directory: PathBuf,
    pub topology: Topology,
    pub compose: ComposeCli,
    pub pipelines: Vec<Pipeline>,
    // The rest is this module's own.
}

impl Project {
    /// The services in the order of the Compose file's names.
    pub fn services(&self) -> Vec<ServiceName> {
        todo!()
    }

    /// What has to be built or found before there is an application.
    pub fn builds(&self) -> Vec<BuildRequest> {
        todo!()
    }

    /// The application, once its images are known.
    pub fn application(&self, images: &BTreeMap<ServiceName, Image>, key: &SecretKey) -> Application {
        let _ = (images, key);
        todo!()
    }

    /// The values of today's files.
    pub fn values(&self) -> &Values {
        todo!()
    }
}

/// Reads stagecraft.yml in `directory` for one environment (the only one, when `None`), and the Compose files.
/// The warnings of a valid project stand beside it.
pub async fn load(directory: &Path, environment: Option<&str>) -> Result<(Project, Vec<Diagnostic>), Vec<Diagnostic>> {
    let _ = (directory, environment);
    todo!()
}
