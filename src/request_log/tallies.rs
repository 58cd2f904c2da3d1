//! Counts over the whole log: what it cannot tell of single requests, and since when a connection fails.

use provisioning::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{params, params_from_iter};

use super::file::{has_about, sql};
use super::names::same_name;
use super::reading::{Reader, ReadingError, numbers_of, unsigned};

/// Some requests, and when the last of them came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub requests: u64,
    /// When the last one came.
    pub last_at: Option<Timestamp>,
}

impl Tally {
    pub(super) fn add(&mut self, at: Timestamp) {
        self.requests += 1;
        self.last_at = self.last_at.max(Some(at));
    }
}

fn read_tally(row: &rusqlite::Row<'_>) -> rusqlite::Result<Tally> {
    let last_at: Option<i64> = row.get(1)?;
    Ok(Tally { requests: unsigned(row.get(0)?), last_at: last_at.map(Timestamp) })
}

impl Reader {
    /// When the oldest request came that still has a row.
    pub fn first_at(&self) -> Result<Option<Timestamp>, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(None) };
        let first: Option<i64> =
            connection.query_row("SELECT min(at) FROM requests", [], |row| row.get(0))?;
        Ok(first.map(Timestamp))
    }

    /// Look-ups that share rows, so that nobody knows whom they named; `by_id` are reads of single resources, too.
    pub fn nameless_reads(&self, by_id: bool) -> Result<Tally, ReadingError> {
        self.tally(
            "folded = 1 AND (filter IS NOT NULL OR route LIKE '%/.search' OR (?1 AND route LIKE '%/{id}'))",
            i64::from(by_id),
        )
    }

    /// Requests before that row of which something was refused, and that name none of these.
    pub fn refused_before(&self, number: u64, names: &[String]) -> Result<Tally, ReadingError> {
        let Some((connection, key)) = &self.0 else { return Ok(Tally::default()) };
        let places: Vec<String> = (2..names.len() + 2).map(|place| format!("?{place}")).collect();
        let those = numbers_of(connection, "0", &places.join(", "))?;
        let query = format!(
            "SELECT ifnull(sum(requests), 0), max(at) FROM requests
             WHERE (outcome IN ('refused', 'failed') OR code IS NOT NULL) AND number < ?1
                 AND number NOT IN ({those})"
        );
        let fingerprints = key.fingerprints();
        let names = names.iter().map(|name| Sql::Blob(fingerprints.of(&same_name(name)).to_vec()));
        let values = std::iter::once(Sql::Integer(sql(number))).chain(names);
        Ok(connection.query_row(&query, params_from_iter(values), read_tally)?)
    }

    /// Requests that name more people than can be found, or could not be looked into though they were carried out.
    pub fn cut(&self) -> Result<Tally, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(Tally::default()) };
        if has_about(connection)? { self.tally("is_cut = ?1", 1) } else { Ok(Tally::default()) }
    }

    /// Requests to the tenant's address with a token of another tenant.
    pub fn foreign(&self) -> Result<Tally, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(Tally::default()) };
        if !has_about(connection)? {
            return Ok(Tally::default());
        }
        Ok(connection.query_row("SELECT foreign_requests, foreign_at FROM meta", [], read_tally)?)
    }

    fn tally(&self, which: &str, value: i64) -> Result<Tally, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(Tally::default()) };
        let query = format!("SELECT ifnull(sum(requests), 0), max(at) FROM requests WHERE {which}");
        Ok(connection.query_row(&query, [value], read_tally)?)
    }

    /// Since when at least four of ten requests of a client fail, day by day; `None` if they do not now, or there are
    /// fewer than `requests_min` of them.
    pub fn failing_since(&self, client: &str, requests_min: u64) -> Result<Option<Timestamp>, ReadingError> {
        const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
        let Some((connection, _)) = &self.0 else { return Ok(None) };
        let mut statement = connection.prepare(
            "SELECT sum(requests), sum(iif(outcome IN ('refused', 'failed'), requests, 0)),
                    min(iif(outcome IN ('refused', 'failed'), at, NULL))
             FROM requests WHERE client = ?1 GROUP BY at / ?2 ORDER BY at / ?2 DESC",
        )?;
        let mut days = statement.query(params![client, DAY_MICROS])?;
        let (mut all, mut since) = (0, None);
        while let Some(day) = days.next()? {
            let (requests, failed) = (unsigned(day.get(0)?), unsigned(day.get(1)?));
            let first_failed: Option<i64> = day.get(2)?;
            if failed * 10 < requests * 4 {
                break;
            }
            all += requests;
            since = first_failed.or(since);
        }
        Ok(since.filter(|_| all >= requests_min).map(Timestamp))
    }
}
