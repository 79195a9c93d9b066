//! What a `later` can look at: what has run before it.

use std::{collections::BTreeSet, sync::Arc};

use rhai::{Array, Dynamic, Engine, Map};
use stdlib::{
    later::{Past, Ran},
    plan::Key,
};

use super::HostNoun;
use crate::recipe::{
    nearest::nearest,
    trouble::{Raised, Trouble},
};

/// The plan's operations, by the path of names under which the plan has them.
#[derive(Debug, Clone)]
pub struct Results(pub Arc<Past>);

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Results>("Results");
    engine.register_indexer_get(|results: &mut Results, path: &str| results.below(path));
}

impl Results {
    /// What has ended at this path or below it.
    fn below(&self, path: &str) -> Result<Array, Raised> {
        let below = |key: &Key| {
            let rest = key.as_str().strip_prefix('/').and_then(|key| key.strip_prefix(path));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !self.0.places.iter().any(below) {
            let known: BTreeSet<&str> = self.0.places.iter().map(|key| key.as_str().trim_start_matches('/')).collect();
            let help = match nearest(path, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("it has {}", top(&known).join(", ")),
            };
            return Err(Trouble::new(format!("the plan has nothing at `{path}`")).help(help).into());
        }
        self.0.ran.iter().filter(|ran| below(&ran.key)).map(describe).collect()
    }
}

/// The steps that are in no other.
fn top<'a>(known: &BTreeSet<&'a str>) -> Vec<&'a str> {
    known.iter().copied().filter(|path| !path.is_empty() && !path.contains('/')).collect()
}

fn describe(ran: &Ran) -> Result<Dynamic, Raised> {
    let host = ran.host.clone().map_or(Dynamic::UNIT, |host| Dynamic::from(HostNoun(host)));
    let output = rhai::serde::to_dynamic(&ran.output)?;
    Ok(Dynamic::from_map(Map::from([("host".into(), host), ("output".into(), output)])))
}
