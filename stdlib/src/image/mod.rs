//! Images: built on the operator's machine, named by content, sent layer by layer.

mod build;
mod forget;
pub mod functions;

pub use build::{BuildRequest, Rebuild, resolve};
pub use forget::forget_unused;
