//! What an operator asks of a publisher: to go on with a tenant that is set aside.

use std::sync::Arc;

use provisioning::{Revision, StreamId};
use tokio::sync::oneshot;

use super::jetstream::Broker;
use super::positions;
use crate::directory::Directory;
use crate::feed::Feed;
use crate::operations::OutboxPosition;
use crate::tasks::Tasks;

/// Where an operator wants a tenant to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeFrom {
    /// Before the first event.
    Start,
    /// Behind the last event: what is recorded from now on.
    Head,
    /// Behind this revision.
    Revision(Revision),
}

impl ResumeFrom {
    /// The revision behind which the tenant goes on, if its log ends at `head`.
    pub(super) fn behind(self, head: Revision) -> Result<Revision, ResumeError> {
        match self {
            Self::Start => Ok(Revision::ZERO),
            Self::Head => Ok(head),
            Self::Revision(revision) if revision <= head => Ok(revision),
            Self::Revision(_) => Err(ResumeError::BeyondLog { head }),
        }
    }
}

/// Why a tenant does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// It is not set aside in any JetStream stream.
    #[error("publishing of this tenant is not set aside, so there is nothing to resume")]
    NotSetAside,
    /// The log has no such revision.
    #[error("the log of this tenant ends at revision {head}: give that or an earlier one, `start` or `head`")]
    BeyondLog {
        /// Where the log ends.
        head: Revision,
    },
    /// NATS or the tenant's files cannot be reached now.
    #[error("{0}; try again")]
    Unavailable(String),
}

impl ResumeError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSetAside => "outbox_not_set_aside",
            Self::BeyondLog { .. } => "outbox_revision_beyond_log",
            Self::Unavailable(_) => "outbox_unavailable",
        }
    }
}

/// A request to one publisher. The answer says whether the tenant was set aside there.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) stream: StreamId,
    pub(super) from: ResumeFrom,
    pub(super) answer: oneshot::Sender<Result<bool, ResumeError>>,
}

impl Request {
    /// Tells whoever asked.
    pub(super) fn answer(self, outcome: Result<bool, ResumeError>) {
        if self.answer.send(outcome).is_err() {
            tracing::debug!("whoever asked to resume a tenant did not wait for the answer");
        }
    }
}

/// Keeps the position that an operator wants. Whatever the broker holds of the tenant is settled by that.
/// `jetstream_last` is the last sequence of the JetStream stream.
pub(super) async fn settle(
    feed: Feed,
    directory: &Arc<Directory>,
    from: ResumeFrom,
    broker: &Broker,
    jetstream_last: u64,
    tasks: &Tasks,
) -> Result<OutboxPosition, ResumeError> {
    let last = broker.last_of(directory.tenant()).await;
    let sequence =
        last.map_err(|trouble| ResumeError::Unavailable(trouble.detail))?.map_or(0, |held| held.sequence);
    let at_work = Arc::clone(directory);
    let kept = tasks.block(move || {
        let head =
            at_work.log().head().map_err(|error| ResumeError::Unavailable(error.to_string()))?.revision;
        let settled_sequence = jetstream_last.max(sequence);
        let position = OutboxPosition { revision: from.behind(head)?, sequence, settled_sequence };
        let kept = positions::keep(&at_work, feed.jetstream_stream(), position);
        kept.map(|()| position).map_err(ResumeError::Unavailable)
    });
    let position = kept.await?;
    let (tenant, jetstream) = (directory.tenant(), feed.jetstream_stream());
    tracing::info!(
        tenant.id = tenant, jetstream, revision = %position.revision,
        "an operator lets tenant {tenant} go on in {jetstream} behind revision {}", position.revision
    );
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: ResumeFrom, expected: Result<u64, ResumeError>) {
        assert_eq!(from.behind(Revision(9)), expected.map(Revision));
    }

    #[test]
    fn a_tenant_goes_on_behind_the_revision_that_is_named() {
        check(ResumeFrom::Start, Ok(0));
        check(ResumeFrom::Head, Ok(9));
        check(ResumeFrom::Revision(Revision(0)), Ok(0));
        check(ResumeFrom::Revision(Revision(9)), Ok(9));
    }

    #[test]
    fn a_revision_that_the_log_does_not_have_is_refused() {
        let beyond = || Err(ResumeError::BeyondLog { head: Revision(9) });
        check(ResumeFrom::Revision(Revision(10)), beyond());
        check(ResumeFrom::Revision(Revision(u64::MAX)), beyond());
    }
}
