//! What a person or a program sees of a run: consumers of events.
//!
//! Progress goes to stderr, results to stdout. What is shown has its sense without colour; `NO_COLOR` is honoured.

mod approval;
mod difference;
mod failure;
mod html;
mod json;
mod plain;
mod plan;
mod reporter;
mod summary;
mod terminal;
mod timeline;
mod trace;
mod tree;
mod words;

pub use failure::{print_failures, print_left, render_failures, render_left};
pub use html::render_html;
pub use json::line as event_json;
pub use plan::{print_plan, render_plan};
pub use reporter::{Detail, Format, Reporter};
pub use summary::Summary;
pub use timeline::{Clock, Standing, Timeline, VERSION as TIMELINE_VERSION, render_timeline};
pub use trace::{export, is_wanted};
