//! The content hash of a build: equal hashes are the same image.
//!
//! It covers what the builder is given: the files of the context that `.dockerignore` lets through, the Dockerfile, the
//! `build` section, the contents of its secrets, and the platform. Not the times of files, which the builder ignores as
//! well, and not what a registry or a mutable `FROM` says today.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ignore::{Ignore, Matched};
use crate::model::SecretValue;

/// Part of every hash: raised when what is hashed changes.
const VERSION: &str = "stagecraft build 1";

/// Keys of a `build` section that say where things are or how to build, and not what comes out.
const NOT_CONTENT: [&str; 6] = ["context", "additional_contexts", "cache_from", "cache_to", "no_cache", "ssh"];

/// Why the files of a build cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Unreadable {
    pub path: PathBuf,
    pub why: io::Error,
}

/// The hash of a build, in hexadecimal. `None` when it cannot be known from files: a context that is not a local
/// directory, a base that is to be pulled each time, a secret that is not there. Blocks; reads the whole context.
pub fn hash(
    build: &Value,
    secrets: Option<&BTreeMap<String, SecretValue>>,
    platform: &str,
) -> Result<Option<String>, Unreadable> {
    let Some(secrets) = secrets.filter(|_| build["pull"] != Value::Bool(true)) else { return Ok(None) };
    let Some(context) = local(build["context"].as_str()) else { return Ok(None) };
    let mut hash = Sha256::new();
    part(&mut hash, VERSION, platform.as_bytes());
    part(&mut hash, "build", canonical(build).as_bytes());
    for (name, value) in secrets {
        part(&mut hash, &format!("secret {name}"), value.expose().as_bytes());
    }
    let dockerfile = dockerfile(build);
    if let Some(path) = &dockerfile {
        // A Dockerfile that is missing is for the builder to complain about.
        let Ok(text) = fs::read(path) else { return Ok(None) };
        part(&mut hash, "dockerfile", &text);
    }
    part(&mut hash, "context", &directory(&context, &ignore_of(&context, dockerfile.as_deref()))?);
    for (name, place) in build["additional_contexts"].as_object().into_iter().flatten() {
        let Some(place) = local(place.as_str()) else { return Ok(None) };
        part(&mut hash, &format!("context {name}"), &directory(&place, &ignore_of(&place, None))?);
    }
    Ok(Some(hex::encode(hash.finalize())))
}

/// The Dockerfile's path; `None` when it stands in the section itself.
pub fn dockerfile(build: &Value) -> Option<PathBuf> {
    if build["dockerfile_inline"].is_string() {
        return None;
    }
    let name = build["dockerfile"].as_str().unwrap_or("Dockerfile");
    Some(Path::new(build["context"].as_str().unwrap_or(".")).join(name))
}

/// A local directory: Compose has made its path absolute.
fn local(context: Option<&str>) -> Option<PathBuf> {
    context.map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir())
}

/// `Dockerfile.dockerignore` beside the Dockerfile comes before the context's own `.dockerignore`.
fn ignore_of(context: &Path, dockerfile: Option<&Path>) -> Ignore {
    let own = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    let candidates = own.into_iter().chain([context.join(".dockerignore")]);
    candidates
        .into_iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .map(|text| Ignore::parse(&text))
        .unwrap_or_default()
}

/// Names and lengths keep two different parts from looking like one.
fn part(hash: &mut Sha256, name: &str, contents: &[u8]) {
    hash.update(format!("{name} {}\n", contents.len()));
    hash.update(contents);
}

/// The section as JSON with sorted keys, without what is not content.
fn canonical(build: &Value) -> String {
    let kept = build.as_object().into_iter().flatten().filter(|(key, _)| !NOT_CONTENT.contains(&key.as_str()));
    let sorted: BTreeMap<&String, Value> = kept.map(|(key, value)| (key, sort(value))).collect();
    serde_json::to_string(&sorted).expect("JSON values")
}

fn sort(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sort(value))).collect();
            serde_json::to_value(sorted).expect("JSON values")
        }
        Value::Array(items) => items.iter().map(sort).collect(),
        plain => plain.clone(),
    }
}

enum Kind {
    Directory,
    File,
    Link(PathBuf),
}

struct Entry {
    path: PathBuf,
    mode: u32,
    kind: Kind,
}

/// The hash of a directory's entries: names, permissions, contents and targets of links.
fn directory(root: &Path, ignore: &Ignore) -> Result<[u8; 32], Unreadable> {
    let mut entries = Vec::new();
    walk(root, Path::new(""), ignore, &Matched::default(), &mut entries)?;
    let contents = contents(root, &entries)?;
    let mut hash = Sha256::new();
    for (entry, contents) in entries.iter().zip(contents) {
        let kind = match &entry.kind {
            Kind::Directory => "directory",
            Kind::File => "file",
            Kind::Link(_) => "link",
        };
        part(&mut hash, &format!("{kind} {:o}", entry.mode), entry.path.as_os_str().as_bytes());
        hash.update(contents);
    }
    Ok(hash.finalize().into())
}

fn walk(
    root: &Path,
    below: &Path,
    ignore: &Ignore,
    parent: &Matched,
    entries: &mut Vec<Entry>,
) -> Result<(), Unreadable> {
    let directory = root.join(below);
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |why| Unreadable { path, why }
    };
    let listed: Result<Vec<_>, _> = fs::read_dir(&directory).map_err(unreadable(&directory))?.collect();
    let mut listed = listed.map_err(unreadable(&directory))?;
    listed.sort_by_key(fs::DirEntry::file_name);
    for found in listed {
        let path = below.join(found.file_name());
        let text = path.to_string_lossy();
        let (ignored, matched) = ignore.ignores(&text, parent);
        let kind = found.file_type().map_err(unreadable(&found.path()))?;
        if ignored && !(kind.is_dir() && ignore.may_bring_back_below(&text)) {
            continue;
        }
        let mode = found.metadata().map_err(unreadable(&found.path()))?.permissions().mode() & 0o7777;
        if kind.is_dir() {
            if !ignored {
                entries.push(Entry { path: path.clone(), mode, kind: Kind::Directory });
            }
            walk(root, &path, ignore, &matched, entries)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(found.path()).map_err(unreadable(&found.path()))?;
            entries.push(Entry { path, mode: 0, kind: Kind::Link(target) });
        } else if kind.is_file() {
            entries.push(Entry { path, mode, kind: Kind::File });
        }
        // Sockets, pipes and devices are not sent to a builder.
    }
    Ok(())
}

/// The hash of each entry's contents, in their order, read by as many threads as there are processors.
fn contents(root: &Path, entries: &[Entry]) -> Result<Vec<[u8; 32]>, Unreadable> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((index, entry)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, entries.get(at)?)))
        {
            done.push((index, content(root, entry)?));
        }
        Ok(done)
    };
    let all: Result<Vec<Vec<_>>, Unreadable> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        running.into_iter().map(|thread| thread.join().expect("hashing does not panic")).collect()
    });
    let mut all: Vec<(usize, [u8; 32])> = all?.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, hash)| hash).collect())
}

fn content(root: &Path, entry: &Entry) -> Result<[u8; 32], Unreadable> {
    let mut hash = Sha256::new();
    match &entry.kind {
        Kind::Directory => {}
        Kind::Link(target) => hash.update(target.as_os_str().as_bytes()),
        Kind::File => {
            let path = root.join(&entry.path);
            let copied = fs::File::open(&path).and_then(|mut file| io::copy(&mut file, &mut hash));
            copied.map_err(|why| Unreadable { path, why })?;
        }
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

    use serde_json::{Value, json};

    use super::hash;
    use crate::model::SecretValue;

    fn project() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("src")).unwrap();
        write(directory.path(), "Dockerfile", "FROM scratch\nCOPY . /\n");
        write(directory.path(), "src/main.rs", "fn main() {}");
        write(directory.path(), ".dockerignore", "target\n*.log\n");
        directory
    }

    fn write(directory: &Path, name: &str, text: &str) {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn section(directory: &Path) -> Value {
        json!({ "context": directory, "dockerfile": "Dockerfile", "args": { "A": "1", "B": "2" } })
    }

    fn hash_of(build: &Value) -> Option<String> {
        hash(build, Some(&BTreeMap::new()), "linux/amd64").unwrap()
    }

    // spec: images.build
    #[test]
    fn an_unchanged_tree_has_the_same_hash_wherever_it_lies() {
        let (one, other) = (project(), project());
        let first = hash_of(&section(one.path())).unwrap();
        assert_eq!(hash_of(&section(other.path())), Some(first.clone()));
        write(one.path(), "a.log", "ignored");
        fs::create_dir(one.path().join("target")).unwrap();
        write(one.path(), "target/app", "ignored");
        let reordered = json!({ "args": { "B": "2", "A": "1" }, "dockerfile": "Dockerfile", "context": one.path() });
        assert_eq!(hash_of(&reordered), Some(first));
    }

    #[test]
    fn every_change_that_the_builder_would_see_changes_the_hash() {
        let directory = project();
        let path = directory.path();
        let mut seen = vec![hash_of(&section(path)).unwrap()];
        let mut see = |build: &Value| {
            let hash = hash_of(build).unwrap();
            assert!(!seen.contains(&hash), "{hash} again");
            seen.push(hash);
        };
        write(path, "src/main.rs", "fn main() { }");
        see(&section(path));
        fs::set_permissions(path.join("src/main.rs"), fs::Permissions::from_mode(0o755)).unwrap();
        see(&section(path));
        fs::rename(path.join("src/main.rs"), path.join("src/app.rs")).unwrap();
        see(&section(path));
        std::os::unix::fs::symlink("app.rs", path.join("src/link")).unwrap();
        see(&section(path));
        fs::create_dir(path.join("empty")).unwrap();
        see(&section(path));
        write(path, "Dockerfile.dockerignore", "src\n");
        see(&section(path));
        let mut build = section(path);
        build["args"]["A"] = json!("2");
        see(&build);
        build["target"] = json!("release");
        see(&build);
        build["dockerfile_inline"] = json!("FROM scratch");
        see(&build);
        assert_ne!(hash(&build, Some(&BTreeMap::new()), "linux/arm64").unwrap(), hash_of(&build));
        let secret = BTreeMap::from([("token".to_owned(), SecretValue::new("s3cret"))]);
        assert_ne!(hash(&build, Some(&secret), "linux/amd64").unwrap(), hash_of(&build));
        build["additional_contexts"] = json!({ "more": path.join("empty") });
        see(&build);
    }

    #[test]
    fn what_files_do_not_decide_has_no_hash() {
        let directory = project();
        for context in ["https://example.com/app.git", "git@example.com:app.git", "/does/not/exist"] {
            assert_eq!(hash_of(&json!({ "context": context })), None);
        }
        let mut build = section(directory.path());
        assert_eq!(hash(&build, None, "linux/amd64").unwrap(), None);
        build["pull"] = json!(true);
        assert_eq!(hash_of(&build), None);
        let mut build = section(directory.path());
        build["additional_contexts"] = json!({ "base": "service:base" });
        assert_eq!(hash_of(&build), None);
    }

    #[test]
    fn links_are_not_followed_and_a_missing_dockerfile_is_left_to_the_builder() {
        let directory = project();
        std::os::unix::fs::symlink("/does/not/exist", directory.path().join("broken")).unwrap();
        assert!(hash_of(&section(directory.path())).is_some());
        fs::remove_file(directory.path().join("Dockerfile")).unwrap();
        assert_eq!(hash_of(&section(directory.path())), None);
    }
}
