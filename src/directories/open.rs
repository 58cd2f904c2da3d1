//! Opening the house: lock, master key, registry, every registered tenant, and folders that nobody registered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use provisioning::command::{Command, Origin};
use provisioning::ids::OperatorId;
use provisioning::recorded::{Actor, Via};
use provisioning::tenancy::check::check_tenant_name;
use provisioning::{Revision, StreamId};
use tokio::sync::{Mutex, watch};

use super::leftover::{self, Leftover};
use super::{Closed, Directories};
use crate::directory::catch_up::CatchUpError;
use crate::directory::{Directory, OpenError, Shared, WriteError};
use crate::event_log::sqlite::{FILE, stream_of};
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
    /// There were tenants, and the registry does not know of any: going on would open closed ones again.
    #[error("system: log.db is missing or empty, but there are tenants: put it back")]
    RegistryLost,
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
        let stream = match stream_of(&system_folder.join(FILE)).map_err(OpenError::Log)? {
            Some(stream) => stream,
            None if leftover::was_filled(&system_folder) => return Err(HouseError::RegistryLost),
            None => StreamId(shared.ids.next()),
        };
        let opening = Arc::clone(&shared);
        let system =
            shared.tasks.block(move || Directory::begin(&opening, "system", stream, system_folder)).await?;
        if system.position() == Revision::ZERO && !folders(&data.join("tenants"))?.is_empty() {
            return Err(HouseError::RegistryLost);
        }
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
    /// removed (nobody was told of it). Anything else is named and left alone; it holds up nobody.
    async fn finish_unregistered(&self) -> Result<(), HouseError> {
        let tenancy = self.system.tenancy();
        let known: BTreeSet<&str> = tenancy.tenants.values().map(|tenant| tenant.tenant.as_str()).collect();
        for (name, folder) in folders(&self.data.join("tenants"))? {
            // A name that no tenant can have is a person's own: a copy, or what a file system puts there.
            if known.contains(name.as_str()) || check_tenant_name(&name).is_err() {
                continue;
            }
            let odd = match leftover::look_at(&folder) {
                Ok(Leftover::Begun(stream)) => {
                    let text = "was created but not registered; it is registered now";
                    tracing::info!(tenant.id = name, "tenant {name} {text}");
                    let register = Command::RegisterTenant { tenant: name.clone(), stream };
                    match self.system.submit(register, system_origin()).await {
                        Ok(_) => continue,
                        Err(WriteError::Rejected(rejection)) => rejection.to_string(),
                        Err(error @ WriteError::Unavailable { .. }) => return Err(error.into()),
                    }
                }
                Ok(Leftover::Empty) => {
                    tracing::info!(tenant.id = name, "folder of tenant {name} holds no event and is removed");
                    fs::remove_dir_all(&folder)
                        .map_err(|source| HouseError::File { path: folder.display().to_string(), source })?;
                    continue;
                }
                Ok(Leftover::Foreign(odd)) => odd.to_owned(),
                Err(error) => error.to_string(),
            };
            let reason = format!("the folder is not registered and is left alone: {odd}");
            self.keep_closed(&name, Closed::Halted(reason));
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
                Err(error) => self.keep_closed(name, error.into()),
            }
        }
    }

    fn keep_closed(&self, name: &str, why: Closed) {
        let reason = why.reason();
        tracing::error!(tenant.id = name, error = reason, "tenant {name} stays closed: {reason}");
        self.closed.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), why);
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
