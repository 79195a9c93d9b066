//! The functions of recipes: those that give a plan its structure, described here, and the library's own, from their
//! descriptors.

use serde_json::Value;
use stdlib::function::{Function, Kind};

/// A function as a recipe calls it.
#[derive(Debug, Clone)]
pub struct Callable {
    /// `None` for what stands in no module, such as `step`.
    pub module: Option<&'static str>,
    pub name: &'static str,
    /// Markdown.
    pub docs: &'static str,
    pub slots: Vec<Slot>,
    /// What the options map may hold.
    pub options: Vec<OptionDoc>,
    /// What it returns, where it returns something.
    pub returns: Option<&'static str>,
}

/// A place for an argument.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub name: &'static str,
    pub kind: &'static str,
    pub optional: bool,
}

/// A key of an options map.
#[derive(Debug, Clone)]
pub struct OptionDoc {
    pub name: String,
    pub kind: String,
    /// As a recipe would write it; empty when there is none.
    pub default: String,
    pub docs: String,
}

/// The name of the slot that takes an options map.
pub const OPTIONS: &str = "options";

impl Callable {
    /// A library function by its descriptor.
    pub fn of(function: &Function) -> Self {
        let slot = |name, kind| Slot { name, kind, optional: false };
        let mut slots: Vec<Slot> =
            function.parameters.iter().map(|parameter| slot(parameter.name, kind(parameter.kind))).collect();
        let options = function.options.map(|schema| options(schema().as_value())).unwrap_or_default();
        if function.options.is_some() {
            slots.push(Slot { name: OPTIONS, kind: "map", optional: true });
        }
        Self { module: Some(function.module), name: function.name, docs: function.docs, slots, options, returns: None }
    }

    /// `rollout::replace` or `step`.
    pub fn path(&self) -> String {
        self.module.map_or_else(|| self.name.to_owned(), |module| format!("{module}::{}", self.name))
    }

    /// `step(name, [options], body)`.
    pub fn signature(&self) -> String {
        let slots =
            self.slots.iter().map(|slot| if slot.optional { format!("[{}]", slot.name) } else { slot.name.to_owned() });
        format!("{}({})", self.path(), slots.collect::<Vec<_>>().join(", "))
    }

    pub fn arities(&self) -> std::ops::RangeInclusive<usize> {
        self.slots.iter().filter(|slot| !slot.optional).count()..=self.slots.len()
    }
}

/// What a recipe writes for a parameter of this kind.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => "Service",
        Kind::Hosts => "list of Host",
        Kind::Images => "list of Image",
        Kind::Release => "Release",
        Kind::Text => "text",
    }
}

/// The properties of a JSON schema.
fn options(schema: &Value) -> Vec<OptionDoc> {
    let properties = schema["properties"].as_object();
    let describe = |(name, property): (&String, &Value)| OptionDoc {
        name: name.clone(),
        kind: schema_kind(property),
        default: match &property["default"] {
            Value::Null => String::new(),
            default => default.to_string(),
        },
        docs: property["description"].as_str().unwrap_or_default().to_owned(),
    };
    properties.into_iter().flatten().map(describe).collect()
}

fn schema_kind(property: &Value) -> String {
    let one = |kind: &Value| match kind.as_str() {
        Some("string") => "text",
        Some("boolean") => "bool",
        Some("integer") => "int",
        Some("number") => "float",
        Some("array") => "list",
        Some("object") => "map",
        _ => "any",
    };
    match &property["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").map_or("any", one).to_owned(),
        kind => one(kind).to_owned(),
    }
}

const fn needed(name: &'static str, kind: &'static str) -> Slot {
    Slot { name, kind, optional: false }
}

const fn optional(name: &'static str, kind: &'static str) -> Slot {
    Slot { name, kind, optional: true }
}

fn option(name: &str, kind: &str, default: &str, docs: &str) -> OptionDoc {
    let [name, kind, default, docs] = [name, kind, default, docs].map(str::to_owned);
    OptionDoc { name, kind, default, docs }
}

fn global(name: &'static str, docs: &'static str, slots: &[Slot], options: Vec<OptionDoc>) -> Callable {
    Callable { module: None, name, docs, slots: slots.to_vec(), options, returns: None }
}

/// What shapes a plan, and what a recipe says for itself.
pub fn structure() -> Vec<Callable> {
    let on_failure =
        || option("on_failure", "closure", "", "What runs when the body fails, before anything is undone.");
    let always = || option("always", "closure", "", "What runs in the end, whether the body failed or not.");
    vec![
        Callable {
            returns: Some("list of Host"),
            ..global(
                "hosts",
                "The hosts of the environment, in the order of `stagecraft.yml`: all, or those of a role, a host's name, or a \
                 list of these.\n\nA name that is neither a role nor a host is an error.",
                &[optional("which", "text or list")],
                vec![],
            )
        },
        Callable {
            returns: Some("any"),
            ..global(
                "param",
                "Declares what can be given as `--arg NAME=VALUE`, and returns its value, which is also `args.NAME`.\n\n\
                 Name and options are written as literals, so that `stagecraft run NAME --help` can show them without \
                 running the recipe. A parameter without `fallback` has to be given.",
                &[needed("name", "text"), optional(OPTIONS, "map")],
                vec![
                    option("fallback", "any", "", "The value when none is given; its type is the parameter's."),
                    option("type", "text", "\"text\"", "`text`, `int`, `float`, `bool` or `duration`."),
                    option("choices", "list", "", "The only values that are taken."),
                    option("help", "text", "", "One line for `--help`."),
                ],
            )
        },
        global(
            "step",
            "Runs the closure now; what it appends to the plan is one step of this name, in order.",
            &[needed("name", "text"), optional(OPTIONS, "map"), needed("body", "closure")],
            vec![
                option(
                    "retry",
                    "int",
                    "0",
                    "Tries after the first of each operation, for failures whose outcome is known.",
                ),
                option(
                    "timeout",
                    "duration",
                    "",
                    "The longest time for one try of an operation; else its own deadlines.",
                ),
                on_failure(),
                always(),
            ],
        ),
        global(
            "parallel",
            "Runs the closures now, one after the other; what each appends to the plan is a lane, and the lanes run at once.\n\n\
             Takes a list of closures, or a map whose keys name the lanes.",
            &[needed("bodies", "list or map of closures")],
            vec![],
        ),
        global(
            "each",
            "Calls the closure with each element now; what it appends to the plan is a lane of its own, named after the \
             element, and the lanes run at once. A `for` loop makes a sequence instead.",
            &[needed("list", "list"), needed("body", "closure with one parameter")],
            vec![],
        ),
        global(
            "guard",
            "Puts the operations of the body under guard: `on_failure` runs when one of them fails, before anything is undone; \
             then, either way, `always`.",
            &[needed("body", "closure"), needed(OPTIONS, "map")],
            vec![on_failure(), always()],
        ),
        global(
            "log",
            "Says something to whoever plans or deploys, while the plan is made.",
            &[needed("text", "any")],
            vec![],
        ),
        global(
            "fail",
            "Ends the recipe with this message: there is no plan, and nothing is done.",
            &[needed("message", "text")],
            vec![],
        ),
    ]
}

/// What a run waits for, or decides by, when it gets there.
pub fn gates() -> Vec<Callable> {
    vec![
        global(
            "choice",
            "Lets what the gate answers decide, when the run gets there, which of the closures' operations run. All are called \
             now, so that the plan shows every arm.\n\nThe gate appends questions that are harmless to repeat: `http::check`, \
             `host::run` with `repeatable: true`, `approve`. Here their failure is an answer. Without an arm for it the \
             run goes on when the gate has passed, and fails otherwise. Of several answers the worst counts: failed, then \
             inconclusive.",
            &[needed("gate", "closure"), needed(OPTIONS, "map")],
            vec![
                option("passed", "closure", "", "What runs when every question is answered as wanted."),
                option("failed", "closure", "", "What runs when an answer is not the wanted one."),
                option(
                    "inconclusive",
                    "closure",
                    "",
                    "What runs when it cannot be known: a connection was lost, a time limit is over, an exit code says so.",
                ),
            ],
        ),
        global(
            "later",
            "Leaves open what comes next: the closure is called when the run gets there, with facts of then, and what it appends \
             runs at that place. It is for what the arms of a `choice` cannot say. The plan shows what the closure may call.\n\n\
             `results[\"PATH\"]` is what has run at that path of the plan, or below it, and ended: a list of `#{ host, output }` \
             in the order of the plan. Where nothing had to be done it is empty. A path is the names of steps and of what is in them, such as `\"measure\"` or \
             `\"measure/run/web-1\"`; a name that stands twice has `~2` behind it. What the closure uses of the variables outside it \
             is copied when `later` is called: texts, numbers, lists, maps, hosts, services, images, applications.\n\n\
             A `fail` or a mistake in it fails the run, which then goes back. It cannot call `release::commit` or \
             `release::restore`: which release goes live is decided when the plan is made. What it retires is removed behind the \
             recipe's `release::commit`.",
            &[needed("name", "text"), needed("body", "closure with one parameter")],
            vec![],
        ),
        global(
            "approve",
            "Asks a person whether the run goes on: at its terminal, and from anywhere with `stagecraft approve`. Denied it \
             fails, and without an answer it is inconclusive; as the gate of a `choice` these are answers.\n\nWhile it waits the \
             environment's lock is let go, and other runs are kept out. When a host has changed meanwhile it is \
             inconclusive. Nothing can run beside it, and it cannot stand in `on_failure` or `always`: those run also when the run \
             has failed, and hosts that are half changed would stand open to others. `deploy --approve` approves beforehand; `--yes` does not.",
            &[needed("message", "text"), optional(OPTIONS, "map")],
            vec![option("within", "duration", "\"1h\"", "How long an answer may take.")],
        ),
        global(
            "wait",
            "Lets so much time pass before what comes next, such as for a new release to show itself. A cancelled run stops \
             waiting at once; a resumed one waits for what is left. A step's `timeout` doesn't count here.",
            &[needed("duration", "duration")],
            vec![],
        ),
    ]
}

/// What the bindings add to the library's modules.
pub fn restore() -> Vec<Callable> {
    vec![Callable {
        module: Some("release"),
        name: "restore",
        docs: "Makes an earlier release the one that this recipe puts on the hosts, and returns it as an `App`: its services, \
               images and routes as they were. Its values come from the environment's state, not from today's files. What is \
               committed is a new release.\n\nTakes a number, `\"previous\"` (the one that was live before the one that is), or \
               a `Release`. It comes before anything that changes a host, and once.",
        slots: vec![needed("release", "int, text or Release")],
        options: vec![],
        returns: Some("App"),
    }]
}
