//! Pipelines, checked.

use std::collections::BTreeMap;

use serde_json::Value;
use stdlib::model::EnvironmentName;

use super::{
    file::{File, Pipeline as Settings},
    findings::{Findings, instead},
    values::Named,
};

/// A recipe bound to arguments and an environment under a name.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: String,
    /// A recipe's name, or a path of a `.rhai` file relative to the project directory.
    pub recipe: String,
    pub environment: Option<EnvironmentName>,
    pub args: BTreeMap<String, Value>,
}

/// All pipelines of the file. Whether their recipes exist and take the arguments is the recipes' to say.
pub fn resolve(file: &File, findings: &mut Findings) -> Vec<Pipeline> {
    let declared = file.pipelines.value().map_or(&[][..], |table| &table.0);
    declared.iter().filter_map(|named| one(named, file, findings)).collect()
}

fn one(named: &Named<Settings>, file: &File, findings: &mut Findings) -> Option<Pipeline> {
    let Settings { recipe, environment, args } = &named.value;
    if let Some(given) = environment.given() {
        let known: Vec<&str> = file.environments.value().map_or(vec!["default"], |table| table.names().collect());
        if !known.contains(&given.value.as_str()) {
            let help = instead(&given.value, known);
            findings.error(&given.span, format!("there is no environment `{}`", given.value)).help(help);
        }
    }
    let args = args.value().map_or(&[][..], |table| &table.0);
    Some(Pipeline {
        name: named.name.clone(),
        recipe: recipe.value()?.clone(),
        environment: environment.value().and_then(|name| EnvironmentName::new(name).ok()),
        args: args.iter().map(|arg| (arg.name.clone(), arg.value.clone())).collect(),
    })
}
