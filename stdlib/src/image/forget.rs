//! Removes images that no kept release uses.

use std::collections::BTreeSet;

use crate::{facts::HostFacts, plan::Scope};

/// Defers the removal of the tags `stagecraft/image:…` of this host that are not in `used`.
pub fn forget_unused(host: &HostFacts, used: &BTreeSet<String>, scope: &mut Scope) {
    let _ = (host, used, scope);
    todo!()
}
