//! Stagecraft deploys Docker Compose applications to machines that you own, over SSH, from one binary.

pub mod cli;
pub mod config;
pub mod engine;
mod mirror;
pub mod recipe;
pub mod report;
