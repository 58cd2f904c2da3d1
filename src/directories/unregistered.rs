//! Folders among the tenants that the registry does not know: left by a creation that did not get to its end.
//!
//! One with its first events is registered: at the next start, or when the tenant is asked for again. One without
//! any is removed: nobody was told of that tenant. What is neither (a copy that somebody keeps there, a log that
//! cannot be read) stays as it is and holds up nobody.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::PoisonError;

use provisioning::command::{Command, Origin};
use provisioning::{Rejection, StreamId};

use super::leftover::{Leftover, look_at};
use super::open::{HouseError, folders, system_origin};
use super::{Directories, unavailable};
use crate::directory::WriteError;
use crate::event_log::ReadError;

/// Why a folder is left as it is.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("log.db: {0}")]
    Log(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{0}")]
    Folder(#[from] std::io::Error),
    #[error("it is {0}")]
    Foreign(&'static str),
}

impl Directories {
    pub(super) async fn finish_unregistered(&self) -> Result<(), HouseError> {
        let tenancy = self.system.tenancy();
        let known: BTreeSet<&str> = tenancy.tenants.values().map(|tenant| tenant.tenant.as_str()).collect();
        for (name, folder) in folders(&self.data.join("tenants"))? {
            if known.contains(name.as_str()) {
                continue;
            }
            if let Err(error) = self.finish(&name, &folder, system_origin()).await {
                tracing::error!(
                    tenant.id = name, error = %error,
                    "folder {name} is none of a registered tenant and stays as it is: {error}"
                );
            }
        }
        Ok(())
    }

    /// Clears the way for a new tenant whose folder is there already, if nobody was told of that one.
    ///
    /// One that was begun is finished instead: its log has events, and events are never thrown away. Only its first
    /// token is lost.
    pub(super) async fn make_room(
        &self,
        tenant: &str,
        folder: &Path,
        origin: Origin,
    ) -> Result<(), WriteError> {
        let known = |name: &str| {
            let not_open = self.closed.read().unwrap_or_else(PoisonError::into_inner);
            self.tenant(name).is_some() || not_open.contains_key(name)
        };
        if known(tenant) {
            return Err(exists(format!(
                "a tenant `{tenant}` exists or existed; a tenant's name is never used again"
            )));
        }
        match self.finish(tenant, folder, origin).await {
            Ok(None) => Ok(()),
            Ok(Some(stream)) => {
                let opened = self.open_tenant(tenant, stream, folder.to_owned()).await;
                self.admit(opened.map_err(|error| unavailable("tenant_unavailable", &error))?);
                Err(exists(format!(
                    "the tenant `{tenant}` was begun by an attempt that failed, and is complete now; get a token \
                     for it with `muster token issue --tenant {tenant}`"
                )))
            }
            Err(Unfinished::Write(error)) => Err(error),
            Err(Unfinished::Foreign(_)) => Err(exists(format!(
                "there is a folder `{tenant}` among the tenants that is none of a tenant"
            ))),
            Err(error @ (Unfinished::Log(_) | Unfinished::Folder(_))) => {
                Err(unavailable("tenant_unavailable", &error))
            }
        }
    }

    /// Registers a folder with events; removes one without.
    async fn finish(
        &self,
        name: &str,
        folder: &Path,
        origin: Origin,
    ) -> Result<Option<StreamId>, Unfinished> {
        match look_at(folder)? {
            Leftover::Begun(stream) => {
                let register = Command::RegisterTenant { tenant: name.to_owned(), stream };
                self.system.submit(register, origin).await?;
                tracing::info!(tenant.id = name, "tenant {name} was created but not registered; now it is");
                Ok(Some(stream))
            }
            Leftover::Empty => {
                fs::remove_dir_all(folder)?;
                tracing::info!(tenant.id = name, "folder of tenant {name} held no event and is removed");
                Ok(None)
            }
            Leftover::Foreign(what) => Err(Unfinished::Foreign(what)),
        }
    }
}

fn exists(detail: String) -> WriteError {
    Rejection::Conflict { code: "tenant_exists", detail }.into()
}
