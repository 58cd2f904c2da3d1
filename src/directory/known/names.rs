//! Who of the users that are kept has which name.
//!
//! It leads to where a user is kept and proves nothing: whoever follows it looks at the name that stands there.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use provisioning::ResourceId;

use super::SHARDS;

/// A place in the map: a key, an id and a byte; after it has grown, half of its places are free.
pub(super) const NAME_BYTES: usize = 2 * (size_of::<(NameKey, ResourceId)>() + 1);

/// Stands for a name in a tenant. Nobody outside can make two names that have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NameKey(u64);

/// The names of all tenants.
#[derive(Debug)]
pub(super) struct Names {
    secret: RandomState,
    /// Locked behind a shard of users or alone, never the other way round.
    shards: Vec<Mutex<HashMap<NameKey, ResourceId>>>,
}

impl Default for Names {
    fn default() -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { secret: RandomState::new(), shards }
    }
}

impl Names {
    /// Of a folded name in the tenant of that number.
    pub(super) fn key(&self, tenant: u32, folded: &str) -> NameKey {
        NameKey(self.secret.hash_one((tenant, folded)))
    }

    pub(super) fn get(&self, key: NameKey) -> Option<ResourceId> {
        self.shard(key).get(&key).copied()
    }

    /// Whoever was found by it before is not any more.
    pub(super) fn put(&self, key: NameKey, id: ResourceId) {
        self.shard(key).insert(key, id);
    }

    /// The user is not kept any more; one who has taken over its name stays.
    pub(super) fn forget(&self, key: NameKey, id: ResourceId) {
        if let Entry::Occupied(found) = self.shard(key).entry(key)
            && *found.get() == id
        {
            found.remove();
        }
    }

    /// How many users are found by name.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    fn shard(&self, key: NameKey) -> MutexGuard<'_, HashMap<NameKey, ResourceId>> {
        let number = usize::try_from(key.0 % SHARDS as u64).unwrap_or_default();
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
