//! Orders of sorted lists that are being paged through, so that they are not made again for each page.
//!
//! A bounded cache and nothing more: an order that is not here is made anew, as of its revision.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use provisioning::Revision;

/// So many of the longest lists are kept.
const LONGEST_KEPT: usize = 4;

/// What an order is known by: tenant, query and revision.
pub type OrderKey = ([u8; 32], Revision);

/// Orders of lists, by the revisions that created the resources.
#[derive(Debug)]
pub struct Orders {
    resources_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    orders: LruCache<OrderKey, Arc<[Revision]>>,
    resources: usize,
}

impl Orders {
    /// None is longer than `resources_max`, and all together have four times as many resources at most.
    pub fn new(resources_max: usize) -> Self {
        Self { resources_max, kept: Mutex::new(Kept { orders: LruCache::unbounded(), resources: 0 }) }
    }

    /// How many resources a sorted list has at most.
    pub fn resources_max(&self) -> usize {
        self.resources_max
    }

    /// An order that is still kept.
    pub fn get(&self, key: &OrderKey) -> Option<Arc<[Revision]>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).orders.get(key).map(Arc::clone)
    }

    /// Keeps an order; those that were not asked for longest make room.
    pub fn put(&self, key: OrderKey, order: Arc<[Revision]>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.resources += order.len();
        if let Some(before) = kept.orders.put(key, order) {
            kept.resources -= before.len();
        }
        // Orders of nothing take room too.
        while (kept.resources > LONGEST_KEPT * self.resources_max || kept.orders.len() > self.resources_max)
            && let Some((_, oldest)) = kept.orders.pop_lru()
        {
            kept.resources -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(length: u64) -> Arc<[Revision]> {
        (0..length).map(Revision).collect()
    }

    #[test]
    fn orders_that_nobody_asked_for_longest_make_room() {
        let orders = Orders::new(10);
        let key = |number: u8| ([number; 32], Revision(1));
        for number in 0..4 {
            orders.put(key(number), order(10));
        }
        orders.get(&key(0)).unwrap();
        orders.put(key(4), order(1));
        let kept = |number| orders.get(&key(number)).is_some();
        assert_eq!([0, 1, 2, 3, 4].map(kept), [true, false, true, true, true]);
        for _ in 0..100 {
            orders.put(key(2), order(9));
        }
        assert_eq!([0, 2, 3, 4].map(kept), [true; 4]);
        for number in 5..30 {
            orders.put(key(number), order(0));
        }
        assert!(orders.kept.lock().unwrap().orders.len() <= 10);
    }
}
