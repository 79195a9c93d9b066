//! The operator's engine, as what images are sent from.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio_util::task::AbortOnDropHandle;

use super::export::Export;
use crate::{failure::Failure, host::Host, model::Image};

type Exporting = AbortOnDropHandle<Result<Export, Failure>>;

/// An engine that images are exported from, also before they are asked for.
pub struct Source {
    engine: Arc<dyn Host>,
    /// By the images' digests. Given up when this is dropped.
    ahead: Mutex<HashMap<String, Exporting>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("engine", self.engine.name()).finish_non_exhaustive()
    }
}

impl Source {
    pub fn new(engine: Arc<dyn Host>) -> Self {
        Self { engine, ahead: Mutex::default() }
    }

    pub fn engine(&self) -> &Arc<dyn Host> {
        &self.engine
    }

    /// Begins to export an image that will most likely be sent.
    pub fn export_ahead(&self, image: &Image) {
        let (engine, tag, platform) = (Arc::clone(&self.engine), image.tag(), image.platform.clone());
        let export = async move { Export::of(&engine, &tag, &platform).await };
        // Two services may have one image.
        let mut ahead = self.ahead();
        ahead.entry(image.digest.clone()).or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(export)));
    }

    /// The image's export: the one that was begun ahead, if that went well.
    pub(super) async fn export(&self, image: &Image) -> Result<Export, Failure> {
        let begun = self.ahead().remove(&image.digest);
        if let Some(begun) = begun
            && let Ok(Ok(export)) = begun.await
        {
            return Ok(export);
        }
        Export::of(&self.engine, &image.tag(), &image.platform).await
    }

    fn ahead(&self) -> MutexGuard<'_, HashMap<String, Exporting>> {
        self.ahead.lock().expect("nothing panics while holding it")
    }
}
