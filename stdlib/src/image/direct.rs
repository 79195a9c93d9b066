//! Sends images over SSH: to each host, from one export, only the layers that it lacks.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{join_all, try_join_all},
    stream::{self, BoxStream},
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    archive::{self, Described},
    export::Export,
    layers::Layers,
    size,
    transfer::{Lack, Present, SendImages, Sent, find, settle},
};
use crate::{
    failure::Failure,
    host::{Host, HostError},
    model::{HostName, Image},
    operation::{Context, Progress, Result},
};

/// Chunks of an archive that wait to be written to a host.
const AHEAD: usize = 4;
/// Between two words of progress.
const SAY_EVERY: u64 = 1024 * 1024;

pub async fn send(operation: &SendImages, cx: &Context, builder: &Arc<dyn Host>) -> Result<Value> {
    let asked = operation.hosts.iter().map(|lack| look(operation, cx, lack));
    let (states, exports) = tokio::join!(join_all(asked), export(operation, cx, builder));
    let (layers, exported) = exports;
    let outcomes = operation.hosts.iter().zip(states).map(|(lack, state)| {
        let (layers, exported) = (Arc::clone(&layers), &exported);
        async move {
            let outcome = match state {
                Ok(state) => send_to(cx, &lack.host, state, &layers, exported).await,
                Err(failure) => Err(failure),
            };
            (lack, outcome.map_err(|failure| failure.on(&lack.host)))
        }
    });
    settle(join_all(outcomes).await)
}

/// What a host has, just before it is sent anything.
struct State {
    /// Digests of images that it lacks.
    lacks: Vec<String>,
    /// The layers of images that it has, from the base up.
    has: Vec<Vec<String>>,
}

async fn look(operation: &SendImages, cx: &Context, lack: &Lack) -> Result<State> {
    let host = cx.host_named(&lack.host)?;
    let wanted: Vec<&Image> = operation.lacked(lack).collect();
    let tags = wanted.iter().map(|image| image.tag()).chain(lack.bases.iter().cloned());
    let found = try_join_all(tags.map(|tag| async move { find(host, &tag).await })).await?;
    let lacks = wanted.iter().zip(&found).filter(|(_, found)| found.is_none());
    let lacks = lacks.map(|(image, _)| image.digest.clone()).collect();
    Ok(State { lacks, has: found.into_iter().flatten().map(|present| present.layers).collect() })
}

/// What became of each image's export, by its digest. One that fails matters only when a host still lacks the image.
type Exported = HashMap<String, Result<Described>>;

/// Exports each image once, all at the same time.
async fn export(operation: &SendImages, cx: &Context, builder: &Arc<dyn Host>) -> (Arc<Layers>, Exported) {
    let names: Vec<&str> = operation.images.iter().map(|image| image.source.as_str()).collect();
    cx.progress.say(None, &format!("exporting {}", names.join(", ")));
    let exports = join_all(operation.images.iter().map(|image| export_one(image, builder))).await;
    let mut layers = Layers::new();
    let mut exported = HashMap::new();
    for (image, export) in operation.images.iter().zip(exports) {
        let described = match export {
            Ok(export) => layers.add(&image.tag(), export).await.map_err(|error| {
                Failure::new(format!("image {} cannot be read: {error}", image.source))
                    .hint("see that the directory for temporary files (TMPDIR) has room, and try again")
            }),
            Err(failure) => Err(failure),
        };
        exported.insert(image.digest.clone(), described);
    }
    (Arc::new(layers), exported)
}

async fn export_one(image: &Image, builder: &Arc<dyn Host>) -> Result<Export> {
    let export = Export::of(builder, &image.tag(), &image.platform).await.map_err(|failure| {
        Failure { message: format!("image {}: {}", image.source, failure.message), ..failure }
            .hint("build it again with `stagecraft deploy`, or bring it to this machine's engine under that tag")
    })?;
    if export.digest == image.digest {
        return Ok(export);
    }
    Err(Failure::new(format!("{} on this machine's engine is another image, {}", image.tag(), export.digest))
        .hint(format!("remove that tag with `docker rmi {}`, and deploy again", image.tag())))
}

async fn send_to(
    cx: &Context,
    name: &HostName,
    state: State,
    layers: &Arc<Layers>,
    exported: &Exported,
) -> Result<Sent> {
    let host = cx.host_named(name)?;
    let images: Vec<Described> = state.lacks.iter().map(|digest| exported[digest].clone()).collect::<Result<_>>()?;
    if images.is_empty() {
        cx.progress.say(Some(name), "is there already");
        return Ok(Sent::default());
    }
    let shipment = Shipment { cx, host, layers };
    let lacked = lacked_layers(&images, &state.has);
    let complete = lacked.len() == lacked_layers(&images, &[]).len();
    let (first, sent) = shipment.load(&images, lacked).await;
    let broken = match first {
        Ok(()) => shipment.broken(&images).await?,
        // Only the engine's own refusal can be because of a layer that is not there after all.
        Err(HostError::Engine { .. }) if !complete => images.clone(),
        Err(error) => return Err(refused(&images, error)),
    };
    if broken.is_empty() {
        return Ok(sent);
    }
    cx.progress.say(Some(name), "does not have the layers that it listed: sending all");
    for image in &broken {
        match host.remove_image(&image.tag).await {
            Err(HostError::Engine { status: 404, .. }) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (second, more) = shipment.load(&broken, lacked_layers(&broken, &[])).await;
    second.map_err(|error| refused(&broken, error))?;
    match shipment.broken(&broken).await?.first() {
        None => Ok(Sent { layers: sent.layers + more.layers, bytes: sent.bytes + more.bytes }),
        Some(image) => Err(Failure::new(format!("{} has arrived on {name} and is not what was sent", image.tag))
            .hint(format!("look at the engine's log on {name}: `stagecraft ssh {name} journalctl -u docker`"))),
    }
}

fn refused(images: &[Described], error: HostError) -> Failure {
    let host = error.host().clone();
    let full = matches!(error, HostError::Engine { .. });
    let failure = Failure::from(error);
    let tags: Vec<&str> = images.iter().map(|image| image.tag.as_str()).collect();
    let failure = Failure { message: format!("sending {}: {}", tags.join(", "), failure.message), ..failure };
    if full {
        failure.hint(format!("see what room {host} has: `stagecraft ssh {host} docker system df`"))
    } else {
        failure
    }
}

/// The layers to be sent, the lowest first, each once. A store finds a layer by what is below it as well, so one is left out
/// only where an image on the host has the same layers up to it.
pub fn lacked_layers(images: &[Described], has: &[Vec<String>]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut lacked = Vec::new();
    for image in images {
        let shared = |base: &Vec<String>| base.iter().zip(&image.layers).take_while(|(a, (b, _))| *a == b).count();
        let there = has.iter().map(shared).max().unwrap_or(0);
        for (diff_id, _) in &image.layers[there..] {
            if seen.insert(diff_id.clone()) {
                lacked.push(diff_id.clone());
            }
        }
    }
    lacked
}

/// The way of archives to one host.
struct Shipment<'a> {
    cx: &'a Context,
    host: &'a Arc<dyn Host>,
    layers: &'a Arc<Layers>,
}

impl Shipment<'_> {
    async fn load(&self, images: &[Described], lacked: Vec<String>) -> (std::result::Result<(), HostError>, Sent) {
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

    /// Those that the host does not have as they were sent.
    async fn broken(&self, images: &[Described]) -> std::result::Result<Vec<Described>, HostError> {
        let found = try_join_all(images.iter().map(|image| find(self.host, &image.tag))).await?;
        let wrong = images
            .iter()
            .zip(found)
            .filter(|(image, found)| !found.as_ref().is_some_and(|found| is_same(image, found)));
        Ok(wrong.map(|(image, _)| image.clone()).collect())
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

#[cfg(test)]
mod tests {
    use super::{Described, lacked_layers};

    fn image(layers: &[&str]) -> Described {
        let layers = layers.iter().map(|layer| ((*layer).to_owned(), 1)).collect();
        Described { tag: "stagecraft/image:1".into(), config: "{}".into(), layers }
    }

    fn base(layers: &[&str]) -> Vec<String> {
        layers.iter().map(|layer| (*layer).to_owned()).collect()
    }

    // spec: images.direct
    #[test]
    fn only_layers_above_what_the_host_has_are_sent() {
        let images = [image(&["os", "deps", "app2"])];
        assert_eq!(lacked_layers(&images, &[]), ["os", "deps", "app2"]);
        assert_eq!(lacked_layers(&images, &[base(&["os", "deps", "app1"])]), ["app2"]);
        assert_eq!(lacked_layers(&images, &[base(&["os", "other"]), base(&["os", "deps"])]), ["app2"]);
        assert_eq!(lacked_layers(&images, &[base(&["os", "deps", "app2", "more"])]), Vec::<String>::new());
    }

    #[test]
    fn a_layer_on_another_base_is_another_layer() {
        assert_eq!(lacked_layers(&[image(&["os2", "deps"])], &[base(&["os1", "deps"])]), ["os2", "deps"]);
    }

    #[test]
    fn a_layer_of_several_images_is_sent_once() {
        let images = [image(&["os", "web"]), image(&["os", "api"]), image(&["os", "api", "api"])];
        assert_eq!(lacked_layers(&images, &[]), ["os", "web", "api"]);
        assert_eq!(lacked_layers(&images, &[base(&["os", "web"])]), ["api"]);
    }
}
