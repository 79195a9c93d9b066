//! The functions that give a plan its structure. Closures are called at once; what they append goes inside.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, FnPtr, FuncArgs, Map, NativeCallContext};
use stdlib::{
    model::Span,
    plan::{Policy, Scope},
};

use super::{
    bind::{type_name, unknown_option},
    catalog::Catalog,
    nouns::name_of,
    state::State,
    trouble::{Raised, Trouble},
};

/// The names of the nodes that [`guarded`] takes apart again.
const BODY: &str = "body";
const ON_FAILURE: &str = "on-failure";
const ALWAYS: &str = "always";

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    let own = Rc::clone(state);
    engine.register_fn("step", move |cx: NativeCallContext<'_>, name: &str, body: FnPtr| {
        step(&own, &cx, name, Map::new(), &body)
    });
    let own = Rc::clone(state);
    engine.register_fn("step", move |cx: NativeCallContext<'_>, name: &str, options: Map, body: FnPtr| {
        step(&own, &cx, name, options, &body)
    });
    let own = Rc::clone(state);
    engine.register_fn("guard", move |cx: NativeCallContext<'_>, body: FnPtr, options: Map| {
        let closures = Closures::read(&cx, "guard", options)?;
        guarded(&own, &cx, &body, &closures)
    });
    let own = Rc::clone(state);
    engine.register_fn("parallel", move |cx: NativeCallContext<'_>, bodies: Array| {
        let bodies = bodies.into_iter().map(|body| ("lane".to_owned(), body));
        lanes(&own, &cx, "parallel", bodies.collect())
    });
    let own = Rc::clone(state);
    engine.register_fn("parallel", move |cx: NativeCallContext<'_>, bodies: Map| {
        let bodies = bodies.into_iter().map(|(name, body)| (name.to_string(), body));
        lanes(&own, &cx, "parallel", bodies.collect())
    });
    let own = Rc::clone(state);
    engine.register_fn("each", move |cx: NativeCallContext<'_>, list: Array, body: FnPtr| {
        inside(
            &own,
            |scope| scope.open_parallel("each"),
            || {
                list.into_iter().map(Dynamic::flatten).try_for_each(|element| {
                    let name = name_of(&element).unwrap_or_else(|| "lane".to_owned());
                    inside(&own, |scope| scope.open_sequence(&name), || run(&cx, &body, (element.clone(),)))
                })
            },
        )
    });
    let own = Rc::clone(state);
    engine.register_fn("log", move |cx: NativeCallContext<'_>, mut text: Dynamic| -> Result<(), Raised> {
        let text = cx.call_native_fn_raw("to_string", true, &mut [&mut text])?;
        own.grow().log.push(text.to_string());
        Ok(())
    });
    let own = Rc::clone(state);
    engine.register_fn("fail", move |cx: NativeCallContext<'_>, message: &str| -> Result<(), Raised> {
        Err(own.refuse(Trouble::new(message), cx.call_position()))
    });
    let own = Rc::clone(state);
    engine.on_print(move |text| own.grow().log.push(text.to_owned()));
    let own = Rc::clone(state);
    engine.on_debug(move |text, _, position| own.grow().log.push(format!("{position:?}: {text}")));
}

/// Runs a closure and lets its result go: what counts is what it has appended.
pub fn run(cx: &NativeCallContext<'_>, body: &FnPtr, arguments: impl FuncArgs) -> Result<(), Raised> {
    body.call_within_context::<Dynamic>(cx, arguments).map(|_| ())
}

/// Opens a node, runs what fills it, and closes it, whatever came of it: a script may catch the error and go on.
pub fn inside(
    state: &State,
    open: impl FnOnce(&mut Scope),
    fill: impl FnOnce() -> Result<(), Raised>,
) -> Result<(), Raised> {
    state.refused()?;
    open(&mut state.grow().scope);
    let filled = fill();
    state.grow().scope.close();
    filled
}

fn lanes(
    state: &State,
    cx: &NativeCallContext<'_>,
    function: &str,
    bodies: Vec<(String, Dynamic)>,
) -> Result<(), Raised> {
    inside(
        state,
        |scope| scope.open_parallel(function),
        || {
            bodies.into_iter().try_for_each(|(name, body)| {
                let body = closure(cx, &format!("`{function}` takes closures"), body.flatten())?;
                inside(state, |scope| scope.open_sequence(&name), || run(cx, &body, ()))
            })
        },
    )
}

pub fn closure(cx: &NativeCallContext<'_>, takes: &str, value: Dynamic) -> Result<FnPtr, Raised> {
    let found = type_name(cx, &value);
    let wrong = || Trouble::new(format!("{takes}, not {found}")).help("write `|| …`".to_owned());
    value.try_cast::<FnPtr>().ok_or_else(|| wrong().into())
}

/// What runs beside a body.
#[derive(Debug, Default)]
struct Closures {
    on_failure: Option<FnPtr>,
    always: Option<FnPtr>,
}

impl Closures {
    fn read(cx: &NativeCallContext<'_>, function: &str, options: Map) -> Result<Self, Raised> {
        let mut closures = Self::default();
        for (key, value) in options {
            let closure = closure(cx, &format!("`{function}` takes a closure as `{key}`"), value.flatten());
            match key.as_str() {
                "on_failure" => closures.on_failure = Some(closure?),
                "always" => closures.always = Some(closure?),
                _ => return Err(no_option(function, &key).into()),
            }
        }
        Ok(closures)
    }

    fn is_empty(&self) -> bool {
        self.on_failure.is_none() && self.always.is_none()
    }
}

pub fn no_option(function: &str, key: &str) -> Trouble {
    let catalog = Catalog::default();
    unknown_option(function, key, catalog.function(function).map_or(&[], |callable| &callable.options))
}

fn step(state: &State, cx: &NativeCallContext<'_>, name: &str, mut options: Map, body: &FnPtr) -> Result<(), Raised> {
    let outer = *state.growing().policies.last().expect("the outermost policy is never taken away");
    let policy = policy(cx, outer, &mut options)?;
    let closures = Closures::read(cx, "step", options)?;
    state.grow().policies.push(policy);
    let done = inside(
        state,
        |scope| scope.open_step(name, policy),
        || {
            if closures.is_empty() { run(cx, body, ()) } else { guarded(state, cx, body, &closures) }
        },
    );
    state.grow().policies.pop();
    done
}

/// The policy of a step: what it does not set is as outside.
fn policy(cx: &NativeCallContext<'_>, outer: Policy, options: &mut Map) -> Result<Policy, Raised> {
    let mut policy = outer;
    if let Some(retry) = options.remove("retry") {
        let wrong =
            || Trouble::new(format!("`retry` is a number from 0 on, not {} ({})", retry, type_name(cx, &retry)));
        policy.retry = retry.as_int().ok().and_then(|retry| u32::try_from(retry).ok()).ok_or_else(wrong)?;
    }
    if let Some(timeout) = options.remove("timeout") {
        let text = timeout.flatten().to_string();
        policy.timeout = Some(text.parse::<Span>().map_err(|why| Trouble::new(format!("`timeout`: {why}")))?);
    }
    Ok(policy)
}

/// A guard around what the body appends; none where it appends nothing and nothing else does.
fn guarded(state: &State, cx: &NativeCallContext<'_>, body: &FnPtr, closures: &Closures) -> Result<(), Raised> {
    // In a node of their own the parts can be told apart afterwards: one that is empty leaves no trace.
    inside(
        state,
        |scope| scope.open_sequence("guard"),
        || {
            let part =
                |name: &str, body: &FnPtr| inside(state, |scope| scope.open_sequence(name), || run(cx, body, ()));
            part(BODY, body)?;
            let handler = |name: &str, option: &'static str, body: &FnPtr| {
                state.grow().handlers.push(option);
                let done = part(name, body);
                state.grow().handlers.pop();
                done
            };
            closures.on_failure.iter().try_for_each(|closure| handler(ON_FAILURE, "on_failure", closure))?;
            closures.always.iter().try_for_each(|closure| handler(ALWAYS, "always", closure))?;
            wrap(&mut state.grow().scope);
            Ok(())
        },
    )
}

fn wrap(scope: &mut Scope) {
    let (mut body, mut on_failure, mut always) = (None, None, None);
    while let Some(node) = scope.take_last() {
        match node.key().name() {
            ON_FAILURE => on_failure = Some(node),
            ALWAYS => always = Some(node),
            _ => body = Some(node),
        }
    }
    match (body, always) {
        (Some(body), always) => scope.guard(body, on_failure, always),
        // Nothing can fail: what runs in any case is the body.
        (None, Some(always)) => scope.guard(always, None, None),
        (None, None) => (),
    }
}
