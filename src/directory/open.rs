//! Opening a tenant's folder: log, keys, views; and starting its writer and its follower.
//!
//! A missing or stale view is made anew from the log. A view that the log does not contain is never touched:
//! the tenant stays closed (`log_behind_views`) until a person explains it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use projections::ViewError;
use projections::current::{CurrentReader, CurrentWriter};
use projections::history::{HistoryReader, HistoryWriter};
use provisioning::tenancy::Tenancy;
use provisioning::{Revision, StreamId};
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::catch_up::{self, CatchUpError};
use super::condition::Condition;
use super::durability::tenant_key;
use super::fresh::Fresh;
use super::known::{Known, KnownUsers};
use super::readers::Readers;
use super::writer::Writer;
use super::{Directory, WriteError, batches, follower, mend, rebuild};
use crate::clock::{Clock, IdSource};
use crate::event_log::{EventLog, LogSource, ReadError};
use crate::feed::JETSTREAM_STREAMS;
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
    /// Opens logs.
    pub logs: Arc<dyn LogSource>,
    /// Wraps every tenant's keys.
    pub master: MasterKey,
    /// Finds tenants by token and path.
    pub index: Index,
    /// Owns every task.
    pub tasks: Arc<Tasks>,
    /// Users as they were read last, of all tenants.
    pub known: Arc<KnownUsers>,
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

impl OpenError {
    /// Whether opening may be tried again: nothing stored is known to be wrong.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, ReadError::Unavailable(_)),
            Self::Keys(error) => matches!(error, KeyError::Unavailable(_)),
            // A view that was just begun anew is not what is broken.
            Self::CatchUp(CatchUpError::View(ViewError::Broken { .. } | ViewError::Stale { .. })) => false,
            Self::CatchUp(error) => !error.is_final(),
            Self::Operations(_) | Self::Folder(_) => true,
        }
    }
}

impl From<ViewError> for OpenError {
    fn from(error: ViewError) -> Self {
        Self::CatchUp(CatchUpError::View(error))
    }
}

impl Directory {
    /// Opens the folder of a tenant in whose log nothing needs to be recorded yet, making what is missing. Blocks.
    pub fn begin(
        shared: &Arc<Shared>,
        tenant: &str,
        stream: StreamId,
        folder: PathBuf,
    ) -> Result<Arc<Self>, OpenError> {
        make_private_folder(&folder)?;
        Self::over(shared, tenant, stream, folder, |logs, folder| logs.begin(folder, stream))
    }

    /// Opens the folder of a tenant, brings `current.db` up to the log, and starts the writer and the history
    /// follower. Its log must be there. Blocks.
    pub fn open(
        shared: &Arc<Shared>,
        tenant: &str,
        stream: StreamId,
        folder: PathBuf,
    ) -> Result<Arc<Self>, OpenError> {
        Self::over(shared, tenant, stream, folder, |logs, folder| logs.open(folder, stream))
    }

    fn over(
        shared: &Arc<Shared>,
        tenant: &str,
        stream: StreamId,
        folder: PathBuf,
        open_log: impl FnOnce(&dyn LogSource, &Path) -> Result<Arc<dyn EventLog>, ReadError>,
    ) -> Result<Arc<Self>, OpenError> {
        let current_path = folder.join("current.db");
        // A tenant that stays closed is still known by its tokens.
        let known = |tenancy: &Tenancy| shared.index.put(tenant, tenancy);
        // The log is complete before any other file is made: whoever finds others without it knows that it was lost.
        let known_anyway = || {
            if let Ok(tenancy) = CurrentReader::open(&current_path).and_then(|view| view.tenancy()) {
                known(&tenancy);
            }
        };
        let log = open_log(shared.logs.as_ref(), &folder).inspect_err(|_| known_anyway());
        if log.is_err() && !folder.join("log.db").exists() && current_path.exists() {
            return Err(CatchUpError::LogBehindView("log_behind_views: log.db is missing".to_owned()).into());
        }
        let log = log?;
        let open_current = |path: &Path| CurrentWriter::open(path, stream);
        // Whatever is read below is read here first, so that damage shows while the view can be begun anew.
        let (mut view, named) = opened(&current_path, |path| {
            let view = open_current(path)?;
            let named = view.greatest_key()?;
            Ok((view, named))
        })
        .inspect_err(|_| known_anyway())?;
        known(view.tenancy());
        let operations = Arc::new(Operations::open(&folder.join("operations.db"))?);
        let head = log.head()?.revision;
        catch_up::contained(log.as_ref(), "current.db", view.position()?)?;
        // A view that was deleted names no key yet; a log with events names at least one.
        let named = named.max(u64::from(head > Revision::ZERO));
        let keys = Arc::new(KeyStore::open(
            &folder.join("keys.db"),
            stream,
            &shared.master,
            Arc::clone(&shared.randomness),
            named,
        )?);
        let catch_up =
            |view: &mut CurrentWriter| catch_up::current(view, log.as_ref(), &keys, head).map(drop);
        if let Err(error) = catch_up(&mut view) {
            // What is broken may show only now, when the view is written to.
            let CatchUpError::View(ViewError::Broken { .. }) = error else { return Err(error.into()) };
            drop(view);
            begun_anew(&current_path, &error);
            view = open_current(&current_path)?;
            catch_up(&mut view)?;
        }
        if view.tenancy().settings.observes() {
            // Nothing of it was ever published, so a position that was lost is known all the same. Once it is live it
            // is not, hence here: it may become live before any publisher has come to it.
            operations.begin_outbox(&JETSTREAM_STREAMS)?;
        }
        let history_path = folder.join("history.db");
        let history = opened(&history_path, |path| HistoryWriter::open(path, stream))?;
        catch_up::contained(log.as_ref(), "history.db", history.position()?)?;

        let (commands, queue) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let condition = Condition::default();
        let directory = Arc::new(Self {
            tenant: tenant.to_owned(),
            stream,
            operations,
            tasks: Arc::clone(&shared.tasks),
            commands,
            committed: watch::Sender::new(view.position()?.revision),
            history_position: watch::Sender::new(history.position()?.revision),
            greatest_key: AtomicU64::new(view.greatest_key()?),
            fresh: Fresh::default(),
            known: Known::of(&shared.known),
            history_wanted: Notify::new(),
            condition: condition.clone(),
            ended: AtomicBool::new(false),
            tenancy: RwLock::new(Arc::new(view.tenancy().clone())),
            schemas: RwLock::new(view.schemas().clone()),
            rebuild: Mutex::new(rebuild::Progress::default()),
            upkeep: Mutex::new(()),
            tending: AtomicBool::new(false),
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
                tenant_key: tenant_key(log.as_ref())?,
                suspect: None,
                condition,
            })),
            log,
            keys,
            folder,
        });
        shared.tasks.spawn(batches::run(Arc::clone(&directory), queue, Arc::clone(shared)));
        shared.tasks.spawn(follower::run(Arc::clone(&directory)));
        shared.tasks.spawn(mend::run(Arc::clone(&directory)));
        Ok(directory)
    }

    pub(super) fn put_tenancy(&self, tenancy: &Tenancy, shared: &Shared) {
        shared.index.put(&self.tenant, tenancy);
        if self.tenancy().settings != tenancy.settings {
            *self.schemas.write().unwrap_or_else(PoisonError::into_inner) = tenancy.settings.schemas();
        }
        *self.tenancy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tenancy.clone());
    }

    /// The position that followers may read up to.
    pub fn position(&self) -> Revision {
        *self.committed.borrow()
    }
}

/// Opens a view. One with another layout, of another stream or broken is removed and begun anew; whatever else
/// fails (a full disk, a missing permission) says nothing against the view, which stays as it is.
fn opened<V>(path: &Path, open: impl Fn(&Path) -> Result<V, ViewError>) -> Result<V, ViewError> {
    match open(path) {
        Err(error @ (ViewError::Broken { .. } | ViewError::Stale { .. })) => {
            begun_anew(path, &error);
            open(path)
        }
        opened => opened,
    }
}

fn begun_anew(path: &Path, because: &dyn std::error::Error) {
    tracing::warn!(error = %because, "view is made anew: {because}");
    remove_view(path);
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
