//! The engine against operations that change a world in memory, record what they do, and fail on demand.

mod approvals;
mod choices;
mod courses;
mod formats;
mod laters;
mod properties;
mod takeovers;
mod world;
