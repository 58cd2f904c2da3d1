//! What the view still says of an earlier state: resources that nothing was recorded about since.
//!
//! Each answer is read from one state and names its position. What else there was, history and the log tell; history
//! must have reached that position before it is asked.

use provisioning::Revision;
use rusqlite::{OptionalExtension as _, params, params_from_iter};
use scim::list::ListQuery;

use super::list::{Visibility, matching, page_of};
use super::reader::stored;
use super::{CurrentReader, StoredResource, failed};
use crate::ViewError;
use crate::column::{Column, integer, read};
use crate::filter_sql::Fragment;
use crate::view;

/// A part of a list in the order of creation, as it was after a revision.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Nothing was recorded about a resource since this revision.
    pub revision: Revision,
    /// It was created behind this revision
    pub after: Revision,
    /// and not behind this one.
    pub up_to: Revision,
    /// At most so many.
    pub limit: usize,
    /// Hidden ones too.
    pub hidden: bool,
}

impl CurrentReader {
    /// Where the view stands, and how many visible resources match there.
    pub fn total_at(&self, query: &ListQuery, domain: Option<&str>) -> Result<(Revision, u64), ViewError> {
        self.at_position(|| self.total(query, domain)).map_err(failed)
    }

    /// Where the view stands, and all visible resources that match there, at most `limit`, in the list's order and by
    /// the revisions that created them.
    pub fn order_at(
        &self,
        query: &ListQuery,
        domain: Option<&str>,
        limit: usize,
    ) -> Result<(Revision, Vec<Revision>), ViewError> {
        self.at_position(|| {
            self.select(&page_of(query, domain, 0, limit), |statement, values| {
                statement.query_map(params_from_iter(values), |row| read(row, 0))?.collect()
            })
        })
        .map_err(failed)
    }

    /// The resources of a stretch that match and are today as they were then, oldest first.
    pub fn lasting(
        &self,
        query: &ListQuery,
        domain: Option<&str>,
        stretch: Stretch,
    ) -> Result<(Revision, Vec<StoredResource>), ViewError> {
        self.at_position(|| {
            let rids = self.select(&lasting(query, domain, stretch), |statement, values| {
                statement.query_map(params_from_iter(values), |row| read(row, 0))?.collect()
            })?;
            self.rows(rids, domain)
        })
        .map_err(failed)
    }

    /// Those of these resources that are today as they were after `revision`.
    pub fn lasting_of(
        &self,
        created: &[Revision],
        revision: Revision,
        domain: Option<&str>,
    ) -> Result<(Revision, Vec<StoredResource>), ViewError> {
        let resource = "\
            SELECT r.id, r.type, r.revision, r.created_at, r.modified_at, r.document,
                   (SELECT x.value FROM external_ids AS x WHERE x.rid = r.rid AND x.domain = ?2), r.rid,
                    r.active, r.invited
            FROM resources AS r WHERE r.rid = ?1 AND r.revision <= ?3";
        self.at_position(|| {
            let mut resource = self.connection.prepare_cached(resource)?;
            let found = created.iter().filter_map(|rid| {
                let values = params![Column(*rid), domain, Column(revision)];
                resource.query_row(values, stored).optional().transpose()
            });
            found.collect()
        })
        .map_err(failed)
    }

    fn at_position<T>(&self, read: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<(Revision, T)> {
        let snapshot = self.connection.unchecked_transaction()?;
        let answer = (view::position(&snapshot)?.revision, read()?);
        snapshot.finish()?;
        Ok(answer)
    }
}

pub(crate) fn lasting(query: &ListQuery, domain: Option<&str>, stretch: Stretch) -> Fragment {
    let visibility = if stretch.hidden { Visibility::Every } else { Visibility::Visible };
    let mut select = Fragment::default();
    for (index, part) in query.parts.iter().enumerate() {
        select = select
            .then_text(if index == 0 { "" } else { " UNION ALL " })
            .then_text("SELECT r.rid AS rid")
            .then(matching(part, domain, visibility))
            .then_text(" AND r.rid > ")
            .bind(integer(stretch.after.0))
            .then_text(" AND r.rid <= ")
            .bind(integer(stretch.up_to.0))
            .then_text(" AND r.revision <= ")
            .bind(integer(stretch.revision.0));
    }
    select.then_text(" ORDER BY rid LIMIT ").bind(integer(stretch.limit as u64))
}
