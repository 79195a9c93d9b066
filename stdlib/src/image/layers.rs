//! The layers of exported images, each read and compressed once, when the first host asks for it.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, try_join_all},
};
use tokio::sync::Semaphore;

use super::{
    archive::{self, Described},
    export::{Export, ExportError, Layer},
    room,
};

/// How much of a layer is read at once.
const CHUNK: usize = 256 * 1024;

/// A layer as a member of an archive, in a file without a name that only this process can read.
#[derive(Debug, Clone)]
pub struct Packed {
    file: Arc<File>,
}

impl Packed {
    /// What stands at `offset`; empty at the end.
    pub async fn read(&self, offset: u64) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = move || {
            let mut buffer = vec![0; CHUNK];
            let read = file.read_at(&mut buffer, offset)?;
            buffer.truncate(read);
            Ok(buffer.into())
        };
        tokio::task::spawn_blocking(read).await.expect("reading does not panic")
    }
}

/// The outcome is shared by all who wait, so an error is only its text.
type Packing = Shared<BoxFuture<'static, Result<Packed, String>>>;

pub struct Layers {
    sources: HashMap<String, (Arc<Export>, Layer, u64)>,
    packing: Mutex<HashMap<String, Packing>>,
    /// One turn for each processor, in the order in which the layers are asked for.
    turns: Arc<Semaphore>,
}

impl Layers {
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Arc::new(Semaphore::new(processors));
        Self { sources: HashMap::new(), packing: Mutex::default(), turns }
    }

    /// Takes in the layers of an image, and describes it.
    pub async fn add(&mut self, tag: &str, export: Export) -> Result<Described, ExportError> {
        let export = Arc::new(export);
        let mut layers = Vec::new();
        for layer in &export.layers {
            let size = match export.size(layer)? {
                Some(size) => size,
                None => measure(&export, layer).await?,
            };
            layers.push((layer.diff_id.clone(), size));
            self.sources.insert(layer.diff_id.clone(), (Arc::clone(&export), layer.clone(), size));
        }
        Ok(Described { tag: tag.to_owned(), config: export.config.clone(), layers })
    }

    /// The room that each of these layers takes on a host. They are read for it.
    pub async fn footprints(&self, diff_ids: BTreeSet<String>) -> Result<HashMap<String, u64>, ExportError> {
        let footprints = diff_ids.into_iter().map(|diff_id| async move {
            let (export, layer, size) = self.sources[&diff_id].clone();
            let read = move || Ok((diff_id, size + room::unpacked(export.open(&layer)?)?));
            tokio::task::spawn_blocking(read).await.expect("reading does not panic")
        });
        try_join_all(footprints).await.map(|footprints| footprints.into_iter().collect())
    }

    /// Begins to compress these layers, in this order, without waiting for one to be asked for.
    pub fn prepare(&self, diff_ids: &[String]) {
        for diff_id in diff_ids {
            tokio::spawn(self.packing(diff_id));
        }
    }

    /// A layer as a member of the archive.
    pub async fn packed(&self, diff_id: &str) -> io::Result<Packed> {
        self.packing(diff_id).await.map_err(io::Error::other)
    }

    fn packing(&self, diff_id: &str) -> Packing {
        let mut packing = self.packing.lock().unwrap_or_else(PoisonError::into_inner);
        packing.entry(diff_id.to_owned()).or_insert_with(|| self.start(diff_id)).clone()
    }

    fn start(&self, diff_id: &str) -> Packing {
        let (export, layer, size) = self.sources[diff_id].clone();
        let turns = Arc::clone(&self.turns);
        let pack = async move {
            let _turn = turns.acquire_owned().await.expect("is never closed");
            let packed = tokio::task::spawn_blocking(move || pack(&export, &layer, size)).await;
            packed.expect("packing does not panic").map_err(|error| error.to_string())
        };
        pack.boxed().shared()
    }
}

fn pack(export: &Export, layer: &Layer, size: u64) -> Result<Packed, ExportError> {
    let file = tempfile::tempfile()?;
    archive::pack(&layer.diff_id, size, export.open(layer)?, io::BufWriter::new(&file))?;
    Ok(Packed { file: Arc::new(file) })
}

/// A compressed layer has to be read to know its size.
async fn measure(export: &Arc<Export>, layer: &Layer) -> Result<u64, ExportError> {
    let (export, layer) = (Arc::clone(export), layer.clone());
    let count = move || Ok(io::copy(&mut export.open(&layer)?, &mut io::sink())?);
    tokio::task::spawn_blocking(count).await.expect("reading does not panic")
}
