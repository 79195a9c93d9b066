//! Looks into a compiled script. The only place that touches Rhai's syntax tree, whose types it calls volatile.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Dynamic, Engine, Expr, FnCallExpr, FnPtr, ImmutableString, Module, Position, Scope, Stmt};

use super::{Recipe, RecipeError, catalog::Catalog, limits, trouble};

/// The name that Rhai gives to functions without one.
const ANONYMOUS: &str = "anon$";
/// How Rhai binds captured variables to a closure.
const CURRY: &str = "curry";

/// Compiles a recipe; nothing of it runs.
pub fn parse(recipe: &Recipe, catalog: &Catalog) -> Result<AST, Box<RecipeError>> {
    let mut engine = limits::sandbox();
    // Compiling asks only whether a module is there.
    for module in catalog.modules() {
        engine.register_static_module(module, Module::new().into());
    }
    compile(&engine, recipe, catalog)
}

/// Compiles with an engine that has the library's modules.
pub fn compile(engine: &Engine, recipe: &Recipe, catalog: &Catalog) -> Result<AST, Box<RecipeError>> {
    let mut known = Scope::new();
    for variable in catalog.variables() {
        known.push_constant(variable, ());
    }
    let compiled = engine.compile_with_scope(&known, &recipe.source);
    compiled.map_err(|error| trouble::of_parsing(recipe, &error, catalog).into())
}

/// A call as it stands in the source.
#[derive(Debug)]
pub struct Call {
    /// With its module: `rollout::replace`.
    pub name: String,
    pub position: Position,
    /// The number of arguments, a method's receiver included.
    pub given: usize,
    /// What stands in each place: the keys of a map, the value of a literal. Without the receiver.
    pub arguments: Vec<Argument>,
}

#[derive(Debug)]
pub struct Argument {
    /// The value, where all of it is written out.
    pub literal: Option<Dynamic>,
    /// The keys of a map that is written out, each with its place where that is known.
    pub keys: Option<BTreeMap<String, Position>>,
}

/// Every call of the script, also in functions and closures; operators are none.
pub fn calls(ast: &AST) -> Vec<Call> {
    let mut calls = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) => {
                calls.extend(read_call(call, *position, 0));
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => calls.extend(read_call(call, *position, 1)),
            _ => (),
        }
        true
    });
    calls
}

fn read_call(call: &FnCallExpr, position: Position, receivers: usize) -> Option<Call> {
    if call.op_token.is_some() || call.name == CURRY {
        return None;
    }
    let name = match call.namespace.to_string() {
        module if module.is_empty() => call.name.to_string(),
        module => format!("{module}::{}", call.name),
    };
    let arguments: Vec<Argument> = call.args.iter().map(argument).collect();
    Some(Call { name, position, given: receivers + arguments.len(), arguments })
}

fn argument(expr: &Expr) -> Argument {
    let literal = expr.get_literal_value(None);
    let keys = match expr {
        Expr::Map(map, _) => Some(map.0.iter().map(|(ident, _)| (ident.name.to_string(), ident.pos)).collect()),
        _ => literal.as_ref().and_then(|value| {
            let map = value.read_lock::<rhai::Map>()?;
            Some(map.keys().map(|key| (key.to_string(), expr.position())).collect())
        }),
    };
    Argument { literal, keys }
}

/// A closure as it stands in the source.
#[derive(Debug, Clone)]
pub struct Closure {
    /// Rhai's, from one compilation to the next another.
    pub name: String,
    pub position: Position,
    /// Of what it has captured first.
    pub parameters: Vec<String>,
    /// What its text calls, also by the script's own functions and closures inside.
    pub calls: BTreeSet<String>,
}

/// Every closure of the script.
pub fn closures(ast: &AST) -> Vec<Closure> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(expr)) = path.last()
            && let Some(name) = closure(expr)
        {
            found.push((name, expr.position()));
        }
        true
    });
    let describe = |(name, position): (String, Position)| {
        let function = ast.iter_fn_def().find(|function| function.name == name)?;
        let parameters = function.params.iter().map(ToString::to_string).collect();
        let mut calls = BTreeSet::new();
        add_calls(ast, &name, &mut calls, &mut BTreeSet::new());
        Some(Closure { name, position, parameters, calls })
    };
    found.into_iter().filter_map(describe).collect()
}

/// The name of the closure that an expression writes out.
fn closure(expr: &Expr) -> Option<String> {
    let Expr::DynamicConstant(value, _) = expr else { return None };
    let name = value.read_lock::<FnPtr>()?.fn_name().to_owned();
    name.starts_with(ANONYMOUS).then_some(name)
}

fn add_calls(ast: &AST, function: &str, calls: &mut BTreeSet<String>, seen: &mut BTreeSet<String>) {
    if !seen.insert(function.to_owned()) {
        return;
    }
    let mut alone = ast.clone_functions_only();
    alone.retain_functions(|_, _, name, _| name == function);
    let mut inner: Vec<String> = self::calls(&alone).into_iter().map(|call| call.name).collect();
    alone.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(expr)) = path.last() {
            inner.extend(closure(expr));
        }
        true
    });
    for name in inner {
        add_calls(ast, &name, calls, seen);
        calls.insert(name);
    }
}

/// The functions that the script defines, with the number of their parameters.
pub fn functions(ast: &AST) -> Vec<(String, usize)> {
    let named = ast.iter_functions().filter(|function| !function.name.starts_with(ANONYMOUS));
    named.map(|function| (function.name.to_owned(), function.params.len())).collect()
}

/// Where the script defines this function.
pub fn definition(ast: &AST, name: &str) -> Position {
    ast.iter_fn_def()
        .find(|function| function.name == name)
        .map_or(Position::NONE, |function| function.body.start_position())
}

/// Where the bodies of `try` begin and end.
pub fn guarded_by_try(ast: &AST) -> Vec<(Position, Position)> {
    let mut bodies = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) = path.last() {
            bodies.push((flow.body.span().start(), flow.body.span().end()));
        }
        true
    });
    bodies
}

/// Variables that a closure uses which is an argument of the variable's own method, as `hs` in `hs.each(|h| hs.len())`.
pub fn captured_in_own_chain(ast: &AST) -> Vec<(String, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Share(shared))) = path.last() {
            let chains: Vec<&ImmutableString> = path.iter().filter_map(chain_root).collect();
            let own = shared.iter().filter(|(variable, _)| chains.contains(&&variable.name));
            found.extend(own.map(|(variable, _)| (variable.name.to_string(), variable.pos)));
        }
        true
    });
    found
}

/// The variable at the beginning of a chain of methods.
fn chain_root<'a>(node: &ASTNode<'a>) -> Option<&'a ImmutableString> {
    match node {
        ASTNode::Expr(Expr::Dot(chain, ..) | Expr::Index(chain, ..)) => match &chain.lhs {
            Expr::Variable(variable, ..) => Some(&variable.1),
            _ => None,
        },
        _ => None,
    }
}
