//! The nouns that a recipe reads. Their docs are in the catalog.

mod app;
mod ask;
mod host;
mod release;
mod results;
mod service;

use std::{rc::Rc, sync::Arc};

use rhai::{Array, Dynamic, Engine};

pub use app::AppNoun;
pub use host::HostNoun;
pub use release::{ReleaseNoun, restore};
pub use results::Results;
pub use service::{ImageNoun, ServiceNoun};

use super::{state::State, trouble::Trouble};

/// How a noun is written in a text and compared.
macro_rules! show {
    ($engine:expr, $noun:ty, |$value:ident| $text:expr) => {
        $engine.register_fn("to_string", |$value: &mut $noun| $text);
        $engine.register_fn("to_debug", |$value: &mut $noun| $text);
        $engine.register_fn("==", |one: $noun, other: $noun| one == other);
        $engine.register_fn("!=", |one: $noun, other: $noun| one != other);
    };
}
use show;

/// Registers every noun, and the variables that hold some of them.
pub fn register(engine: &mut Engine, state: &Rc<State>) {
    app::register(engine, state);
    ask::register(engine, state);
    host::register(engine, state);
    release::register(engine);
    results::register(engine);
    service::register(engine);
    engine.register_type_with_name::<Trouble>("Error");
    show!(engine, Trouble, |error| error.message.clone());
    engine.register_get("message", |error: &mut Trouble| error.message.clone());
    variables(engine, state);
}

/// The variables that are there from the beginning, in functions and closures too. They are resolved by name, since Rhai
/// can neither see an outer variable in a function nor capture one in a closure that is not in a scope.
#[expect(deprecated, reason = "Rhai marks the hook as volatile, not as going away")]
fn variables(engine: &mut Engine, state: &Rc<State>) {
    let app = AppNoun(Arc::clone(&state.inputs.release));
    engine.on_var(move |name, index, context| {
        // A recipe may give one of its own variables such a name.
        if index > 0 || context.scope().contains(name) {
            return Ok(None);
        }
        Ok(match name {
            "app" => Some(Dynamic::from(app.clone())),
            "args" => Some(Dynamic::from(ask::Args)),
            "facts" => Some(Dynamic::from(ask::Facts)),
            _ => None,
        })
    });
}

/// The name of a lane for this element; `None` for what has no name.
pub fn name_of(value: &Dynamic) -> Option<String> {
    if let Some(service) = value.read_lock::<ServiceNoun>() {
        return Some(service.0.name.to_string());
    }
    if let Some(host) = value.read_lock::<HostNoun>() {
        return Some(host.0.to_string());
    }
    if let Some(image) = value.read_lock::<ImageNoun>() {
        return Some(image.0.source.clone());
    }
    (value.is_string() || value.is_int()).then(|| value.to_string())
}

fn array<T: Clone + 'static>(values: impl IntoIterator<Item = T>) -> Array {
    values.into_iter().map(Dynamic::from).collect()
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Array {
    values.into_iter().map(|value| value.to_string().into()).collect()
}
