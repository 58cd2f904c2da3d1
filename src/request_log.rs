//! The request log: what identity providers asked, and what became of it, in `requests.db` beside each tenant's log.
//! Requests that reach no tenant are kept in `system/`.
//!
//! Promises: whoever answers a request waits for nothing here. An entry is put into a bounded queue; one thread
//! writes them in batches. If the queue is full, the request is counted as dropped, so that the requests of all rows
//! and the dropped ones are all there were. Every write, every refusal and the first reads of a client in each
//! second have a row of their own; further reads that succeeded are added up ([`reads`]) in one row for each minute,
//! client, route and filter. Addresses, queries and bodies are sealed, and of them only what may
//! be kept ([`allowed`]).
//!
//! The file is derived and disposable: losing it hinders nothing, and a damaged one is named and begun anew.

mod about;
mod address;
mod allowed;
mod body;
mod contents;
mod entry;
mod expression;
mod file;
mod filter_shape;
mod json;
mod keeping;
mod names;
mod off;
mod prune;
mod reading;
mod reads;
mod tallies;
mod words;
mod writer;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use provisioning::{StreamId, Timestamp};
use tokio::sync::oneshot;

use crate::background::yield_to_others;
use crate::clock::Clock;
use crate::config::RequestLogConfig;
use crate::directory::Directory;
use crate::telemetry::Metrics;
pub use about::{Change, Kind, Member, Operation, Print, Undone as UndoneOperation, member};
pub use entry::{Entry, Outcome, Sender, Undone};
pub use off::at as off_at;
pub use prune::run as prune_regularly;
pub use reading::{Detail, Reader, ReadingError, Row, Totals, Wanted};
use reads::{Place, Reads};
pub use tallies::Tally;
use writer::Writer;

/// The file of a tenant, in its folder.
pub const FILE: &str = "requests.db";

/// How many requests may wait to be written.
pub const QUEUE_REQUESTS_MAX: usize = 10_000;

/// How many bytes of bodies may wait to be written; beyond that, requests are logged without their bodies.
const QUEUE_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the writer is asked to do.
enum Job {
    Record(Box<Entry>),
    /// Some reads were added up.
    Folded,
    /// Note that the log is switched off while requests come.
    Off(Arc<Directory>, Timestamp),
    /// Remove what is too old.
    Prune(Arc<Directory>),
    /// Tell when everything before was written.
    Flush(oneshot::Sender<()>),
    Stop,
}

/// Requests that found the queue full, by tenant, until they are written.
type Dropped = Mutex<HashMap<StreamId, (Arc<Directory>, u64)>>;

/// What the queue's two ends share.
#[derive(Default)]
struct Standing {
    reads: Reads,
    dropped: Dropped,
    body_bytes: AtomicUsize,
    /// Tenants whose file says that their requests are not logged.
    off: Mutex<HashSet<StreamId>>,
}

/// Where requests are logged.
pub struct RequestLog {
    queue: SyncSender<Job>,
    standing: Arc<Standing>,
    metrics: Arc<Metrics>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// The writing end of a log, not at work yet.
pub struct Unstarted {
    queue: Receiver<Job>,
    writer: Writer,
}

impl RequestLog {
    /// A log with an empty queue, which takes requests in before its writer is at work.
    pub fn prepare(
        config: &RequestLogConfig,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> (Self, Unstarted) {
        let (sender, queue) = sync_channel(QUEUE_REQUESTS_MAX);
        let standing = Arc::new(Standing::default());
        let writer = Writer::new(config.clone(), clock, Arc::clone(&standing), Arc::clone(&metrics));
        let log = Self { queue: sender, standing, metrics, writer: Mutex::new(None) };
        (log, Unstarted { queue, writer })
    }

    /// Sets the writer to work.
    pub fn start(&self, unstarted: Unstarted) -> std::io::Result<()> {
        let Unstarted { queue, mut writer } = unstarted;
        let run = move || {
            yield_to_others();
            writer.run(&queue);
        };
        let thread = thread::Builder::new().name("request-log".into()).spawn(run)?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Logs a request. Waits for nothing.
    pub fn record(&self, mut entry: Entry) {
        match self.standing.reads.place(&entry) {
            Place::Own => {}
            Place::Folded => return,
            Place::FirstFolded => {
                // With a full queue the writer is at work, and comes.
                drop(self.queue.try_send(Job::Folded));
                return;
            }
            Place::Nowhere => return self.drop_one(entry.directory),
        }
        if let Some(body) = &entry.body {
            let waiting = self.standing.body_bytes.fetch_add(body.len(), Ordering::Relaxed);
            if waiting + body.len() > QUEUE_BODY_BYTES_MAX {
                self.standing.body_bytes.fetch_sub(body.len(), Ordering::Relaxed);
                entry.body = None;
            }
        }
        let refused = match self.queue.try_send(Job::Record(Box::new(entry))) {
            Ok(()) => return,
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job,
        };
        let Job::Record(entry) = refused else { return };
        self.standing.forget_body(&entry);
        self.drop_one(entry.directory);
    }

    /// A request came while the log is switched off: the file is to say so, once.
    pub fn skip(&self, directory: &Arc<Directory>, at: Timestamp) {
        let mut off = self.standing.off.lock().unwrap_or_else(PoisonError::into_inner);
        if off.insert(directory.stream()) && self.queue.try_send(Job::Off(Arc::clone(directory), at)).is_err()
        {
            off.remove(&directory.stream());
        }
    }

    /// There was no room for a request.
    fn drop_one(&self, directory: Arc<Directory>) {
        self.metrics.request_dropped();
        let mut dropped = self.standing.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = dropped.entry(directory.stream()).or_insert((directory, 0));
        of_tenant.1 += 1;
    }

    /// Waits until everything that was logged before can be read.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let queue = self.queue.clone();
        self.wake();
        // A full queue is waited for on a thread where that may be done.
        let sent = tokio::task::spawn_blocking(move || queue.send(Job::Flush(done)).is_ok()).await;
        self.wake();
        if sent.is_ok_and(|sent| sent) {
            // A writer that has ended has written everything.
            drop(written.await);
        }
    }

    /// Removes what is too old from a tenant's file, soon.
    pub fn prune(&self, directory: Arc<Directory>) {
        // With a full queue there are other cares; the next time comes.
        drop(self.queue.try_send(Job::Prune(directory)));
    }

    /// Writes what waits and closes the files. Blocks.
    pub fn stop(&self) {
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(handle) = handle else { return };
        handle.thread().unpark();
        if self.queue.send(Job::Stop).is_ok() {
            handle.thread().unpark();
            if handle.join().is_err() {
                tracing::error!("the writer of the request log had died; what it had not written is lost");
            }
        }
    }

    /// Ends the time in which the writer gathers.
    fn wake(&self) {
        if let Some(handle) = &*self.writer.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.thread().unpark();
        }
    }
}

impl Standing {
    /// The entry's body does not wait any more.
    fn forget_body(&self, entry: &Entry) {
        if let Some(body) = &entry.body {
            self.body_bytes.fetch_sub(body.len(), Ordering::Relaxed);
        }
    }
}

/// Removes a request log's file and what SQLite keeps beside it.
fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
