//! Keeps the tenants' positions in their `operations.db`, not with every message but within a second.
//!
//! A position that is lost in a crash is harmless: the broker is asked where the tenant stands.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use provisioning::{EventId, Revision, StreamId};
use tokio::time::Instant;

use crate::directory::{Directory, decode};
use crate::operations::OutboxPosition;
use crate::tasks::Tasks;

/// How long a position may differ from the kept one.
const KEEP_WITHIN: Duration = Duration::from_secs(1);

/// Positions that have moved since they were kept.
pub(super) struct Positions {
    jetstream: &'static str,
    moved: HashMap<StreamId, (Arc<Directory>, OutboxPosition)>,
    due: Option<Instant>,
}

impl Positions {
    pub(super) fn new(jetstream: &'static str) -> Self {
        Self { jetstream, moved: HashMap::new(), due: None }
    }

    /// A tenant's position has moved.
    pub(super) fn moved(&mut self, directory: &Arc<Directory>, position: OutboxPosition) {
        self.moved.entry(directory.stream()).or_insert_with(|| (Arc::clone(directory), position)).1 =
            position;
        self.due.get_or_insert_with(|| Instant::now() + KEEP_WITHIN);
    }

    /// Waits until positions have to be kept: for ever, if none has moved.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Keeps them.
    pub(super) async fn keep(&mut self, tasks: &Tasks) {
        self.due = None;
        if self.moved.is_empty() {
            return;
        }
        let (moved, jetstream) = (std::mem::take(&mut self.moved), self.jetstream);
        let keep = move || {
            for (directory, position) in moved.into_values() {
                if let Err(error) = keep(&directory, jetstream, position) {
                    let tenant = directory.tenant();
                    tracing::warn!(
                        tenant.id = tenant, error = %error,
                        "the position of tenant {tenant} in {jetstream} is not kept now: {error}"
                    );
                }
            }
        };
        tasks.block(keep).await;
    }
}

/// Keeps a position, and which event stands at its revision. Blocks.
pub(super) fn keep(
    directory: &Directory,
    jetstream: &'static str,
    position: OutboxPosition,
) -> Result<(), String> {
    let event = event_at(directory, position.revision)?;
    let kept = directory.operations().keep_outbox(jetstream, position, event);
    kept.map_err(|error| error.to_string())
}

/// The event at a revision of the log; `None` if it has none there. Blocks.
pub(super) fn event_at(directory: &Directory, revision: Revision) -> Result<Option<EventId>, String> {
    let Some(before) = revision.0.checked_sub(1) else { return Ok(None) };
    let stored = directory.log().read(Revision(before), 1).map_err(|error| error.to_string())?;
    match stored.first().filter(|stored| stored.revision == revision) {
        Some(stored) => Ok(Some(decode::header(stored).map_err(|error| error.to_string())?.id)),
        None => Ok(None),
    }
}
