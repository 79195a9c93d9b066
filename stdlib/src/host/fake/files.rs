//! Files of a container or volume, as archives go in and come out.

use std::{collections::BTreeMap, io::Read};

use bytes::Bytes;

/// Files and directories by path, without a leading slash; the root itself is not listed.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, Entry>);

#[derive(Debug, Clone)]
enum Entry {
    Directory { mode: u32 },
    File { mode: u32, contents: Bytes },
}

fn relative(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

impl Tree {
    pub fn file(&self, path: &str) -> Option<Bytes> {
        match self.0.get(&relative(path))? {
            Entry::File { contents, .. } => Some(contents.clone()),
            Entry::Directory { .. } => None,
        }
    }

    pub fn has_directory(&self, path: &str) -> bool {
        let path = relative(path);
        path.is_empty() || matches!(self.0.get(&path), Some(Entry::Directory { .. }))
    }

    pub fn make_directory(&mut self, path: &str) {
        let path = relative(path);
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends.filter(|end| *end > 0) {
            self.0.entry(path[..end].to_owned()).or_insert(Entry::Directory { mode: 0o755 });
        }
    }

    /// Unpacks a tar into a directory.
    pub fn unpack(&mut self, directory: &str, tar: &[u8]) -> std::io::Result<()> {
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            let path = relative(&format!("{directory}/{}", entry.path()?.display()));
            let mode = entry.header().mode()?;
            if let Some((parent, _)) = path.rsplit_once('/') {
                self.make_directory(parent);
            }
            if entry.header().entry_type().is_dir() {
                if !path.is_empty() {
                    self.0.insert(path, Entry::Directory { mode });
                }
            } else {
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents)?;
                self.0.insert(path, Entry::File { mode, contents: contents.into() });
            }
        }
        Ok(())
    }

    /// A tar of a file or directory whose paths begin with `name`, as the engine gives it.
    pub fn pack(&self, path: &str, name: &str) -> Option<Bytes> {
        let path = relative(path);
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let itself = self.0.get(&path);
        if itself.is_none() && !path.is_empty() {
            return None;
        }
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, name, itself.unwrap_or(&Entry::Directory { mode: 0o755 }));
        for (inner, entry) in &self.0 {
            if let Some(rest) = inner.strip_prefix(&below).filter(|rest| !rest.is_empty() && *inner != path) {
                append(&mut tar, &format!("{name}/{rest}"), entry);
            }
        }
        Some(tar.into_inner().expect("writing to memory").into())
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, entry: &Entry) {
    let mut header = tar::Header::new_gnu();
    let (mode, contents): (u32, &[u8]) = match entry {
        Entry::Directory { mode } => {
            header.set_entry_type(tar::EntryType::Directory);
            (*mode, &[])
        }
        Entry::File { mode, contents } => (*mode, contents),
    };
    header.set_mode(mode);
    header.set_size(contents.len() as u64);
    tar.append_data(&mut header, path, contents).expect("writing to memory");
}
