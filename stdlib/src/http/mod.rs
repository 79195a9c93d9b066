//! HTTP checks from the operator's machine.

pub mod functions;
