//! What a script may use, every limit set: Rhai's own defaults differ between debug and release builds.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rhai::{Dynamic, Engine, EvalAltResult, OptimizationLevel, Token};

use super::trouble::Trouble;

/// Steps of the interpreter; a turn of a small loop takes about five.
pub const OPERATIONS: u64 = 500_000;
/// Functions and closures inside one another.
pub const CALL_LEVELS: usize = 32;
/// Expressions and blocks inside one another.
const EXPRESSION_DEPTH: usize = 64;
/// Bytes of a text.
pub const STRING: usize = 128 * 1024;
/// Elements of a list or map, with all that is in them.
pub const ELEMENTS: usize = 4000;
pub const VARIABLES: usize = 256;
const FUNCTIONS: usize = 256;
/// For the script itself; waiting for the answers of hosts is not counted.
pub const TIME: Duration = Duration::from_secs(10);
/// Stack of the thread that a script runs on: enough for [`CALL_LEVELS`] in a debug build, and to let go of values inside one
/// another as deep as [`OPERATIONS`] can build them. Only what is used of it takes memory.
pub const STACK: usize = 256 * 1024 * 1024;
/// The clock is looked at once in so many operations.
const GLANCE: u64 = 64;

/// When a script has to have ended.
#[derive(Debug, Clone)]
pub struct Deadline {
    /// Shared with what watches the script.
    at: Arc<Mutex<Instant>>,
    /// Set when nobody waits for the result any more.
    abandoned: Arc<AtomicBool>,
}

impl Deadline {
    pub fn start(abandoned: Arc<AtomicBool>) -> Self {
        Self { at: Arc::new(Mutex::new(Instant::now() + TIME)), abandoned }
    }

    /// Runs what waits for somebody else; its time is not the script's.
    pub fn pause<T>(&self, wait: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = wait();
        *self.end() += began.elapsed();
        result
    }

    fn end(&self) -> MutexGuard<'_, Instant> {
        self.at.lock().expect("nothing panics while it holds the time")
    }

    fn passed(&self) -> Option<Trouble> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Some(Trouble::new("cancelled"));
        }
        let help = Some("is there a loop that does not end?".to_owned());
        let late = || Trouble::new(format!("the script takes longer than {} s", TIME.as_secs())).help(help);
        (Instant::now() > *self.end()).then(late)
    }
}

/// An engine with every limit and nothing ambient: no clock, no sleep, no `eval`, no `import`.
pub fn sandbox() -> Engine {
    let mut engine = Engine::new();
    engine
        .set_max_operations(OPERATIONS)
        .set_max_call_levels(CALL_LEVELS)
        .set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH)
        .set_max_string_size(STRING)
        .set_max_array_size(ELEMENTS)
        .set_max_map_size(ELEMENTS)
        .set_max_variables(VARIABLES)
        .set_max_functions(FUNCTIONS)
        .set_max_modules(0)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        // So that `check` sees dead code too, and nothing runs while it is compiled.
        .set_optimization_level(OptimizationLevel::None)
        // The values that it binds to a closure are not counted.
        .disable_symbol("curry")
        .disable_symbol("eval")
        .disable_symbol("import");
    name_functions_by_keywords(&mut engine);
    engine.register_fn("timestamp", || -> Result<(), Box<EvalAltResult>> {
        Err(Trouble::new("`timestamp` is not available: the same facts must give the same plan").into())
    });
    engine.register_fn("sleep", no_sleep::<i64>);
    engine.register_fn("sleep", no_sleep::<f64>);
    engine
}

/// A function of a module may have a keyword as its name, as `ingress::switch` has.
#[expect(deprecated, reason = "Rhai marks the hook as volatile, not as going away")]
fn name_functions_by_keywords(engine: &mut Engine) {
    let in_module = Cell::new(false);
    engine.on_parse_token(move |token, _, _| {
        let name = match &token {
            Token::Switch if in_module.get() => Token::Identifier(Box::new("switch".into())),
            _ => token.clone(),
        };
        in_module.set(token == Token::DoubleColon);
        name
    });
}

fn no_sleep<T>(_: T) -> Result<(), Box<EvalAltResult>> {
    let help = "give the step `retry` and `timeout`, or the service `bake`".to_owned();
    Err(Trouble::new("`sleep` is not available: a recipe builds a plan, and the plan waits").help(help).into())
}

/// Ends the script when its time has passed.
pub fn watch(engine: &mut Engine, deadline: Deadline) {
    engine.on_progress(move |operations| {
        if operations % GLANCE != 0 {
            return None;
        }
        deadline.passed().map(Dynamic::from)
    });
}
