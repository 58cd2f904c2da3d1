//! Lists: filter, order, page, total (RFC 7644 section 3.4.2).
//!
//! A page is found in two steps: first the row numbers, in order, from indexes where there are any; then the
//! documents of this page alone. Both, and the total, are read from one state.

use rusqlite::types::Value;
use rusqlite::{Statement, params_from_iter};
use scim::ResourceType;
use scim::list::ListQuery;

use super::{CurrentReader, Page, failed};
use crate::ViewError;
use crate::column::{integer, read};
use crate::filter_sql::{Compiler, Fragment};

/// The longest statement that is kept prepared: what is longer is a filter of hundreds of terms, asked once.
const CACHED_BYTES_MAX: usize = 4 * 1024;

impl CurrentReader {
    /// A page of visible resources of a type. `domain` is what `externalId` means in filter, sort and answer.
    pub fn list(
        &self,
        resource_type: ResourceType,
        query: &ListQuery,
        domain: Option<&str>,
    ) -> Result<Page, ViewError> {
        self.page(Compiler { resource_type, domain }, query).map_err(failed)
    }

    fn page(&self, compiler: Compiler<'_>, query: &ListQuery) -> rusqlite::Result<Page> {
        let snapshot = self.connection.unchecked_transaction()?;
        let matching = matching(compiler, query);
        let skipped = query.start_index.saturating_sub(1);
        let rids = match query.count {
            0 => Vec::new(),
            count => {
                self.select(&page_of(compiler, query, &matching, skipped, count), |statement, values| {
                    statement.query_map(params_from_iter(values), |row| read(row, 0))?.collect()
                })?
            }
        };
        let found = rids.len() as u64;
        // A page that is not full ends the list, unless it begins beyond the end.
        let ends = rids.len() < query.count && (found > 0 || skipped == 0);
        let total = if ends { skipped + found } else { self.count(matching)? };
        let resources = self.rows(rids, compiler.domain)?;
        snapshot.finish()?;
        Ok(Page { total, resources })
    }

    fn count(&self, matching: Fragment) -> rusqlite::Result<u64> {
        self.select(&Fragment::text("SELECT count(*)").then(matching), |statement, values| {
            statement.query_row(params_from_iter(values), |row| read(row, 0))
        })
    }

    fn select<T>(
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

/// From where, and which: the part that a page and its total share.
fn matching(compiler: Compiler<'_>, query: &ListQuery) -> Fragment {
    let visible = Fragment::text(" FROM resources AS r WHERE r.type = ")
        .bind(compiler.resource_type.name().to_owned())
        .then_text(" AND r.hidden = 0");
    match &query.filter {
        Some(filter) => visible.then_text(" AND ").then(compiler.compile(filter)),
        None => visible,
    }
}

/// The row numbers of a page, in order.
fn page_of(
    compiler: Compiler<'_>,
    query: &ListQuery,
    matching: &Fragment,
    skipped: u64,
    count: usize,
) -> Fragment {
    let mut select = Fragment::text("SELECT r.rid").then(matching.clone()).then_text(" ORDER BY ");
    if let Some(sort) = &query.sort {
        // RFC 7644 section 3.4.2.3: what has no value is last when ascending, first when descending.
        let order = if sort.descending { " DESC NULLS FIRST, " } else { " ASC NULLS LAST, " };
        select = select.then(compiler.sort_key(&sort.path)).then_text(order);
    }
    select.then_text("r.rid LIMIT ").bind(integer(count as u64)).then_text(" OFFSET ").bind(integer(skipped))
}
