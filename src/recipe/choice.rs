//! `choice`: what a gate answers decides which arm runs. Every arm is evaluated now, so that it is shown, saved and resumed.

use std::{collections::BTreeMap, rc::Rc};

use rhai::{Engine, FnPtr, Map, NativeCallContext};
use stdlib::{
    later::Later,
    operation::Operation as _,
    plan::{Arms, Effect, Node, ScopeError, Verdict},
};

use super::{
    state::{State, of_scope_error},
    structure::{closure, inside, no_option, run},
    trouble::Raised,
};

const GATE: &str = "gate";

pub fn register(engine: &mut Engine, state: &Rc<State>) {
    let own = Rc::clone(state);
    engine.register_fn("choice", move |cx: NativeCallContext<'_>, gate: FnPtr, arms: Map| {
        let closures = closures(&cx, arms)?;
        inside(&own, |scope| scope.open_sequence("choice"), || choose(&own, &cx, &gate, &closures))
    });
}

fn closures(cx: &NativeCallContext<'_>, arms: Map) -> Result<BTreeMap<Verdict, FnPtr>, Raised> {
    let mut closures = BTreeMap::new();
    for (key, value) in arms {
        let known = Verdict::ALL.into_iter().find(|verdict| verdict.word() == key.as_str());
        let verdict = known.ok_or_else(|| Raised::from(no_option("choice", &key)))?;
        closures.insert(verdict, closure(cx, &format!("`choice` takes a closure as `{key}`"), value.flatten())?);
    }
    Ok(closures)
}

fn choose(
    state: &State,
    cx: &NativeCallContext<'_>,
    gate: &FnPtr,
    closures: &BTreeMap<Verdict, FnPtr>,
) -> Result<(), Raised> {
    let refuse = |error: &ScopeError| state.refuse(of_scope_error(error), cx.call_position());
    inside(state, |scope| scope.open_sequence(GATE), || run(cx, gate, ()))?;
    asks_only(state).map_err(|error| refuse(&error))?;
    let before = state.growing().scope.deferred().clone();
    let (mut arms, mut waiting) = (Arms::default(), Vec::new());
    if !closures.contains_key(&Verdict::Passed) {
        waiting.push(before.clone());
    }
    for verdict in Verdict::ALL {
        let Some(closure) = closures.get(&verdict) else { continue };
        state.grow().scope.begin_arm(before.clone());
        // Taken away again, so that no arm sees another: only one of them runs.
        arms.set(verdict, part(state, verdict.word(), cx, closure)?);
        waiting.push(state.growing().scope.deferred().clone());
    }
    let scope = &mut state.grow().scope;
    if let Some(gate) = scope.take_last() {
        scope.choice(gate, arms, waiting);
    }
    Ok(())
}

/// The gate stands in the open sequence, and nothing else.
fn asks_only(state: &State) -> Result<(), ScopeError> {
    let scope = &mut state.grow().scope;
    let gate = scope.take_last().ok_or(ScopeError::NoQuestion)?;
    if let Some(later) = gate.operations().find(|planned| planned.kind == Later::KIND) {
        return Err(ScopeError::LaterInGate(later.key.parent().name().to_owned()));
    }
    let changes = gate.operations().find(|planned| planned.effect != Effect::Repeatable);
    if let Some(planned) = changes {
        return Err(ScopeError::NotAQuestion(planned.title.clone()));
    }
    scope.put_back(gate);
    Ok(())
}

/// What the closure appends, in a sequence of this name.
fn part(state: &State, name: &str, cx: &NativeCallContext<'_>, closure: &FnPtr) -> Result<Node, Raised> {
    inside(state, |scope| scope.open_sequence(name), || run(cx, closure, ()))?;
    let scope = &mut state.grow().scope;
    match scope.take_last() {
        Some(node) if node.key().name() == name => Ok(node),
        // The gate: the arm has left no trace.
        gate => {
            if let Some(gate) = gate {
                scope.put_back(gate);
            }
            Ok(scope.nothing(name))
        }
    }
}
