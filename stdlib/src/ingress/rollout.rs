//! What a rollout asks of the ingress; each appends operations.

use super::Member;
use crate::{
    function::{PlanError, Planning},
    model::{HostName, Service, ServiceName},
    plan::Scope,
};

/// Makes sure that the host's ingress runs and has the service's route, adds `members` to the backend without traffic, and
/// waits until its own checks see them ready.
pub fn enroll(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &Service,
    members: &[Member],
) -> Result<(), PlanError> {
    let _ = (planning, scope, host, service, members);
    todo!()
}

/// `entering` take traffic, then `leaving` drain until they have no request in flight, and are removed from the backend.
pub fn switch(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &Service,
    entering: &[Member],
    leaving: &[Member],
) -> Result<(), PlanError> {
    let _ = (planning, scope, host, service, entering, leaving);
    todo!()
}

/// `leaving` drain and are removed from the backend; none enters. Appends nothing where none of them is in the pool. A service
/// that has no route any more, or is not placed on this host any more, loses its route too.
pub fn withdraw(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &Service,
    leaving: &[Member],
) -> Result<(), PlanError> {
    let _ = (planning, scope, host, service, leaving);
    todo!()
}

/// [`withdraw`] for a service that the application no longer has: its route goes too.
pub fn withdraw_removed(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &ServiceName,
    leaving: &[Member],
) -> Result<(), PlanError> {
    let _ = (planning, scope, host, service, leaving);
    todo!()
}
