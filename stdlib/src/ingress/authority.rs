//! The environment's own certificate authority.

use crate::{failure::Failure, model::Authority};

/// Makes a new authority.
pub fn generate(environment: &str) -> Result<Authority, Failure> {
    let _ = environment;
    todo!()
}
