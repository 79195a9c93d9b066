//! Holds spec/features.yaml against the tests that carry its ids and the pages it names.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use walkdir::WalkDir;

#[derive(Deserialize)]
struct File {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    id: String,
    title: String,
    status: Status,
    page: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Planned,
    Done,
}

/// The ids that tests carry (`// spec: ID` above the test), each with the tests' places. An ignored test carries none.
fn tags(root: &Path) -> BTreeMap<String, Vec<String>> {
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in ["src", "stdlib", "tests"] {
        for entry in WalkDir::new(root.join(folder)) {
            let path = entry.expect("a readable folder").into_path();
            if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("tests/spec.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a readable source file");
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (number, line) in lines.iter().enumerate() {
                let Some(id) = line.strip_prefix("// spec: ") else { continue };
                let attributes = lines[number + 1..].iter().take_while(|line| !line.contains("fn "));
                let place = format!("{}:{}", path.display(), number + 1);
                let attributes: Vec<&&str> = attributes.collect();
                assert!(attributes.iter().any(|line| line.contains("test")), "{place}: `{id}` stands above no test");
                assert!(
                    !attributes.iter().any(|line| line.contains("ignore")),
                    "{place}: `{id}` stands above an ignored test"
                );
                tags.entry(id.to_owned()).or_default().push(place);
            }
        }
    }
    tags
}

#[test]
fn features_pages_and_tests_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("spec/features.yaml")).expect("spec/features.yaml");
    let file: File = serde_saphyr::from_str(&text).expect("spec/features.yaml has its form");
    let tags = tags(root);
    let mut wrong = Vec::new();
    let mut known = BTreeMap::new();
    for feature in &file.features {
        if known.insert(feature.id.as_str(), feature).is_some() {
            wrong.push(format!("{} stands twice", feature.id));
        }
        if !root.join("spec").join(&feature.page).is_file() {
            wrong.push(format!("{}: spec/{} does not exist", feature.id, feature.page));
        }
        if feature.status == Status::Done && !tags.contains_key(&feature.id) {
            wrong.push(format!("{} ({}) is done, and no test shows it", feature.id, feature.title));
        }
    }
    for (id, places) in &tags {
        if !known.contains_key(id.as_str()) {
            wrong.push(format!("{}: `{id}` is no feature", places.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
