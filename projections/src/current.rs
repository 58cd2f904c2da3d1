//! `current.db`: what is true now. Written in the writer's transaction, read by the HTTP workers.
//!
//! A resource is one row: its canonical document as text, beside what lists, filters and the fold need without
//! parsing it. Members, external ids and e-mail addresses are rows of their own, so that no change costs more
//! than what it changes. What the rows mean is [`provisioning::evolve::evolve`]'s; what may become a row is
//! `decide`'s. The tables stand in `migrations/current/`.

mod directory;
mod lasting;
mod list;
mod membership;
mod reader;
mod rows;
mod tenancy;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;

use provisioning::{ResourceId, Revision, Status, Timestamp};
use scim::ResourceType;

use crate::ViewError;
use crate::view::{self, Layout};

pub use lasting::Stretch;
pub use reader::CurrentReader;
pub use writer::{CurrentCopying, CurrentWriter};

const VIEW: &str = "current";

const LAYOUT: Layout = Layout {
    view: VIEW,
    number: 4,
    tables: include_str!("../../migrations/current/tables.sql"),
    indexes: include_str!("../../migrations/current/indexes.sql"),
};

/// Sees to it that a rebuilt file is whole: asked for before the live one is given up, since it takes room on the disk.
pub fn settle(rebuilt: &Path) -> Result<(), ViewError> {
    LAYOUT.settle(rebuilt)
}

/// Puts a rebuilt file (see [`CurrentWriter::open_for_rebuild`]) in the place of the live one. No connection to
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

/// A resource as stored, ready to be answered without parsing its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResource {
    /// The revision of the event that created it: order of creation.
    pub created_revision: Revision,
    /// Its id.
    pub id: ResourceId,
    /// User or Group.
    pub resource_type: ResourceType,
    /// The canonical document's JSON text: an object without `schemas`, `id`, `externalId`, `meta`, `groups`,
    /// `members`.
    pub document: String,
    /// The `externalId` in the domain that was asked for.
    pub external_id: Option<String>,
    /// The revision of its last event: its `ETag`.
    pub revision: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// How far the account is; of groups always active.
    pub status: Status,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many resources match in all.
    pub total: u64,
    /// This page's, in order.
    pub resources: Vec<StoredResource>,
}

/// A group that somebody is a direct member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRef {
    /// The group.
    pub id: ResourceId,
    /// Its `displayName`.
    pub display: String,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// The member.
    pub id: ResourceId,
    /// User or Group.
    pub resource_type: ResourceType,
    /// A User's `displayName` or `userName`, a Group's `displayName`; empty for an erased person.
    pub display: String,
}
