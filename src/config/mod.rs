//! stagecraft.yml: spanned types, every diagnostic at once, and the project that is made of it.
//!
//! The text becomes a tree in which every value knows its place ([`yaml`]); the tree is read into settings ([`shape`],
//! [`file`]); the settings of one environment are held against its hosts and the Compose model ([`draft`], [`placement`]). Each step
//! goes on after a mistake, so that all of them are found ([`findings`]).

mod certificate;
mod compose;
mod delivery;
mod diagnostic;
mod draft;
mod environment;
mod file;
mod findings;
mod hosts;
mod pipelines;
mod placement;
mod project;
mod render;
mod routes;
mod schema;
mod services;
mod shape;
mod sources;
mod starter;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, print_errors, print_warnings};
pub use pipelines::Pipeline;
pub use project::{Project, environments, load, load_hosts, load_text};
pub use schema::schema;
pub use starter::{SCHEMA_FILE, Starter, StarterHost};

/// The name of the file.
pub const FILE: &str = "stagecraft.yml";
