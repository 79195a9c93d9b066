//! The vocabulary of plans: a plan is plain data, and the engine runs that data.

mod choice;
mod key;
mod node;
mod open;
mod question;
mod scope;

pub use choice::{Arms, Verdict};
pub use key::Key;
pub use node::{Action, Change, Effect, Node, Plan, Planned, Policy};
pub use open::{Open, Unfit};
pub use question::{Question, Read};
pub use scope::{Deferred, Scope, ScopeError};
