//! Images of a fake host: real configs and layers, so that what is saved can be loaded elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use bollard::models::{ImageConfig, ImageInspect, ImageInspectRootFs, ImageSummary};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Answer;
use crate::host::ImageStore;

#[derive(Debug, Clone)]
struct Image {
    config: Bytes,
    layers: Vec<Layer>,
}

/// A layer by the digest of its tar.
#[derive(Debug, Clone)]
struct Layer {
    digest: String,
    tar: Bytes,
}

#[derive(Debug, Default)]
pub struct Images {
    by_id: BTreeMap<String, Image>,
    /// Full references with their tag, and the id that each names.
    tags: BTreeMap<String, String>,
    registry: BTreeSet<String>,
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The name with its tag; one that has none means `latest`.
fn tagged(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

fn tar(files: &[(&str, &[u8])]) -> Bytes {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(contents.len() as u64);
        tar.append_data(&mut header, path, *contents).expect("writing to memory");
    }
    tar.into_inner().expect("writing to memory").into()
}

impl Image {
    fn of_layer(layer: Bytes) -> Self {
        let digest = digest(&layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [digest] },
        });
        Self { config: config.to_string().into(), layers: vec![Layer { digest, tar: layer }] }
    }

    fn manifest(&self) -> String {
        let layers: Vec<_> = self.layers.iter().map(|layer| &layer.digest).collect();
        json!({ "schemaVersion": 2, "config": digest(&self.config), "layers": layers }).to_string()
    }

    fn id(&self, store: ImageStore) -> String {
        match store {
            ImageStore::Classic => digest(&self.config),
            ImageStore::Containerd => digest(self.manifest().as_bytes()),
        }
    }
}

impl Images {
    pub fn add(&mut self, reference: &str) -> String {
        self.put(Image::of_layer(tar(&[("name", reference.as_bytes())])), &[tagged(reference)], ImageStore::Classic)
    }

    pub fn publish(&mut self, reference: &str) {
        self.registry.insert(tagged(reference));
    }

    fn put(&mut self, image: Image, tags: &[String], store: ImageStore) -> String {
        let id = image.id(store);
        self.by_id.insert(id.clone(), image);
        self.tags.extend(tags.iter().map(|tag| (tag.clone(), id.clone())));
        id
    }

    /// The id of the image that a name, id or beginning of an id stands for.
    pub fn find(&self, reference: &str) -> Answer<String> {
        let by_tag = self.tags.get(&tagged(reference));
        let hex = reference.trim_start_matches("sha256:");
        let by_id = || self.by_id.keys().find(|id| hex.len() >= 12 && id["sha256:".len()..].starts_with(hex));
        by_tag.or_else(by_id).cloned().ok_or_else(|| (404, format!("No such image: {}", tagged(reference))))
    }

    fn tags_of(&self, id: &str) -> Vec<String> {
        self.tags.iter().filter(|(_, tagged)| *tagged == id).map(|(tag, _)| tag.clone()).collect()
    }

    pub fn list(&self) -> Vec<ImageSummary> {
        let summary = |id: &String| ImageSummary { id: id.clone(), repo_tags: self.tags_of(id), ..Default::default() };
        self.by_id.keys().map(summary).collect()
    }

    pub fn inspect(&self, reference: &str) -> Answer<ImageInspect> {
        let id = self.find(reference)?;
        let image = &self.by_id[&id];
        let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
        let text = |key: &str| config[key].as_str().map(str::to_owned);
        let layers = image.layers.iter().map(|layer| layer.digest.clone()).collect();
        Ok(ImageInspect {
            repo_tags: Some(self.tags_of(&id)),
            architecture: text("architecture"),
            os: text("os"),
            config: serde_json::from_value::<ImageConfig>(config["config"].clone()).ok(),
            root_fs: Some(ImageInspectRootFs { typ: "layers".into(), layers: Some(layers) }),
            size: i64::try_from(image.layers.iter().map(|layer| layer.tar.len()).sum::<usize>()).ok(),
            id: Some(id),
            ..Default::default()
        })
    }

    pub fn tag(&mut self, reference: &str, tag: &str) -> Answer<()> {
        let id = self.find(reference)?;
        self.tags.insert(tagged(tag), id);
        Ok(())
    }

    /// Takes a name away, and with the last one the image. `used` says whether a container needs an image.
    pub fn remove(&mut self, reference: &str, used: impl Fn(&str) -> bool) -> Answer<()> {
        let id = self.find(reference)?;
        let tags = self.tags_of(&id);
        let by_tag = tags.contains(&tagged(reference));
        if tags.len() > 1 {
            if !by_tag {
                return Err((409, format!("unable to delete {id}: image is referenced in multiple repositories")));
            }
            self.tags.remove(&tagged(reference));
            return Ok(());
        }
        if used(&id) {
            return Err((409, format!("unable to remove {reference}: container is using its image")));
        }
        self.tags.retain(|_, tagged| *tagged != id);
        self.by_id.remove(&id);
        Ok(())
    }

    pub fn import(&mut self, reference: &str, layer: Bytes, store: ImageStore) {
        self.put(Image::of_layer(layer), &[tagged(reference)], store);
    }

    pub fn pull(&mut self, reference: &str) -> Answer<()> {
        if !self.registry.contains(&tagged(reference)) {
            return Err((404, format!("manifest for {} not found: manifest unknown", tagged(reference))));
        }
        self.add(reference);
        Ok(())
    }

    /// As `docker save` writes it: `manifest.json`, configs and layers.
    pub fn save(&self, reference: &str) -> Answer<Bytes> {
        let id = self.find(reference)?;
        let image = &self.by_id[&id];
        let path = |digest: &str| format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
        let config = path(&digest(&image.config));
        let layers: Vec<String> = image.layers.iter().map(|layer| path(&layer.digest)).collect();
        let tags = if self.tags.contains_key(&tagged(reference)) { vec![tagged(reference)] } else { vec![] };
        let manifest = json!([{ "Config": config, "RepoTags": tags, "Layers": layers }]).to_string();
        let mut files: Vec<(&str, &[u8])> = vec![("manifest.json", manifest.as_bytes()), (&config, &image.config)];
        files.extend(layers.iter().zip(&image.layers).map(|(path, layer)| (path.as_str(), layer.tar.as_ref())));
        Ok(tar(&files))
    }

    /// Takes what `docker save` wrote, in which layers that are here already may be missing.
    pub fn load(&mut self, archive: &[u8], store: ImageStore) -> Answer<()> {
        let unreadable = |error: &dyn std::fmt::Display| (500, format!("Error processing tar file: {error}"));
        let files = unpack(archive).map_err(|error| unreadable(&error))?;
        let manifest = files.get("manifest.json").ok_or_else(|| unreadable(&"no manifest.json"))?;
        let entries: Vec<Value> = serde_json::from_slice(manifest).map_err(|error| unreadable(&error))?;
        for entry in entries {
            let config = entry["Config"].as_str().and_then(|path| files.get(path));
            let config = config.ok_or_else(|| unreadable(&"its config is missing"))?.clone();
            let parsed: Value = serde_json::from_slice(&config).map_err(|error| unreadable(&error))?;
            let digests = texts(&parsed["rootfs"]["diff_ids"]);
            let paths = texts(&entry["Layers"]);
            let layers = digests.iter().zip(&paths).map(|(digest, path)| {
                let sent = files.get(path.as_str()).map(plain);
                let tar =
                    sent.or_else(|| self.layer(digest)).ok_or_else(|| unreadable(&format!("{path} is missing")))?;
                if self::digest(&tar) != *digest {
                    return Err(unreadable(&format!("wrong diff id calculated on extraction: {path}")));
                }
                Ok(Layer { digest: digest.clone(), tar })
            });
            let layers = layers.collect::<Answer<Vec<_>>>();
            let tags: Vec<String> = texts(&entry["RepoTags"]).iter().map(|tag| tagged(tag)).collect();
            match (layers, store) {
                (Ok(layers), _) => drop(self.put(Image { config, layers }, &tags, store)),
                // The containerd store leaves the broken image behind.
                (Err(refusal), ImageStore::Containerd) => {
                    self.put(Image { config, layers: Vec::new() }, &tags, store);
                    return Err((500, format!("Error unpacking image: {}", refusal.1)));
                }
                (Err(refusal), ImageStore::Classic) => return Err(refusal),
            }
        }
        Ok(())
    }

    fn layer(&self, digest: &str) -> Option<Bytes> {
        let layers = self.by_id.values().flat_map(|image| &image.layers);
        layers.into_iter().find(|layer| layer.digest == digest).map(|layer| layer.tar.clone())
    }
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn unpack(archive: &[u8]) -> std::io::Result<BTreeMap<String, Bytes>> {
    let archive = plain(&Bytes::copy_from_slice(archive));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive.as_ref()).entries()? {
        let mut entry = entry?;
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents)?;
        files.insert(entry.path()?.display().to_string(), contents.into());
    }
    Ok(files)
}

/// Without its compression, where it has one: as engines do, all members of a gzip file.
fn plain(bytes: &Bytes) -> Bytes {
    let mut unpacked = Vec::new();
    match flate2::read::MultiGzDecoder::new(bytes.as_ref()).read_to_end(&mut unpacked) {
        Ok(_) if bytes.starts_with(&[0x1f, 0x8b]) => unpacked.into(),
        _ => bytes.clone(),
    }
}
