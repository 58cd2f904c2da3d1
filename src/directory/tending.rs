//! Keeping the write-ahead logs of log and current view small, on another thread than the writer's: copying them
//! takes a multiple of what a batch takes, and whoever waits for the next batch would wait for it too.
//!
//! Most is copied while the writer goes on. What it has written meanwhile is copied between two batches, since a
//! write-ahead log begins anew only when everything was.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use projections::ViewError;

use super::Directory;
use super::condition::View;
use super::writer::Writer;

impl Writer {
    /// Whether a write-ahead log has become long enough to be copied.
    pub(super) fn is_tending_due(&self) -> bool {
        self.view.is_tending_due() || self.log.is_tending_due()
    }
}

/// Whoever copies, until it is done or has come to grief.
struct Tending(Arc<Directory>);

impl Drop for Tending {
    fn drop(&mut self) {
        self.0.tending.store(false, Ordering::Release);
    }
}

impl Directory {
    /// Begins to copy what is due, unless somebody does already.
    pub(super) fn tend_behind_the_writer(self: &Arc<Self>) {
        if self.tending.swap(true, Ordering::AcqRel) {
            return;
        }
        let (tending, tasks) = (Tending(Arc::clone(self)), Arc::clone(&self.tasks));
        self.tasks.spawn(async move {
            tasks.block(move || tending.0.tend()).await;
        });
    }

    /// Copies. What cannot be copied now is copied later: nothing is lost.
    fn tend(&self) {
        if let Err(error) = self.tend_view() {
            let stream = self.stream;
            tracing::warn!(%stream, error = %error, "write-ahead log of current.db: {error}");
            if let ViewError::Broken { .. } = error {
                self.condition.set_damaged(View::Current, error.to_string());
            }
        }
        if let Err(error) = self.log.tend() {
            let stream = self.stream;
            tracing::warn!(%stream, error = %error, "write-ahead log of log.db: {error}");
        }
    }

    fn tend_view(&self) -> Result<(), ViewError> {
        let writer = || self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |writer: &Writer| writer.view.is_tending_due().then(|| writer.view.copying());
        let Some(copying) = writer().as_ref().and_then(due) else { return Ok(()) };
        copying.run()?;
        writer().as_mut().map_or(Ok(()), |writer| writer.view.tend())
    }
}
