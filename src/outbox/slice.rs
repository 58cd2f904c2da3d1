//! Reads a bounded piece of a tenant's log and makes its messages. Blocks: called on a thread where that may be.
//!
//! Only whole transactions are taken, since a user's deletion names the groups that its transaction ended. What
//! must not be passed over (a gap, an unknown type, unreadable bytes) halts the tenant, as with every follower.

use std::collections::VecDeque;

use projections::ViewError;
use provisioning::{Event, EventType, Opened, ResourceId, Revision, Subject};

use super::message::{self, Fact, Message};
use crate::directory::Directory;
use crate::directory::decode::{self, DecodeError};
use crate::event_log::{ReadError, StoredEvent};
use crate::feed::Feed;

/// How many events are read at a time; the transaction that is begun there is read to its end. This is also how
/// much one tenant may publish before it is the next one's turn.
const SLICE_EVENTS_MAX: usize = 256;

/// The messages of some whole transactions.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// In order; not every event has one.
    pub(super) messages: VecDeque<Message>,
    /// The last event that was looked at.
    pub(super) end: Revision,
}

/// Why a slice cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// Never without a person.
    #[error("{0}")]
    Broken(String),
}

impl From<ReadError> for SliceError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => Self::Unavailable(error.to_string()),
            ReadError::Corrupt { .. } => Self::Broken(error.to_string()),
        }
    }
}

impl From<DecodeError> for SliceError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Unavailable { .. } => Self::Unavailable(error.to_string()),
            DecodeError::Broken { .. } => Self::Broken(error.to_string()),
        }
    }
}

impl From<ViewError> for SliceError {
    fn from(error: ViewError) -> Self {
        // A view can be rebuilt, so it never halts the tenant.
        Self::Unavailable(error.to_string())
    }
}

/// Reads what follows `after`: at least one whole transaction, if there is one and, for deprovisioning messages,
/// history has come that far.
pub(super) fn read(directory: &Directory, feed: Feed, after: Revision) -> Result<Slice, SliceError> {
    let history = *directory.history_position().borrow();
    let facts = facts(directory, feed, after)?;
    let mut slice = Slice { messages: VecDeque::new(), end: after };
    for transaction in facts.chunk_by(|one, next| one.header.txn.id == next.header.txn.id) {
        let last = &transaction[transaction.len() - 1].header;
        if last.txn.n != last.txn.of {
            break;
        }
        let messages = match feed {
            Feed::Events => {
                transaction.iter().map(|fact| message::event(directory.tenant(), &fact.header)).collect()
            }
            // Only history knows who had been a member before.
            Feed::Deprovisioning if history < last.revision && transaction.iter().any(adds_members) => break,
            Feed::Deprovisioning => {
                message::deprovisioning(directory.tenant(), transaction, |fact| regained(directory, fact))?
            }
        };
        // A transaction of which the beginning is published already was read whole none the less.
        slice.messages.extend(messages.into_iter().filter(|message| message.revision > after));
        slice.end = last.revision;
    }
    Ok(slice)
}

/// Facts from the beginning of the transaction that `after` ends or stands in, to the end of a later one.
fn facts(directory: &Directory, feed: Feed, after: Revision) -> Result<Vec<Fact>, SliceError> {
    let mut stored = directory.stored(after, SLICE_EVENTS_MAX)?;
    let Some(first) = stored.first() else { return Ok(Vec::new()) };
    let before = u64::from(decode::header(first)?.txn.n).saturating_sub(1);
    let mut position = after;
    if before > 0 {
        position = Revision(after.0.saturating_sub(before));
        stored = directory.stored(position, SLICE_EVENTS_MAX)?;
    }
    let mut facts: Vec<Fact> = Vec::with_capacity(stored.len());
    loop {
        for event in &stored {
            if event.revision != position.next() {
                let reason = format!("revision {} follows {position}", event.revision);
                return Err(SliceError::Broken(reason));
            }
            position = event.revision;
            facts.push(fact(directory, feed, event)?);
        }
        // Only what is missing of the last transaction, lest the next one is cut in its turn.
        let missing = facts.last().map_or(0, |fact| fact.header.txn.of.saturating_sub(fact.header.txn.n));
        if stored.is_empty() || missing == 0 {
            return Ok(facts);
        }
        stored = directory.stored(position, missing.try_into().unwrap_or(usize::MAX))?;
    }
}

fn fact(directory: &Directory, feed: Feed, stored: &StoredEvent) -> Result<Fact, SliceError> {
    let header = decode::header(stored)?;
    let names_members =
        matches!(header.event_type, EventType::GroupMembersAdded | EventType::GroupMembersRemoved);
    if feed == Feed::Events || !names_members {
        return Ok(Fact { header, members: Vec::new() });
    }
    // Plain payloads need no key; opening one checks its digest.
    let recorded = decode::recorded(directory.keys(), stored)?;
    match recorded.event {
        Opened::Event(Event::GroupMembersAdded(members) | Event::GroupMembersRemoved(members)) => {
            Ok(Fact { header, members: members.members })
        }
        _ => Err(SliceError::Broken(format!(
            "revision {}: a membership event has no members",
            header.revision
        ))),
    }
}

fn adds_members(fact: &Fact) -> bool {
    fact.header.event_type == EventType::GroupMembersAdded
}

fn regained(directory: &Directory, fact: &Fact) -> Result<Vec<ResourceId>, ViewError> {
    match fact.header.subject {
        Subject::Group(group) => {
            directory.with_history(|history| history.lost_before(group, &fact.members, fact.header.revision))
        }
        _ => Ok(Vec::new()),
    }
}
