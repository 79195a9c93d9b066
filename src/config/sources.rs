//! The Compose files as text, for the lines of what Compose's JSON names by path.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    Diagnostic,
    yaml::{self, Content, Node, Tags},
};

/// The names that Compose itself looks for, in its order, and their overrides.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// How deep `include` is followed.
const MAX_INCLUDES: usize = 8;

/// The Compose files of a project, the one that decides first.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Source>);

#[derive(Debug, Clone)]
struct Source {
    /// As it is shown.
    name: PathBuf,
    text: String,
    root: Option<Node>,
}

impl Sources {
    /// Reads the given files, or those that Compose would take, and what they include.
    pub fn read(directory: &Path, files: &[PathBuf]) -> Self {
        let mut sources = Self::default();
        let files = if files.is_empty() { found(directory) } else { files.to_vec() };
        for file in &files {
            sources.add(directory, &directory.join(file), 0);
        }
        // A later file overrides an earlier one.
        sources.0.reverse();
        sources
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, directory: &Path, file: &Path, depth: usize) {
        let Ok(text) = fs::read_to_string(file) else { return };
        let name = file.strip_prefix(directory).unwrap_or(file).to_owned();
        if depth > MAX_INCLUDES || self.0.iter().any(|source| source.name == name) {
            return;
        }
        // What is not YAML is Compose's to refuse.
        let root = yaml::parse(&text, Tags::Any).ok().flatten();
        let base = file.parent().unwrap_or(directory);
        let included: Vec<PathBuf> = root.iter().flat_map(includes).map(|path| base.join(path)).collect();
        for path in included {
            self.add(directory, &path, depth + 1);
        }
        self.0.push(Source { name, text, root });
    }

    /// A diagnostic at the place in a Compose file that a path such as `services`, `web`, `privileged` leads to, or at the
    /// nearest place on the way.
    pub fn diagnostic(&self, path: &[&str], message: impl Into<String>) -> Diagnostic {
        let places = self.0.iter().filter_map(|source| {
            let (depth, span) = find(source.root.as_ref()?, path)?;
            Some((depth, span, source))
        });
        // Of equally deep places the first file's.
        let best = places.rev().max_by_key(|(depth, ..)| *depth);
        let Some((depth, span, source)) = best else {
            let name = self.0.last().map_or_else(|| PathBuf::from(NAMES[0]), |source| source.name.clone());
            return Diagnostic::of_file(name, message);
        };
        let mut diagnostic = Diagnostic::of_file(&source.name, message);
        let (text, span) = only_key(&source.text, &span);
        diagnostic.source = text;
        diagnostic.span = Some(span);
        if let ["services", service, key, ..] = path
            && depth == 2
        {
            diagnostic
                .help(format!("`{key}` does not stand in `{service}` itself: it comes by `extends` or another file"));
        }
        diagnostic
    }

    /// Whether a path leads somewhere.
    pub fn has(&self, path: &[&str]) -> bool {
        let ends = |source: &Source| find(source.root.as_ref()?, path).filter(|(depth, _)| *depth == path.len());
        self.0.iter().any(|source| ends(source).is_some())
    }

    /// A diagnostic that names the file that Compose is started with.
    pub fn of_project(&self, message: impl Into<String>) -> Diagnostic {
        let name = self.0.last().map_or_else(|| PathBuf::from(NAMES[0]), |source| source.name.clone());
        Diagnostic::of_file(name, message)
    }
}

/// The files that Compose takes when none is named: in the project directory or the nearest one above it.
fn found(directory: &Path) -> Vec<PathBuf> {
    let there = |folder: &Path, names: &[&str]| names.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    let first = directory.ancestors().find_map(|folder| there(folder, &NAMES));
    let Some(first) = first else { return Vec::new() };
    let over = first.parent().and_then(|folder| there(folder, &OVERRIDES));
    [first].into_iter().chain(over).collect()
}

/// The paths of `include`, as texts or under `path`.
fn includes(root: &Node) -> Vec<&str> {
    let Some(Content::List(items)) = entry(root, "include").map(|node| &node.content) else { return Vec::new() };
    items.iter().flat_map(|item| texts(entry(item, "path").unwrap_or(item))).collect()
}

fn texts(node: &Node) -> Vec<&str> {
    match &node.content {
        Content::List(items) => items.iter().filter_map(as_text).collect(),
        _ => as_text(node).into_iter().collect(),
    }
}

fn as_text(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.content {
        Content::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        _ => None,
    }
}

/// How many segments of the path are in the tree, and where the last of them is. A segment is a key, an index, or the text
/// of an item.
fn find(root: &Node, path: &[&str]) -> Option<(usize, Range<usize>)> {
    let mut node = root;
    let mut place = None;
    for (depth, segment) in path.iter().enumerate() {
        let (next, span) = match &node.content {
            Content::Map(entries) => {
                let Some(entry) = entries.iter().find(|entry| entry.key == *segment) else { break };
                (&entry.value, entry.key_span.clone())
            }
            Content::List(items) => {
                let indexed = segment.parse::<usize>().ok().and_then(|index| items.get(index));
                let Some(item) = indexed.or_else(|| items.iter().find(|item| as_text(item) == Some(segment))) else {
                    break;
                };
                (item, item.span.clone())
            }
            _ => break,
        };
        node = next;
        place = Some((depth + 1, span));
    }
    place
}

/// The text with nothing else on the marked line than what is marked, and the mark in it: a value beside it may be secret.
fn only_key(text: &str, span: &Range<usize>) -> (String, Range<usize>) {
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline);
    let before = " ".repeat(text[start..span.start].chars().count());
    let moved = start + before.len();
    let marked = &text[span.clone()];
    (format!("{}{before}{marked}{}", &text[..start], &text[end..]), moved..moved + marked.len())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use tempfile::TempDir;

    use super::Sources;

    const WEB: &str = "services:\n  web:\n    privileged: true\n    ports: [\"80:80\", \"81:81\"]\n";

    fn files(files: &[(&str, &str)]) -> (TempDir, Sources) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let sources = Sources::read(directory.path(), &[]);
        (directory, sources)
    }

    /// `FILE:LINE:COLUMN` of a path.
    fn place(sources: &Sources, path: &[&str]) -> String {
        let json = sources.diagnostic(path, "wrong").to_json();
        format!("{}:{}:{}", json["file"].as_str().unwrap(), json["line"], json["column"])
    }

    #[test]
    fn finds_keys_and_items() {
        let (_directory, sources) = files(&[("docker-compose.yml", WEB)]);
        assert_eq!(place(&sources, &["services", "web", "privileged"]), "docker-compose.yml:3:5");
        assert_eq!(place(&sources, &["services", "web", "ports", "1", "mode"]), "docker-compose.yml:4:22");
        assert_eq!(place(&sources, &["services", "web", "ports", "80:80"]), "docker-compose.yml:4:13");
    }

    #[test]
    fn what_overrides_decides() {
        let over = "services:\n  web: { privileged: false, tty: true }\n";
        let (_directory, sources) = files(&[("compose.yaml", WEB), ("compose.override.yaml", over)]);
        assert_eq!(place(&sources, &["services", "web", "privileged"]), "compose.override.yaml:2:10");
        assert_eq!(place(&sources, &["services", "web", "ports"]), "compose.yaml:4:5");
    }

    #[test]
    fn follows_includes() {
        let main = "include:\n  - other.yaml\n  - path: [third.yaml]\n";
        let third = WEB.replace("web", "api");
        let (_directory, sources) = files(&[("compose.yaml", main), ("other.yaml", WEB), ("third.yaml", &third)]);
        assert_eq!(place(&sources, &["services", "web", "privileged"]), "other.yaml:3:5");
        assert_eq!(place(&sources, &["services", "api", "privileged"]), "third.yaml:3:5");
    }

    #[test]
    fn names_the_service_of_a_key_that_comes_from_elsewhere() {
        let (_directory, sources) = files(&[("compose.yaml", WEB)]);
        assert_eq!(place(&sources, &["services", "web", "tty"]), "compose.yaml:2:3");
        let help = sources.diagnostic(&["services", "web", "tty"], "wrong").help.unwrap();
        assert!(help.contains("`tty`") && help.contains("`extends`"), "{help}");
    }

    #[test]
    fn names_a_file_when_nothing_is_found() {
        let (_directory, sources) = files(&[]);
        assert_eq!(sources.diagnostic(&["services", "web"], "wrong").file, PathBuf::from("compose.yaml"));
    }

    #[test]
    fn shows_no_value_beside_a_key() {
        let text = "services:\n  web: { environment: { A: s3cret }, é: 1, privileged: true, x: s3cret }\n";
        let (_directory, sources) = files(&[("compose.yaml", text)]);
        let diagnostic = sources.diagnostic(&["services", "web", "privileged"], "wrong");
        assert!(!diagnostic.source.contains("s3cret"), "{}", diagnostic.source);
        assert_eq!(place(&sources, &["services", "web", "privileged"]), "compose.yaml:2:44");
    }
}
