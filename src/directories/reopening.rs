//! Tenants whose files could not be opened, for a full disk or a missing permission: opened when that is over.
//!
//! What contradicts itself is not tried again: a person has to look at it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Closed, Directories};

/// How long to wait before the next attempt.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Directories {
    /// Opens what waits as soon as it can be opened, until the house shuts down.
    pub(super) fn reopen_waiting(self: &Arc<Self>) {
        if !self.any_waits() {
            return;
        }
        let (directories, mut stopping) = (Arc::clone(self), self.shared.tasks.stopping());
        self.shared.tasks.spawn(async move {
            while directories.any_waits() {
                tokio::select! {
                    () = tokio::time::sleep(RETRY_DELAY) => {}
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
                directories.try_again().await;
            }
        });
    }

    fn any_waits(&self) -> bool {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        closed.values().any(|why| matches!(why, Closed::Waiting(_)))
    }

    async fn try_again(&self) {
        let tenancy = self.system.tenancy();
        for (stream, registered) in &tenancy.tenants {
            let name = &registered.tenant;
            if !matches!(self.why_closed(name), Some(Closed::Waiting(_))) {
                continue;
            }
            self.open_one(*stream, registered).await;
            if self.why_closed(name).is_none() {
                tracing::info!(tenant.id = name, "tenant {name} could be opened");
            }
        }
    }
}
