//! One archive on its way to one host.

use std::{collections::BTreeSet, io, sync::Arc};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::try_join_all,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc;

use super::{
    archive::{self, Described},
    layers::Layers,
    size,
    transfer::{Present, Sent, find},
};
use crate::{
    host::{Host, HostError},
    model::HostName,
    operation::{Context, Progress},
};

/// Chunks of an archive that wait to be written to a host.
const AHEAD: usize = 4;
/// Between two words of progress, in bytes.
const SAY_EVERY: u64 = 1024 * 1024;

/// The way of archives to one host.
pub struct Shipment<'a> {
    pub cx: &'a Context,
    pub host: &'a Arc<dyn Host>,
    pub layers: &'a Arc<Layers>,
}

impl Shipment<'_> {
    /// Streams an archive with these images and layers to the host, and has it loaded.
    pub async fn load(&self, images: &[Described], lacked: Vec<String>) -> (std::result::Result<(), HostError>, Sent) {
        let all: BTreeSet<&String> =
            images.iter().flat_map(|image| &image.layers).map(|(diff_id, _)| diff_id).collect();
        let (total, count) = (all.len(), lacked.len());
        self.layers.prepare(&lacked);
        let meter = Arc::new(Meter { progress: Arc::clone(&self.cx.progress), host: self.host.name().clone(), total });
        let (sender, receiver) = mpsc::channel(AHEAD);
        let writing = tokio::spawn(write(sender, images.to_vec(), lacked, Arc::clone(self.layers), meter));
        let archive =
            stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) });
        let archive: BoxStream<'static, io::Result<Bytes>> = archive.boxed();
        let loaded = self.host.load_image(archive).await;
        let bytes = writing.await.unwrap_or_default();
        (loaded, Sent { layers: count, bytes })
    }

    /// Which of these images the host has as they were sent.
    pub async fn whole(&self, images: &[Described]) -> std::result::Result<Vec<bool>, HostError> {
        let found = try_join_all(images.iter().map(|image| find(self.host, &image.tag))).await?;
        let same = |(image, found): (&Described, Option<Present>)| found.is_some_and(|found| is_same(image, &found));
        Ok(images.iter().zip(found).map(same).collect())
    }

    /// Takes an image's name off. No error where it is off already.
    pub async fn remove(&self, image: &Described) -> std::result::Result<(), HostError> {
        match self.host.remove_image(&image.tag).await {
            Err(HostError::Engine { status: 404, .. }) => Ok(()),
            removed => removed,
        }
    }
}

/// The classic store's id is the config's digest, the containerd store's the manifest's.
fn is_same(image: &Described, found: &Present) -> bool {
    let ids = [image.config_digest(), image.manifest_digest()];
    ids.contains(&found.id) && found.layers.iter().eq(image.layers.iter().map(|(diff_id, _)| diff_id))
}

/// Says how far a host is.
struct Meter {
    progress: Arc<dyn Progress>,
    host: HostName,
    total: usize,
}

impl Meter {
    fn say(&self, layers: usize, bytes: u64) {
        self.progress.say(Some(&self.host), &format!("{layers} of {} layers, {}", self.total, size(bytes)));
    }
}

type Chunks = mpsc::Sender<io::Result<Bytes>>;

/// Writes an archive into `chunks` and returns its size. Ends early when nobody reads any more.
async fn write(
    chunks: Chunks,
    images: Vec<Described>,
    lacked: Vec<String>,
    layers: Arc<Layers>,
    meter: Arc<Meter>,
) -> u64 {
    let mut bytes = 0;
    for (index, diff_id) in lacked.iter().enumerate() {
        let written = write_layer(&chunks, diff_id, &layers, |in_layer| meter.say(index + 1, bytes + in_layer)).await;
        match written {
            Ok(written) => bytes += written,
            Err(error) => {
                // Without a reader there is nobody to tell.
                let _ = chunks.send(Err(error)).await;
                return bytes;
            }
        }
    }
    let ending = archive::ending(&images);
    bytes += ending.len() as u64;
    if chunks.send(Ok(ending)).await.is_ok() {
        meter.say(lacked.len(), bytes);
    }
    bytes
}

async fn write_layer(chunks: &Chunks, diff_id: &str, layers: &Layers, say: impl Fn(u64)) -> io::Result<u64> {
    let packed = layers.packed(diff_id).await?;
    let (mut written, mut said) = (0, 0);
    loop {
        let chunk = packed.read(written).await?;
        if chunk.is_empty() {
            return Ok(written);
        }
        written += chunk.len() as u64;
        chunks.send(Ok(chunk)).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        if written - said >= SAY_EVERY {
            said = written;
            say(written);
        }
    }
}
