//! What Stagecraft can do, and to what: the model of an application and its hosts, the vocabulary of plans,
//! the connection to a host, and one module for each kind of thing that a recipe can ask for.
//!
//! This crate never sees flags, YAML text, Rhai or the engine that runs a plan.

pub mod approve;
pub mod command;
pub mod compose;
pub mod facts;
pub mod failure;
pub mod function;
pub mod host;
pub mod http;
pub mod image;
pub mod ingress;
pub mod labels;
pub mod later;
pub mod model;
pub mod operation;
pub mod plan;
pub mod release;
pub mod rollout;
pub mod wait;
