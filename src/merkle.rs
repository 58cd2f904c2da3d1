//! The Merkle tree over the headers of a stream (RFC 6962): leaf and node hashes, the frontier, the root.
//!
//! Proofs and signed checkpoints come with the issue on evidence; what is stored from the first event on is
//! fixed here: with each event its leaf hash and the hashes of the inner nodes that it completes. A root needs
//! no more than that, however long the stream is.

use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 ‖ header)`.
pub fn leaf_hash(header: &[u8]) -> Hash {
    // RFC 6962 section 2.1: leaves and nodes have different prefixes, so that neither can pass for the other.
    Sha256::new().chain_update([0x00]).chain_update(header).finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// How many hashes are stored with the `leaf`th leaf (1-based): its own, and one for each complete subtree whose
/// last leaf it is.
pub fn hashes_completed(leaf: u64) -> usize {
    leaf.trailing_zeros() as usize + 1
}

/// The right edge of a tree: the roots of its complete subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One for each 1 in the binary form of `size`, from its highest to its lowest.
    roots: Vec<Hash>,
}

impl Frontier {
    /// Adds a leaf and returns the hashes that it completes: the leaf itself, then each inner node from the
    /// smallest to the largest. This is what is stored with the event.
    pub fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        self.size += 1;
        let mut completed = Vec::with_capacity(hashes_completed(self.size));
        completed.push(leaf);
        let mut subtree = leaf;
        // Counting up by one in binary: each carry joins two subtrees of equal size.
        for _ in 1..hashes_completed(self.size) {
            let left = self.roots.pop().expect("every 1 in the size has its subtree");
            subtree = node_hash(&left, &subtree);
            completed.push(subtree);
        }
        self.roots.push(subtree);
        completed
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves; of the empty tree, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let mut subtrees = self.roots.iter().rev();
        let Some(smallest) = subtrees.next() else { return Sha256::digest([]).into() };
        subtrees.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// The frontier of a tree of `size` leaves, from stored hashes: `stored(n)` are those of the `n`th leaf
    /// (1-based), as [`Frontier::push`] returned them. Asks for at most 64 leaves.
    ///
    /// `stored` must answer exactly [`hashes_completed`] hashes: only it can say what is wrong with its storage.
    pub fn load<E>(size: u64, mut stored: impl FnMut(u64) -> Result<Vec<Hash>, E>) -> Result<Self, E> {
        let mut frontier = Self { size, roots: Vec::with_capacity(size.count_ones() as usize) };
        let mut last_leaf = 0;
        for level in (0..u64::BITS).rev().filter(|level| size & (1 << level) != 0) {
            // The subtree ends at the leaf whose number is all the higher 1s and this one, hence it is the
            // largest that this leaf completes.
            last_leaf += 1 << level;
            let hashes = stored(last_leaf)?;
            debug_assert_eq!(hashes.len(), hashes_completed(last_leaf), "hashes of leaf {last_leaf}");
            frontier.roots.push(*hashes.last().expect("every leaf is stored with at least its own hash"));
        }
        Ok(frontier)
    }
}
