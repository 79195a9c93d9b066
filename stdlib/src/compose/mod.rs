//! Compose: what Docker Compose says of an application, and the containers that the engine makes of it.

mod cli;
mod container;
mod definition;
mod explain;
pub mod functions;
mod read;

pub use cli::ComposeCli;
pub use container::{ContainerSpec, config_hash, create, specify};
pub use definition::Definition;
pub use explain::{explain_exit, explain_unready};
pub use read::{Model, Problem, Resolved, read};
