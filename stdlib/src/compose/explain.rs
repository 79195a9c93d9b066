//! Why a container is not as it should be.

use std::sync::Arc;

use crate::{
    failure::Failure,
    host::Host,
    model::{Span, Values},
};

/// Why a container ended: exit code, out of memory or not, last probe, last lines of its log, scrubbed.
pub async fn explain_exit(host: &Arc<dyn Host>, container: &str, values: &Values) -> Failure {
    let _ = (host, container, values);
    todo!()
}

/// Why a container that runs did not become ready within `timeout`.
pub async fn explain_unready(host: &Arc<dyn Host>, container: &str, values: &Values, timeout: Span) -> Failure {
    let _ = (host, container, values, timeout);
    todo!()
}
