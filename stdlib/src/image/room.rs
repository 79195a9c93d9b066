//! What layers take on a host's disk, and whether it has that.
//!
//! With either store a layer is there twice: the classic one puts the archive aside and unpacks each layer from it, the
//! containerd one keeps the layer beside its files.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::Arc,
};

use futures_util::future::try_join_all;

use super::{
    direct,
    source::Source,
    transfer::{Lack, SendImages},
};
use crate::{
    facts::ground::{self, Disk},
    failure::Failure,
    host::{Host, Hosts, ImageStore},
    model::{HostName, Transfer},
    operation::{Operation as _, Result},
    plan::Node,
};

/// What is left free for containers, logs and the engine's own notes. Bytes.
const MARGIN: u64 = 64 << 20;
/// What a file takes is a multiple of this on the usual file systems. Bytes.
const BLOCK: u64 = 4096;
/// With so many times the size of its images free, a host most likely has room, and it is left to the transfer to measure
/// them.
const PLENTY: u64 = 4;
/// The same where the engine gives the size of its images as they are compressed, which the containerd store does.
const PLENTY_COMPRESSED: u64 = 12;

/// Fails where a host has no room for the images that the plan would send it, before the plan runs. `disks` is what has been
/// seen of the hosts: only where that is near to what the images take, they are exported and measured for it.
pub async fn check_room(
    plan: &Node,
    hosts: &Hosts,
    disks: &BTreeMap<HostName, Disk>,
    engine: &Arc<dyn Host>,
) -> Result<()> {
    for planned in plan.certain().filter(|planned| planned.kind == SendImages::KIND) {
        let operation: SendImages = serde_json::from_value(planned.args.clone()).expect("planned just now");
        if operation.via == Transfer::Direct && !all_have_plenty(&operation, disks, engine).await? {
            direct::check(&operation, hosts, &Source::new(Arc::clone(engine))).await?;
        }
    }
    Ok(())
}

async fn all_have_plenty(
    operation: &SendImages,
    disks: &BTreeMap<HostName, Disk>,
    engine: &Arc<dyn Host>,
) -> Result<bool> {
    let sizes = operation.images.iter().map(|image| async move {
        let found = engine.image(&image.tag()).await?;
        let size = found.and_then(|found| u64::try_from(found.size?).ok()).unwrap_or(0);
        Ok::<_, Failure>((image.digest.as_str(), size))
    });
    let (sizes, info) = tokio::try_join!(try_join_all(sizes), async { Ok(engine.info().await?) })?;
    let sizes: BTreeMap<&str, u64> = sizes.into_iter().collect();
    let times = match info.store {
        ImageStore::Classic => PLENTY,
        ImageStore::Containerd => PLENTY_COMPRESSED,
    };
    let has_plenty = |lack: &Lack| {
        let size: u64 = lack.images.iter().filter_map(|digest| sizes.get(digest.as_str())).sum();
        disks.get(&lack.host).is_none_or(|disk| disk.free >= times * size + MARGIN)
    };
    Ok(operation.hosts.iter().all(has_plenty))
}

/// What the files of a layer take on a disk. A thousand files of a byte take a thousand blocks.
pub fn unpacked(layer: impl Read) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in tar::Archive::new(layer).entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let size = if kind.is_dir() { BLOCK } else { entry.size() };
        bytes += size.next_multiple_of(BLOCK);
    }
    Ok(bytes)
}

/// Fails where the host has no room for layers that take `need` bytes. Little is sent without asking: a preflight has seen
/// that there is room for it.
pub async fn check(host: &dyn Host, need: u64) -> Result<()> {
    let need = need + MARGIN;
    if need <= ground::ROOM {
        return Ok(());
    }
    let read = async { ground::disk(host, &host.info().await?.directory).await };
    match read.await {
        Ok(disk) => {
            let lacks = disk.and_then(|disk| disk.lacks(need, host.name(), "the images that it lacks need"));
            let of_it = format!("{} MB of it are left for containers and logs", MARGIN >> 20);
            lacks.map_or(Ok(()), |failure| Err(failure.detail(of_it)))
        }
        // A user who may use the engine and run nothing can deploy; the engine then says what is wrong.
        Err(error) => {
            tracing::debug!(host = %host.name(), %error, "room is not known");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{check, unpacked};
    use crate::host::{CommandOutput, Host, fake::FakeHost};

    const MB: u64 = 1 << 20;

    /// A host whose `df` shows so many free kB.
    fn host(free: u64) -> FakeHost {
        let host = FakeHost::new("web-1");
        host.on_shell(move |command, _| {
            assert_eq!(command, "df -Pk '/var/lib/docker' 2>/dev/null | tail -n 1");
            let line = format!("/dev/vda1 52403200 100 {free} 1% /\n");
            CommandOutput { code: Some(0), stdout: line.into(), stderr: Bytes::new() }
        });
        host
    }

    #[test]
    fn files_take_whole_blocks_and_links_nothing() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |kind, path: &str, contents: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(contents.len() as u64);
            tar.append_data(&mut header, path, contents).unwrap();
        };
        add(tar::EntryType::Directory, "srv", b"");
        add(tar::EntryType::Regular, "srv/one", b"1");
        add(tar::EntryType::Regular, "srv/large", &[7; 5000]);
        add(tar::EntryType::Regular, "srv/.wh.gone", b"");
        add(tar::EntryType::Symlink, "srv/link", b"");
        assert_eq!(unpacked(&tar.into_inner().unwrap()[..]).unwrap(), 4 * 4096);
    }

    // spec: images.room
    #[tokio::test]
    async fn a_host_without_room_is_named_with_what_it_has_and_needs() {
        let failure = check(&host(399 * 1024), 336 * MB).await.unwrap_err();
        let text = "web-1 has 399 MB free in /var/lib/docker, and the images that it lacks need 400 MB";
        assert_eq!(failure.message, text);
        assert_eq!(failure.detail.as_deref(), Some("64 MB of it are left for containers and logs"));
        assert_eq!(failure.hint.as_deref(), Some("make room: `stagecraft ssh web-1 docker image prune -a`"));
        check(&host(400 * 1024), 336 * MB).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_asked_for_what_the_preflight_has_seen_room_for() {
        let host = host(0);
        check(&host, 64 * MB).await.unwrap();
        assert_eq!(host.calls(), Vec::<String>::new());
        check(&host, 64 * MB + 1).await.unwrap_err();
    }

    #[tokio::test]
    async fn where_nothing_can_be_run_the_engine_has_the_word() {
        let host = FakeHost::new("web-1");
        check(&host, 1024 * MB).await.unwrap();
        assert_eq!(host.usage().sessions, 1);
    }
}
