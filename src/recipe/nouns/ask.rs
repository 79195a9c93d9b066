//! What is asked while a recipe is evaluated: arguments, hosts, URLs. The answers from outside are part of the plan.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map, NativeCallContext};
use stdlib::plan::{Question, ScopeError};

use super::HostNoun;
use crate::recipe::{
    nearest::suggestion,
    question,
    state::{State, of_scope_error},
    trouble::{Raised, Trouble},
};

/// `args`.
#[derive(Debug, Clone)]
pub struct Args;

/// `facts`.
#[derive(Debug, Clone)]
pub struct Facts;

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    engine.register_type_with_name::<Args>("Args").register_type_with_name::<Facts>("Facts");
    let own = Rc::clone(state);
    engine.register_indexer_get(move |_: &mut Args, name: &str| argument(&own, name));
    let own = Rc::clone(state);
    engine.register_fn("param", move |name: &str| argument(&own, name));
    let own = Rc::clone(state);
    engine.register_fn("param", move |name: &str, _: Map| argument(&own, name));
    let own = Rc::clone(state);
    engine.register_fn("query", move |cx: NativeCallContext<'_>, host: HostNoun, command: &str| {
        query(&own, &cx, &host, command)
    });
    let own = Rc::clone(state);
    engine.register_fn("http", move |cx: NativeCallContext<'_>, _: Facts, url: &str| http(&own, &cx, url));
}

/// The value of a declared parameter; they were all bound before the script began.
fn argument(state: &State, name: &str) -> Result<Dynamic, Raised> {
    let undeclared = || {
        let help = suggestion(name, state.args.keys().map(String::as_str));
        let help = help.unwrap_or_else(|| format!("declare it: `param(\"{name}\", #{{ fallback: … }})`"));
        Trouble::new(format!("no parameter `{name}` is declared")).help(help)
    };
    rhai::serde::to_dynamic(state.args.get(name).ok_or_else(undeclared)?)
}

/// Runs a command that only reads.
fn query(state: &State, cx: &NativeCallContext<'_>, host: &HostNoun, command: &str) -> Result<Dynamic, Raised> {
    let name = &host.0;
    if state.growing().scope.touches(name) {
        let error = of_scope_error(&ScopeError::ReadAfterChange(name.to_string()));
        return Err(state.refuse(error, cx.call_position()));
    }
    ask(state, Question::Host { host: name.clone(), command: command.to_owned() })
}

/// Asks a URL. What answers there may be what the plan changes, so it is asked before.
fn http(state: &State, cx: &NativeCallContext<'_>, url: &str) -> Result<Dynamic, Raised> {
    if state.growing().scope.has_operations() {
        let error = of_scope_error(&ScopeError::ReadAfterChange(url.to_owned()));
        let help = "to check it when the plan has run so far, use `http::check`".to_owned();
        return Err(state.refuse(error.help(help), cx.call_position()));
    }
    ask(state, Question::Url(url.to_owned()))
}

/// The answer, which becomes part of the plan.
fn ask(state: &State, question: Question) -> Result<Dynamic, Raised> {
    let answer = state.wait(question::ask(&question, &state.hosts));
    let answer = answer.map_err(|failure| Trouble::new(failure.message).help(failure.hint))?;
    let value = rhai::serde::to_dynamic(&answer)?;
    state.read(question, answer);
    Ok(value)
}
