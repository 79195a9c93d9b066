//! The library's functions as functions of static modules, each made from its descriptor.

use std::{any::TypeId, collections::BTreeMap, rc::Rc};

use rhai::{Array, Dynamic, Engine, FuncRegistration, Map, Module, NativeCallContext, RhaiFunc, Shared};
use serde_json::Value;
use stdlib::function::{Argument, Call, Function, Kind};

use super::{
    catalog::{Callable, OptionDoc, kind},
    nearest::suggestion,
    nouns::{HostNoun, ImageNoun, ReleaseNoun, ServiceNoun, restore},
    state::State,
    trouble::{Raised, Trouble},
};

/// Registers these library functions, and `release::restore`.
pub fn library(engine: &mut Engine, state: &Rc<State>, functions: &[Function]) {
    let mut modules: BTreeMap<&'static str, Module> = BTreeMap::new();
    for function in functions.iter().copied() {
        let module = modules.entry(function.module).or_default();
        for arity in Callable::of(&function).arities() {
            let state = Rc::clone(state);
            raw(module, function.name, arity, move |cx, arguments| call(&state, &function, cx, arguments));
        }
    }
    let module = modules.entry("release").or_default();
    let state = Rc::clone(state);
    raw(module, "restore", 1, move |cx, mut arguments| {
        state.refused()?;
        let which = arguments.pop().unwrap_or_default();
        restore(&state, &which).map(Dynamic::from).map_err(|trouble| state.refuse(trouble, cx.call_position()))
    });
    for (name, module) in modules {
        engine.register_static_module(name, module.into());
    }
}

/// A function whose arguments are looked at when it is called, so that a wrong one is named in our words.
fn raw(
    module: &mut Module,
    name: &str,
    arity: usize,
    function: impl Fn(&NativeCallContext<'_>, Vec<Dynamic>) -> Result<Dynamic, Raised> + 'static,
) {
    let func = move |cx: Option<NativeCallContext<'_>>, arguments: &mut [&mut Dynamic]| {
        let cx = cx.expect("asked for below");
        let arguments = arguments.iter_mut().map(|argument| std::mem::take(*argument).flatten()).collect();
        function(&cx, arguments)
    };
    let func = RhaiFunc::Pure { func: Shared::new(func), has_context: true, is_pure: false, is_volatile: true };
    FuncRegistration::new(name).set_into_module_raw(module, vec![TypeId::of::<Dynamic>(); arity], func);
}

fn call(
    state: &State,
    function: &Function,
    cx: &NativeCallContext<'_>,
    arguments: Vec<Dynamic>,
) -> Result<Dynamic, Raised> {
    state.refused()?;
    let refuse = |trouble| state.refuse(trouble, cx.call_position());
    state.may_append(&Callable::of(function).path()).map_err(refuse)?;
    let call = read(function, cx, arguments).map_err(refuse)?;
    let planned = state.plan(|planning, scope| (function.call)(planning, scope, &call));
    planned.map(|()| Dynamic::UNIT).map_err(refuse)
}

fn read(function: &Function, cx: &NativeCallContext<'_>, arguments: Vec<Dynamic>) -> Result<Call, Trouble> {
    let described = Callable::of(function);
    let mut given = arguments.into_iter();
    let mut arguments = Vec::new();
    for parameter in function.parameters {
        let value = given.next().unwrap_or_default();
        let type_name = type_name(cx, &value);
        arguments.push(argument(parameter.kind, value).ok_or_else(|| {
            let takes = kind(parameter.kind);
            Trouble::new(format!("`{}` takes a {takes} as its {}, not {type_name}", described.path(), parameter.name))
                .help(example(parameter.kind).map(str::to_owned))
        })?);
    }
    let options = match given.next() {
        None => Value::Object(serde_json::Map::new()),
        Some(options) => options_map(&described, cx, options)?,
    };
    Ok(Call { arguments, options })
}

fn argument(kind: Kind, value: Dynamic) -> Option<Argument> {
    Some(match kind {
        Kind::Service => Argument::Service(Box::new(value.try_cast::<ServiceNoun>()?.0.as_ref().clone())),
        Kind::Hosts => Argument::Hosts(list::<HostNoun>(value)?.into_iter().map(|host| host.0).collect()),
        Kind::Images => Argument::Images(list::<ImageNoun>(value)?.into_iter().map(|image| image.0).collect()),
        Kind::Release => Argument::Release(Box::new(value.try_cast::<ReleaseNoun>()?.0.as_ref().clone())),
        Kind::Text => Argument::Text(value.into_string().ok()?),
    })
}

/// A list of these, or one of them.
fn list<T: Clone + 'static>(value: Dynamic) -> Option<Vec<T>> {
    match value.try_cast_result::<Array>() {
        Ok(array) => array.into_iter().map(|element| element.flatten().try_cast::<T>()).collect(),
        Err(value) => value.try_cast::<T>().map(|one| vec![one]),
    }
}

fn example(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Service => Some("such as `app.service(\"web\")`"),
        Kind::Hosts => Some("such as `hosts(\"web\")`"),
        Kind::Images => Some("such as `app.images`"),
        Kind::Release => Some("such as `app.release(\"previous\")`"),
        Kind::Text => None,
    }
}

fn options_map(described: &Callable, cx: &NativeCallContext<'_>, options: Dynamic) -> Result<Value, Trouble> {
    let path = described.path();
    let type_name = type_name(cx, &options);
    let Some(map) = options.try_cast::<Map>() else {
        return Err(Trouble::new(format!("`{path}` takes its options as a map `#{{ … }}`, not {type_name}")));
    };
    if let Some(unknown) = map.keys().find(|key| described.options.iter().all(|option| option.name != key.as_str())) {
        return Err(unknown_option(&path, unknown, &described.options));
    }
    rhai::serde::from_dynamic(&Dynamic::from(map))
        .map_err(|_| Trouble::new(format!("`{path}`: options are plain values: texts, numbers, lists, maps")))
}

/// Also for the structure functions, whose options have no schema.
pub fn unknown_option(function: &str, key: &str, options: &[OptionDoc]) -> Trouble {
    Trouble::new(format!("`{function}` has no option `{key}`"))
        .help(suggestion(key, options.iter().map(|option| option.name.as_str())))
}

/// In the words of the reference.
pub fn type_name(cx: &NativeCallContext<'_>, value: &Dynamic) -> String {
    let elements = value.read_lock::<Array>().and_then(|list| list.first().map(|element| type_name(cx, element)));
    match cx.engine().map_type_name(value.type_name()) {
        "string" => "text".to_owned(),
        "array" => elements.map_or("an empty list".to_owned(), |element| format!("a list of {element}")),
        "i64" => "int".to_owned(),
        "f64" => "float".to_owned(),
        "()" => "() (nothing)".to_owned(),
        "Fn" => "a closure".to_owned(),
        other => other.to_owned(),
    }
}
