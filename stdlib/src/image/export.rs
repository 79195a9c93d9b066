//! An image as an engine exports it, in both layouts of `docker save`: the old one (up to 24: `manifest.json`, a config and
//! `layer.tar` files) and the OCI one (`index.json` and blobs, layers possibly compressed).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Component, Path},
    sync::Arc,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use ruzstd::decoding::StreamingDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{failure::Failure, host::Host};

/// One image for one platform, spooled to a file without a name that only this process can read.
#[derive(Debug, Clone)]
pub struct Export {
    file: Arc<File>,
    pub config: Bytes,
    /// The digest of the config: the image's identity.
    pub digest: String,
    /// From the base up.
    pub layers: Vec<Layer>,
}

/// A layer's place in the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the uncompressed layer.
    pub diff_id: String,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: u64,
    size: u64,
}

/// Why an export is not an image that can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the export breaks off or is not a tar archive: {0}")]
    Archive(#[from] io::Error),
    #[error("{name} in the export cannot be read: {why}")]
    Json { name: String, why: serde_json::Error },
    #[error("the export lacks {0}")]
    Lacks(String),
    #[error("the image is for {found}, not for {wanted}")]
    Platform { found: String, wanted: String },
}

impl Export {
    /// Reads the engine's export of an image once.
    pub async fn of(engine: &Arc<dyn Host>, reference: &str, platform: &str) -> Result<Self, Failure> {
        let unusable = |why: String| {
            Failure::new(format!("image {reference} cannot be exported from this machine's engine: {why}"))
                .hint("see that the directory for temporary files (TMPDIR) has room, and try again")
        };
        let mut spool = tokio::fs::File::from_std(tempfile::tempfile().map_err(|error| unusable(error.to_string()))?);
        let mut stream = engine.save_image(reference).await?;
        while let Some(chunk) = stream.next().await {
            spool.write_all(&chunk?).await.map_err(|error| unusable(error.to_string()))?;
        }
        spool.flush().await.map_err(|error| unusable(error.to_string()))?;
        let (file, platform) = (spool.into_std().await, platform.to_owned());
        let parsed = tokio::task::spawn_blocking(move || parse(file, &platform)).await.expect("parsing does not panic");
        parsed.map_err(|error| match error {
            ExportError::Platform { .. } => {
                Failure::new(format!("image {reference}: {error}")).hint("build or pull it for that platform")
            }
            error => unusable(error.to_string()),
        })
    }

    /// A layer's tar, uncompressed.
    pub fn open(&self, layer: &Layer) -> Result<Box<dyn Read>, ExportError> {
        let section = io::BufReader::new(self.section(layer));
        Ok(match self.compression(layer)? {
            Compression::None => Box::new(self.section(layer)),
            Compression::Gzip => Box::new(MultiGzDecoder::new(section)),
            Compression::Zstd => Box::new(StreamingDecoder::new(section).map_err(io::Error::other)?),
        })
    }

    /// The layer's uncompressed size; `None` when it has to be uncompressed to know.
    pub fn size(&self, layer: &Layer) -> Result<Option<u64>, ExportError> {
        Ok((self.compression(layer)? == Compression::None).then_some(layer.place.size))
    }

    fn compression(&self, layer: &Layer) -> Result<Compression, ExportError> {
        let mut magic = [0; 4];
        let known = self.section(layer).read(&mut magic)?;
        Ok(match &magic[..known] {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
            _ => Compression::None,
        })
    }

    fn section(&self, layer: &Layer) -> Section {
        Section { file: Arc::clone(&self.file), place: layer.place }
    }
}

/// How a layer stands in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A part of a file, read without moving the file's own position: several are read at once.
struct Section {
    file: Arc<File>,
    place: Place,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.place.size).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.place.offset)?;
        self.place.offset += read as u64;
        self.place.size -= read as u64;
        Ok(read)
    }
}

/// Finds the image for `platform` in a `docker save` archive.
pub fn parse(mut file: File, platform: &str) -> Result<Export, ExportError> {
    let contents = Contents::list(&mut file)?;
    let file = Arc::new(file);
    let archive = Archive { file: &file, contents };
    let (config, layers) = if archive.has("index.json") { archive.oci(platform)? } else { archive.docker(platform)? };
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&config)));
    Ok(Export { file: Arc::clone(&file), config: config.into(), digest, layers })
}

/// Where each file of an archive stands.
#[derive(Default)]
struct Contents {
    files: HashMap<String, Place>,
    /// The old layout links a layer that stands twice.
    links: HashMap<String, String>,
}

impl Contents {
    fn list(file: &mut File) -> Result<Self, ExportError> {
        let mut contents = Self::default();
        file.seek(SeekFrom::Start(0))?;
        for entry in tar::Archive::new(file).entries_with_seek()? {
            let entry = entry?;
            let path = entry.path()?.into_owned();
            match (entry.header().entry_type(), entry.link_name()?) {
                (kind, _) if kind.is_file() => {
                    let place = Place { offset: entry.raw_file_position(), size: entry.size() };
                    contents.files.insert(plain(&path), place);
                }
                (kind, Some(target)) if kind.is_symlink() => {
                    let target = path.parent().unwrap_or(Path::new("")).join(target);
                    contents.links.insert(plain(&path), plain(&target));
                }
                (kind, Some(target)) if kind.is_hard_link() => {
                    contents.links.insert(plain(&path), plain(&target));
                }
                _ => {}
            }
        }
        Ok(contents)
    }

    fn place(&self, name: &str) -> Option<Place> {
        let target = self.links.get(name).map_or(name, String::as_str);
        self.files.get(target).copied()
    }
}

/// `a/../b` and `./b` as `b`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => {
                parts.pop();
            }
            _ => {}
        }
    }
    parts.join("/")
}

#[derive(Deserialize)]
struct Config {
    os: String,
    architecture: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    layers: Vec<String>,
}

/// An OCI index or manifest; both are told apart by what they hold.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Descriptor {
    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }
}

struct Archive<'a> {
    file: &'a Arc<File>,
    contents: Contents,
}

impl Archive<'_> {
    fn has(&self, name: &str) -> bool {
        self.contents.place(name).is_some()
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, ExportError> {
        let place = self.contents.place(name).ok_or_else(|| ExportError::Lacks(name.to_owned()))?;
        let mut bytes = Vec::new();
        Section { file: Arc::clone(self.file), place }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, ExportError> {
        json(name, &self.bytes(name)?)
    }

    fn docker(&self, platform: &str) -> Result<(Vec<u8>, Vec<Layer>), ExportError> {
        let manifests: Vec<DockerManifest> = self.json("manifest.json")?;
        let manifest = manifests.first().ok_or_else(|| ExportError::Lacks("an image".to_owned()))?;
        self.image(&manifest.config, &manifest.layers, platform)
    }

    /// Goes from the index to the manifest for the platform. Manifests that are listed and not there belong to platforms
    /// that were never pulled.
    fn oci(&self, platform: &str) -> Result<(Vec<u8>, Vec<Layer>), ExportError> {
        let mut open = vec!["index.json".to_owned()];
        let mut refused = ExportError::Lacks(format!("an image for {platform}"));
        while let Some(name) = open.pop() {
            let document: Document = self.json(&name)?;
            let below = document.manifests.iter().map(Descriptor::path).filter(|path| self.has(path));
            open.extend(below);
            let Some(config) = document.config.map(|config| config.path()).filter(|path| self.has(path)) else {
                continue;
            };
            let layers: Vec<String> = document.layers.iter().map(Descriptor::path).collect();
            match self.image(&config, &layers, platform) {
                // Attestations are listed beside images, for the platform `unknown`.
                Err(ExportError::Platform { found, .. }) if found == "unknown/unknown" => {}
                Err(error @ ExportError::Platform { .. }) => refused = error,
                done => return done,
            }
        }
        Err(refused)
    }

    fn image(&self, config: &str, layers: &[String], platform: &str) -> Result<(Vec<u8>, Vec<Layer>), ExportError> {
        let bytes = self.bytes(config)?;
        let parsed: Config = json(config, &bytes)?;
        let found = format!("{}/{}", parsed.os, parsed.architecture);
        if found != platform {
            return Err(ExportError::Platform { found, wanted: platform.to_owned() });
        }
        if layers.len() != parsed.rootfs.diff_ids.len() {
            return Err(ExportError::Lacks("some of the image's layers".to_owned()));
        }
        let layers = layers.iter().zip(parsed.rootfs.diff_ids).map(|(name, diff_id)| {
            let place = self.contents.place(name).ok_or_else(|| ExportError::Lacks(name.clone()))?;
            Ok(Layer { diff_id, place })
        });
        Ok((bytes, layers.collect::<Result<_, ExportError>>()?))
    }
}

fn json<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, ExportError> {
    serde_json::from_slice(bytes).map_err(|why| ExportError::Json { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::{Compression, write::GzEncoder};
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};

    use super::{Export, ExportError, parse};

    /// Writes tars as engines do.
    struct Save(tar::Builder<std::fs::File>);

    impl Save {
        fn new() -> Self {
            Self(tar::Builder::new(tempfile::tempfile().unwrap()))
        }

        fn file(mut self, path: &str, contents: &[u8]) -> Self {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            self.0.append_data(&mut header, path, contents).unwrap();
            self
        }

        fn blob(self, contents: &[u8]) -> Self {
            let path = format!("blobs/sha256/{}", digest(contents));
            self.file(&path, contents)
        }

        fn link(mut self, path: &str, target: &str) -> Self {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            self.0.append_link(&mut header, path, target).unwrap();
            self
        }

        fn parse(self, platform: &str) -> Result<Export, ExportError> {
            parse(self.0.into_inner().unwrap(), platform)
        }
    }

    fn digest(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    fn config(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", digest(layer))).collect();
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs }).to_string().into_bytes()
    }

    fn manifest(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
        let descriptor = |bytes: &[u8]| json!({ "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len() });
        let layers: Vec<Value> = layers.iter().map(|layer| descriptor(layer)).collect();
        json!({ "config": descriptor(config), "layers": layers }).to_string().into_bytes()
    }

    fn index(manifests: &[&[u8]]) -> Vec<u8> {
        let descriptor = |bytes: &&[u8]| json!({ "digest": format!("sha256:{}", digest(bytes)) });
        json!({ "manifests": manifests.iter().map(descriptor).collect::<Vec<_>>() }).to_string().into_bytes()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn read(export: &Export, layer: usize) -> String {
        let mut text = String::new();
        export.open(&export.layers[layer]).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn reads_the_old_layout_where_a_layer_that_stands_twice_is_a_link() {
        let config = config("amd64", &[b"base", b"base", b"app"]);
        let manifest = json!([{ "Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"] }]);
        let export = Save::new()
            .file("a/VERSION", b"1.0")
            .file("a/layer.tar", b"base")
            .link("b/layer.tar", "../a/layer.tar")
            .file("c.json", &config)
            .file("c/layer.tar", b"app")
            .file("manifest.json", manifest.to_string().as_bytes())
            .parse("linux/amd64")
            .unwrap();
        assert_eq!(export.digest, format!("sha256:{}", digest(&config)));
        assert_eq!(export.config, config);
        assert_eq!([0, 1, 2].map(|layer| read(&export, layer)), ["base", "base", "app"]);
        assert_eq!(export.layers[2].diff_id, format!("sha256:{}", digest(b"app")));
        assert_eq!(export.size(&export.layers[2]).unwrap(), Some(3));
    }

    #[test]
    fn reads_the_oci_layout_for_one_of_several_platforms() {
        let zstd = ruzstd::encoding::compress_to_vec(&b"app"[..], ruzstd::encoding::CompressionLevel::Fastest);
        let ours = config("arm64", &[b"base", b"app"]);
        let other = config("amd64", &[b"else"]);
        let attestation = br#"{"os":"unknown","architecture":"unknown","rootfs":{"diff_ids":[]}}"#.to_vec();
        let manifests = [
            manifest(&other, &[b"else"]),
            manifest(&ours, &[&gzip(b"base"), &zstd]),
            manifest(&attestation, &[]),
            // Listed, and never pulled.
            b"absent".to_vec(),
        ];
        let inner = index(&manifests.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let save = || {
            let save = Save::new().blob(&ours).blob(&other).blob(&attestation).blob(&inner);
            let save = manifests[..3].iter().fold(save, |save, manifest| save.blob(manifest));
            save.blob(&gzip(b"base")).blob(&zstd).blob(b"else").file("index.json", &index(&[&inner]))
        };
        let export = save().parse("linux/arm64").unwrap();
        assert_eq!(export.digest, format!("sha256:{}", digest(&ours)));
        assert_eq!([0, 1].map(|layer| read(&export, layer)), ["base", "app"]);
        assert_eq!(export.size(&export.layers[0]).unwrap(), None);
        let export = save().parse("linux/amd64").unwrap();
        assert_eq!(read(&export, 0), "else");
        let error = save().parse("linux/riscv64").unwrap_err().to_string();
        assert!(error.starts_with("the image is for linux/") && error.ends_with(", not for linux/riscv64"), "{error}");
    }

    #[test]
    fn says_what_an_export_lacks() {
        let config = config("amd64", &[b"base"]);
        let manifest = br#"[{"Config":"c.json","Layers":["a/layer.tar"]}]"#;
        let save = Save::new().file("c.json", &config).file("manifest.json", manifest);
        assert_eq!(save.parse("linux/amd64").unwrap_err().to_string(), "the export lacks a/layer.tar");
        assert_eq!(Save::new().parse("linux/amd64").unwrap_err().to_string(), "the export lacks manifest.json");
    }
}
