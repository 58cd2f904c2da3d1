//! Users as they were read last, so that asking for one again costs no look-up.
//!
//! One store for all tenants, bounded in bytes; whoever was not asked for longest goes first. Promises: nobody is shown
//! less than what somebody was told already. Behind the commit of the view, and before anybody hears of it, the writer
//! forgets whom the batch was about, or everybody where it touched a group, since users show their groups; and what
//! was read before that moment is not kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use projections::current::{GroupRef, StoredResource};
use provisioning::{Recorded, ResourceId, StreamId, Subject};

/// How many bytes all users that are kept may take, at about.
const BYTES_MAX: usize = 24 * 1024 * 1024;
/// A larger user is not kept.
const USER_BYTES_MAX: usize = 64 * 1024;
/// Locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// What keeping a user takes beside what it holds: places in the map and in the list, the count of its holders.
const PLACE_BYTES: usize = 128;

/// A visible user and its groups, of one state.
#[derive(Debug)]
pub struct KnownUser {
    /// The user, with the `externalId` of the domain that was asked for.
    pub stored: StoredResource,
    /// The groups that it is a direct member of.
    pub groups: Vec<GroupRef>,
    domain: String,
    /// The number of moves of its tenant before it was read.
    read_at: u64,
}

impl KnownUser {
    fn bytes(&self) -> usize {
        let texts = self.stored.document.len()
            + self.stored.external_id.as_ref().map_or(0, String::len)
            + self.domain.len();
        let groups = self.groups.iter().map(|group| size_of::<GroupRef>() + group.display.len());
        PLACE_BYTES + size_of::<Self>() + texts + groups.sum::<usize>()
    }
}

#[cfg(test)]
mod tests;

type Place = (StreamId, ResourceId);

/// The users of all tenants that are kept.
#[derive(Debug)]
pub struct KnownUsers {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
}

#[derive(Debug)]
struct Shard {
    users: LruCache<Place, Arc<KnownUser>>,
    bytes: usize,
}

impl Default for KnownUsers {
    fn default() -> Self {
        Self::within(BYTES_MAX)
    }
}

impl KnownUsers {
    fn within(bytes_max: usize) -> Self {
        let shard = || Mutex::new(Shard { users: LruCache::unbounded(), bytes: 0 });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { shards, shard_bytes_max: bytes_max / SHARDS }
    }

    fn shard(&self, place: &Place) -> MutexGuard<'_, Shard> {
        // The end of an id is random.
        let number = usize::from(place.1.0.as_bytes()[15]) % SHARDS;
        // An entry is put in or taken out as a whole, so a panic elsewhere leaves nothing half done.
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn put(&mut self, place: Place, user: Arc<KnownUser>, bytes_max: usize) {
        self.forget(&place);
        self.bytes += user.bytes();
        self.users.put(place, user);
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.users.pop_lru()
        {
            self.bytes -= oldest.bytes();
        }
    }

    fn forget(&mut self, place: &Place) {
        if let Some(user) = self.users.pop(place) {
            self.bytes -= user.bytes();
        }
    }
}

/// One tenant's part.
pub(super) struct Known {
    all: Arc<KnownUsers>,
    stream: StreamId,
    /// How often the view has moved.
    moves: AtomicU64,
    /// Who was read before this move does not count any more.
    valid_from: AtomicU64,
}

impl Known {
    pub(super) fn of(all: &Arc<KnownUsers>, stream: StreamId) -> Self {
        Self { all: Arc::clone(all), stream, moves: AtomicU64::new(0), valid_from: AtomicU64::new(0) }
    }

    /// The user, as a client of that domain sees it, if it is kept.
    pub(super) fn get(&self, id: ResourceId, domain: &str) -> Option<Arc<KnownUser>> {
        let place = (self.stream, id);
        let mut shard = self.all.shard(&place);
        let known = shard.users.get(&place)?;
        let counts = known.domain == domain && known.read_at >= self.valid_from.load(Ordering::SeqCst);
        counts.then(|| Arc::clone(known))
    }

    /// To be asked before a user is read that is to be kept.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// Keeps a user that was read for a domain since `read_at`, unless the view has moved meanwhile.
    pub(super) fn keep(
        &self,
        stored: StoredResource,
        groups: Vec<GroupRef>,
        domain: &str,
        read_at: u64,
    ) -> Arc<KnownUser> {
        let place = (self.stream, stored.id);
        let known = Arc::new(KnownUser { stored, groups, domain: domain.to_owned(), read_at });
        if known.bytes() <= USER_BYTES_MAX {
            let mut shard = self.all.shard(&place);
            // Under the lock: a writer that moves now has yet to forget what is put in.
            if self.moves() == read_at {
                shard.put(place, Arc::clone(&known), self.all.shard_bytes_max);
            }
        }
        known
    }

    /// The view was committed with these events; `None`: with whatever.
    pub(super) fn moved(&self, events: Option<&[Recorded]>) {
        let moves = self.moves.fetch_add(1, Ordering::SeqCst) + 1;
        let is_of_group = |event: &Recorded| matches!(event.header.subject, Subject::Group(_));
        let Some(events) = events.filter(|events| !events.iter().any(is_of_group)) else {
            self.valid_from.store(moves, Ordering::SeqCst);
            return;
        };
        for event in events {
            if let Subject::User(id) = event.header.subject {
                let place = (self.stream, id);
                self.all.shard(&place).forget(&place);
            }
        }
    }
}
