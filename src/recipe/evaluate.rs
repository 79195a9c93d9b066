//! Evaluates a recipe to a plan, on a thread of its own: a script needs more stack than a task has, and waits for answers.

use std::{
    collections::BTreeMap,
    panic,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rhai::Scope;
use serde_json::Value;
use stdlib::{
    facts::Facts,
    function::{self, Function},
    host::Hosts,
    later::{Decided, Script as Kept},
    model::{Address, Image, Release, RunId, Topology},
    plan::{Change, Node, Read},
};
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    Recipe, RecipeError, bind,
    catalog::Catalog,
    choice, later,
    limits::{self, Deadline},
    nouns, parameters, pause,
    state::{State, of_scope_error},
    structure, syntax,
    trouble::{self, Raised},
};

/// What a recipe may look at.
#[derive(Debug, Clone)]
pub struct Inputs {
    pub topology: Arc<Topology>,
    pub facts: Arc<Facts>,
    /// The release that this run would make, with the application of today's files.
    pub release: Arc<Release>,
    pub ingress_image: Option<Image>,
    pub run: RunId,
}

/// What a recipe leads to.
#[derive(Debug)]
pub struct Evaluated {
    pub args: BTreeMap<String, Value>,
    /// What was asked while it was evaluated, with the answers.
    pub reads: Vec<Read>,
    /// The release that the plan commits, if it commits one.
    pub release: Option<Release>,
    /// The release whose values are needed, when an earlier one is put back.
    pub restored: Option<u64>,
    pub changes: Vec<Change>,
    pub root: Node,
    /// For what the plan leaves open.
    pub script: Option<Box<Kept>>,
    pub log: Vec<String>,
}

/// Evaluates the recipe. Changes nothing. Needs a runtime of tokio around it, for what the recipe asks hosts.
pub async fn evaluate(
    recipe: &Recipe,
    inputs: Inputs,
    args: &BTreeMap<String, String>,
    hosts: Hosts,
) -> Result<Evaluated, Box<RecipeError>> {
    let script = Script { recipe: recipe.clone(), inputs, hosts, functions: function::registry() };
    script.evaluate(args.clone()).await
}

/// A recipe with all that its evaluation needs.
pub(super) struct Script {
    pub recipe: Recipe,
    pub inputs: Inputs,
    pub hosts: Hosts,
    pub functions: Vec<Function>,
}

/// What of a recipe is run.
enum Part {
    Whole { args: BTreeMap<String, String> },
    Closure(later::Call),
}

impl Script {
    pub async fn evaluate(self, args: BTreeMap<String, String>) -> Result<Evaluated, Box<RecipeError>> {
        self.on_a_thread(Part::Whole { args }, finish).await
    }

    /// One of its closures alone. The second is what it had to say.
    pub async fn decide(self, call: later::Call) -> Result<(Decided, Vec<String>), Box<RecipeError>> {
        let decided = |_: &Recipe, state: State| {
            let growing = state.into_growing();
            let decided = growing.scope.decided(growing.reads).map_err(|error| of_scope_error(&error))?;
            Ok((decided, growing.log))
        };
        self.on_a_thread(Part::Closure(call), decided).await
    }

    async fn on_a_thread<T: Send + 'static>(self, part: Part, finish: Finish<T>) -> Result<T, Box<RecipeError>> {
        let abandoned = Abandon::default();
        let (answer, answered) = oneshot::channel();
        let runtime = Handle::current();
        let deadline = Deadline::start(Arc::clone(&abandoned.0));
        let script = move || {
            // Nobody listens any more when the evaluation has been abandoned.
            let _ = answer.send(self.run(&part, finish, runtime, deadline));
        };
        let thread = thread::Builder::new().name("recipe".into()).stack_size(limits::STACK).spawn(script);
        let thread = thread.expect("the machine has room for a thread");
        match answered.await {
            Ok(evaluated) => evaluated,
            Err(_) => panic::resume_unwind(thread.join().expect_err("it ended without an answer")),
        }
    }

    fn run<T>(
        self,
        part: &Part,
        finish: Finish<T>,
        runtime: Handle,
        deadline: Deadline,
    ) -> Result<T, Box<RecipeError>> {
        let Self { recipe, inputs, hosts, functions } = self;
        let mut catalog = Catalog::of(&functions);
        let ast = syntax::parse(&recipe, &catalog)?;
        catalog.own = syntax::functions(&ast);
        let args = match part {
            Part::Whole { args } => parameters::bind(&recipe, &parameters::declared(&recipe, &ast)?, args)?,
            Part::Closure(call) => call.args.clone(),
        };
        let keeps = syntax::calls(&ast).iter().any(|call| call.name == "later");
        let closures = if keeps { syntax::closures(&ast) } else { Vec::new() };
        let state = Rc::new(State::new(inputs, hosts, args, closures, runtime, deadline.clone()));

        let mut engine = limits::sandbox();
        limits::watch(&mut engine, deadline);
        bind::library(&mut engine, &state, &functions);
        structure::register(&mut engine, &state);
        choice::register(&mut engine, &state);
        later::register(&mut engine, &state);
        pause::register(&mut engine, &state);
        nouns::register(&mut engine, &state);
        let ended = match part {
            Part::Whole { .. } => engine.run_ast_with_scope(&mut Scope::new(), &ast),
            Part::Closure(call) => call.make(&engine, &ast, &state),
        };
        let ended = ended.and_then(|()| state.refused());
        drop(engine);
        let raised = |error: Raised| Box::new(trouble::of_running(&recipe, &ast, error, &catalog));
        ended.map_err(raised)?;
        let state = Rc::into_inner(state).expect("the engine that shared it is gone");
        finish(&recipe, state).map_err(raised)
    }
}

/// Makes of a script that has ended well what was asked for.
type Finish<T> = fn(&Recipe, State) -> Result<T, Raised>;

/// Ends the script when the evaluation is dropped.
#[derive(Default)]
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn finish(recipe: &Recipe, state: State) -> Result<Evaluated, Raised> {
    let (args, inputs) = (state.args.clone(), state.inputs.clone());
    let growing = state.into_growing();
    let committed = growing.scope.committed();
    let steps_without_operations = growing.scope.traceless().to_vec();
    let (root, changes) = growing.scope.finish().map_err(|error| of_scope_error(&error))?;
    let script = root.is_open().then(|| Kept {
        path: recipe.path.clone(),
        source: recipe.source.clone(),
        topology: shown(&inputs.topology),
        release: inputs.release.as_ref().clone(),
        restored: growing.restored.map(|_| growing.release.as_ref().clone()),
        ingress_image: inputs.ingress_image,
        steps_without_operations,
    });
    Ok(Evaluated {
        args,
        reads: growing.reads,
        release: committed.then(|| growing.release.as_ref().clone()),
        restored: growing.restored,
        changes,
        root,
        script: script.map(Box::new),
        log: growing.log,
    })
}

/// What a recipe sees of the topology: how this machine reaches a host is not its business, nor that of who reads the plan.
fn shown(topology: &Topology) -> Topology {
    let mut topology = topology.clone();
    for host in &mut topology.hosts {
        if let Address::Ssh { user, port, identity, known_hosts, jump, .. } = &mut host.address {
            (*user, *port, *identity, *known_hosts, *jump) = (None, None, None, None, None);
        }
    }
    topology
}
