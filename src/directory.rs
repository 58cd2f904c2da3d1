//! One tenant: its log, its keys, its views and its single writer.
//!
//! Everything that happens to a tenant goes through here. Commands queue for the writer; readers borrow
//! connections of the views; followers (history, the outbox) wait for the committed position and read the log
//! up to it, never beyond. A directory that met a gap, a wrong hash or an unknown event type is halted: it
//! answers nothing from then on, and says why.

mod ahead;
mod batches;
mod bulk;
pub mod catch_up;
mod condition;
pub mod decode;
mod durability;
mod follower;
mod fresh;
mod job;
mod known;
mod mend;
mod open;
mod readers;
pub mod rebuild;
mod tending;
#[cfg(test)]
mod testing;
mod transaction;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use projections::ViewError;
use projections::current::{CurrentReader, StoredResource};
use projections::history::{HistoryReader, HistoryWriter};
use provisioning::command::{Command, Origin};
use provisioning::tenancy::Tenancy;
use provisioning::{Header, Recorded, Rejection, Resource, ResourceId, Revision, StreamId};
use scim::ResourceType;
use scim::dialect::Notes;
use scim::list::ListQuery;
use scim::schemas::Schemas;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::event_log::{EventLog, ReadError, StoredEvent};
use crate::operations::Operations;
use crate::sealing::{KeyStore, OpenedPayload};
use crate::tasks::Tasks;
use bulk::BulkJob;
pub use bulk::{Bulk, BulkOperation, Done, OperationOutcome};
use catch_up::CatchUpError;
use condition::{Condition, Trouble, View};
use decode::DecodeError;
use fresh::Fresh;
use job::{Job, One};
use known::Known;
pub use known::{KnownUser, KnownUsers};
pub use open::{OpenError, Shared, make_private_folder};
use readers::Readers;
use writer::Writer;

/// How long a read waits for a view that is behind before it is answered 503.
const READ_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a write came to.
#[derive(Debug, Clone)]
pub struct Written {
    /// The resource after it, if it was about one that still exists.
    pub resource: Option<Resource>,
    /// Whether the resource is new (or came back).
    pub created: bool,
    /// The revisions that were recorded; empty if nothing changed.
    pub revisions: std::ops::Range<u64>,
    /// The dialects that were met when it was decided.
    pub notes: Notes,
}

/// Why a write was not carried out. Nothing is recorded, unless it says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The command was refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The tenant cannot take writes now: 503 with `Retry-After`.
    #[error("{detail}")]
    Unavailable {
        /// Stable code.
        code: &'static str,
        /// One sentence.
        detail: String,
    },
}

/// A tenant as the rest of the house sees it.
pub struct Directory {
    tenant: String,
    stream: StreamId,
    folder: PathBuf,
    log: Arc<dyn EventLog>,
    keys: Arc<KeyStore>,
    operations: Arc<Operations>,
    tasks: Arc<Tasks>,
    commands: mpsc::Sender<Job>,
    /// Before the writers, since fields are dropped in this order: SQLite removes a write-ahead log when the last
    /// connection closes, if that one may write.
    current_readers: Readers<CurrentReader>,
    history_readers: Readers<HistoryReader>,
    /// Locked for a batch, a catch-up or a swap; never across an await. `None` after a swap that failed half-way:
    /// the tenant is halted then.
    writer: Mutex<Option<Writer>>,
    /// Likewise.
    history_writer: Mutex<Option<HistoryWriter>>,
    committed: watch::Sender<Revision>,
    history_position: watch::Sender<Revision>,
    /// The greatest number of a data key that the log names.
    greatest_key: AtomicU64,
    /// What was committed and history has not taken in yet.
    fresh: Fresh,
    /// Users as they were read last.
    known: Known,
    /// Somebody waits for history.
    history_wanted: Notify,
    condition: Condition,
    tenancy: RwLock<Arc<Tenancy>>,
    /// What `tenancy` makes of the standard schemas; made when it changes.
    schemas: RwLock<Schemas>,
    /// The tenant was closed.
    ended: AtomicBool,
    rebuild: Mutex<rebuild::Progress>,
    /// Held by a rebuild or a check for as long as it takes.
    upkeep: Mutex<()>,
    /// Write-ahead logs are being copied.
    tending: AtomicBool,
}

impl Directory {
    /// The tenant's name in commands and paths.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The tenant's stream.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The tenant's folder.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Settings, clients and tokens as of the committed view.
    pub fn tenancy(&self) -> Arc<Tenancy> {
        Arc::clone(&self.tenancy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the tenant's users and groups look like, as of the committed view.
    pub fn schemas(&self) -> Schemas {
        self.schemas.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queues a small command and waits for its outcome.
    pub async fn submit(&self, command: Command, origin: Origin) -> Result<Written, WriteError> {
        const SMALL_BYTES: usize = 1_024;
        self.submit_sized(command, origin, SMALL_BYTES).await
    }

    /// Queues a command whose request had `bytes` bytes, and waits for its outcome.
    pub async fn submit_sized(
        &self,
        command: Command,
        origin: Origin,
        bytes: usize,
    ) -> Result<Written, WriteError> {
        let (caller, outcome) = oneshot::channel();
        let one = One { command: Some(command), origin, bytes, caller, answer: None };
        self.queue(Job::One(Box::new(one)), outcome).await?
    }

    /// Queues a bulk request and waits until the outcome of each of its operations is known.
    pub async fn submit_bulk(&self, bulk: Bulk) -> Result<Vec<OperationOutcome>, WriteError> {
        let (caller, outcome) = oneshot::channel();
        self.queue(Job::Bulk(Box::new(BulkJob::new(bulk, caller))), outcome).await
    }

    async fn queue<T>(&self, job: Job, outcome: oneshot::Receiver<T>) -> Result<T, WriteError> {
        if self.is_ended() {
            return Err(ended_error());
        }
        if self.halted().is_some() {
            return Err(halted_error());
        }
        let ended = || match self.halted() {
            Some(_) => halted_error(),
            None => WriteError::Unavailable {
                code: "shutting_down",
                detail: "the service is shutting down; try again".into(),
            },
        };
        self.commands.send(job).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())
    }

    /// The committed position of `current.db`: followers may read the log up to here.
    pub fn committed(&self) -> watch::Receiver<Revision> {
        self.committed.subscribe()
    }

    /// The position of `history.db`.
    pub fn history_position(&self) -> watch::Receiver<Revision> {
        self.history_position.subscribe()
    }

    /// How many bytes the write-ahead log beside one of the tenant's files has.
    pub fn write_ahead_bytes(&self, file: &str) -> u64 {
        // SQLite makes it with the first write and removes it with the last connection.
        std::fs::metadata(self.folder.join(format!("{file}-wal"))).map_or(0, |file| file.len())
    }

    /// The tenant's log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// The tenant's data keys.
    pub fn keys(&self) -> &Arc<KeyStore> {
        &self.keys
    }

    /// What the tenant's operation has to remember.
    pub fn operations(&self) -> &Arc<Operations> {
        &self.operations
    }

    /// Borrows a connection to `current.db` and calls `read` with it on this (blocking) thread.
    pub fn with_current<T, E: ReadingError>(
        &self,
        read: impl FnOnce(&CurrentReader) -> Result<T, E>,
    ) -> Result<T, E> {
        let answer = self.current_readers.with(read);
        answer.inspect_err(|error| self.notice(View::Current, error.view_error()))
    }

    /// A visible user and its groups, as a client of that domain sees it.
    pub fn user(&self, id: ResourceId, domain: &str) -> Result<Option<KnownUser>, ViewError> {
        if let Some(known) = self.known.get(id, domain) {
            return Ok(Some(known));
        }
        let read_at = self.known.moves();
        let read = self.with_current(|reader| {
            let groups = |stored: &StoredResource| reader.groups_of(stored.id);
            reader.resource_and(ResourceType::User, id, Some(domain), groups)
        })?;
        let user = read.map(|(stored, groups)| KnownUser { stored, groups });
        if let Some(user) = &user {
            self.known.keep(user, domain, read_at);
        }
        Ok(user)
    }

    /// The users that a look-up by name finds, if that is nobody or one whose state was met: of one state, as a client
    /// of that domain sees it. `None`: the list has to be read.
    pub fn look_up(&self, query: &ListQuery, domain: &str) -> Result<Option<Option<KnownUser>>, ViewError> {
        if let Some(known) = query.folded_user_name().and_then(|name| self.known.named(name, domain)) {
            return Ok(Some(Some(known)));
        }
        let found = self.with_current(|reader| reader.first_two(query, domain))?;
        match *found {
            [] => Ok(Some(None)),
            // Whoever has that revision is what the filter saw, so the answer is of the state in which the user and
            // its groups were read, be it a little earlier or later: names belong to one user at a time.
            [(id, revision)] => {
                let user = self.user(id, domain)?;
                Ok(user.filter(|user| user.stored.revision == revision).map(Some))
            }
            _ => Ok(None),
        }
    }

    /// Borrows a connection to `history.db` and calls `read` with it on this (blocking) thread.
    pub fn with_history<T, E: ReadingError>(
        &self,
        read: impl FnOnce(&HistoryReader) -> Result<T, E>,
    ) -> Result<T, E> {
        let answer = self.history_readers.with(read);
        answer.inspect_err(|error| self.notice(View::History, error.view_error()))
    }

    /// A view that is damaged is made anew; whoever met that comes again.
    fn notice(&self, view: View, error: Option<&ViewError>) {
        if let Some(error @ (ViewError::Broken { .. } | ViewError::Stale { .. })) = error
            && self.condition.set_damaged(view, error.to_string())
        {
            tracing::error!(
                tenant.id = self.tenant, error = %error,
                "a view of tenant {} is damaged and made anew: {error}", self.tenant
            );
        }
    }

    /// Waits until `current.db` shows everything that the log holds; `false` if that takes too long.
    pub async fn caught_up(&self) -> bool {
        self.waits_for(|trouble| trouble.delays_current().is_none()).await
    }

    /// Waits until `history.db` has reached what is committed now; `false` if that takes too long.
    pub async fn history_caught_up(&self) -> bool {
        let committed = *self.committed.borrow();
        self.history_reaches(committed).await
    }

    /// Waits until `history.db` has reached a revision; `false` if that takes too long.
    pub async fn history_reaches(&self, revision: Revision) -> bool {
        if !self.waits_for(|trouble| trouble.delays_history().is_none()).await {
            return false;
        }
        let mut position = self.history_position.subscribe();
        self.history_wanted.notify_one();
        tokio::time::timeout(READ_WAIT_MAX, position.wait_for(|position| *position >= revision))
            .await
            .is_ok_and(|done| done.is_ok())
    }

    async fn waits_for(&self, may_go_on: impl Fn(&Trouble) -> bool) -> bool {
        if self.condition.is(&may_go_on) {
            return true;
        }
        let mut trouble = self.condition.subscribe();
        let waited = trouble.wait_for(|trouble| trouble.halted.is_some() || may_go_on(trouble));
        let waited = tokio::time::timeout(READ_WAIT_MAX, waited).await;
        waited.is_ok_and(|trouble| trouble.is_ok_and(|trouble| may_go_on(&trouble)))
    }

    /// Why some of the tenant's answers have to wait, if so. It goes on by itself.
    pub fn waits(&self) -> Option<String> {
        let trouble = self.condition.now();
        trouble.delays_current().or(trouble.delays_history()).or(trouble.unwritable.as_ref()).cloned()
    }

    /// Why the tenant answers nothing any more, if so.
    pub fn halted(&self) -> Option<String> {
        self.condition.now().halted
    }

    /// Stops the tenant: somebody met what must not be passed over. The first reason stays.
    pub fn halt(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let text = format!("tenant {} is halted: {reason}", self.tenant);
        if self.condition.halt(reason) {
            tracing::error!(tenant.id = self.tenant, stream = %self.stream, "{text}");
        }
    }

    /// Ends the tenant: `record` is called while nothing is written here, and if it succeeds nothing ever is again.
    /// Blocks.
    pub fn end<E>(&self, record: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let _no_batch = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        record()?;
        self.mark_ended();
        Ok(())
    }

    /// Notes that the tenant was closed, now or in an earlier life of the service.
    pub fn mark_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the tenant was closed: nothing is written any more, and what was written stays readable as evidence
    /// and is still published.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Stored events behind `after`, up to the committed position and at most `limit`.
    pub fn stored(&self, after: Revision, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        let committed = *self.committed.borrow();
        let readable = usize::try_from(committed.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        match limit.min(readable) {
            0 => Ok(Vec::new()),
            limit => self.log.read(after, limit).inspect_err(|error| {
                if let ReadError::Corrupt { .. } = error {
                    self.halt(error.to_string());
                }
            }),
        }
    }

    /// A stored event's header.
    pub fn header(&self, stored: &StoredEvent) -> Result<Header, DecodeError> {
        self.checked(decode::header(stored))
    }

    /// A stored event's payload; `None` if it has none.
    pub fn payload(
        &self,
        stored: &StoredEvent,
        header: &Header,
    ) -> Result<Option<OpenedPayload>, DecodeError> {
        self.checked(decode::payload(&self.keys, stored, header))
    }

    /// An event that does not open halts the tenant.
    fn checked<T>(&self, opened: Result<T, DecodeError>) -> Result<T, DecodeError> {
        opened.inspect_err(|error| {
            if let DecodeError::Broken { .. } = error {
                self.halt(error.to_string());
            }
        })
    }

    /// Events behind `after` with their payloads opened, up to the committed position and at most `limit`.
    pub fn recorded(&self, after: Revision, limit: usize) -> Result<Vec<Recorded>, CatchUpError> {
        let stored = self.stored(after, limit)?;
        let opened = stored.iter().map(|event| decode::recorded(&self.keys, event));
        Ok(self.checked(opened.collect())?)
    }

    /// The event of that revision, which history names.
    pub fn event(&self, revision: Revision) -> Result<Recorded, CatchUpError> {
        let found = self.recorded(Revision(revision.0.saturating_sub(1)), 1)?.pop();
        found.filter(|event| event.header.revision == revision).ok_or_else(|| {
            let reason = format!("it names revision {revision}, which the log does not have");
            let error = ViewError::Broken { view: "history", reason };
            self.notice(View::History, Some(&error));
            error.into()
        })
    }
}

/// An error of whoever reads a view, which may be the view's own.
pub trait ReadingError: From<ViewError> {
    /// The view's own error, if it is one.
    fn view_error(&self) -> Option<&ViewError>;
}

impl ReadingError for ViewError {
    fn view_error(&self) -> Option<&ViewError> {
        Some(self)
    }
}

/// What a closed tenant answers to every write.
pub fn ended_error() -> WriteError {
    let detail = "the tenant was closed: it can be read as evidence, and nothing is written to it any more";
    Rejection::Conflict { code: "tenant_closed", detail: detail.into() }.into()
}

/// What a halted tenant answers to everything.
pub fn halted_error() -> WriteError {
    WriteError::Unavailable {
        code: "tenant_halted",
        detail:
            "the tenant is halted because its stored data contradict themselves; the operator has to look"
                .into(),
    }
}
