//! A log that fails when it is told to, around one that works.
//!
//! The log in memory has such hooks of its own; these are for the real files. Faults are queued by the name of the
//! tenant's folder (`system` for the registry), also for a log that is not there yet.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use muster::event_log::memory::{Fault, FaultKind, MemoryLog};
use muster::event_log::sqlite::SqliteLogs;
use muster::event_log::{AppendError, EventLog, Head, LogSource, NewEvent, ReadError, StoredEvent};
use provisioning::{Revision, StreamId};
use tokio::sync::Notify;

/// A log whose next appends can be made to fail.
pub(crate) trait FaultHooks: EventLog {
    fn fail_next(&self, fault: Fault);
}

impl FaultHooks for MemoryLog {
    fn fail_next(&self, fault: Fault) {
        Self::fail_next(self, fault);
    }
}

/// What happens to one log.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// What appends to come meet; `None` for nothing.
    queued: Mutex<VecDeque<Option<Fault>>>,
    appended: AtomicU64,
    met: AtomicU64,
    /// An unknown outcome waits for `reopen`.
    closed: AtomicBool,
    /// The log is away after the next fault.
    leaves: AtomicBool,
    /// Nothing can be read or written.
    away: AtomicBool,
    /// Appends wait.
    held: AtomicBool,
    /// Appends wait when they are durable, before anybody is told.
    held_stored: AtomicBool,
    waits: Notify,
    goes_on: Notify,
}

impl Faults {
    /// Queues a fault for an append to come.
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.queue().push_back(Some(fault));
    }

    /// Lets an append to come succeed, before what is queued behind it.
    pub(crate) fn pass_next(&self) {
        self.queue().push_back(None);
    }

    /// How many appends succeeded.
    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::SeqCst)
    }

    /// Nor can the log be reopened or read after the next fault, until it is [`Faults::back`].
    pub(crate) fn leave_then(&self) {
        self.leaves.store(true, Ordering::SeqCst);
    }

    pub(crate) fn back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    /// Makes the next append wait until [`Faults::release`].
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    /// Makes the next append wait when it is durable, until [`Faults::release`]: here a kill leaves a view behind.
    pub(crate) fn hold_stored(&self) {
        self.held_stored.store(true, Ordering::SeqCst);
    }

    /// Waits for an append that waits.
    pub(crate) async fn holding(&self) {
        self.waits.notified().await;
    }

    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.held_stored.store(false, Ordering::SeqCst);
        self.goes_on.notify_one();
    }

    /// How many faults were met.
    pub(crate) fn met(&self) -> u64 {
        self.met.load(Ordering::SeqCst)
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Option<Fault>>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_if(&self, held: &AtomicBool) {
        if held.load(Ordering::SeqCst) {
            self.waits.notify_one();
            // Appends come from a blocking thread of the runtime.
            tokio::runtime::Handle::current().block_on(self.goes_on.notified());
        }
    }

    fn next(&self) -> Option<Fault> {
        let fault = self.queue().pop_front()??;
        self.met.fetch_add(1, Ordering::SeqCst);
        self.away.store(self.leaves.swap(false, Ordering::SeqCst), Ordering::SeqCst);
        self.closed.store(kind(fault) == FaultKind::OutcomeUnknown, Ordering::SeqCst);
        Some(fault)
    }

    fn readable(&self) -> Result<(), ReadError> {
        if self.away.load(Ordering::SeqCst) { Err(ReadError::Unavailable("away".to_owned())) } else { Ok(()) }
    }
}

fn kind(fault: Fault) -> FaultKind {
    let (Fault::Stored(kind) | Fault::NotStored(kind)) = fault;
    kind
}

/// A log with faults around it.
pub(crate) struct FaultyLog {
    inner: Arc<dyn EventLog>,
    faults: Arc<Faults>,
}

impl FaultyLog {
    pub(crate) fn around(inner: impl EventLog + 'static) -> Self {
        Self { inner: Arc::new(inner), faults: Arc::default() }
    }
}

impl FaultHooks for FaultyLog {
    fn fail_next(&self, fault: Fault) {
        self.faults.fail_next(fault);
    }
}

impl EventLog for FaultyLog {
    fn append(&self, expected: Revision, events: &[NewEvent]) -> Result<Head, AppendError> {
        self.faults.wait_if(&self.faults.held);
        if self.faults.readable().is_err() {
            return Err(AppendError::Unavailable("away".to_owned()));
        }
        if self.faults.closed.load(Ordering::SeqCst) {
            return Err(AppendError::OutcomeUnknown("an earlier fault waits for a reopening".to_owned()));
        }
        // A fault waits for an append that would store something.
        let stands_there = self.inner.head().is_ok_and(|head| head.revision == expected);
        let Some(fault) = stands_there.then(|| self.faults.next()).flatten() else {
            let head = self.inner.append(expected, events)?;
            self.faults.appended.fetch_add(1, Ordering::SeqCst);
            self.faults.wait_if(&self.faults.held_stored);
            return Ok(head);
        };
        if let Fault::Stored(_) = fault {
            self.inner.append(expected, events)?;
        }
        Err(match kind(fault) {
            FaultKind::Unavailable => AppendError::Unavailable("a fault was asked for".to_owned()),
            FaultKind::OutcomeUnknown => AppendError::OutcomeUnknown("a fault was asked for".to_owned()),
        })
    }

    fn read(&self, after: Revision, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        self.faults.readable()?;
        self.inner.read(after, limit)
    }

    fn head(&self) -> Result<Head, ReadError> {
        self.faults.readable()?;
        if self.faults.closed.load(Ordering::SeqCst) {
            return Err(ReadError::Unavailable("an earlier fault waits for a reopening".to_owned()));
        }
        self.inner.head()
    }

    fn root_at(&self, size: Revision) -> Result<[u8; 32], ReadError> {
        self.faults.readable()?;
        self.inner.root_at(size)
    }

    fn check_tree(&self, size: Revision) -> Result<(), ReadError> {
        self.faults.readable()?;
        self.inner.check_tree(size)
    }

    fn tend(&self) -> Result<(), ReadError> {
        self.inner.tend()
    }

    fn is_tending_due(&self) -> bool {
        self.inner.is_tending_due()
    }

    fn reopen(&self) -> Result<(), ReadError> {
        self.faults.readable()?;
        self.inner.reopen()?;
        self.faults.closed.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// Logs in real files, with faults around each.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyLogs {
    faults: Arc<Mutex<BTreeMap<String, Arc<Faults>>>>,
}

impl FaultyLogs {
    /// What happens to the log in the folder of that name.
    pub(crate) fn of(&self, folder: &str) -> Arc<Faults> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(faults.entry(folder.to_owned()).or_default())
    }

    fn around(&self, folder: &Path, inner: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        let name = folder.file_name().expect("a tenant's folder has a name").to_string_lossy();
        let faults = self.of(&name);
        faults.closed.store(false, Ordering::SeqCst);
        Arc::new(FaultyLog { inner, faults })
    }
}

impl LogSource for FaultyLogs {
    fn begin(&self, folder: &Path, stream: StreamId) -> Result<Arc<dyn EventLog>, ReadError> {
        Ok(self.around(folder, SqliteLogs.begin(folder, stream)?))
    }

    fn open(&self, folder: &Path, stream: StreamId) -> Result<Arc<dyn EventLog>, ReadError> {
        Ok(self.around(folder, SqliteLogs.open(folder, stream)?))
    }
}
