//! What the facts say of a service's backend.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::Member;
use crate::{
    facts::{HostFacts, ServerFact},
    function::{PlanError, Planning},
    model::{HostName, Service},
};

/// The lowest address of the ingress network that no container has and that is not in `taken`.
pub fn allocate(host: &HostFacts, taken: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr, PlanError> {
    let _ = (host, taken);
    todo!()
}

/// The servers of the service's backend on this host, by the runtime's account.
pub fn in_pool<'a>(planning: &Planning<'a>, host: &HostName, service: &Service) -> Vec<&'a ServerFact> {
    let _ = (planning, host, service);
    todo!()
}

/// Whether the host's ingress (container, fragment, maps and runtime) is exactly as it should be when `members` serve.
pub fn is_current(planning: &Planning<'_>, host: &HostName, service: &Service, members: &[Member]) -> bool {
    let _ = (planning, host, service, members);
    todo!()
}
