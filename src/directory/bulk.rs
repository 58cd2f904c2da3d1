//! A bulk request on its way through the writer: what has been done, what is still to do, and what each operation
//! is told.
//!
//! Every operation is a transaction of its own, in the order that [`scim::bulk::order`] gives; those that refer to
//! each other in a circle are one. Many of them go into one append. When a batch is full the rest waits for the next
//! one, so a bulk may be stored in parts, and what is told of a part is true for that part: if one cannot be stored,
//! what comes behind it is not tried.

mod carry_out;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use provisioning::command::{Origin, ScimCommand};
use provisioning::{Rejection, ResourceId, Revision};
use scim::ResourceType;
use scim::bulk::order::{Together, order};
use scim::bulk::references::RefersTo;
use scim::dialect::Notes;
use tokio::sync::oneshot;

use super::job::Answer;
use super::{WriteError, Written};

/// The operations of a bulk request, read and checked.
#[derive(Debug)]
pub struct Bulk {
    /// In the client's order.
    pub operations: Vec<BulkOperation>,
    /// Who asks; the door is each operation's own.
    pub origin: Origin,
    /// After how many errors the rest is left undone.
    pub fail_on_errors: Option<usize>,
}

/// One operation.
#[derive(Debug)]
pub struct BulkOperation {
    /// What it asks for, with ids in the place of references; `None` if it was refused before it was queued, which
    /// counts when its turn comes.
    pub command: Option<ScimCommand>,
    /// The operations that it refers to, by their index.
    pub refers_to: RefersTo,
}

/// What became of an operation.
#[derive(Debug, Clone)]
pub enum OperationOutcome {
    /// Enough others had failed before its turn came.
    LeftUndone,
    /// Its turn came, and it had been refused before it was queued.
    RefusedBefore,
    /// It was carried out, or refused, or could not be stored.
    Answered(Result<Done, WriteError>),
}

/// What an operation came to: a [`Written`] without the document, of which a thousand would lie about until the last
/// operation is done.
#[derive(Debug, Clone)]
pub struct Done {
    /// The resource after it, if it was about one that still exists, and its version.
    pub resource: Option<(ResourceType, ResourceId, Revision)>,
    /// Whether the resource is new (or came back).
    pub created: bool,
    /// The revisions that were recorded; empty if nothing changed.
    pub revisions: Range<u64>,
    /// The dialects that were met when it was decided.
    pub notes: Notes,
}

impl From<Written> for Done {
    fn from(written: Written) -> Self {
        let Written { resource, created, revisions, notes } = written;
        let resource = resource.map(|resource| (resource.resource_type, resource.id, resource.revision));
        Self { resource, created, revisions, notes }
    }
}

impl OperationOutcome {
    fn failed(&self) -> bool {
        matches!(self, Self::RefusedBefore | Self::Answered(Err(_)))
    }
}

/// A queued bulk request.
pub(super) struct BulkJob {
    /// Without the commands that were decided already.
    operations: Vec<BulkOperation>,
    /// Which of them were refused before the bulk was queued.
    refused: Vec<bool>,
    origin: Origin,
    errors_max: usize,
    caller: oneshot::Sender<Vec<OperationOutcome>>,
    /// What is still to do.
    rest: VecDeque<Together>,
    outcomes: Vec<OperationOutcome>,
    /// The ids of the operations' resources, as those that refer to them know them.
    ids: Vec<Option<ResourceId>>,
    errors: usize,
    /// Whose turn came since the last append.
    open: Vec<usize>,
}

impl BulkJob {
    pub(super) fn new(bulk: Bulk, caller: oneshot::Sender<Vec<OperationOutcome>>) -> Self {
        let Bulk { operations, origin, fail_on_errors } = bulk;
        let refers_to: Vec<_> = operations.iter().map(|operation| operation.refers_to.clone()).collect();
        Self {
            rest: order(&refers_to).into(),
            ids: operations.iter().map(|operation| operation.command.as_ref().map(|it| it.id)).collect(),
            refused: operations.iter().map(|operation| operation.command.is_none()).collect(),
            outcomes: vec![OperationOutcome::LeftUndone; operations.len()],
            errors_max: fail_on_errors.unwrap_or(usize::MAX),
            operations,
            origin,
            caller,
            errors: 0,
            open: Vec::new(),
        }
    }

    /// Whether nothing is left to be done.
    fn is_done(&self) -> bool {
        self.rest.is_empty() || self.errors >= self.errors_max
    }

    /// The next operations to decide. Those that cannot succeed any more are answered on the way.
    fn next(&mut self) -> Option<Together> {
        while !self.is_done() {
            let together = self.rest.pop_front()?;
            self.open.extend(&together);
            if !self.is_vain(&together) {
                return Some(together);
            }
            self.give_up(&together);
        }
        None
    }

    /// Whether one of them was refused already, or refers to one that failed.
    fn is_vain(&self, together: &[usize]) -> bool {
        together.iter().any(|operation| self.refused_before(*operation) || self.lost_referent(*operation))
    }

    fn refused_before(&self, operation: usize) -> bool {
        self.refused[operation]
    }

    fn lost_referent(&self, operation: usize) -> bool {
        self.operations[operation].refers_to.iter().any(|referent| self.outcomes[*referent].failed())
    }

    fn give_up(&mut self, together: &[usize]) {
        let outcome = |operation: &usize| {
            if self.refused_before(*operation) {
                OperationOutcome::RefusedBefore
            } else if self.lost_referent(*operation) {
                OperationOutcome::Answered(Err(reference_failed()))
            } else {
                OperationOutcome::Answered(Err(circle_failed()))
            }
        };
        let outcomes: Vec<_> = together.iter().map(outcome).collect();
        for (operation, outcome) in together.iter().zip(outcomes) {
            self.put(*operation, outcome);
        }
    }

    fn put(&mut self, operation: usize, outcome: OperationOutcome) {
        self.errors += usize::from(outcome.failed());
        self.outcomes[operation] = outcome;
    }

    /// Notes what an operation came to. A person may have come back under another id than the one that was drawn.
    fn answer(&mut self, operation: usize, answer: Answer) {
        let answer = answer.map(Done::from);
        if let Ok(Done { resource: Some((_, id, _)), .. }) = &answer {
            self.rename(operation, *id);
        }
        self.put(operation, OperationOutcome::Answered(answer));
    }

    /// Notes that a circle came to nothing: one of them for a reason of its own, if so, and the others for `why`.
    fn fail_circle(&mut self, circle: &[usize], culprit: Option<&(usize, WriteError)>, why: &WriteError) {
        for operation in circle {
            let own = culprit.filter(|(culprit, _)| culprit == operation).map(|(_, own)| own);
            self.answer(*operation, Err(own.unwrap_or(why).clone()));
        }
    }

    /// Makes the id of an operation's resource known to those that refer to it; `false` if they know it.
    fn rename(&mut self, operation: usize, id: ResourceId) -> bool {
        let Some(known) = self.ids[operation].replace(id).filter(|known| *known != id) else { return false };
        for other in &mut self.operations {
            if other.refers_to.contains(&operation)
                && let Some(command) = &mut other.command
            {
                command.rename(known, id);
            }
        }
        true
    }

    /// What an operation asks for, and who asks.
    fn command(&self, operation: usize) -> (&ScimCommand, Origin) {
        let command = self.operations[operation].command.as_ref();
        let command = command.expect("an operation that was refused before is not decided");
        (command, self.origin_of(command))
    }

    /// The same, for the last time.
    fn take_command(&mut self, operation: usize) -> (ScimCommand, Origin) {
        let command = self.operations[operation].command.take();
        let command = command.expect("an operation is decided once, and one that was refused before is not");
        let origin = self.origin_of(&command);
        (command, origin)
    }

    fn origin_of(&self, command: &ScimCommand) -> Origin {
        Origin { via: command.change.via_bulk(), ..self.origin.clone() }
    }

    fn refers_to_itself(&self, operation: usize) -> bool {
        self.operations[operation].refers_to.contains(&operation)
    }

    /// Whom the operations of a circle will have created.
    fn expected(&self, circle: &[usize]) -> HashMap<ResourceId, ResourceType> {
        let of = |operation: &usize| {
            let command = self.operations[*operation].command.as_ref()?;
            Some((self.ids[*operation]?, command.resource_type))
        };
        circle.iter().filter_map(of).collect()
    }

    /// See [`super::job::Job::settle`].
    pub(super) fn settle(mut self, failure: Option<&WriteError>) -> Option<Self> {
        let open = std::mem::take(&mut self.open);
        if let Some(failure) = failure {
            self.fail(&open, failure);
        } else if !self.is_done() {
            return Some(self);
        }
        // A caller that has gone away has lost interest in the answer, not in the writes.
        let _gone = self.caller.send(self.outcomes);
        None
    }

    /// What was open counts for nothing, and the rest is not tried.
    fn fail(&mut self, open: &[usize], failure: &WriteError) {
        for operation in open {
            if !self.refused_before(*operation) {
                self.outcomes[*operation] = OperationOutcome::Answered(Err(failure.clone()));
            }
        }
        self.errors = self.outcomes.iter().filter(|outcome| outcome.failed()).count();
        let why = if open.is_empty() { failure.clone() } else { interrupted() };
        for operation in std::mem::take(&mut self.rest).into_iter().flatten() {
            if self.errors >= self.errors_max {
                return;
            }
            let outcome = if self.refused_before(operation) {
                OperationOutcome::RefusedBefore
            } else {
                OperationOutcome::Answered(Err(why.clone()))
            };
            self.put(operation, outcome);
        }
    }
}

fn reference_failed() -> WriteError {
    let detail =
        "the operation refers by bulkId to one that failed, so its resource is not there; send both again";
    Rejection::Conflict { code: "bulk_reference_failed", detail: detail.into() }.into()
}

fn circle_failed() -> WriteError {
    let detail = "the operation and others refer to each other by bulkId, so they succeed or fail together, and \
                  another one failed; mend that one and send all of them again";
    Rejection::Conflict { code: "bulk_circle_failed", detail: detail.into() }.into()
}

fn interrupted() -> WriteError {
    WriteError::Unavailable {
        code: "bulk_interrupted",
        detail: "the operation was not carried out, because one before it could not be stored; try again"
            .into(),
    }
}

#[cfg(test)]
mod tests;
