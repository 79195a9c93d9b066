//! HTTP from the operator's machine: checks, and questions while a plan is made.

pub mod functions;
mod get;

pub use get::{Answer, get};
