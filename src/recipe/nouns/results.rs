//! What a `later` can look at: what has run before it.

use std::{collections::BTreeSet, sync::Arc};

use rhai::{Array, Dynamic, Engine, Map};
use stdlib::later::Ran;

use super::HostNoun;
use crate::recipe::{
    nearest::suggestion,
    trouble::{Raised, Trouble},
};

/// The plan's operations, by the path of names under which the plan has them.
#[derive(Debug, Clone)]
pub struct Results(pub Arc<Vec<Ran>>);

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Results>("Results");
    engine.register_indexer_get(|results: &mut Results, path: &str| results.below(path));
}

impl Results {
    /// Those at this path or below it that have ended.
    fn below(&self, path: &str) -> Result<Array, Raised> {
        let below = |ran: &&Ran| {
            let rest = ran.key.as_str().strip_prefix('/').and_then(|key| key.strip_prefix(path));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut found = self.0.iter().filter(below).peekable();
        if found.peek().is_none() {
            let known = self.paths();
            let trouble = Trouble::new(format!("the plan has nothing at `{path}`"));
            return Err(trouble.help(suggestion(path, known.iter().map(String::as_str))).into());
        }
        found.filter_map(|ran| Some(describe(ran, ran.output.as_ref()?))).collect()
    }

    fn paths(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        for ran in self.0.iter() {
            let key = ran.key.as_str().trim_start_matches('/');
            paths.extend(key.match_indices('/').map(|(end, _)| key[..end].to_owned()));
            paths.insert(key.to_owned());
        }
        paths
    }
}

fn describe(ran: &Ran, output: &serde_json::Value) -> Result<Dynamic, Raised> {
    let host = ran.host.clone().map_or(Dynamic::UNIT, |host| Dynamic::from(HostNoun(host)));
    let output = rhai::serde::to_dynamic(output)?;
    Ok(Dynamic::from_map(Map::from([("host".into(), host), ("output".into(), output)])))
}
