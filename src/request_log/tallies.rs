//! Counts over the whole log: what it cannot tell of single requests, and since when a connection fails.

use provisioning::Timestamp;
use rusqlite::params;

use super::file::sql;
use super::reading::{Reader, ReadingError, unsigned};

/// Some requests, and when the last of them came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub requests: u64,
    /// When the last one came.
    pub last_at: Option<Timestamp>,
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

    /// Refused requests before that row.
    pub fn refused_before(&self, number: u64) -> Result<Tally, ReadingError> {
        self.tally("outcome IN ('refused', 'failed') AND number < ?1", sql(number))
    }

    fn tally(&self, which: &str, value: i64) -> Result<Tally, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(Tally::default()) };
        let query = format!("SELECT ifnull(sum(requests), 0), max(at) FROM requests WHERE {which}");
        Ok(connection.query_row(&query, [value], |row| {
            let last_at: Option<i64> = row.get(1)?;
            Ok(Tally { requests: unsigned(row.get(0)?), last_at: last_at.map(Timestamp) })
        })?)
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
