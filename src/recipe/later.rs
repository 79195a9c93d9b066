//! `later`: a closure that is kept with the plan, and called when the run gets there.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use rhai::{AST, CallFnOptions, Dynamic, Engine, FnPtr, NativeCallContext, Position, Scope};
use serde_json::Value;
use stdlib::{
    facts::Facts,
    function,
    host::Hosts,
    later::{Body, Decided, Later, Past},
    model::{Release, RunId},
    plan::{Key, Plan, ScopeError},
};

use super::{
    Inputs, Recipe, RecipeError,
    bind::type_name,
    capture,
    evaluate::Script,
    nouns::Results,
    pause,
    state::{State, of_scope_error},
    syntax::Closure,
    trouble::{Raised, Trouble},
};

/// Which release goes live is decided when the plan is made.
const NOT_INSIDE: [&str; 2] = ["release::commit", "release::restore"];
/// The most that a closure can keep, as JSON. Bytes.
const CAPTURES: usize = 1 << 20;
/// What appends to the plan and is in no module.
const APPENDING: [&str; 2] = ["approve", "wait"];

/// Evaluates what a plan has left open, when this has run before it. The second is what the closure had to say.
pub async fn decide(
    plan: &Plan,
    key: Key,
    later: Later,
    past: Past,
    now: Now,
) -> Result<(Decided, Vec<String>), Box<RecipeError>> {
    let kept = plan.script.as_ref().expect("a plan that leaves something open has its recipe");
    let recipe = Recipe { name: plan.recipe.clone(), path: kept.path.clone(), source: kept.source.clone() };
    let inputs = Inputs {
        topology: Arc::new(kept.topology.clone()),
        facts: Arc::new(now.facts),
        release: Arc::new(kept.release.clone()),
        ingress_image: kept.ingress_image.clone(),
        run: now.run,
    };
    let call = Call {
        key,
        later,
        past: Arc::new(past),
        args: plan.args.clone(),
        restored: kept.restored.clone().map(Arc::new),
    };
    Script { recipe, inputs, hosts: now.hosts, functions: function::registry() }.decide(call).await
}

/// What a decision is made with, when the run gets there.
#[derive(Debug)]
pub struct Now {
    pub facts: Facts,
    pub run: RunId,
    pub hosts: Hosts,
}

/// The call of a closure that was kept.
#[derive(Debug)]
pub struct Call {
    /// Of the plan's node.
    pub key: Key,
    pub later: Later,
    pub past: Arc<Past>,
    /// Of the recipe's parameters.
    pub args: BTreeMap<String, Value>,
    /// The release that the recipe has chosen.
    pub restored: Option<Arc<Release>>,
}

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    let own = Rc::clone(state);
    engine.register_fn("later", move |cx: NativeCallContext<'_>, name: &str, body: FnPtr| {
        own.refused()?;
        keep(&own, &cx, name, &body).map_err(|trouble| own.refuse(trouble, cx.call_position()))
    });
}

fn keep(state: &State, cx: &NativeCallContext<'_>, name: &str, body: &FnPtr) -> Result<(), Trouble> {
    let wanted = "write `|results| …`".to_owned();
    if name.is_empty() {
        return Err(Trouble::new("`later` takes a name, which the plan shows"));
    }
    let closure = state.closures.iter().find(|closure| closure.name == body.fn_name());
    let closure = closure.ok_or_else(|| Trouble::new("`later` takes a closure").help(wanted.clone()))?;
    let own = closure.parameters.len() - body.curry().len();
    if own != 1 {
        let message = format!("the closure of `later` takes one parameter, the results of what ran before, not {own}");
        return Err(Trouble::new(message).help(wanted));
    }
    if let Some(function) = NOT_INSIDE.into_iter().find(|function| closure.calls.contains(*function)) {
        return Err(of_scope_error(&ScopeError::InLater(function)));
    }
    let handler = state.growing().handlers.last().copied();
    if let Some(handler) = handler.filter(|_| closure.calls.contains("approve")) {
        return Err(pause::in_a_handler(handler));
    }
    let captures = closure.parameters.iter().zip(body.curry());
    let captures = captures.map(|(variable, value)| captured(cx, variable, value)).collect::<Result<Vec<_>, _>>()?;
    let size: usize = captures.iter().map(|value| value.to_string().len()).sum();
    if size > CAPTURES {
        let message = format!("what this closure uses is {size} bytes, and a plan keeps at most {CAPTURES} of it");
        return Err(Trouble::new(message).help("look it up inside the closure".to_owned()));
    }
    let body = Body { closure: place(closure.position), captures };
    Later::plan(name.to_owned(), may(closure), body, &mut state.grow().scope);
    Ok(())
}

fn captured(cx: &NativeCallContext<'_>, variable: &str, value: &Dynamic) -> Result<Value, Trouble> {
    capture::write(&value.clone().flatten()).map_err(|odd| {
        let found = type_name(cx, &odd);
        let help = if odd.is::<Results>() {
            "copy what is needed of it into another variable before"
        } else {
            "look it up inside the closure"
        };
        Trouble::new(format!("`later` keeps a copy of `{variable}`, and {found} in it cannot be kept"))
            .help(help.to_owned())
    })
}

/// What the closure calls that appends to the plan.
fn may(closure: &Closure) -> Vec<String> {
    // A script's own functions are in no module.
    let appends = |name: &&String| name.contains("::") || APPENDING.contains(&name.as_str());
    closure.calls.iter().filter(appends).cloned().collect()
}

fn place(position: Position) -> (usize, usize) {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

impl Call {
    /// Calls the closure. What it appends is in the state's scope.
    pub fn make(&self, engine: &Engine, ast: &AST, state: &State) -> Result<(), Raised> {
        let closure = state.closures.iter().find(|closure| place(closure.position) == self.later.body.closure);
        let missing = || {
            let message = format!("the closure of `later` {} is not in the recipe that the plan has", self.later.name);
            Trouble::new(message).help("plan again".to_owned())
        };
        let closure = closure.ok_or_else(missing)?;
        let mut arguments = Vec::new();
        for value in &self.later.body.captures {
            let captured = capture::read(value);
            arguments.push(captured.map_err(|error| Trouble::new(format!("what the closure captured: {error}")))?);
        }
        arguments.push(Dynamic::from(Results(Arc::clone(&self.past))));
        state.grow().begin_inside(self);
        let options = CallFnOptions::new().eval_ast(false);
        engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), ast, &closure.name, arguments).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use stdlib::{
        host::Hosts,
        later::{Decided, Later, Past, Ran, Script as Kept},
        model::HostName,
        plan::{Key, Node},
    };

    use super::{Call, Script};
    use crate::recipe::{
        RecipeError,
        sample::{evaluated, functions, inputs, outline, recipe, refused},
    };

    /// As another process does it that has the plan alone: the decision of the script's only `later`, and what it logs.
    fn decide(source: &str, ran: Vec<Ran>) -> Result<(Decided, Vec<String>), Box<RecipeError>> {
        let evaluated = evaluated(source, inputs(), &[]).unwrap();
        let text = serde_json::to_string(&(&evaluated.root, &evaluated.script)).unwrap();
        let (root, kept): (Node, Option<Kept>) = serde_json::from_str(&text).unwrap();
        let kept = kept.expect("something is open");
        let ask = root.operations().find(|planned| planned.kind == "later").expect("a `later`");
        let later: Later = serde_json::from_value(ask.args.clone()).unwrap();
        let args = evaluated.args.clone();
        let mut places: Vec<Key> = ran.iter().flat_map(|ran| [ran.key.parent(), ran.key.clone()]).collect();
        places.extend(kept.steps_without_operations.clone());
        let past = Arc::new(Past { ran, places });
        let call = Call { key: ask.key.parent(), later, past, args, restored: None };
        let recipe = recipe(&kept.source);
        let script = Script { recipe, inputs: inputs(), hosts: Hosts::default(), functions: functions() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(script.decide(call))
    }

    fn ran(key: &str, host: &str, output: Value) -> Ran {
        let key = key.split('/').fold(Key::root(), |key, name| key.child(name));
        Ran { key, host: Some(HostName::new(host).unwrap()), output }
    }

    const MEASURED: &str = r#"
        fn act(host) { lab::touch([host]); }
        fn elsewhere() { wait("1s"); }
        let hs = hosts("db");
        let limit = 3;
        step("measure", || lab::touch(hosts()));
        step("act", #{ retry: 2 }, || later("scale", |results| {
            let full = results["measure"].filter(|r| r.output.count > limit);
            for one in full { log(`${one.host} of ${results["measure"].len()}`); act(one.host); }
            each(hs, |h| lab::touch(h));
        }));
    "#;

    // spec: gate.later
    #[test]
    fn the_plan_says_where_it_is_decided_and_by_what() {
        let evaluated = evaluated(MEASURED, inputs(), &[]).unwrap();
        assert_eq!(outline(&evaluated.root).lines().nth(4), Some("  sequence /act"));
        assert_eq!(outline(&evaluated.root).lines().nth(5), Some("    later /act/scale"));
        let ask = evaluated.root.operations().last().unwrap();
        assert_eq!(
            (ask.args["may"].clone(), ask.policy.retry),
            (json!(["lab::touch"]), 0),
            "a recipe's word is not asked for again"
        );
        assert_eq!(evaluated.script.unwrap().source, MEASURED);
    }

    // spec: gate.later
    #[test]
    fn the_closure_sees_what_has_run_and_what_it_captured() {
        let results = vec![
            ran("measure/container.stop", "web-1", json!({ "count": 2 })),
            ran("measure/container.stop~2", "web-2", json!({ "count": 7 })),
            ran("measured/container.stop", "web-2", json!({ "count": 9 })),
        ];
        let (decided, log) = decide(MEASURED, results).unwrap();
        assert_eq!(log, ["web-2 of 2"]);
        assert_eq!(
            outline(&decided.node),
            "\
sequence /act/scale
  /act/scale/container.stop on web-2 retry 2
  parallel /act/scale/each
    sequence /act/scale/each/web-2
      /act/scale/each/web-2/container.stop on web-2 retry 2"
        );
        assert_eq!(decided.clean_up, None);
    }

    // spec: gate.later
    #[test]
    fn a_path_that_is_not_there_is_an_error_at_its_line() {
        let error = decide(MEASURED, vec![ran("measures/container.stop", "web-1", json!(null))]).unwrap_err();
        assert_eq!(error.to_string(), "recipes/own.rhai:8: the plan has nothing at `measure`");
        assert_eq!(error.diagnostic().help.as_deref(), Some("did you mean `measures`?"));
    }

    // spec: gate.later
    #[test]
    fn where_nothing_had_to_be_done_there_are_no_results() {
        let source = r#"step("rest", || ()); later("x", |results| log(results["rest"].len()));"#;
        assert_eq!(decide(source, vec![]).unwrap().1, ["0"]);
        let error = decide(source.replace("[\"rest\"]", "[\"other\"]").as_str(), vec![]).unwrap_err();
        assert_eq!(error.diagnostic().help.as_deref(), Some("it has rest"));
    }

    // spec: gate.later
    #[test]
    fn it_can_do_no_more_than_the_plan_shows() {
        let source =
            r#"fn hidden() { lab::touch(hosts()) } later("x", |results| { let f = Fn("hid" + "den"); f.call() });"#;
        let error = decide(source, vec![]).unwrap_err();
        assert!(error.to_string().ends_with("does not say that this `later` may call `lab::touch`"), "{error}");
    }

    // spec: gate.later
    #[test]
    fn every_kind_of_value_is_kept() {
        let source = r#"
            let all = #{ text: "a", int: 1, float: 1.5, yes: true, nothing: (), list: [hosts()[0], app.service("web")],
                         image: app.images[0], app: app };
            for host in hosts() { all.text += host.name; }
            later("all", |results| {
                log(`${all.text} ${all.int + 1} ${all.float} ${all.yes} ${all.nothing == ()} ${all.list[0].address}`);
                log(`${all.list[1].hosts} ${all.image.digest == app.images[0].digest} ${all.app.service("web") == app.service("web")}`);
            });
            all.text = "changed";
        "#;
        let (_, log) = decide(source, vec![]).unwrap();
        assert_eq!(log, ["aweb-1web-2 2 1.5 true true 203.0.113.10", "[web-1, web-2] true true"]);
    }

    // spec: gate.later
    #[test]
    fn each_turn_of_a_loop_keeps_its_own() {
        let source = "for h in hosts() { later(h.name, |results| lab::touch(h)); }";
        let evaluated = evaluated(source, inputs(), &[]).unwrap();
        let kept: Vec<Value> = evaluated.root.operations().map(|ask| ask.args["body"]["captures"].clone()).collect();
        assert_eq!(kept, [json!([{ "host": "web-1" }]), json!([{ "host": "web-2" }])]);
    }

    // spec: gate.later
    #[test]
    fn what_it_cannot_do_is_refused_when_the_plan_is_made() {
        let wrong = |source: &str| refused(source).0;
        assert_eq!(
            wrong(r#"fn finish() { release::commit() } later("x", |results| finish());"#),
            "recipes/own.rhai:1: what goes live is decided when the plan is made: `release::commit` cannot be called inside \
             `later`"
        );
        assert_eq!(
            refused("let say = |x| log(x);\nlater(\"x\", |results| say.call(1));"),
            (
                "recipes/own.rhai:2: `later` keeps a copy of `say`, and a closure in it cannot be kept".into(),
                Some("look it up inside the closure".into())
            )
        );
        assert_eq!(
            wrong(r#"later("x", || lab::touch(hosts()));"#),
            "recipes/own.rhai:1: the closure of `later` takes one parameter, the results of what ran before, not 0"
        );
        assert_eq!(
            wrong(r#"let list = [1, 0.0 / 0.0]; later("x", |results| log(list));"#),
            "recipes/own.rhai:1: `later` keeps a copy of `list`, and float in it cannot be kept"
        );
        assert_eq!(
            wrong(r#"choice(|| later("x", |results| lab::touch(hosts())), #{ passed: || () });"#),
            "recipes/own.rhai:1: a gate only asks, and what `later` x will do is not known yet"
        );
        assert_eq!(
            wrong(r#"later("", |results| ());"#),
            "recipes/own.rhai:1: `later` takes a name, which the plan shows"
        );
        let big = "let all = []; for i in 0..1000 { all.push(app); } later(\"x\", |results| log(all));";
        assert!(wrong(big).contains("bytes, and a plan keeps at most"), "{}", wrong(big));
        assert_eq!(wrong(r#"fn f(r) { } later("x", Fn("f"));"#), "recipes/own.rhai:1: `later` takes a closure");
        assert_eq!(
            wrong(r#"later("x", |results| lab::touch(hosts())); hosts("web")[0].query("uptime");"#),
            "recipes/own.rhai:1: `web-1` is read after the plan has changed it; read it before"
        );
    }
}
