//! A log in memory, for tests only: it keeps the whole contract (`tests/it/event_log_contract.rs`) except that
//! nothing survives the process.
//!
//! Faults can be queued; each one is met by the next append that would store something. A fault of a stored
//! append under [`FaultKind::Unavailable`] breaks the contract on purpose: whatever retries must cope with a
//! backend that is wrong about what it stored.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use provisioning::{EventId, Revision};

use super::{AppendError, EventLog, Head, NewEvent, READ_BYTES_MAX, ReadError, StoredEvent};
use crate::merkle::{Frontier, Hash, leaf_hash};

/// What the next append meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and stores nothing.
    NotStored(FaultKind),
    /// It stores everything and fails nevertheless.
    Stored(FaultKind),
}

/// With which error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// [`AppendError::Unavailable`]; the next append is taken.
    Unavailable,
    /// [`AppendError::OutcomeUnknown`]; nothing is taken until the log is reopened.
    OutcomeUnknown,
}

/// A log in memory.
#[derive(Debug, Default)]
pub struct MemoryLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The event of revision `n` at `n - 1`.
    events: Vec<NewEvent>,
    ids: BTreeSet<EventId>,
    /// With each event, what it completed in the tree.
    hashes: Vec<Vec<Hash>>,
    frontier: Frontier,
    faults: VecDeque<Fault>,
    /// Whether an unknown outcome waits for `reopen`.
    closed: bool,
}

impl MemoryLog {
    /// Queues a fault for an append to come.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked in one thread shall be reported by its own message.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn head(&self) -> Head {
        Head { revision: Revision(self.frontier.size()), root: self.frontier.root() }
    }

    /// The index of the first event behind `after`.
    fn index(&self, after: Revision) -> usize {
        usize::try_from(after.0).map_or(self.events.len(), |index| index.min(self.events.len()))
    }

    fn root_at(&self, size: Revision) -> Result<Hash, ReadError> {
        let frontier = Frontier::load(size.0, |leaf| {
            let stored = usize::try_from(leaf - 1).ok().and_then(|index| self.hashes.get(index));
            stored.cloned().ok_or_else(|| ReadError::Corrupt {
                revision: Revision(leaf),
                reason: "the event is missing".to_owned(),
            })
        })?;
        Ok(frontier.root())
    }

    /// Whether the events behind `expected` are exactly these: then an earlier try of the append stored them.
    fn holds(&self, expected: Revision, events: &[NewEvent]) -> bool {
        let mut held = self.events[self.index(expected)..].iter().map(|event| event.id);
        events.iter().all(|event| held.next() == Some(event.id))
    }

    fn store(&mut self, events: &[NewEvent]) {
        for event in events {
            self.hashes.push(self.frontier.push(leaf_hash(&event.header)));
            self.ids.insert(event.id);
            self.events.push(event.clone());
        }
    }

    /// Whether an id is in the log already, or twice among the new ones.
    fn repeats(&self, events: &[NewEvent]) -> bool {
        let mut new = BTreeSet::new();
        events.iter().any(|event| self.ids.contains(&event.id) || !new.insert(event.id))
    }
}

impl EventLog for MemoryLog {
    fn append(&self, expected: Revision, events: &[NewEvent]) -> Result<Head, AppendError> {
        assert!(!events.is_empty(), "an append has at least one event");
        let mut state = self.state();
        if state.closed {
            return Err(AppendError::OutcomeUnknown(
                "an earlier fault waits for the log to be reopened".to_owned(),
            ));
        }
        let actual = state.head().revision;
        if expected < actual && state.holds(expected, events) {
            let revision = Revision(expected.0 + events.len() as u64);
            let root = state.root_at(revision).expect("the log in memory has no holes");
            return Ok(Head { revision, root });
        }
        if expected != actual || state.repeats(events) {
            return Err(AppendError::Conflict { actual });
        }
        let fault = state.faults.pop_front();
        if !matches!(fault, Some(Fault::NotStored(_))) {
            state.store(events);
        }
        match fault {
            None => Ok(state.head()),
            Some(Fault::NotStored(FaultKind::Unavailable) | Fault::Stored(FaultKind::Unavailable)) => {
                Err(AppendError::Unavailable("a fault was asked for".to_owned()))
            }
            Some(Fault::NotStored(FaultKind::OutcomeUnknown) | Fault::Stored(FaultKind::OutcomeUnknown)) => {
                state.closed = true;
                Err(AppendError::OutcomeUnknown("a fault was asked for".to_owned()))
            }
        }
    }

    fn read(&self, after: Revision, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        let state = self.state();
        let mut bytes = 0;
        let mut read = Vec::new();
        for (event, revision) in state.events.iter().zip(1..).skip(state.index(after)) {
            if !read.is_empty() && (read.len() >= limit || bytes >= READ_BYTES_MAX) {
                break;
            }
            let NewEvent { header, payload, .. } = event.clone();
            bytes += header.len() + payload.as_ref().map_or(0, Vec::len);
            read.push(StoredEvent { revision: Revision(revision), header, payload });
        }
        Ok(read)
    }

    fn head(&self) -> Result<Head, ReadError> {
        let state = self.state();
        if state.closed {
            return Err(ReadError::Unavailable(
                "an earlier fault waits for the log to be reopened".to_owned(),
            ));
        }
        Ok(state.head())
    }

    fn root_at(&self, size: Revision) -> Result<Hash, ReadError> {
        self.state().root_at(size)
    }

    fn check_tree(&self, size: Revision) -> Result<(), ReadError> {
        let state = self.state();
        let mut tree = Frontier::default();
        for (event, stored) in state.events.iter().zip(&state.hashes).take(state.index(size)) {
            if tree.push(leaf_hash(&event.header)) != *stored {
                let reason = "the stored hashes do not fit the headers".to_owned();
                return Err(ReadError::Corrupt { revision: Revision(tree.size()), reason });
            }
        }
        if tree.size() < size.0 {
            let reason = "the event is missing".to_owned();
            return Err(ReadError::Corrupt { revision: Revision(tree.size() + 1), reason });
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), ReadError> {
        self.state().closed = false;
        Ok(())
    }
}
