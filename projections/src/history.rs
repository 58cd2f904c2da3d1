//! `history.db`: who had what, when. A follower of the log, read by the audit interface and the CLI.
//!
//! It keeps names, `active`, existence and memberships through time, and points into the log for everything else:
//! no second copy of any document. What a resource was after a revision is told by [`Past`] and the fold of the
//! events that [`HistoryReader::events_of`] names. The tables stand in `migrations/history/`.

mod fold;
mod instants;
mod intervals;
mod reader;
mod then;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;

use provisioning::{ResourceId, Revision, Timestamp};
use scim::ResourceType;

use crate::ViewError;
use crate::view::{self, Layout};

pub use fold::abridged;
pub use reader::HistoryReader;
pub use writer::HistoryWriter;

const VIEW: &str = "history";

const LAYOUT: Layout = Layout {
    view: VIEW,
    number: 2,
    tables: include_str!("../../migrations/history/tables.sql"),
    indexes: include_str!("../../migrations/history/indexes.sql"),
};

/// Sees to it that a rebuilt file is whole: asked for before the live one is given up, since it takes room on the disk.
pub fn settle(rebuilt: &Path) -> Result<(), ViewError> {
    LAYOUT.settle(rebuilt)
}

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

/// A user or group as it was after some revision, but for its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The revision of the event that created it: order of creation.
    pub created_revision: Revision,
    /// Its id.
    pub id: ResourceId,
    /// User or Group.
    pub resource_type: ResourceType,
    /// Its userName or displayName then; `None` if the person was erased.
    pub name: Option<String>,
    /// Hidden then: an inactive account to auditors, nobody to SCIM.
    pub hidden: bool,
    /// The person was erased.
    pub erased: bool,
    /// The revision of its last event then: its `ETag`.
    pub revision: Revision,
    /// When that was recorded.
    pub modified_at: Timestamp,
    /// Nothing was recorded about it since: it is today as it was then.
    pub lasts: bool,
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
