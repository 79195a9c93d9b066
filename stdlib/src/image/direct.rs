//! Sends images over SSH: to each host, from one export, only the layers that it lacks.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures_util::future::{join_all, try_join_all};
use serde_json::Value;

use super::{
    archive::Described,
    export::Export,
    layers::Layers,
    shipment::Shipment,
    source::Source,
    transfer::{Lack, SendImages, Sent, find, settle},
};
use crate::{
    failure::Failure,
    host::{HostError, ImageStore},
    model::Image,
    operation::{Context, Result},
};

pub async fn send(operation: &SendImages, cx: &Context, source: &Source) -> Result<Value> {
    let asked = operation.hosts.iter().map(|lack| look(operation, cx, lack));
    let (states, exports) = tokio::join!(join_all(asked), export(operation, cx, source));
    let (layers, exported) = exports;
    let outcomes = operation.hosts.iter().zip(states).map(|(lack, state)| {
        let (layers, exported) = (Arc::clone(&layers), &exported);
        async move {
            let outcome = match state {
                Ok(state) => send_to(cx, lack, state, &layers, exported).await,
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
async fn export(operation: &SendImages, cx: &Context, source: &Source) -> (Arc<Layers>, Exported) {
    let names: Vec<&str> = operation.images.iter().map(|image| image.source.as_str()).collect();
    cx.progress.say(None, &format!("exporting {}", names.join(", ")));
    let exports = join_all(operation.images.iter().map(|image| export_one(image, source))).await;
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

async fn export_one(image: &Image, source: &Source) -> Result<Export> {
    let export = source.export(image).await.map_err(|failure| {
        let again = || "deploy again, which builds it, or bring it to this machine's engine under that tag".to_owned();
        let hint = failure.hint.clone().or_else(|| Some(again()));
        Failure { message: format!("image {}: {}", image.source, failure.message), hint, ..failure }
    })?;
    if export.digest == image.digest {
        return Ok(export);
    }
    Err(Failure::new(format!("{} on this machine's engine is another image, {}", image.tag(), export.digest))
        .hint(format!("remove that tag with `docker rmi {}`, and deploy again", image.tag())))
}

async fn send_to(cx: &Context, lack: &Lack, state: State, layers: &Arc<Layers>, exported: &Exported) -> Result<Sent> {
    let shipment = Shipment { cx, host: cx.host_named(&lack.host)?, layers };
    let images: Vec<Described> = state.lacks.iter().map(|digest| exported[digest].clone()).collect::<Result<_>>()?;
    if images.is_empty() {
        cx.progress.say(Some(&lack.host), "is there already");
        return Ok(Sent::default());
    }
    let lacked = lacked_layers(&images, &state.has);
    if lacked.len() == lacked_layers(&images, &[]).len() {
        return send_all(&shipment, &images).await;
    }
    let (broken, sent) = send_part(&shipment, lack.store, &images, lacked).await?;
    if broken.is_empty() {
        return Ok(sent);
    }
    cx.progress.say(Some(&lack.host), "does not have the layers that it listed: sending all");
    let again = send_all(&shipment, &broken).await?;
    Ok(Sent { layers: sent.layers + again.layers, bytes: sent.bytes + again.bytes })
}

/// Sends the layers that the host seems to lack, and returns the images that did not become whole by it.
async fn send_part(
    shipment: &Shipment<'_>,
    store: ImageStore,
    images: &[Described],
    lacked: Vec<String>,
) -> Result<(Vec<Described>, Sent)> {
    // The containerd store keeps a broken image under the name that it was sent with. Ours says that it is whole, so there
    // it gets its name when that has been seen, however the run ends before.
    let named: Vec<Described> = match store {
        ImageStore::Classic => images.to_vec(),
        ImageStore::Containerd => images.iter().map(Described::arriving).collect(),
    };
    let (loaded, sent) = shipment.load(&named, lacked).await;
    let whole = match loaded {
        Ok(()) => shipment.whole(&named).await?,
        // The engine's own refusal may be because of a layer that is not there after all; nothing else is.
        Err(HostError::Engine { .. }) => vec![false; images.len()],
        Err(error) => return Err(refused(images, error)),
    };
    for ((image, named), whole) in images.iter().zip(&named).zip(&whole) {
        if image.tag != named.tag {
            if *whole {
                shipment.host.tag_image(&named.tag, &image.tag).await?;
            }
            shipment.remove(named).await?;
        } else if !whole {
            shipment.remove(image).await?;
        }
    }
    let broken = images.iter().zip(whole).filter(|(_, whole)| !whole).map(|(image, _)| image.clone());
    Ok((broken.collect(), sent))
}

/// Sends images with all their layers.
async fn send_all(shipment: &Shipment<'_>, images: &[Described]) -> Result<Sent> {
    let (loaded, sent) = shipment.load(images, lacked_layers(images, &[])).await;
    loaded.map_err(|error| refused(images, error))?;
    let whole = shipment.whole(images).await?;
    let Some((broken, _)) = images.iter().zip(whole).find(|(_, whole)| !whole) else { return Ok(sent) };
    shipment.remove(broken).await?;
    let host = shipment.host.name();
    Err(Failure::new(format!("{} has arrived on {host} and is not what was sent", broken.tag))
        .hint(format!("look at the engine's log on {host}: `stagecraft ssh {host} journalctl -u docker`")))
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
