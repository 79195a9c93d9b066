//! Connects to a host as declared.

use std::sync::Arc;

use super::{Host, Result, local, ssh};
use crate::model::{Address, HostSettings};

/// Connects within 10 s, and asks the engine who it is.
pub async fn connect(settings: &HostSettings) -> Result<Arc<dyn Host>> {
    match &settings.address {
        Address::Local => local::connect(&settings.name).await,
        Address::Ssh { .. } => ssh::connect(settings).await,
    }
}
