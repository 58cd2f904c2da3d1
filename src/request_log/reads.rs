//! Reads that succeeded: the first ones of a client in each second have rows of their own, further ones are added up
//! until the writer takes them.
//!
//! Whoever answered a read adds it up, which is cheaper than handing it on: reads come by the ten thousand a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provisioning::{ClientId, StreamId, Timestamp};

use super::contents;
use super::entry::{Entry, Outcome};
use crate::directory::Directory;

/// Reads of a client in one second that have rows of their own.
const OWN_READS_PER_SECOND: u32 = 50;

/// Clients whose reads are counted at the same time; beyond that, counting begins anew.
const COUNTED_CLIENTS_MAX: usize = 10_000;

/// Rows that wait to be written.
const FOLDED_MAX: usize = 10_000;

/// By what reads are folded into one row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FoldedBy {
    stream: StreamId,
    pub(super) minute: Timestamp,
    pub(super) client: Option<ClientId>,
    pub(super) route: &'static str,
    pub(super) filter: Option<String>,
}

/// Reads that share a row.
pub(super) struct Folded {
    pub(super) directory: Arc<Directory>,
    pub(super) method: &'static str,
    pub(super) requests: u64,
    pub(super) duration: Duration,
}

/// Where a request is to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a row of its own.
    Own,
    /// It was added to others; the first of them since the writer came.
    FirstFolded,
    /// It was added to others.
    Folded,
    /// Too many rows wait.
    Nowhere,
}

#[derive(Default)]
struct Counted {
    /// The second in which a client read last, and how often.
    own: HashMap<(StreamId, Option<ClientId>), (i64, u32)>,
    folded: HashMap<FoldedBy, Folded>,
}

/// Reads that wait for the writer.
#[derive(Default)]
pub(super) struct Reads(Mutex<Counted>);

impl Reads {
    /// Adds a request to others, unless it is to have a row of its own.
    pub(super) fn place(&self, entry: &Entry) -> Place {
        if entry.outcome() != Outcome::Read {
            return Place::Own;
        }
        // Beside the lock: it may have to be looked for.
        let filter = contents::filter(entry);
        let mut counted = self.counted();
        if counted.has_own_row(entry) { Place::Own } else { counted.fold(entry, filter) }
    }

    /// What was added up since the last time.
    pub(super) fn take(&self) -> HashMap<FoldedBy, Folded> {
        std::mem::take(&mut self.counted().folded)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn has_own_row(&mut self, entry: &Entry) -> bool {
        if self.own.len() > COUNTED_CLIENTS_MAX {
            self.own.clear();
        }
        let second = entry.second();
        let (counted, reads) =
            self.own.entry((entry.directory.stream(), entry.client)).or_insert((second, 0));
        if *counted != second {
            (*counted, *reads) = (second, 0);
        }
        *reads = reads.saturating_add(1);
        *reads <= OWN_READS_PER_SECOND
    }

    fn fold(&mut self, entry: &Entry, filter: Option<String>) -> Place {
        let by = FoldedBy {
            stream: entry.directory.stream(),
            minute: entry.minute(),
            client: entry.client,
            route: entry.route,
            filter,
        };
        let place = if self.folded.is_empty() { Place::FirstFolded } else { Place::Folded };
        if self.folded.len() >= FOLDED_MAX && !self.folded.contains_key(&by) {
            return Place::Nowhere;
        }
        let folded = self.folded.entry(by).or_insert_with(|| Folded {
            directory: Arc::clone(&entry.directory),
            method: entry.known_method(),
            requests: 0,
            duration: Duration::ZERO,
        });
        folded.requests += 1;
        folded.duration += entry.duration;
        place
    }
}
