//! Opening a tenant's folder: log, keys, views; and starting its writer and its follower.
//!
//! A missing or stale view is made anew from the log. A view that the log does not contain is never touched:
//! the tenant stays closed (`log_behind_views`) until a person explains it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use projections::ViewError;
use projections::current::{CurrentReader, CurrentWriter};
use projections::history::{HistoryReader, HistoryWriter};
use provisioning::tenancy::Tenancy;
use provisioning::{Revision, StreamId};
use scim::schemas::Schemas;
use tokio::sync::{Semaphore, mpsc, watch};

use super::catch_up::{self, CatchUpError};
use super::readers::Readers;
use super::writer::{Writer, tenant_key};
use super::{Directory, WriteError, batches, follower, rebuild};
use crate::clock::{Clock, IdSource};
use crate::event_log::sqlite::SqliteLog;
use crate::event_log::{EventLog, ReadError};
use crate::index::Index;
use crate::operations::{Operations, OperationsError};
use crate::randomness::Randomness;
use crate::sealing::{KeyError, KeyStore, MasterKey};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::token::NewSecret;

/// How many commands may wait for one tenant's writer before callers wait too.
const QUEUE_COMMANDS_MAX: usize = 1_024;

/// What all directories of a process share.
pub struct Shared {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn IdSource>,
    /// Gives random bytes.
    pub randomness: Arc<dyn Randomness>,
    /// Wraps every tenant's keys.
    pub master: MasterKey,
    /// Finds tenants by token and path.
    pub index: Index,
    /// Owns every task.
    pub tasks: Arc<Tasks>,
    /// Turns for writers: how many tenants write at the same time.
    pub writers: Semaphore,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Shared {
    /// Makes a token.
    pub fn new_secret(&self) -> Result<NewSecret, WriteError> {
        NewSecret::generate(self.randomness.as_ref()).map_err(|error| WriteError::Unavailable {
            code: "randomness_unavailable",
            detail: error.to_string(),
        })
    }
}

/// Why a tenant cannot be opened. It stays closed; others are not concerned.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be opened.
    #[error("log.db: {0}")]
    Log(#[from] ReadError),
    /// The keys cannot be opened.
    #[error("keys.db: {0}")]
    Keys(#[from] KeyError),
    /// The operations file cannot be opened.
    #[error(transparent)]
    Operations(#[from] OperationsError),
    /// A view cannot be made or brought up to the log.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// The folder cannot be made or read.
    #[error("{0}")]
    Folder(#[from] std::io::Error),
}

impl From<ViewError> for OpenError {
    fn from(error: ViewError) -> Self {
        Self::CatchUp(CatchUpError::View(error))
    }
}

impl Directory {
    /// Opens (or makes) the folder of a tenant, brings `current.db` up to the log, and starts the writer and the
    /// history follower. Blocks.
    pub fn open(
        shared: &Arc<Shared>,
        tenant: &str,
        stream: StreamId,
        folder: PathBuf,
    ) -> Result<Arc<Self>, OpenError> {
        make_private_folder(&folder)?;
        let current_path = folder.join("current.db");
        let open_current = |path: &Path| CurrentWriter::open(path, stream);
        let view = open_current(&current_path);
        if let Ok(view) = &view {
            // Before anything else can fail: a tenant that stays closed is still known by its tokens.
            shared.index.put(tenant, view.tenancy());
        }
        let log_path = folder.join("log.db");
        if view.as_ref().is_ok_and(has_events) && !log_path.exists() {
            // Not to be made anew: an empty log would stand in the way of the one to be restored.
            return Err(CatchUpError::LogBehindView("log_behind_views: log.db is missing".to_owned()).into());
        }
        let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&log_path, stream)?);
        let mut view = view.or_else(|error| begun_anew(&current_path, &error, open_current))?;
        let operations = Arc::new(Operations::open(&folder.join("operations.db"))?);
        let head = log.head()?.revision;
        catch_up::contained(log.as_ref(), "current.db", view.position()?)?;
        // A view that was deleted names no key yet; a log with events names at least one.
        let named = view.greatest_key()?.max(u64::from(head > Revision::ZERO));
        let keys = Arc::new(KeyStore::open(
            &folder.join("keys.db"),
            stream,
            &shared.master,
            Arc::clone(&shared.randomness),
            named,
        )?);
        let catch_up =
            |view: &mut CurrentWriter| catch_up::current(view, log.as_ref(), &keys, head, |_| ()).map(drop);
        if let Err(error) = catch_up(&mut view) {
            // What is broken may show only now, when the view is written to.
            let CatchUpError::View(ViewError::Broken { .. }) = error else { return Err(error.into()) };
            drop(view);
            view = begun_anew(&current_path, &error, open_current)?;
            catch_up(&mut view)?;
        }
        let history_path = folder.join("history.db");
        let open_history = |path: &Path| HistoryWriter::open(path, stream);
        let history =
            open_history(&history_path).or_else(|error| begun_anew(&history_path, &error, open_history))?;
        catch_up::contained(log.as_ref(), "history.db", history.position()?)?;

        let (commands, queue) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let behind = watch::Sender::new(false);
        let directory = Arc::new(Self {
            tenant: tenant.to_owned(),
            stream,
            operations,
            tasks: Arc::clone(&shared.tasks),
            commands,
            committed: watch::Sender::new(view.position()?.revision),
            history_position: watch::Sender::new(history.position()?.revision),
            greatest_key: AtomicU64::new(view.greatest_key()?),
            behind: behind.clone(),
            tenancy: RwLock::new(Arc::new(view.tenancy().clone())),
            halted: OnceLock::new(),
            ended: AtomicBool::new(false),
            rebuild: Mutex::new(rebuild::Progress::default()),
            upkeep: Mutex::new(()),
            current_readers: Readers::new(current_path, CurrentReader::open),
            history_readers: Readers::new(history_path, HistoryReader::open),
            history_writer: Mutex::new(Some(history)),
            writer: Mutex::new(Some(Writer {
                view,
                log: Arc::clone(&log),
                keys: Arc::clone(&keys),
                clock: Arc::clone(&shared.clock),
                ids: Arc::clone(&shared.ids),
                stream,
                schemas: Schemas::standard(),
                tenant_key: tenant_key(log.as_ref())?,
                suspect: false,
                behind,
            })),
            log,
            keys,
            folder,
        });
        shared.tasks.spawn(batches::run(Arc::clone(&directory), queue, Arc::clone(shared)));
        shared.tasks.spawn(follower::run(Arc::clone(&directory)));
        Ok(directory)
    }

    pub(super) fn put_tenancy(&self, tenancy: &Tenancy, shared: &Shared) {
        shared.index.put(&self.tenant, tenancy);
        *self.tenancy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tenancy.clone());
    }

    /// The position that followers may read up to.
    pub fn position(&self) -> Revision {
        *self.committed.borrow()
    }
}

fn has_events(view: &CurrentWriter) -> bool {
    view.position().is_ok_and(|position| position.revision > Revision::ZERO)
}

/// Removes a view with another layout, of another stream or broken, and begins it anew.
fn begun_anew<V>(
    path: &Path,
    because: &dyn std::error::Error,
    open: impl Fn(&Path) -> Result<V, ViewError>,
) -> Result<V, ViewError> {
    tracing::warn!(error = %because, "view is made anew: {because}");
    remove_view(path);
    open(path)
}

/// Removes a view's file and what SQLite keeps beside it. What cannot be removed shows when it is opened.
pub(super) fn remove_view(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if let Err(error) = fs::remove_file(&name)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(error = %error, "part of a view could not be removed: {error}");
        }
    }
}

/// Makes a folder that only its owner can enter.
pub fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}
