//! `history.db`: who had what, when. A follower of the log, read by the audit interface and the CLI.
//!
//! It keeps names, `active`, existence and memberships through time, and points into the log for everything else:
//! no second copy of any document. The tables stand in `migrations/history/`.

mod fold;
mod instants;
mod intervals;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;

use provisioning::{ResourceId, Revision, Timestamp};

use crate::ViewError;
use crate::view::{self, Layout};

pub use reader::HistoryReader;
pub use writer::HistoryWriter;

const VIEW: &str = "history";

const LAYOUT: Layout = Layout {
    view: VIEW,
    number: 1,
    tables: include_str!("../../migrations/history/tables.sql"),
    indexes: include_str!("../../migrations/history/indexes.sql"),
};

/// Puts a rebuilt file (see [`HistoryWriter::open_for_rebuild`]) in the place of the live one. No connection to
/// either may be open.
pub fn replace(live: &Path, rebuilt: &Path) -> Result<(), ViewError> {
    LAYOUT.replace(live, rebuilt)
}

fn failed(source: rusqlite::Error) -> ViewError {
    view::failed(VIEW, source)
}

fn broken(reason: String) -> ViewError {
    ViewError::Broken { view: VIEW, reason }
}

/// An interval of a direct membership, in revisions and instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipInterval {
    /// The group.
    pub group: ResourceId,
    /// The member.
    pub member: ResourceId,
    /// The event that began it.
    pub from_revision: Revision,
    /// When it began.
    pub from: Timestamp,
    /// The event that ended it; `None` while it is open.
    pub to_revision: Option<Revision>,
    /// When it ended.
    pub to: Option<Timestamp>,
}

/// Somebody's state at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    /// The user.
    pub id: ResourceId,
    /// The `userName` then; `None` if the person was erased.
    pub user_name: Option<String>,
    /// `active` then.
    pub active: bool,
    /// The groups that the user was a direct member of then, with their `displayName` then, oldest first.
    pub groups: Vec<(ResourceId, Option<String>)>,
}

/// The broker's acceptance of a deprovisioning message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The event that the message is about.
    pub revision: Revision,
    /// The sequence in the `JetStream` stream.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
}
