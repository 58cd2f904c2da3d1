//! The follower that keeps `history.db`: waits for the committed position and takes in what is new.
//!
//! What was just committed it takes from memory; what is not there any more is read from the log.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use provisioning::Revision;

use super::Directory;
use super::ahead::Step;
use super::catch_up::{self, CatchUpError};
use super::condition::View;

/// How long to wait after a failure that may pass.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How long it gathers before it takes in what is new while nobody waits for it: under load, and behind one client that
/// writes again and again, several batches become one transaction.
const GATHER: Duration = Duration::from_millis(20);

/// Follows the log until the house shuts down or the tenant is halted.
pub(super) async fn run(directory: Arc<Directory>) {
    let mut committed = directory.committed();
    let mut trouble = directory.condition.subscribe();
    let mut stopping = directory.tasks.stopping();
    loop {
        let up_to = *committed.borrow_and_update();
        let worker = Arc::clone(&directory);
        // Never left in the middle: whoever stops the house waits until the file is let go.
        let followed = directory.tasks.block_behind(move || worker.follow_history(up_to)).await;
        let go_on = async {
            match followed {
                Ok(()) => {
                    drop(committed.changed().await);
                    directory.gather().await;
                }
                Err(error) if error.is_final() => directory.halt(format!("history: {error}")),
                Err(error) => {
                    tracing::warn!(
                        tenant.id = directory.tenant, projection = "history", error = %error,
                        "history of tenant {} is behind: {error}", directory.tenant
                    );
                    if let CatchUpError::View(error) = &error {
                        directory.notice(View::History, Some(error));
                    }
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
            // A damaged view is not written to, but replaced.
            drop(trouble.wait_for(|trouble| trouble.damage(View::History).is_none()).await);
        };
        tokio::select! {
            () = go_on => {}
            () = directory.condition.halted() => return,
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

impl Directory {
    /// Lets more come together, unless somebody waits for history or always watches it.
    async fn gather(&self) {
        if self.history_position.receiver_count() == 0 {
            drop(tokio::time::timeout(GATHER, self.history_wanted.notified()).await);
        }
    }

    /// Brings history up to a revision. Blocks.
    fn follow_history(&self, up_to: Revision) -> Result<(), CatchUpError> {
        let mut history = self.history_writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(history) = history.as_mut() else { return Ok(()) };
        let progress = |reached| {
            self.history_position.send_replace(reached);
        };
        while let Some(Step { events, root }) = self.fresh.take(history.position()?.revision, up_to) {
            history.apply(&events, root)?;
            progress(history.position()?.revision);
            // What cannot be copied now is copied later.
            if let Err(error) = history.tend() {
                self.notice(View::History, Some(&error));
            }
        }
        catch_up::history(history, self.log.as_ref(), &self.keys, up_to, progress)?;
        Ok(())
    }
}
