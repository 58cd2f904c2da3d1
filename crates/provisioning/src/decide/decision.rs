//! What a decision answers with: events that are not recorded yet, or why there are none.

use scim::ScimError;
use scim::dialect::{Note, Notes};

use crate::directory::Directory;
use crate::event::Event;
use crate::ids::ResourceId;
use crate::recorded::Subject;
use crate::rejection::Rejection;
use crate::resource::Resource;

/// An event that was decided and not yet recorded: what the writer cannot know.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// About whom.
    pub subject: Subject,
    /// Names of changed attributes, in schema spelling, sorted.
    pub attributes: Vec<String>,
    /// On `user.*` events, `active` before and after.
    pub active: Option<[Option<bool>; 2]>,
    /// Index, in the same decision, of the event that this one is caused by. It may come later.
    pub cause: Option<usize>,
    /// The fact.
    pub event: Event,
}

impl Draft {
    /// An event that changes no attribute and has no cause.
    pub(super) fn new(subject: Subject, event: Event) -> Self {
        Self { subject, attributes: Vec::new(), active: None, cause: None, event }
    }
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// One transaction, in order. Empty if nothing changes.
    pub events: Vec<Draft>,
    /// What the answer is about.
    pub outcome: Outcome,
    /// The dialects that were met: those that depend on what is there.
    pub notes: Notes,
}

impl Decision {
    /// Events, or none, with nothing to show.
    pub(super) fn done(events: impl Into<Vec<Draft>>) -> Self {
        Self { events: events.into(), outcome: Outcome::Done, notes: Notes::new() }
    }

    /// The resource changed if there are events.
    pub(super) fn changed(resource: Resource, events: Vec<Draft>) -> Self {
        let outcome = if events.is_empty() {
            Outcome::Unchanged(Box::new(resource))
        } else {
            Outcome::Changed(resource.id)
        };
        Self { events, outcome, notes: Notes::new() }
    }
}

/// What the answer is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// This resource was created, or brought back; its state is what the events make of it.
    Created(ResourceId),
    /// This resource changed; its state is what the events make of it.
    Changed(ResourceId),
    /// Nothing changed; this is the state.
    Unchanged(Box<Resource>),
    /// Done, with nothing to show.
    Done,
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum DecideError<E> {
    /// The command is refused; nothing is recorded.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// What is true now could not be read.
    #[error("the current state cannot be read: {0}")]
    Directory(E),
}

impl<E> From<ScimError> for DecideError<E> {
    fn from(error: ScimError) -> Self {
        Self::Rejected(Rejection::Scim(error))
    }
}

impl<E> From<Note> for DecideError<E> {
    fn from(note: Note) -> Self {
        Self::Rejected(Rejection::Deviation(note))
    }
}

/// A decision about what a directory holds.
pub type Decided<D> = Result<Decision, DecideError<<D as Directory>::Error>>;
