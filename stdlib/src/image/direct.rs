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
    room,
    shipment::Shipment,
    source::Source,
    transfer::{Lack, SendImages, Sent, find, report, settle},
};
use crate::{
    failure::Failure,
    host::{HostError, Hosts, ImageStore},
    model::Image,
    operation::{Context, Result, named},
};

pub async fn send(operation: &SendImages, cx: &Context, source: &Source) -> Result<Value> {
    let names: Vec<&str> = operation.images.iter().map(|image| image.source.as_str()).collect();
    cx.progress.say(None, &format!("exporting {}", names.join(", ")));
    // What one host has no room for, no host is sent.
    let (parcels, layers) = measured(operation, &cx.hosts, source).await?;
    let layers = &layers;
    let sent = parcels.into_iter().map(|(lack, parcel)| async move {
        (lack, send_to(cx, lack, parcel, layers).await.map_err(|failure| failure.on(&lack.host)))
    });
    Ok(report(&settle(join_all(sent).await)?))
}

/// Fails where the operation would fail because a host has no room. Changes nothing.
pub async fn check(operation: &SendImages, hosts: &Hosts, source: &Source) -> Result<()> {
    measured(operation, hosts, source).await.map(drop)
}

/// What each host is to be sent: all have the room for it.
async fn measured<'a>(
    operation: &'a SendImages,
    hosts: &Hosts,
    source: &Source,
) -> Result<(Vec<(&'a Lack, Parcel)>, Arc<Layers>)> {
    let asked = operation.hosts.iter().map(|lack| look(operation, hosts, lack));
    let (states, (layers, exported)) = tokio::join!(join_all(asked), export(operation, source));
    let parcels = operation.hosts.iter().zip(states).map(|(lack, state)| {
        let parcel = state.and_then(|state| Parcel::of(&state, &exported));
        (lack, parcel.map_err(|failure| failure.on(&lack.host)))
    });
    let parcels = settle(parcels.collect())?;
    all_have_room(hosts, &parcels, &layers).await?;
    Ok((parcels, layers))
}

/// What a host has, just before it is sent anything.
struct State {
    /// Digests of images that it lacks.
    lacks: Vec<String>,
    /// The layers of images that it has, from the base up.
    has: Vec<Vec<String>>,
}

/// What a host is to be sent.
struct Parcel {
    images: Vec<Described>,
    /// The layers that it seems to lack.
    lacked: Vec<String>,
}

impl Parcel {
    fn of(state: &State, exported: &Exported) -> Result<Self> {
        let images: Vec<Described> =
            state.lacks.iter().map(|digest| exported[digest].clone()).collect::<Result<_>>()?;
        let lacked = lacked_layers(&images, &state.has);
        Ok(Self { images, lacked })
    }
}

async fn all_have_room(hosts: &Hosts, parcels: &[(&Lack, Parcel)], layers: &Layers) -> Result<()> {
    let lacked = parcels.iter().flat_map(|(_, parcel)| parcel.lacked.iter().cloned());
    let footprints = layers.footprints(lacked.collect()).await.map_err(|error| {
        Failure::new(format!("the images that are to be sent cannot be read: {error}"))
            .hint("build them anew: `stagecraft deploy --rebuild`")
    })?;
    let checked = parcels.iter().map(|(lack, parcel)| {
        let need = parcel.lacked.iter().map(|diff_id| footprints[diff_id]).sum();
        async move {
            let checked = match named(hosts, &lack.host) {
                Ok(host) => room::check(host.as_ref(), need).await,
                Err(failure) => Err(failure),
            };
            (*lack, checked)
        }
    });
    settle(join_all(checked).await)?;
    Ok(())
}

async fn look(operation: &SendImages, hosts: &Hosts, lack: &Lack) -> Result<State> {
    let host = named(hosts, &lack.host)?;
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
async fn export(operation: &SendImages, source: &Source) -> (Arc<Layers>, Exported) {
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

async fn send_to(cx: &Context, lack: &Lack, parcel: Parcel, layers: &Arc<Layers>) -> Result<Sent> {
    let shipment = Shipment { cx, host: cx.host_named(&lack.host)?, layers };
    let Parcel { images, lacked } = parcel;
    if images.is_empty() {
        cx.progress.say(Some(&lack.host), "is there already");
        return Ok(Sent::default());
    }
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
    use std::{collections::BTreeMap, sync::Arc};

    use bytes::Bytes;
    use serde_json::Value;

    use super::{Described, Lack, SendImages, Source, lacked_layers, send};
    use crate::{
        facts::ground::Disk,
        host::{CommandOutput, EngineInfo, Host, Hosts, ImageStore, fake::FakeHost},
        image::check_room,
        model::{Authority, HostName, Identity, Image, RunId, SecretKey, SecretValue, Transfer, Values},
        operation::{Context, Outputs, Progress},
        plan::{Key, Scope},
    };

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

    struct Nothing;

    impl Outputs for Nothing {
        fn get(&self, _: &Key) -> Option<Value> {
            None
        }
    }

    impl Progress for Nothing {
        fn say(&self, _: Option<&HostName>, _: &str) {}
    }

    /// A host whose disk has so many MB free.
    fn with_room(name: &str, free: u64) -> FakeHost {
        let host = FakeHost::new(name);
        has_room(&host, free);
        host
    }

    fn has_room(host: &FakeHost, free: u64) {
        host.on_shell(move |_, _| {
            let stdout = format!("/dev/vda1 1 1 {} 1% /\n", free << 10).into();
            CommandOutput { code: Some(0), stdout, stderr: Bytes::new() }
        });
    }

    /// A layer of 15,000 directories: 7 MB, and 58 MB on a disk.
    fn many_directories() -> Bytes {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        for number in 0..15_000 {
            tar.append_data(&mut header, number.to_string(), &b""[..]).unwrap();
        }
        tar.into_inner().unwrap().into()
    }

    /// The image on an engine of its own, and the operation that sends it to hosts which have nothing.
    async fn sending(hosts: &[&FakeHost]) -> (FakeHost, SendImages) {
        let builder = FakeHost::new("builder");
        builder.import_image("shop-web", many_directories()).await.unwrap();
        let digest = builder.image("shop-web").await.unwrap().unwrap().id.unwrap();
        let image = Image { source: "shop-web".into(), digest, platform: "linux/amd64".into() };
        builder.tag_image("shop-web", &image.tag()).await.unwrap();
        let lack = |host: &&FakeHost| Lack {
            host: host.name().clone(),
            store: ImageStore::Classic,
            images: vec![image.digest.clone()],
            bases: vec![],
        };
        let hosts = hosts.iter().map(lack).collect();
        (builder, SendImages { via: Transfer::Direct, images: vec![image], hosts })
    }

    // spec: images.room
    #[tokio::test]
    async fn what_one_host_has_no_room_for_no_host_is_sent() {
        let (roomy, small) = (with_room("web-1", 1000), with_room("web-2", 129));
        let (builder, operation) = sending(&[&roomy, &small]).await;
        let cx = Context {
            hosts: Hosts::new(vec![roomy.host(), small.host()]),
            run: RunId::new("run").unwrap(),
            key: Key::root().child("images"),
            host: None,
            began: jiff::Timestamp::UNIX_EPOCH,
            release: None,
            values: Arc::new(Values::default()),
            identity: Arc::new(Identity {
                key: SecretKey::new([0; 32]),
                authority: Authority { certificate: String::new(), key: SecretValue::new("") },
            }),
            source: None,
            outputs: Arc::new(Nothing),
            progress: Arc::new(Nothing),
        };
        let source = Source::new(builder.host());
        let failure = send(&operation, &cx, &source).await.unwrap_err();
        let text = "web-2 has 129 MB free in /var/lib/docker, and the images that it lacks need 130 MB";
        assert_eq!((failure.message.as_str(), failure.host.as_ref()), (text, Some(small.name())));
        let loads = |host: &FakeHost| host.calls().iter().filter(|call| call.starts_with("load_image")).count();
        assert_eq!((loads(&roomy), loads(&small)), (0, 0));

        has_room(&small, 130);
        send(&operation, &cx, &source).await.unwrap();
        assert_eq!((loads(&roomy), loads(&small)), (1, 1));
    }

    // spec: images.room
    #[tokio::test]
    async fn before_a_run_images_are_measured_only_where_there_may_be_no_room() {
        let host = with_room("web-1", 70);
        let (builder, operation) = sending(&[&host]).await;
        let mut scope = Scope::default();
        scope.operation(None, &operation);
        let (plan, _) = scope.finish().unwrap();
        let (hosts, engine) = (Hosts::new(vec![host.host()]), builder.host());
        builder.forget_calls();
        let seen =
            |free: u64| BTreeMap::from([(host.name().clone(), Disk { directory: String::new(), free: free << 20 })]);

        check_room(&plan, &hosts, &seen(100), &engine).await.unwrap();
        assert_eq!(host.calls(), Vec::<String>::new());
        assert!(!builder.calls().iter().any(|call| call.starts_with("save_image")), "{:?}", builder.calls());

        let failure = check_room(&plan, &hosts, &seen(90), &engine).await.unwrap_err();
        assert!(failure.message.starts_with("web-1 has 70 MB free"), "{}", failure.message);
        // Here the sizes are of compressed images.
        builder.set_info(EngineInfo { store: ImageStore::Containerd, ..engine.info().await.unwrap() });
        assert_eq!(check_room(&plan, &hosts, &seen(100), &engine).await.unwrap_err(), failure);
        assert!(host.changes().iter().all(|call| call.starts_with("shell df ")), "{:?}", host.changes());
    }
}
