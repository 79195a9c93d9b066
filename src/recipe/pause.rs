//! What stops a run for a time: `wait` and `approve`.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map, NativeCallContext};
use stdlib::{
    approve::{Approve, Options},
    model::Span,
    wait::Wait,
};

use super::{
    state::{State, of_scope_error},
    structure::no_option,
    trouble::{Raised, Trouble},
};

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    let own = Rc::clone(state);
    engine.register_fn("wait", move |cx: NativeCallContext<'_>, duration: &str| -> Result<(), Raised> {
        own.refused()?;
        own.may_append("wait").map_err(|trouble| own.refuse(trouble, cx.call_position()))?;
        let parsed = duration.parse::<Span>();
        let duration = parsed.map_err(|why| own.refuse(Trouble::new(format!("`wait`: {why}")), cx.call_position()))?;
        Wait { duration }.plan(&mut own.grow().scope);
        Ok(())
    });
    let own = Rc::clone(state);
    engine.register_fn("approve", move |cx: NativeCallContext<'_>, message: &str| {
        approve(&own, &cx, message, Map::new())
    });
    let own = Rc::clone(state);
    engine.register_fn("approve", move |cx: NativeCallContext<'_>, message: &str, options: Map| {
        approve(&own, &cx, message, options)
    });
}

fn approve(state: &State, cx: &NativeCallContext<'_>, message: &str, options: Map) -> Result<(), Raised> {
    state.refused()?;
    state.may_append("approve").map_err(|trouble| state.refuse(trouble, cx.call_position()))?;
    if let Some(unknown) = options.keys().find(|key| key.as_str() != "within") {
        return Err(no_option("approve", unknown).into());
    }
    let options = rhai::serde::from_dynamic::<Options>(&Dynamic::from(options));
    let options = options.map_err(|error| Trouble::new(format!("`approve`: {error}")))?;
    let planned = Approve::new(message.to_owned(), &options).plan(&mut state.grow().scope);
    planned.map_err(|error| state.refuse(of_scope_error(&error), cx.call_position()))
}
