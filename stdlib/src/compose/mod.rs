//! Compose: a service's definition, and the container that the engine makes of it.

mod definition;

pub use definition::Definition;
