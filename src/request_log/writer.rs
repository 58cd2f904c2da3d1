//! The thread that writes: it gathers what came and writes one transaction for each tenant's file.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use lru::LruCache;
use provisioning::StreamId;

use super::entry::Entry;
use super::file::{Batch, File, FileError, give_up, path_of};
use super::{Job, QUEUE_REQUESTS_MAX, Standing, off, prune};
use crate::clock::Clock;
use crate::config::RequestLogConfig;
use crate::directory::Directory;
use crate::telemetry::Metrics;

/// How long the writer gathers after the first request: whoever answers requests wakes it no more often, and rows that
/// are written together share pages.
const GATHER: Duration = Duration::from_millis(100);

/// Files that are open at the same time.
const OPEN_FILES_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

pub(super) struct Writer {
    config: RequestLogConfig,
    clock: Arc<dyn Clock>,
    standing: Arc<Standing>,
    metrics: Arc<Metrics>,
    files: LruCache<StreamId, File>,
    /// Requests that have no row, by tenants whose file could not be written to say so.
    owed: HashMap<StreamId, u64>,
}

/// What could not be noted is told to the operator only.
fn report(directory: &Directory, noted: std::io::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(
            tenant.id = directory.tenant(), error = %error,
            "whether requests of {} were not logged could not be noted: {error}", directory.tenant()
        );
    }
}

type Batches = HashMap<StreamId, Batch>;

/// The batch of a tenant.
fn of<'b>(batches: &'b mut Batches, directory: &Arc<Directory>) -> &'b mut Batch {
    batches.entry(directory.stream()).or_insert_with(|| Batch::new(Arc::clone(directory)))
}

impl Writer {
    pub(super) fn new(
        config: RequestLogConfig,
        clock: Arc<dyn Clock>,
        standing: Arc<Standing>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { config, clock, standing, metrics, files: LruCache::new(OPEN_FILES_MAX), owed: HashMap::new() }
    }

    /// Writes until it is told to stop, or nobody can tell it anything any more.
    pub(super) fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            if matches!(first, Job::Record(_) | Job::Folded) {
                thread::park_timeout(GATHER);
            }
            let (mut entries, mut told, mut stops) = (Vec::new(), Vec::new(), false);
            for job in std::iter::once(first).chain(queue.try_iter().take(QUEUE_REQUESTS_MAX)) {
                match job {
                    Job::Record(entry) => {
                        self.standing.forget_body(&entry);
                        entries.push(*entry);
                    }
                    // They are not in the queue.
                    Job::Folded => {}
                    Job::Off(directory, at) => report(&directory, off::note(&directory, at)),
                    Job::Prune(directory) => self.prune(&directory),
                    Job::Flush(done) => told.push(done),
                    Job::Stop => stops = true,
                }
            }
            self.write(entries);
            for done in told {
                // Whoever asked may have gone.
                let _gone = done.send(());
            }
            if stops {
                return;
            }
        }
    }

    fn write(&mut self, entries: Vec<Entry>) {
        let mut batches = Batches::new();
        for entry in entries {
            if let Some(addressee) = &entry.addressee {
                of(&mut batches, addressee).foreign.add(entry.received_at);
            }
            of(&mut batches, &entry.directory).entries.push(entry);
        }
        for (by, folded) in self.standing.reads.take() {
            of(&mut batches, &folded.directory).folded.push((by, folded));
        }
        let dropped =
            std::mem::take(&mut *self.standing.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        for (directory, requests) in dropped.into_values() {
            of(&mut batches, &directory).dropped += requests;
        }
        for batch in batches.into_values() {
            self.write_batch(batch);
        }
    }

    fn write_batch(&mut self, mut batch: Batch) {
        let stream = batch.directory.stream();
        batch.dropped += self.owed.remove(&stream).unwrap_or_default();
        let mut written = self.written(&batch);
        if let Err(damage) = &written
            && damage.is_damage()
        {
            self.files.pop(&stream);
            written = match give_up(&batch.directory, damage) {
                Ok(()) => self.written(&batch),
                Err(error) => Err(error.into()),
            };
        }
        if let Err(error) = written {
            self.files.pop(&stream);
            let requests = batch.requests();
            self.metrics.requests_unlogged(requests);
            // No row will ever tell of them; the file does as soon as it can be written.
            self.owed.insert(stream, requests + batch.dropped);
            tracing::error!(
                tenant.id = batch.directory.tenant(), error = %error,
                "{requests} requests of {} could not be logged: {error}", batch.directory.tenant()
            );
        }
    }

    fn written(&mut self, batch: &Batch) -> Result<(), FileError> {
        let bytes_max = self.config.file_bytes_max;
        let file = self.file(&batch.directory)?;
        file.write(batch)?;
        prune::to_size(&mut file.connection, bytes_max, batch.entries.len() + batch.folded.len())
    }

    fn file(&mut self, directory: &Directory) -> Result<&mut File, FileError> {
        let path = path_of(directory);
        if !path.try_exists()? {
            // Somebody removed it. What is left beside it belongs to no file any more.
            self.files.pop(&directory.stream());
            super::remove(&path)?;
        }
        self.files.try_get_or_insert_mut(directory.stream(), || File::open(directory))
    }

    fn prune(&mut self, directory: &Arc<Directory>) {
        let now = self.clock.now();
        report(directory, off::forget(directory, prune::before(now, self.config.rows_days)));
        if !path_of(directory).exists() {
            return;
        }
        if self.owed.contains_key(&directory.stream()) {
            self.write_batch(Batch::new(Arc::clone(directory)));
        }
        let config = self.config.clone();
        let pruned = self.file(directory).and_then(|file| prune::by_age(&mut file.connection, &config, now));
        if let Err(error) = pruned {
            tracing::warn!(
                tenant.id = directory.tenant(), error = %error,
                "old requests of {} could not be removed: {error}", directory.tenant()
            );
        }
    }
}
