//! The vocabulary of plans: a plan is plain data, and the engine runs that data.

mod key;
mod node;
mod scope;

pub use key::Key;
pub use node::{Action, Change, Effect, Node, Plan, Planned, Policy, Read};
pub use scope::{Scope, ScopeError};
