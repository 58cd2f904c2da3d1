//! Where publishing stands, for `outbox status`, `/metrics` and the log.
//!
//! A change of trouble is logged once, not with every attempt.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use provisioning::StreamId;

use super::trouble::{State, Trouble};
use crate::feed::Feed;
use crate::operations::OutboxPosition;

/// What is known of a tenant in one JetStream stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// How far publishing has come; `None` until it is known.
    pub(super) position: Option<OutboxPosition>,
    /// Why this tenant is set aside, if it is.
    pub(super) trouble: Option<Trouble>,
}

/// The standing of every tenant in one JetStream stream: written by its publisher, read by whoever asks.
#[derive(Debug)]
pub(super) struct Board {
    feed: Feed,
    /// Locked for a look or a change, never across an await.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tenants: HashMap<StreamId, Standing>,
    trouble: Option<Trouble>,
}

impl Board {
    /// Nothing is known yet.
    pub(super) fn new(feed: Feed) -> Self {
        Self { feed, inner: Mutex::default() }
    }

    /// What is known of a tenant; its own trouble hides that of the whole JetStream stream.
    pub(super) fn standing(&self, stream: StreamId) -> Standing {
        let inner = self.lock();
        let mut standing = inner.tenants.get(&stream).cloned().unwrap_or_default();
        standing.trouble = standing.trouble.or_else(|| inner.trouble.clone());
        standing
    }

    /// A tenant's position has moved.
    pub(super) fn moved(&self, stream: StreamId, position: OutboxPosition) {
        self.lock().tenants.entry(stream).or_default().position = Some(position);
    }

    /// A tenant is set aside, or not any more.
    pub(super) fn tenant_trouble(&self, stream: StreamId, tenant: &str, trouble: Option<Trouble>) {
        let mut inner = self.lock();
        let standing = inner.tenants.entry(stream).or_default();
        if standing.trouble == trouble {
            return;
        }
        let jetstream = self.feed.jetstream_stream();
        match &trouble {
            Some(trouble) if trouble.state == State::Halted => tracing::error!(
                tenant.id = tenant,
                jetstream,
                error.code = trouble.code,
                "tenant {tenant} is not published to {jetstream}: {trouble}"
            ),
            Some(trouble) => tracing::warn!(
                tenant.id = tenant,
                jetstream,
                error.code = trouble.code,
                "tenant {tenant} is not published to {jetstream} now: {trouble}"
            ),
            None => tracing::info!(
                tenant.id = tenant,
                jetstream,
                "tenant {tenant} is published to {jetstream} again"
            ),
        }
        standing.trouble = trouble;
    }

    /// Nothing goes out for any tenant, or it does again.
    pub(super) fn set_trouble(&self, trouble: Option<Trouble>) {
        let mut inner = self.lock();
        if inner.trouble == trouble {
            return;
        }
        let jetstream = self.feed.jetstream_stream();
        match &trouble {
            Some(trouble) if trouble.state == State::Halted => {
                tracing::error!(
                    jetstream,
                    error.code = trouble.code,
                    "nothing is published to {jetstream}: {trouble}"
                );
            }
            Some(trouble) => {
                tracing::warn!(
                    jetstream,
                    error.code = trouble.code,
                    "publishing to {jetstream} waits: {trouble}"
                );
            }
            None => tracing::info!(jetstream, "publishing to {jetstream} goes on"),
        }
        inner.trouble = trouble;
    }

    /// A tenant is not here any more.
    pub(super) fn forget(&self, stream: StreamId) {
        self.lock().tenants.remove(&stream);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
