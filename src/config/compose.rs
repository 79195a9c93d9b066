//! The Compose model, its problems at their lines.

use serde_json::Value;
use stdlib::compose::{self, ComposeCli, Model};

use super::{Diagnostic, sources::Sources};

/// What Compose says of the application, with its warnings.
pub async fn read(cli: &ComposeCli, sources: &Sources) -> Result<(Model, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (config, warnings) = cli.config().await.map_err(|words| vec![refused(&words, sources)])?;
    let model = model(&config, sources)?;
    Ok((model, warnings.into_iter().map(|words| sources.of_project(words)).collect()))
}

/// What Stagecraft can take of Compose's JSON, which is all of it, or each problem at its line.
pub fn model(config: &Value, sources: &Sources) -> Result<Model, Vec<Diagnostic>> {
    let place = |problem: compose::Problem| {
        let path: Vec<&str> = problem.path.iter().map(String::as_str).collect();
        let mut diagnostic = sources.diagnostic(&path, problem.message);
        diagnostic.help = problem.hint.or(diagnostic.help);
        diagnostic
    };
    compose::read(config).map_err(|problems| problems.into_iter().map(place).collect())
}

/// Compose's own words, at the place that they name.
fn refused(words: &str, sources: &Sources) -> Diagnostic {
    let path = path_of(words);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut diagnostic = if path.is_empty() { sources.of_project(words) } else { sources.diagnostic(&path, words) };
    if sources.is_empty() {
        diagnostic.help("write a compose.yaml, or name the Compose files with `compose` in stagecraft.yml");
    } else {
        diagnostic.help("these are the words of `docker compose config`");
    }
    diagnostic
}

/// The path in words such as `services.web additional properties 'imgae' not allowed`; empty where there is none.
fn path_of(words: &str) -> Vec<String> {
    let dotted =
        words.split_whitespace().map(|word| word.trim_end_matches(':')).find(|word| word.starts_with("services."));
    let mut path: Vec<String> = dotted.into_iter().flat_map(|word| word.split('.')).map(str::to_owned).collect();
    if let Some((_, rest)) = words.split_once("additional properties '") {
        path.extend(rest.split('\'').next().map(str::to_owned));
    }
    if let (true, Some((_, rest))) = (path.is_empty(), words.split_once("service \"")) {
        path = vec!["services".to_owned(), rest.split('"').next().unwrap_or_default().to_owned()];
    }
    path
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn finds_the_path_in_composes_words() {
        let cases = [
            (
                "validating /srv/compose.yaml: services.web additional properties 'imgae', 'x' not allowed",
                "services/web/imgae",
            ),
            ("validating /srv/compose.yaml:  additional properties 'serv' not allowed", "serv"),
            ("validating /srv/compose.yaml: services.web.ports must be a array", "services/web/ports"),
            ("error while interpolating services.web.image: required variable X is missing", "services/web/image"),
            ("service \"web\" depends on undefined service \"db\": invalid compose project", "services/web"),
            ("yaml: line 2: did not find expected ',' or ']'", ""),
        ];
        for (words, path) in cases {
            assert_eq!(path_of(words).join("/"), path, "{words}");
        }
    }
}
