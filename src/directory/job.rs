//! What waits for a tenant's writer: a command alone, or the operations of a bulk request.

use provisioning::command::{Command, Origin};
use tokio::sync::oneshot;

use super::bulk::BulkJob;
use super::{WriteError, Written};

/// What a caller is told of a command.
pub(super) type Answer = Result<Written, WriteError>;

/// Something in the queue.
pub(super) enum Job {
    One(Box<One>),
    Bulk(Box<BulkJob>),
}

/// A command alone.
pub(super) struct One {
    /// Taken out when it is decided.
    pub(super) command: Option<Command>,
    pub(super) origin: Origin,
    /// The size of the request, for the batch's bound in bytes.
    pub(super) bytes: usize,
    pub(super) caller: oneshot::Sender<Answer>,
    /// What it came to; told when it is known whether the batch was stored.
    pub(super) answer: Option<Answer>,
}

impl Job {
    /// What it weighs while a batch is drained. A bulk is cut by what its operations record.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::One(one) => one.bytes,
            Self::Bulk(_) => 0,
        }
    }

    /// Tells the caller what became of it in a batch that was stored, or why that was not. Hands back what has still
    /// to be carried out.
    pub(super) fn settle(self, failure: Option<&WriteError>) -> Option<Self> {
        match self {
            Self::One(one) => {
                let answer = match failure {
                    Some(failure) => Err(failure.clone()),
                    None => one.answer.expect("what a stored batch took was decided"),
                };
                // A caller that has gone away has lost interest in the answer, not in the write.
                let _gone = one.caller.send(answer);
                None
            }
            Self::Bulk(bulk) => bulk.settle(failure).map(|bulk| Self::Bulk(Box::new(bulk))),
        }
    }

    /// Tells the caller why it is not carried out, or not to its end.
    pub(super) fn refuse(self, why: &WriteError) {
        self.settle(Some(why));
    }
}
