//! Reads what the host's ingress is and does.

use crate::{
    facts::IngressFacts,
    host::{Host, HostError},
};

/// The ingress's container, its files and its runtime's account. Empty when there is none.
pub async fn read(host: &dyn Host) -> Result<IngressFacts, HostError> {
    let _ = host;
    todo!()
}
