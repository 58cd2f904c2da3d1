//! Makes a view anew that turned out to be damaged, without anybody's hand.
//!
//! Views hold nothing that the log does not say, so this is always right. If the log cannot be read to its end
//! either, that is what halts the tenant. While a view is damaged, whoever asks it waits, and is then told to come
//! again.

use std::sync::Arc;
use std::time::Duration;

use projections::ViewError;

use super::Directory;
use super::catch_up::CatchUpError;

/// How long to wait after a failure that may pass, such as a full disk.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Waits for damage until the house shuts down or the tenant is halted.
pub(super) async fn run(directory: Arc<Directory>) {
    let mut trouble = directory.condition.subscribe();
    let mut stopping = directory.tasks.stopping();
    loop {
        let damaged = tokio::select! {
            () = directory.condition.halted() => return,
            _ = stopping.wait_for(|stop| *stop) => return,
            damaged = trouble.wait_for(|trouble| trouble.damaged().is_some()) => match damaged {
                Ok(trouble) => trouble.damaged(),
                Err(_) => return,
            },
        };
        let Some(damaged) = damaged else { continue };
        let worker = Arc::clone(&directory);
        match directory.tasks.block(move || worker.make_anew(damaged)).await {
            Ok(()) => tracing::info!(
                tenant.id = directory.tenant,
                "damaged view {damaged:?} of tenant {} was made anew",
                directory.tenant
            ),
            // In a file that was just begun, the view is not what is broken.
            Err(error)
                if error.is_final() || matches!(error, CatchUpError::View(ViewError::Broken { .. })) =>
            {
                directory.halt(error.to_string());
            }
            Err(error) => {
                tracing::warn!(
                    tenant.id = directory.tenant, error = %error,
                    "damaged view {damaged:?} of tenant {} cannot be made anew yet: {error}", directory.tenant
                );
                tokio::select! {
                    () = tokio::time::sleep(RETRY_DELAY) => {}
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
            }
        }
    }
}
