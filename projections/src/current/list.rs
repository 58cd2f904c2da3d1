//! Lists: filter, order, page, total (RFC 7644 section 3.4.2), over one resource type or several.
//!
//! A page is found in two steps: first the row numbers, in order, from indexes where there are any; then the
//! documents of this page alone. Whoever asks sees to it that both, and the total, are read from one state
//! ([`CurrentReader::snapshot`]).

use provisioning::{ResourceId, Revision};
use rusqlite::types::Value;
use rusqlite::{Statement, params_from_iter};
use scim::list::{ListQuery, Order, Part};

use super::{CurrentReader, Page, failed};
use crate::ViewError;
use crate::column::{integer, read};
use crate::filter_sql::{Compiler, Fragment};

/// The longest statement that is kept prepared: what is longer is a filter of hundreds of terms, asked once.
const CACHED_BYTES_MAX: usize = 4 * 1024;

impl CurrentReader {
    /// A page of visible resources. `domain` is what `externalId` means in filter, sort and answer.
    pub fn list(&self, query: &ListQuery, domain: Option<&str>) -> Result<Page, ViewError> {
        self.page(query, domain).map_err(failed)
    }

    /// The first two visible resources that match, each with the revision of its last event, of a query of one part.
    pub fn first_two(
        &self,
        query: &ListQuery,
        domain: &str,
    ) -> Result<Vec<(ResourceId, Revision)>, ViewError> {
        let [part] = query.parts.as_slice() else { return Ok(Vec::new()) };
        let first = Fragment::text("SELECT r.id, r.revision")
            .then(matching(part, Some(domain), Visibility::Visible))
            .then_text(" ORDER BY r.rid LIMIT 2");
        let found = self.select(&first, |statement, values| {
            let rows =
                statement.query_map(params_from_iter(values), |row| Ok((read(row, 0)?, read(row, 1)?)))?;
            rows.collect()
        });
        found.map_err(failed)
    }

    fn page(&self, query: &ListQuery, domain: Option<&str>) -> rusqlite::Result<Page> {
        let skipped = query.start_index.saturating_sub(1);
        let rids = match query.count {
            0 => Vec::new(),
            count => self.select(&page_of(query, domain, skipped, count), |statement, values| {
                statement.query_map(params_from_iter(values), |row| read(row, 0))?.collect()
            })?,
        };
        let found = rids.len() as u64;
        // A page that is not full ends the list, unless it begins beyond the end.
        let ends = rids.len() < query.count && (found > 0 || skipped == 0);
        let total = if ends { skipped + found } else { self.total(query, domain)? };
        let resources = self.rows(rids, domain)?;
        Ok(Page { total, resources })
    }

    pub(super) fn total(&self, query: &ListQuery, domain: Option<&str>) -> rusqlite::Result<u64> {
        let counts = query.parts.iter().map(|part| {
            let count = Fragment::text("SELECT count(*)").then(matching(part, domain, Visibility::Visible));
            self.select(&count, |statement, values| {
                statement.query_row(params_from_iter(values), |row| read::<u64>(row, 0))
            })
        });
        counts.sum()
    }

    pub(super) fn select<T>(
        &self,
        select: &Fragment,
        run: impl FnOnce(&mut Statement<'_>, &[Value]) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if select.sql().len() > CACHED_BYTES_MAX {
            run(&mut self.connection.prepare(select.sql())?, select.values())
        } else {
            let mut kept = self.connection.prepare_cached(select.sql())?;
            run(&mut kept, select.values())
        }
    }
}

/// Whom a list may show.
#[derive(Debug, Clone, Copy)]
pub(super) enum Visibility {
    Visible,
    Every,
}

/// From where, and which: the part that a page and its total share.
pub(super) fn matching(part: &Part, domain: Option<&str>, visibility: Visibility) -> Fragment {
    let of_type =
        Fragment::text(" FROM resources AS r WHERE r.type = ").bind(part.resource_type.name().to_owned());
    let shown = match visibility {
        Visibility::Visible => of_type.then_text(" AND r.hidden = 0"),
        Visibility::Every => of_type,
    };
    match &part.filter {
        Some(filter) => shown.then_text(" AND ").then(compiler(part, domain).compile(filter)),
        None => shown,
    }
}

fn compiler<'q>(part: &Part, domain: Option<&'q str>) -> Compiler<'q> {
    Compiler { resource_type: part.resource_type, domain }
}

/// The row numbers of a page, in order.
pub(super) fn page_of(query: &ListQuery, domain: Option<&str>, skipped: u64, count: usize) -> Fragment {
    let order = match query.order {
        Order::Created => "",
        // RFC 7644 section 3.4.2.3: what has no value is last when ascending, first when descending.
        Order::Ascending => "sort_key ASC NULLS LAST, ",
        Order::Descending => "sort_key DESC NULLS FIRST, ",
    };
    let mut select = Fragment::default();
    for (index, part) in query.parts.iter().enumerate() {
        let union = if index == 0 { "" } else { " UNION ALL " };
        select = select.then_text(union).then_text("SELECT r.rid AS rid");
        if query.order != Order::Created {
            let key = part.sort_by.as_ref().map(|path| compiler(part, domain).sort_key(path));
            select = select.then_text(", ").then(key.unwrap_or(Fragment::text("NULL")));
            select = select.then_text(" AS sort_key");
        }
        select = select.then(matching(part, domain, Visibility::Visible));
    }
    select
        .then_text(" ORDER BY ")
        .then_text(order)
        .then_text("rid LIMIT ")
        .bind(integer(count as u64))
        .then_text(" OFFSET ")
        .bind(integer(skipped))
}
