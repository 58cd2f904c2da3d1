//! Closing a tenant: the registry records it while nothing is written to the tenant.

use std::sync::Arc;
use std::time::Duration;

use provisioning::command::{Command, Origin};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Directories, tenant_not_found};
use crate::directory::{Directory, WriteError, ended_error};

/// How long to wait before the registry is asked again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Directories {
    /// Closes a tenant: no token and no path leads to it any more, and nothing is written to it. It stays readable
    /// as evidence, and what the broker has not had yet is still published.
    ///
    /// A tenant's stream gets no event after `tenant.closed`. So where nobody can tell whether that was stored, the
    /// tenant takes no writes either, and the registry is asked until it is stored.
    pub async fn close(&self, tenant: &str, origin: Origin) -> Result<(), WriteError> {
        let directory = self.tenant(tenant).ok_or_else(|| tenant_not_found(tenant))?;
        if directory.is_ended() {
            return Err(ended_error());
        }
        let close = Command::CloseTenant(directory.stream());
        let (system, runtime) = (Arc::clone(&self.system), Handle::current());
        let (again, whose) = (close.clone(), origin.clone());
        let end = move || {
            directory.end(|| {
                let recorded = runtime.block_on(system.submit(close, origin)).map(drop);
                if recorded.as_ref().is_err_and(is_unknown) {
                    directory.mark_ended();
                }
                recorded
            })
        };
        let outcome = self.shared.tasks.block(end).await;
        if outcome.as_ref().is_err_and(is_unknown) {
            let (system, stopping) = (Arc::clone(&self.system), self.shared.tasks.stopping());
            self.shared.tasks.spawn(close_surely(system, again, whose, stopping));
        } else {
            outcome.clone()?;
        }
        self.shared.index.remove(tenant);
        outcome
    }
}

fn is_unknown(error: &WriteError) -> bool {
    matches!(error, WriteError::Unavailable { code: "append_outcome_unknown", .. })
}

/// Closing what is closed already records nothing, so it may be asked for until it is done. After a restart the
/// registry tells.
async fn close_surely(
    system: Arc<Directory>,
    close: Command,
    origin: Origin,
    mut stopping: watch::Receiver<bool>,
) {
    while system.submit(close.clone(), origin.clone()).await.is_err() {
        tokio::select! {
            () = tokio::time::sleep(RETRY_DELAY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
