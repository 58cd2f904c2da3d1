//! Folders among the tenants that the registry does not know: left by a creation that did not get to its end.
//!
//! One with its first events is registered now. One without any is removed: nobody was told of that tenant. What
//! is neither (a copy that somebody keeps there, a log that cannot be read) stays as it is and holds up nobody.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use provisioning::command::Command;
use provisioning::{Revision, StreamId};

use super::Directories;
use super::open::{HouseError, folders, system_origin};
use crate::directory::WriteError;
use crate::event_log::sqlite::{SqliteLog, stream_of};
use crate::event_log::{EventLog as _, ReadError};

/// What a tenant's files are called, with whatever SQLite adds.
const FILES: [&str; 5] = ["current.db", "history.db", "keys.db", "log.db", "operations.db"];

/// Why a folder is left as it is.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("log.db: {0}")]
    Log(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{0}")]
    Folder(#[from] std::io::Error),
    #[error("it holds other files than a tenant's")]
    OtherFiles,
}

impl Directories {
    pub(super) async fn finish_unregistered(&self) -> Result<(), HouseError> {
        let tenancy = self.system.tenancy();
        let known: BTreeSet<&str> = tenancy.tenants.values().map(|tenant| tenant.tenant.as_str()).collect();
        for (name, folder) in folders(&self.data.join("tenants"))? {
            if known.contains(name.as_str()) {
                continue;
            }
            if let Err(error) = self.finish(&name, &folder).await {
                tracing::error!(
                    tenant.id = name, error = %error,
                    "folder {name} is none of a registered tenant and stays as it is: {error}"
                );
            }
        }
        Ok(())
    }

    async fn finish(&self, name: &str, folder: &Path) -> Result<(), Unfinished> {
        if let Some(stream) = begun(folder)? {
            let register = Command::RegisterTenant { tenant: name.to_owned(), stream };
            self.system.submit(register, system_origin()).await?;
            tracing::info!(tenant.id = name, "tenant {name} was created but not registered; now it is");
        } else {
            for file in fs::read_dir(folder)? {
                let file = file?.file_name();
                if !FILES.iter().any(|ours| file.to_string_lossy().starts_with(ours)) {
                    return Err(Unfinished::OtherFiles);
                }
            }
            fs::remove_dir_all(folder)?;
            tracing::info!(tenant.id = name, "folder of tenant {name} held no event and is removed");
        }
        Ok(())
    }
}

/// The stream of a folder whose log has events.
fn begun(folder: &Path) -> Result<Option<StreamId>, ReadError> {
    let path = folder.join("log.db");
    let Some(stream) = stream_of(&path)? else { return Ok(None) };
    let head = SqliteLog::open_read_only(&path, stream)?.head()?;
    Ok((head.revision > Revision::ZERO).then_some(stream))
}
