//! Whom a request names: what is to be found again by `why`, and by erasure.

use std::collections::BTreeSet;

use scim::fold;

/// The most names of one request that are kept. A request that names more can be found by the first of them only.
const NAMES_MAX: usize = 4_000;

/// Names are at most that long.
const NAME_BYTES_MAX: usize = 1_024;

/// How a name is written so that two that are the same are equal.
pub(crate) fn same_name(name: &str) -> String {
    fold::fold(name.trim())
}

/// The names that were found so far.
#[derive(Default)]
pub(super) struct Names {
    found: BTreeSet<String>,
    cut: bool,
}

impl Names {
    /// Whether there are more than are kept.
    pub(super) fn are_cut(&self) -> bool {
        self.cut
    }

    /// As [`same_name`] writes them.
    pub(super) fn into_found(self) -> BTreeSet<String> {
        self.found
    }

    /// Adds what was found elsewhere in the request.
    pub(super) fn extend(&mut self, others: Self) {
        self.cut |= others.cut;
        for name in others.found {
            self.insert(name);
        }
    }

    pub(super) fn add(&mut self, name: &str) {
        if name.len() <= NAME_BYTES_MAX {
            let name = same_name(name);
            if !name.is_empty() {
                self.insert(name);
            }
        }
    }

    fn insert(&mut self, name: String) {
        if self.found.len() < NAMES_MAX {
            self.found.insert(name);
        } else {
            self.cut |= !self.found.contains(&name);
        }
    }
}
