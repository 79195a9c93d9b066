//! Recipes: find, sandbox, evaluate, check, document. The only place that knows Rhai.
//!
//! A recipe changes nothing while it is evaluated: what it calls reads a fact or appends to the plan.

mod bind;
mod capture;
mod catalog;
mod check;
mod choice;
mod definitions;
mod error;
mod evaluate;
mod find;
mod later;
mod limits;
mod nearest;
mod nouns;
mod order;
mod parameters;
mod pause;
mod question;
mod reference;
#[cfg(test)]
pub(crate) mod sample;
mod state;
mod structure;
mod syntax;
#[cfg(test)]
mod tests;
mod trouble;

pub use check::check;
pub use definitions::definitions;
pub use error::{RecipeError, ScriptError};
pub use evaluate::{Evaluated, Inputs, evaluate};
pub use find::{Recipe, built_in, find, list, own_path};
pub use later::{Now, decide};
pub use parameters::{Parameter, ParameterKind, parameters};
pub use question::ask;
pub use reference::reference;
