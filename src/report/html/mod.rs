//! A run as one HTML file that needs nothing else: no network, no other file, no script.

mod chart;
mod rows;
mod view;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, value::Serde};
use stdlib::{model::Release, plan::Plan};

use super::Timeline;
use view::View;

const PAGE: &str = include_str!("report.html");
const GROUP: &str = include_str!("group.html");
const STYLE: &str = include_str!("style.css");

/// The page of a run. `predecessor` is the record of the release before the plan's, where it is at hand.
pub fn render_html(timeline: &Timeline, plan: &Plan, predecessor: Option<&Release>) -> String {
    let mut pages = Environment::new();
    // Everything is text but what the page itself says.
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    pages.set_undefined_behavior(UndefinedBehavior::Strict);
    let view = View::new(timeline, plan, predecessor, STYLE);
    for (name, source) in [("group.html", GROUP), ("report.html", PAGE)] {
        pages.add_template(name, source).expect("the page is well-formed");
    }
    let page = pages.get_template("report.html").expect("it was added");
    page.render(Value::from(Serde(&view))).expect("the page names what the view has")
}
