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
    let handler = state.growing().handlers.last().copied();
    if let Some(handler) = handler {
        return Err(state.refuse(in_a_handler(handler), cx.call_position()));
    }
    state.may_append("approve").map_err(|trouble| state.refuse(trouble, cx.call_position()))?;
    if let Some(unknown) = options.keys().find(|key| key.as_str() != "within") {
        return Err(no_option("approve", unknown).into());
    }
    let options = rhai::serde::from_dynamic::<Options>(&Dynamic::from(options));
    let options = options.map_err(|error| Trouble::new(format!("`approve`: {error}")))?;
    let planned = Approve::new(message.to_owned(), &options).plan(&mut state.grow().scope);
    planned.map_err(|error| state.refuse(of_scope_error(&error), cx.call_position()))
}

pub fn in_a_handler(handler: &str) -> Trouble {
    Trouble::new(format!(
        "`approve` stands in `{handler}`, which runs also when the run has failed; the lock is let go while a person is asked, and \
         hosts that are half changed would stand open to others"
    ))
    .help("ask before, or in the body of the `guard` or `step`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::sample::{planned, refused};

    // spec: gate.approve
    #[test]
    fn nobody_is_asked_while_hosts_are_half_changed() {
        let body = r#"|| lab::touch(hosts("web-1"))"#;
        let question = r#"approve("go on?")"#;
        let cases = [
            (format!("guard({body}, #{{ on_failure: ||\n {question} }});"), "on_failure"),
            (format!("step(\"s\", #{{ always: ||\n {question} }}, {body});"), "always"),
            (
                format!("guard({body}, #{{ on_failure: || step(\"s\", || choice(||\n {question}, #{{}})) }});"),
                "on_failure",
            ),
            (format!("guard({body}, #{{ on_failure: ||\n later(\"s\", |results| {question}) }});"), "on_failure"),
            // Whether the body has anything to do depends on the hosts.
            (format!("guard(|| (), #{{ always: ||\n {question} }});"), "always"),
            (format!("guard({body}, #{{ always: || try {{\n {question} }} catch {{ }} }});"), "always"),
        ];
        for (source, handler) in cases {
            let (message, help) = refused(&source);
            assert!(message.starts_with(&format!("recipes/own.rhai:2: `approve` stands in `{handler}`")), "{message}");
            assert_eq!(help.as_deref(), Some("ask before, or in the body of the `guard` or `step`"));
        }
        // Once a handler is written the way is free again, also where a script has caught its error.
        let source = format!(
            "guard(|| {question}, #{{ always: {body} }}); try {{ guard({body}, #{{ on_failure: || throw 1 }}); }} catch {{ }} \
             {question};"
        );
        let outline = planned(&source);
        assert_eq!(outline.matches("/approve").count(), 2, "{outline}");
    }
}
