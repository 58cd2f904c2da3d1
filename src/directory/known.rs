//! Users as they were read last, so that asking for one again costs no look-up.
//!
//! One store for all tenants, bounded in bytes; whoever was not asked for longest goes first. Users are kept packed
//! ([`packed`]), so that it holds a hundred thousand ordinary ones, and are found by id or by name. Promises: nobody is shown less than what somebody
//! was told already. Behind the commit of the view, and before anybody hears of it, the writer forgets whom the batch
//! was about, or everybody where it touched a group, since users show their groups; and what was read before that
//! moment is not kept.

mod forms;
mod names;
mod packed;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use projections::current::{GroupRef, StoredResource};
use provisioning::{Recorded, ResourceId, Subject};
use scim::fold::fold;

use forms::Forms;
use names::{NAME_BYTES, Names};
use packed::Packed;

/// How many bytes all users that are kept may take.
const BYTES_MAX: usize = 56 * 1024 * 1024;
/// Locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Two pointers of the list.
const LINK_BYTES: usize = 16;
/// A place in the map: two pointers and a byte; after it has grown, half of its places are free.
const SLOT_BYTES: usize = 2 * 17;

/// A visible user and its groups, of one state.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// The user, with the `externalId` of the domain that was asked for.
    pub stored: StoredResource,
    /// The groups that it is a direct member of.
    pub groups: Vec<GroupRef>,
}

#[cfg(test)]
mod tests;

/// The number of a tenant that is open, and one of its users.
type Place = (u32, ResourceId);

/// The users of all tenants that are kept.
#[derive(Debug)]
pub struct KnownUsers {
    shards: Vec<Mutex<Shard>>,
    names: Names,
    shard_bytes_max: usize,
    /// How many tenants were opened. One that is opened again has another number and finds nothing of before.
    opened: AtomicU32,
}

#[derive(Debug)]
struct Shard {
    users: LruCache<Place, Packed>,
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
        let names = Names::default();
        Self { shards, names, shard_bytes_max: bytes_max / SHARDS, opened: AtomicU32::new(0) }
    }

    fn shard(&self, place: &Place) -> MutexGuard<'_, Shard> {
        // The end of an id is random.
        let number = usize::from(place.1.0.as_bytes()[15]) % SHARDS;
        // An entry is put in or taken out as a whole, so a panic elsewhere leaves nothing half done.
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn put(&mut self, place: Place, user: Packed, bytes_max: usize, names: &Names) {
        self.forget(&place, names);
        self.bytes += bytes_of(&user);
        if let Some(name) = user.name() {
            names.put(name.key, place.1);
        }
        self.users.put(place, user);
        while self.bytes > bytes_max
            && let Some((oldest, user)) = self.users.pop_lru()
        {
            self.is_gone(&oldest, &user, names);
        }
    }

    fn forget(&mut self, place: &Place, names: &Names) {
        if let Some(user) = self.users.pop(place) {
            self.is_gone(place, &user, names);
        }
    }

    fn is_gone(&mut self, place: &Place, user: &Packed, names: &Names) {
        self.bytes -= bytes_of(user);
        if let Some(name) = user.name() {
            names.forget(name.key, place.1);
        }
    }
}

/// Everything that keeping a user takes.
fn bytes_of(user: &Packed) -> usize {
    size_of::<(Place, Packed)>() + LINK_BYTES + SLOT_BYTES + NAME_BYTES + user.bytes()
}

/// One tenant's part.
pub(super) struct Known {
    all: Arc<KnownUsers>,
    number: u32,
    forms: Forms,
    /// How often the view has moved.
    moves: AtomicU64,
    /// Who was read before this move does not count any more.
    valid_from: AtomicU64,
}

impl Known {
    /// Of a tenant that is opened now.
    pub(super) fn of(all: &Arc<KnownUsers>) -> Self {
        let number = all.opened.fetch_add(1, Ordering::Relaxed);
        let (moves, valid_from) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { all: Arc::clone(all), number, forms: Forms::default(), moves, valid_from }
    }

    /// The user, as a client of that domain sees it, if it is kept.
    pub(super) fn get(&self, id: ResourceId, domain: &str) -> Option<KnownUser> {
        let (user, ()) = self.unpacked(id, domain, |_| Some(()))?;
        Some(user)
    }

    /// The visible user with that name, which is folded, likewise. It is the only one: a name belongs to one visible
    /// user at a time, and whoever is kept has its name still, or nobody was told yet that it has not.
    pub(super) fn named(&self, folded: &str, domain: &str) -> Option<KnownUser> {
        let key = self.all.names.key(self.number, folded);
        let id = self.all.names.get(key)?;
        let (user, name) = self.unpacked(id, domain, |kept| kept.name().filter(|name| name.key == key))?;
        let is_so_named = name.text(&user.stored.document).is_some_and(|text| fold(text) == folded);
        is_so_named.then_some(user)
    }

    /// Whoever is kept under that id, and what `look` finds in the packed form.
    fn unpacked<T>(
        &self,
        id: ResourceId,
        domain: &str,
        look: impl FnOnce(&Packed) -> Option<T>,
    ) -> Option<(KnownUser, T)> {
        let place = (self.number, id);
        let mut shard = self.all.shard(&place);
        let known = shard.users.get(&place)?;
        if !known.is_of(domain) || known.read_at < self.valid_from.load(Ordering::SeqCst) {
            return None;
        }
        let looked = look(known)?;
        // Under the lock: it takes no longer than a copy of the packed form and its allocation would.
        Some((known.unpack(id, &self.forms)?, looked))
    }

    /// To be asked before a user is read that is to be kept.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// Keeps a user that was read for a domain since `read_at`, unless the view has moved meanwhile or it is too large.
    pub(super) fn keep(&self, user: &KnownUser, domain: &str, read_at: u64) {
        if self.moves() != read_at {
            return;
        }
        let key_of = |folded: &str| self.all.names.key(self.number, folded);
        let Some(packed) = Packed::of(user, domain, read_at, &self.forms, key_of) else { return };
        let place = (self.number, user.stored.id);
        let mut shard = self.all.shard(&place);
        // Under the lock: a writer that moves now has yet to forget what is put in.
        if self.moves() == read_at {
            shard.put(place, packed, self.all.shard_bytes_max, &self.all.names);
        }
    }

    /// The view was committed with these events; `None`: with whatever.
    pub(super) fn moved(&self, events: Option<&[Recorded]>) {
        let moves = self.moves.fetch_add(1, Ordering::SeqCst) + 1;
        let is_of_group = |event: &Recorded| matches!(event.header.subject, Subject::Group(_));
        if events.is_none_or(|events| events.iter().any(is_of_group)) {
            self.valid_from.store(moves, Ordering::SeqCst);
        }
        // Also where nobody counts any more: who is erased does not stay in memory until there is no room.
        for event in events.unwrap_or_default() {
            if let Subject::User(id) = event.header.subject {
                let place = (self.number, id);
                self.all.shard(&place).forget(&place, &self.all.names);
            }
        }
    }
}
