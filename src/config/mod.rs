//! stagecraft.yml: spanned types, every diagnostic at once, and the project that is made of it.

mod diagnostic;
mod project;

pub use diagnostic::{Diagnostic, print};
pub use project::{Pipeline, Project, load};
