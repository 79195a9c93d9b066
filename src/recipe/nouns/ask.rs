//! What is asked while a recipe is evaluated: arguments, hosts, URLs. The answers from outside are part of the plan.

use std::rc::Rc;

use bytes::Bytes;
use rhai::{Dynamic, Engine, Map, NativeCallContext};
use serde_json::json;
use stdlib::{http, model::Span, plan::ScopeError};

use super::HostNoun;
use crate::recipe::{
    limits,
    nearest::suggestion,
    state::{State, of_scope_error},
    trouble::{Raised, Trouble},
};

/// How long a host may take to answer [`query`].
const QUERY_DEADLINE: Span = Span::secs(15);
/// How long a server may take to answer `facts.http`.
const HTTP_DEADLINE: Span = Span::secs(10);

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
    engine.register_fn("http", move |cx: NativeCallContext<'_>, _: Facts, url: &str| ask(&own, &cx, url));
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
fn query(state: &State, cx: &NativeCallContext<'_>, host: &HostNoun, command: &str) -> Result<String, Raised> {
    let name = &host.0;
    let question = format!("{name}: {command}");
    if state.growing().scope.touches(name) {
        let error = of_scope_error(&ScopeError::ReadAfterChange(name.to_string()));
        return Err(state.refuse(error, cx.call_position()));
    }
    let connected = state.hosts.get(name).ok_or_else(|| Trouble::new(format!("host {name} is not connected")))?;
    let answer = state.wait(connected.shell(command, Bytes::new(), QUERY_DEADLINE));
    let output = answer.map_err(|error| Trouble::new(error.to_string()))?;
    if output.code != Some(0) {
        let end = output.code.map_or("was ended by a signal".to_owned(), |code| format!("ended with {code}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let why = stderr.trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        return Err(Trouble::new(format!("host {name}: `{command}` {end}{why}")).into());
    }
    if output.stdout.len() > limits::STRING {
        let message = format!("host {name}: `{command}` answers more than {} bytes", limits::STRING);
        return Err(Trouble::new(message).help("let the command pick what is needed".to_owned()).into());
    }
    let text = String::from_utf8(output.stdout.to_vec())
        .map_err(|_| Trouble::new(format!("host {name}: what `{command}` answers is no text")))?;
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    state.read(question, json!(text));
    Ok(text)
}

/// Asks a URL. What answers there may be what the plan changes, so it is asked before.
fn ask(state: &State, cx: &NativeCallContext<'_>, url: &str) -> Result<Map, Raised> {
    if state.growing().scope.has_operations() {
        let error = of_scope_error(&ScopeError::ReadAfterChange(url.to_owned()));
        let help = "to check it when the plan has run so far, use `http::check`".to_owned();
        return Err(state.refuse(error.help(help), cx.call_position()));
    }
    let answer = state.wait(http::get(url, None, HTTP_DEADLINE, limits::STRING));
    let answer = answer.map_err(|why| Trouble::new(format!("{url} cannot be asked: {why}")))?;
    state.read(format!("GET {url}"), json!({ "status": answer.status, "body": answer.body }));
    let status = Dynamic::from(i64::from(answer.status));
    Ok([("status".into(), status), ("body".into(), answer.body.into())].into_iter().collect())
}
