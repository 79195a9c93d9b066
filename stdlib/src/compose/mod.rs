//! Compose: what Docker Compose says of an application, and the containers that the engine makes of it.

mod body;
mod cli;
mod container;
mod create;
mod definition;
mod explain;
#[cfg(test)]
pub mod fixture;
pub mod functions;
mod job;
mod preflight;
mod prepare;
mod read;
mod stand;

pub use cli::ComposeCli;
pub use container::{ContainerSpec, config_hash, specify};
pub use create::create;
pub use definition::{Attachment, Definition, HealthCheck, Limits, Logging, Mount, Port, Restart, Ulimit};
pub use explain::{explain_exit, explain_unready};
pub use job::RunJob;
pub use prepare::Prepare;
pub use read::{Model, Problem, Resolved, read};
