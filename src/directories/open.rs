//! Opening the house: the registry, the first operator, every registered tenant.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use provisioning::command::{Command, Origin};
use provisioning::ids::OperatorId;
use provisioning::recorded::{Actor, Via};
use provisioning::tenancy::RegisteredTenant;
use provisioning::{Revision, StreamId};
use tokio::sync::{Mutex, watch};

use super::{Closed, Directories};
use crate::directory::catch_up::CatchUpError;
use crate::directory::{Directory, OpenError, Shared, WriteError, make_private_folder};
use crate::event_log::sqlite::stream_of;
use crate::{room, token};

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
    /// There are tenants, but no registry that says which.
    #[error("system/log.db is missing, and there are tenants: restore it")]
    RegistryMissing,
}

/// What the system itself does.
pub(super) fn system_origin() -> Origin {
    Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None }
}

impl Directories {
    /// Opens the registry and every registered tenant below `data`. A tenant that cannot be opened stays closed
    /// and is named; it holds up no other. On a new folder, makes the operator `root` and its token file.
    pub async fn open(shared: Arc<Shared>, data: PathBuf) -> Result<Arc<Self>, HouseError> {
        let system_folder = data.join("system");
        let stream = match stream_of(&system_folder.join("log.db")).map_err(OpenError::Log)? {
            Some(stream) => stream,
            None if folders(&data.join("tenants"))?.is_empty() => StreamId(shared.ids.next()),
            None => return Err(HouseError::RegistryMissing),
        };
        let opening = Arc::clone(&shared);
        let system =
            shared.tasks.block(move || Directory::begin(&opening, "system", stream, system_folder)).await?;
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
        directories.reopen_waiting();
        Ok(directories)
    }

    /// On first start: the operator `root`, whose token goes into `operator.token` (mode 0600). Later, where somebody
    /// has put an empty file there because every token is lost: another operator.
    async fn first_operator(&self) -> Result<(), HouseError> {
        let path = self.data.join("operator.token");
        let id = OperatorId(self.shared.ids.next());
        let name = if self.system.tenancy().operators.is_empty() {
            "root".to_owned()
        } else if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            tracing::warn!("operator.token is empty: another operator is created, whose token goes there");
            format!("recovered-{id}")
        } else {
            return Ok(());
        };
        let secret = self.shared.new_secret()?;
        token::write_private(&path, &format!("{}\n", secret.text()))
            .map_err(|source| HouseError::File { path: path.display().to_string(), source })?;
        let command = Command::CreateOperator { id, name, sha256: secret.sha256() };
        self.system.submit(command, system_origin()).await?;
        Ok(())
    }

    async fn open_registered(&self) {
        let tenancy = self.system.tenancy();
        for (stream, registered) in &tenancy.tenants {
            self.open_one(*stream, registered).await;
        }
    }

    /// Opens a registered tenant, or notes why it stays closed.
    pub(super) async fn open_one(&self, stream: StreamId, registered: &RegisteredTenant) {
        let name = &registered.tenant;
        match self.open_tenant(name, stream, self.folder_of(name)).await {
            // A registered tenant has events: an empty log was made in the place of a lost one.
            Ok(directory) if directory.position() == Revision::ZERO => {
                let reason = "log.db holds no event: restore it".to_owned();
                directory.halt(reason.clone());
                self.stays_closed(name, Closed::Halted(reason));
            }
            Ok(directory) if registered.closed_at.is_some() => {
                directory.mark_ended();
                self.shared.index.remove(name);
                self.keep(directory);
            }
            Ok(directory) => self.admit(directory),
            Err(error) => {
                let mut why = Closed::from(error);
                if let Closed::Waiting(reason) = &mut why
                    && let Some(missing) = self.missing_room(name).await
                {
                    *reason = format!("{missing}, and the tenant is opened by itself");
                }
                self.stays_closed(name, why);
            }
        }
    }

    async fn missing_room(&self, name: &str) -> Option<String> {
        let folder = self.folder_of(name);
        self.shared.tasks.block(move || room::missing(&folder)).await
    }

    fn stays_closed(&self, name: &str, why: Closed) {
        let mut closed = self.closed.write().unwrap_or_else(PoisonError::into_inner);
        // Said once, not with every attempt.
        if closed.get(name) != Some(&why) {
            let reason = why.reason();
            tracing::error!(tenant.id = name, reason, "tenant {name} stays closed: {reason}");
        }
        closed.insert(name.to_owned(), why);
    }
}

impl From<OpenError> for Closed {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::CatchUp(CatchUpError::LogBehindView(reason)) => Self::LogBehindViews(reason),
            other if other.may_pass() => Self::Waiting(other.to_string()),
            other => Self::Halted(other.to_string()),
        }
    }
}

/// The folders below `path` by name. Makes it, if it is missing.
pub(super) fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, HouseError> {
    let list = || {
        make_private_folder(path)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.path().is_dir() {
                found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
            }
        }
        found.sort();
        Ok(found)
    };
    list().map_err(|source| HouseError::File { path: path.display().to_string(), source })
}
