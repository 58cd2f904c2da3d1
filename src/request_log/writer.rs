//! The thread that writes: it gathers what came, decides which reads are folded, and writes one transaction for each
//! tenant's file.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use lru::LruCache;
use provisioning::{ClientId, StreamId};

use super::entry::{Entry, Outcome};
use super::file::{File, FileError, Written, give_up, path_of};
use super::secrets::Secrets;
use super::{Job, QUEUE_REQUESTS_MAX, Standing, contents, prune};
use crate::clock::Clock;
use crate::config::RequestLogConfig;
use crate::directory::Directory;
use crate::telemetry::Metrics;

/// How long the writer gathers after the first request: whoever answers requests wakes it no more often, and rows that
/// are written together share pages.
const GATHER: Duration = Duration::from_millis(100);

/// Reads of a client in one second that have rows of their own.
const OWN_READS_PER_SECOND: u32 = 50;

/// Files that are open at the same time.
const OPEN_FILES_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Clients whose reads are counted at the same time; beyond that, counting begins anew.
const COUNTED_CLIENTS_MAX: usize = 10_000;

pub(super) struct Writer {
    config: RequestLogConfig,
    clock: Arc<dyn Clock>,
    standing: Arc<Standing>,
    metrics: Arc<Metrics>,
    files: LruCache<StreamId, File>,
    /// The second in which a client read last, and how often.
    reads: HashMap<(StreamId, Option<ClientId>), (i64, u32)>,
}

/// What is to be written to one tenant's file.
struct Batch {
    directory: Arc<Directory>,
    entries: Vec<Entry>,
    dropped: u64,
}

impl Writer {
    pub(super) fn new(
        config: RequestLogConfig,
        clock: Arc<dyn Clock>,
        standing: Arc<Standing>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (files, reads) = (LruCache::new(OPEN_FILES_MAX), HashMap::new());
        Self { config, clock, standing, metrics, files, reads }
    }

    /// Writes until it is told to stop, or nobody can tell it anything any more.
    pub(super) fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            if matches!(first, Job::Record(_)) {
                thread::park_timeout(GATHER);
            }
            let (mut entries, mut told, mut stops) = (Vec::new(), Vec::new(), false);
            for job in std::iter::once(first).chain(queue.try_iter().take(QUEUE_REQUESTS_MAX)) {
                match job {
                    Job::Record(entry) => {
                        self.standing.forget_body(&entry);
                        entries.push(*entry);
                    }
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
        let mut batches: HashMap<StreamId, Batch> = HashMap::new();
        for entry in entries {
            let of_tenant = batches.entry(entry.directory.stream()).or_insert_with(|| Batch {
                directory: Arc::clone(&entry.directory),
                entries: Vec::new(),
                dropped: 0,
            });
            of_tenant.entries.push(entry);
        }
        let dropped =
            std::mem::take(&mut *self.standing.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        for (stream, (directory, requests)) in dropped {
            let batch = || Batch { directory, entries: Vec::new(), dropped: 0 };
            batches.entry(stream).or_insert_with(batch).dropped += requests;
        }
        for batch in batches.into_values() {
            self.write_batch(&batch);
        }
    }

    fn write_batch(&mut self, batch: &Batch) {
        let rows = self.rows(&batch.entries);
        let stream = batch.directory.stream();
        let mut written = self.written(&batch.directory, &rows, batch.dropped);
        if let Err(damage) = &written
            && damage.is_damage()
        {
            self.files.pop(&stream);
            written = match give_up(&batch.directory, damage) {
                Ok(()) => self.written(&batch.directory, &rows, batch.dropped),
                Err(error) => Err(error.into()),
            };
        }
        if let Err(error) = written {
            self.files.pop(&stream);
            let requests = batch.entries.len() as u64 + batch.dropped;
            self.metrics.requests_unlogged(requests);
            tracing::error!(
                tenant.id = batch.directory.tenant(), error = %error,
                "{requests} requests of {} could not be logged: {error}", batch.directory.tenant()
            );
        }
    }

    fn written(
        &mut self,
        directory: &Directory,
        rows: &[Written<'_>],
        dropped: u64,
    ) -> Result<(), FileError> {
        let bytes_max = self.config.file_bytes_max;
        let file = self.file(directory)?;
        file.write(rows, &Secrets::of(&directory.schemas()), dropped)?;
        prune::to_size(&mut file.connection, bytes_max, rows.len())?;
        Ok(())
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

    fn prune(&mut self, directory: &Directory) {
        if !path_of(directory).exists() {
            return;
        }
        let (config, now) = (self.config.clone(), self.clock.now());
        let pruned = self.file(directory).and_then(|file| prune::by_age(&mut file.connection, &config, now));
        if let Err(error) = pruned {
            tracing::warn!(
                tenant.id = directory.tenant(), error = %error,
                "old requests of {} could not be removed: {error}", directory.tenant()
            );
        }
    }

    /// Which rows a batch becomes.
    fn rows<'e>(&mut self, entries: &'e [Entry]) -> Vec<Written<'e>> {
        let mut rows = Vec::new();
        let mut folded = HashMap::new();
        for entry in entries {
            if self.has_own_row(entry) {
                rows.push(Written::Own(entry));
                continue;
            }
            let filter = contents::filter(entry);
            let key = (entry.minute(), entry.client, entry.route, filter);
            let (_, requests, duration) = folded.entry(key).or_insert((entry, 0_u64, Duration::ZERO));
            *requests += 1;
            *duration += entry.duration;
        }
        rows.extend(folded.into_iter().map(|((_, _, _, filter), (entry, requests, duration))| {
            Written::Folded { entry, filter, requests, duration }
        }));
        rows
    }

    fn has_own_row(&mut self, entry: &Entry) -> bool {
        if entry.outcome() != Outcome::Read {
            return true;
        }
        if self.reads.len() > COUNTED_CLIENTS_MAX {
            self.reads.clear();
        }
        let second = entry.second();
        let (counted, reads) =
            self.reads.entry((entry.directory.stream(), entry.client)).or_insert((second, 0));
        if *counted != second {
            (*counted, *reads) = (second, 0);
        }
        *reads += 1;
        *reads <= OWN_READS_PER_SECOND
    }
}
