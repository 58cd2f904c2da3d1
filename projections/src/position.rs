//! The place in the log that a view has reached.

use provisioning::Revision;

/// How far a view has come, and the Merkle root there: the log must contain it, else the view is of another log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The last event that the view has taken in; 0 for an empty view.
    pub revision: Revision,
    /// The Merkle root over the headers up to there (all zeros for an empty view).
    pub root: [u8; 32],
}
