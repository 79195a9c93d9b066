//! The archive that a host loads: an OCI layout that is a Docker archive as well, so that both image stores take it, with
//! only those layers that the host lacks.
//!
//! It is compressed as a chain of gzip members, one for each layer and a last one for the rest. So every layer is
//! compressed once, however many hosts get it, and what a host gets is a selection of finished members.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Fast: on anything quicker than some 20 MB/s the compression would be what a transfer waits for.
const LEVEL: u32 = 3;
/// The unit of a tar archive.
const BLOCK: u64 = 512;

/// An image with all that its archive says of it, beside the layers themselves.
#[derive(Debug, Clone)]
pub struct Described {
    /// The name it gets on the host.
    pub tag: String,
    pub config: Bytes,
    /// Digest of the uncompressed tar and its size, from the base up.
    pub layers: Vec<(String, u64)>,
}

impl Described {
    /// The same image under a name that does not say yet that it is whole.
    pub fn arriving(&self) -> Self {
        Self { tag: self.tag.replacen("/image:", "/arriving:", 1), ..self.clone() }
    }

    /// What an engine with the classic store calls the image once it is loaded.
    pub fn config_digest(&self) -> String {
        digest(&self.config)
    }

    /// What an engine with the containerd store calls the image once it is loaded.
    pub fn manifest_digest(&self) -> String {
        digest(&self.manifest())
    }

    fn manifest(&self) -> Vec<u8> {
        let layer = |(diff_id, size): &(String, u64)| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": diff_id, "size": size });
        to_bytes(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.config_digest(),
                "size": self.config.len(),
            },
            "layers": self.layers.iter().map(layer).collect::<Vec<_>>(),
        }))
    }

    /// The entry of `index.json`, which the containerd store reads.
    fn descriptor(&self) -> Value {
        let (_, version) = self.tag.rsplit_once(':').unwrap_or(("", "latest"));
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": self.manifest_digest(),
            "size": self.manifest().len(),
            "annotations": {
                "io.containerd.image.name": format!("docker.io/{}", self.tag),
                "org.opencontainers.image.ref.name": version,
            },
        })
    }

    /// The entry of `manifest.json`, which the classic store reads.
    fn docker_manifest(&self) -> Value {
        let layers: Vec<String> = self.layers.iter().map(|(diff_id, _)| blob(diff_id)).collect();
        json!({ "Config": blob(&self.config_digest()), "RepoTags": [self.tag], "Layers": layers })
    }
}

/// The last member of the archive: all but the layers.
pub fn ending(images: &[Described]) -> Bytes {
    let descriptors: Vec<Value> = images.iter().map(Described::descriptor).collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": descriptors,
    });
    let docker: Vec<Value> = images.iter().map(Described::docker_manifest).collect();
    let mut tar = Vec::new();
    for image in images {
        entry(&mut tar, &blob(&image.config_digest()), &image.config);
        let manifest = image.manifest();
        entry(&mut tar, &blob(&digest(&manifest)), &manifest);
    }
    entry(&mut tar, "oci-layout", &to_bytes(&json!({ "imageLayoutVersion": "1.0.0" })));
    entry(&mut tar, "index.json", &to_bytes(&index));
    entry(&mut tar, "manifest.json", &to_bytes(&Value::Array(docker)));
    // Two empty blocks end a tar archive.
    tar.resize(tar.len() + 2 * usize::try_from(BLOCK).expect("is small"), 0);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    gzip.write_all(&tar).and_then(|()| gzip.finish()).expect("writing to memory").into()
}

/// Writes a layer as one member of the archive.
pub fn pack(diff_id: &str, size: u64, layer: impl Read, target: impl Write) -> io::Result<()> {
    let mut gzip = GzEncoder::new(target, Compression::new(LEVEL));
    gzip.write_all(header(&blob(diff_id), size).as_bytes())?;
    let copied = io::copy(&mut layer.take(size), &mut gzip)?;
    if copied != size {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{diff_id} ends after {copied} of {size} bytes"),
        ));
    }
    io::copy(&mut io::repeat(0).take(padding(size)), &mut gzip)?;
    gzip.finish().map(|_| ())
}

fn entry(tar: &mut Vec<u8>, path: &str, contents: &[u8]) {
    let size = contents.len() as u64;
    tar.extend_from_slice(header(path, size).as_bytes());
    tar.extend_from_slice(contents);
    tar.resize(tar.len() + usize::try_from(padding(size)).expect("is less than a block"), 0);
}

fn header(path: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_path(path).expect("the names of blobs are short");
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn to_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON values")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::{Described, digest, ending, pack};

    fn image() -> Described {
        Described {
            tag: "stagecraft/image:ab12".into(),
            config: "{}".into(),
            layers: vec![("sha256:aa".into(), 10_240), ("sha256:bb".into(), 3)],
        }
    }

    // spec: images.direct
    #[test]
    fn the_archive_holds_what_both_stores_read_and_only_the_layers_that_were_packed() {
        let image = image();
        let mut archive = Vec::new();
        pack("sha256:bb", 3, &b"app"[..], &mut archive).unwrap();
        archive.extend_from_slice(&ending(std::slice::from_ref(&image)));

        let mut tar = Vec::new();
        MultiGzDecoder::new(&archive[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(tar.len() % 512, 0);
        let mut reader = tar::Archive::new(&tar[..]);
        let entries = reader.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        let config = digest(b"{}");
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:aa","size":10240}},{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:bb","size":3}}]}}"#
        );
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"io.containerd.image.name":"docker.io/stagecraft/image:ab12","org.opencontainers.image.ref.name":"ab12"}}}}]}}"#,
            digest(manifest.as_bytes()),
            manifest.len(),
        );
        let blob = |digest: &str| digest.replace("sha256:", "blobs/sha256/");
        let docker = format!(
            r#"[{{"Config":"{}","RepoTags":["stagecraft/image:ab12"],"Layers":["blobs/sha256/aa","blobs/sha256/bb"]}}]"#,
            blob(&config),
        );
        let expected = [
            ("blobs/sha256/bb".to_owned(), "app".to_owned()),
            (blob(&config), "{}".to_owned()),
            (blob(&digest(manifest.as_bytes())), manifest.clone()),
            ("oci-layout".to_owned(), r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned()),
            ("index.json".to_owned(), index),
            ("manifest.json".to_owned(), docker),
        ];
        assert_eq!(entries.collect::<Vec<_>>(), expected);
        assert_eq!(image.manifest_digest(), digest(manifest.as_bytes()));
    }

    #[test]
    fn a_layer_that_ends_early_is_an_error() {
        let error = pack("sha256:bb", 5, &b"app"[..], Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "sha256:bb ends after 3 of 5 bytes");
    }
}
