//! Opening the house: lock, master key, registry, every registered tenant, and folders that nobody registered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use provisioning::command::{Command, Origin};
use provisioning::ids::OperatorId;
use provisioning::recorded::{Actor, Via};
use provisioning::{Revision, StreamId};
use tokio::sync::{Mutex, watch};

use super::{Closed, Directories};
use crate::directory::catch_up::CatchUpError;
use crate::directory::{Directory, OpenError, Shared, WriteError};
use crate::event_log::EventLog as _;
use crate::event_log::sqlite::{SqliteLog, stream_of};
use crate::token;

/// Why the house cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// The registry cannot be opened: no tenant is known without it.
    #[error("system: {0}")]
    System(#[from] OpenError),
    /// The registry could not be written.
    #[error("system: {0}")]
    Write(#[from] WriteError),
    /// A folder or file could not be made or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The registry is in its place, but says nothing of its own stream.
    #[error("{0}")]
    Registry(String),
}

/// What the system itself does.
fn system_origin() -> Origin {
    Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None }
}

impl Directories {
    /// Opens the registry and every registered tenant below `data`. A tenant that cannot be opened stays closed
    /// and is named; it holds up no other. On a new folder, makes the operator `root` and its token file.
    pub async fn open(shared: Arc<Shared>, data: PathBuf) -> Result<Arc<Self>, HouseError> {
        let system_folder = data.join("system");
        let stream = match stream_of(&system_folder.join("log.db")).map_err(OpenError::Log)? {
            Some(stream) => stream,
            None => StreamId(shared.ids.next()),
        };
        let opening = Arc::clone(&shared);
        let system =
            shared.tasks.block(move || Directory::open(&opening, "system", stream, system_folder)).await?;
        let directories = Arc::new(Self {
            system,
            tenants: RwLock::new(BTreeMap::new()),
            closed: RwLock::new(BTreeMap::new()),
            changes: watch::Sender::new(0),
            creation: Mutex::default(),
            shared,
            data,
        });
        directories.first_operator().await?;
        directories.finish_unregistered().await?;
        directories.open_registered().await;
        Ok(directories)
    }

    /// On first start: the operator `root`, whose token goes into `operator.token` (mode 0600).
    async fn first_operator(&self) -> Result<(), HouseError> {
        if !self.system.tenancy().operators.is_empty() {
            return Ok(());
        }
        let secret = self.shared.new_secret()?;
        let path = self.data.join("operator.token");
        token::write_private(&path, &format!("{}\n", secret.text()))
            .map_err(|source| HouseError::File { path: path.display().to_string(), source })?;
        let id = OperatorId(self.shared.ids.next());
        let command = Command::CreateOperator { id, name: "root".into(), sha256: secret.sha256() };
        self.system.submit(command, system_origin()).await?;
        Ok(())
    }

    /// Folders that were begun and not registered: one with its first events is registered now, an empty one is
    /// removed (nobody was told of it).
    async fn finish_unregistered(&self) -> Result<(), HouseError> {
        let tenancy = self.system.tenancy();
        let known: BTreeSet<&str> = tenancy.tenants.values().map(|tenant| tenant.tenant.as_str()).collect();
        for (name, folder) in folders(&self.data.join("tenants"))? {
            if known.contains(name.as_str()) {
                continue;
            }
            let stream = stream_of(&folder.join("log.db")).map_err(OpenError::Log)?;
            let begun = match stream {
                Some(stream) => {
                    let log =
                        SqliteLog::open_read_only(&folder.join("log.db"), stream).map_err(OpenError::Log)?;
                    let head = log.head().map_err(OpenError::Log)?;
                    (head.revision > Revision::ZERO).then_some(stream)
                }
                None => None,
            };
            if let Some(stream) = begun {
                tracing::info!(
                    tenant.id = name,
                    "tenant {name} was created but not registered; it is registered now"
                );
                let register = Command::RegisterTenant { tenant: name, stream };
                self.system.submit(register, system_origin()).await?;
            } else {
                tracing::info!(tenant.id = name, "folder of tenant {name} holds no event and is removed");
                fs::remove_dir_all(&folder)
                    .map_err(|source| HouseError::File { path: folder.display().to_string(), source })?;
            }
        }
        Ok(())
    }

    async fn open_registered(&self) {
        let tenancy = self.system.tenancy();
        for (stream, registered) in &tenancy.tenants {
            if registered.closed_at.is_some() {
                continue;
            }
            let name = &registered.tenant;
            match self.open_tenant(name, *stream, self.folder_of(name)).await {
                Ok(directory) => self.admit(directory),
                Err(error) => {
                    tracing::error!(tenant.id = name, error = %error, "tenant {name} stays closed: {error}");
                    let mut closed = self.closed.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                    closed.insert(name.clone(), error.into());
                }
            }
        }
    }
}

impl From<OpenError> for Closed {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::CatchUp(CatchUpError::LogBehindView(reason)) => Self::LogBehindViews(reason),
            other => Self::Halted(other.to_string()),
        }
    }
}

fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, HouseError> {
    let failed = |source| HouseError::File { path: path.display().to_string(), source };
    crate::directory::make_private_folder(path).map_err(failed)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir() {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
