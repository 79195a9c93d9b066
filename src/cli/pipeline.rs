//! A recipe or pipeline by its name, with the project and environment that it is for.

use std::collections::BTreeMap;

use super::{CliError, Global, prepare::Request, project};
use crate::{
    config::Project,
    recipe::{self, Recipe},
};

/// A pipeline's recipe, its own arguments, and the project in its environment.
pub struct Bound {
    pub project: Project,
    pub recipe: Recipe,
    args: BTreeMap<String, String>,
}

impl Bound {
    /// The pipeline's arguments, those of the command line over them.
    pub fn request(&self, given: BTreeMap<String, String>) -> Result<Request, CliError> {
        let mistakes = recipe::check(&self.recipe);
        if !mistakes.is_empty() {
            return Err(CliError::Configuration(mistakes));
        }
        let mut args = self.args.clone();
        args.extend(given);
        Ok(Request { recipe: self.recipe.clone(), args })
    }
}

/// The pipeline of this name in stagecraft.yml, or the recipe of this name.
pub async fn find(global: &Global, name: &str) -> Result<Bound, CliError> {
    let project = project::load(global).await?;
    let Some(pipeline) = project.pipelines.iter().find(|pipeline| pipeline.name == name) else {
        let recipe = recipe::find(&project.directory, name)?;
        return Ok(Bound { project, recipe, args: BTreeMap::new() });
    };
    let recipe = recipe::find(&project.directory, &pipeline.recipe)?;
    let args = pipeline.args.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    match &pipeline.environment {
        Some(environment) if *environment != project.topology.environment => {
            // `--env` on the command line says otherwise: that would be two answers to one question.
            if let Some(asked) = &global.environment {
                return Err(CliError::usage(
                    format!("pipeline `{name}` is for {environment}, and --env says {asked}"),
                    format!("leave --env out, or run the recipe itself: `stagecraft run {}`", pipeline.recipe),
                ));
            }
            let environment = Global { environment: Some(environment.to_string()), ..global.clone() };
            Ok(Bound { project: project::load(&environment).await?, recipe, args })
        }
        _ => Ok(Bound { project, recipe, args }),
    }
}

/// A YAML scalar as the command line would give it.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
