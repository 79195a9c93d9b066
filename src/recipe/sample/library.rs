//! Library functions whose plans are easy to read.

use schemars::JsonSchema;
use serde::Deserialize;
use stdlib::{
    function::{self, Call, Function, Kind, Parameter, PlanError, Planning},
    model::{HostName, Span},
    plan::Scope,
    release::Commit,
    rollout::Stop,
};

/// `lab::touch(hosts, [options])`: one operation on each host.
const TOUCH: Function = Function {
    module: "lab",
    name: "touch",
    docs: "Touches hosts.",
    parameters: &[Parameter { name: "hosts", kind: Kind::Hosts }],
    options: Some(|| schemars::schema_for!(TouchOptions)),
    call: touch,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct TouchOptions {
    /// How gently.
    grace: String,
}

impl Default for TouchOptions {
    fn default() -> Self {
        Self { grace: "1s".into() }
    }
}

fn touch(_: &Planning<'_>, scope: &mut Scope, call: &Call) -> Result<(), PlanError> {
    let options: TouchOptions = call.options()?;
    let grace: Span = options.grace.parse().map_err(PlanError::Options)?;
    for host in call.hosts(0) {
        scope.operation(Some(host), &Stop { id: "id".into(), name: "it".into(), grace });
    }
    Ok(())
}

/// What the built-in recipes call, each as one operation that says so: for tests of the recipes themselves.
pub fn stand_ins() -> Vec<Function> {
    const SERVICE: &[Parameter] = &[Parameter { name: "service", kind: Kind::Service }];
    const HOSTS: Parameter = Parameter { name: "hosts", kind: Kind::Hosts };
    const IMAGES: Parameter = Parameter { name: "images", kind: Kind::Images };
    let function =
        |module, name, parameters, call| Function { module, name, docs: "", parameters, options: None, call };
    vec![
        function("image", "transfer", &[IMAGES, HOSTS], |_, scope, call| {
            let images = call.images(0).iter().map(|image| image.source.as_str());
            note(scope, format!("transfer {} to {}", list(images), list(call.hosts(1).iter().map(HostName::as_str))))
        }),
        function("compose", "prepare", &[HOSTS], |_, scope, call| {
            note(scope, format!("prepare {}", list(call.hosts(0).iter().map(HostName::as_str))))
        }),
        function("compose", "run_job", SERVICE, |_, scope, call| note(scope, format!("run {}", call.service(0).name))),
        function("rollout", "replace", SERVICE, |_, scope, call| {
            note(scope, format!("replace {}", call.service(0).name))
        }),
        function("rollout", "remove", &[Parameter { name: "service", kind: Kind::Text }], |_, scope, call| {
            note(scope, format!("remove {}", call.text(0)))
        }),
        function("release", "commit", &[], |planning, scope, _| {
            let compose_project = planning.application.compose_project();
            scope.operation(None, &Commit { compose_project, number: planning.release.id.number, predecessor: None });
            Ok(())
        }),
    ]
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join("+")
}

#[expect(clippy::unnecessary_wraps, reason = "what a library function returns")]
fn note(scope: &mut Scope, text: String) -> Result<(), PlanError> {
    scope.operation(None, &Stop { id: String::new(), name: text, grace: Span::secs(0) });
    Ok(())
}

/// The library and `lab::touch`.
pub fn functions() -> Vec<Function> {
    let mut functions = function::registry();
    functions.push(TOUCH);
    functions
}
