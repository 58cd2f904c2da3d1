//! Reading a tenant's request log: rows in their order, one request with what was sealed, whoever a name means.

use std::collections::BTreeSet;

use provisioning::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use scim::schemas::Schemas;
use serde::Serialize;
use serde_json::Value;

use super::about::{self, Operation, Print};
use super::file::{CHUNK_ROWS, FileError, has_about, has_chunks, open_to_read, sql};
use super::names::same_name;
use crate::directory::Directory;
use crate::sealing::SideFileKey;

/// The log cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("the request log cannot be read: {0}")]
pub struct ReadingError(String);

impl From<FileError> for ReadingError {
    fn from(error: FileError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for ReadingError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rusqlite::Error> for ReadingError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// One row.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The row's place; `after` counts in it.
    pub number: u64,
    /// The request's id; null if the row stands for several reads.
    pub id: Option<String>,
    /// When the request came; of folded reads, their minute.
    pub at: Timestamp,
    /// Id of the client.
    pub client: Option<String>,
    /// Id of the token.
    pub token: Option<String>,
    /// The method.
    pub method: String,
    /// The template of the path.
    pub route: String,
    /// The filter without values.
    pub filter: Option<String>,
    /// The answer's status; null for folded reads, which all succeeded.
    pub status: Option<u16>,
    /// The codes of what failed.
    pub code: Option<String>,
    /// `read`, `recorded`, `unchanged`, `refused` or `failed`.
    pub outcome: String,
    /// How many resources a list found.
    pub results: Option<u64>,
    /// How long answering took; of folded reads, all together.
    pub duration_micros: u64,
    /// The resource.
    pub resource: Option<String>,
    /// What was tolerated.
    pub notes: Vec<String>,
    /// Revisions of the recorded events.
    pub revisions: Vec<u64>,
    /// For how many requests the row stands.
    pub requests: u64,
    #[serde(skip)]
    sealed: Option<Vec<u8>>,
    #[serde(skip)]
    about: Option<Vec<u8>>,
}

/// What was sealed of one request; null where it was removed because of its age.
pub type Detail = Option<Value>;

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only rows behind that number.
    pub after: Option<u64>,
    /// Only requests that name one of these.
    pub names: Vec<String>,
    /// Only requests that were refused or failed.
    pub failed: bool,
    /// Only requests of which something was refused or failed, be it one operation of many.
    pub partly_failed: bool,
    /// Only what was read and answered, or only everything else.
    pub reads: Option<bool>,
    /// Only requests that came at that time or later.
    pub since: Option<Timestamp>,
    /// The newest ones first; otherwise the oldest.
    pub newest_first: bool,
    /// At most that many.
    pub limit: usize,
}

/// How many requests there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// For how many requests there are rows.
    pub logged: u64,
    /// How many found the queue full.
    pub dropped: u64,
    /// How many rows stood for that were removed because of their age or the file's size.
    pub pruned: u64,
    /// The greatest number of a row ever given.
    pub last: u64,
}

/// A tenant's request log.
pub struct Reader(pub(super) Option<(Connection, SideFileKey)>);

const COLUMNS: &str =
    "number, id, at, client, token, method, route, filter, status, code, outcome, results, duration,
     resource, notes, first_revision, end_revision, requests, sealed";

/// The columns of a row; what an earlier layout does not have is null.
fn columns(connection: &Connection) -> Result<String, rusqlite::Error> {
    let about = if has_about(connection)? { "about" } else { "NULL AS about" };
    Ok(format!("{COLUMNS}, {about}"))
}

impl Reader {
    /// Opens it. A log that is not there has no rows.
    pub fn open(directory: &Directory) -> Result<Self, ReadingError> {
        Ok(Self(open_to_read(directory)?))
    }

    /// How many requests there were.
    pub fn totals(&self) -> Result<Totals, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(Totals::default()) };
        let totals = connection.query_row(
            "SELECT (SELECT ifnull(sum(requests), 0) FROM requests), dropped, pruned,
                    ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'requests'), 0) FROM meta",
            [],
            |row| {
                Ok(Totals {
                    logged: unsigned(row.get(0)?),
                    dropped: unsigned(row.get(1)?),
                    pruned: unsigned(row.get(2)?),
                    last: unsigned(row.get(3)?),
                })
            },
        )?;
        Ok(totals)
    }

    /// Rows in the order of their numbers.
    pub fn rows(&self, wanted: &Wanted) -> Result<Vec<Row>, ReadingError> {
        let Some((connection, key)) = &self.0 else { return Ok(Vec::new()) };
        let mut conditions = vec!["number > ?1".to_owned()];
        let mut values = vec![Sql::Integer(sql(wanted.after.unwrap_or(0)))];
        if let Some(since) = wanted.since {
            conditions.push(format!("at >= {}", since.0));
        }
        if let Some(reads) = wanted.reads {
            conditions.push(format!("outcome {} 'read'", if reads { "=" } else { "<>" }));
        }
        if wanted.failed {
            conditions.push("outcome IN ('refused', 'failed')".to_owned());
        }
        if wanted.partly_failed {
            conditions.push("(outcome IN ('refused', 'failed') OR code IS NOT NULL)".to_owned());
        }
        if !wanted.names.is_empty() {
            let places = vec!["?"; wanted.names.len()].join(", ");
            conditions.push(format!("number IN ({})", numbers_of(connection, "?1", &places)?));
            let fingerprints = key.fingerprints();
            let wanted = wanted.names.iter().map(|name| fingerprints.of(&same_name(name)));
            values.extend(wanted.map(|fingerprint| Sql::Blob(fingerprint.to_vec())));
        }
        values.push(Sql::Integer(sql(wanted.limit as u64)));
        let order = if wanted.newest_first { "DESC" } else { "ASC" };
        let columns = columns(connection)?;
        let query = format!(
            "SELECT {columns} FROM requests WHERE {} ORDER BY number {order} LIMIT ?",
            conditions.join(" AND ")
        );
        let mut statement = connection.prepare(&query)?;
        let mut rows =
            statement.query_map(params_from_iter(values), read_row)?.collect::<Result<Vec<_>, _>>()?;
        if wanted.newest_first {
            rows.reverse();
        }
        Ok(rows)
    }

    /// Which of these rows name anybody: their numbers.
    pub fn naming(&self, rows: &[&Row]) -> Result<BTreeSet<u64>, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(BTreeSet::new()) };
        let list = |numbers: BTreeSet<u64>| {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            numbers.join(", ")
        };
        let numbers = list(rows.iter().map(|row| row.number).collect());
        let within = if has_chunks(connection)? {
            let chunks = rows.iter().map(|row| row.number / CHUNK_ROWS.unsigned_abs());
            format!("chunk IN ({}) AND", list(chunks.collect()))
        } else {
            String::new()
        };
        let query = format!("SELECT DISTINCT number FROM names WHERE {within} number IN ({numbers})");
        let mut statement = connection.prepare(&query)?;
        let found = statement.query_map([], |row| row.get(0).map(unsigned))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// The row of one request.
    pub fn request(&self, id: &str) -> Result<Option<Row>, ReadingError> {
        let Some((connection, _)) = &self.0 else { return Ok(None) };
        let query = format!("SELECT {} FROM requests WHERE id = ?1 LIMIT 1", columns(connection)?);
        Ok(connection.query_row(&query, [id], read_row).optional()?)
    }

    /// What was sealed of a request.
    pub fn detail(&self, row: &Row) -> Detail {
        let (_, key) = self.0.as_ref()?;
        let id = provisioning::RequestId::parse(row.id.as_deref()?)?;
        let opened = key.open(id.0.as_bytes(), row.sealed.as_deref()?)?;
        serde_json::from_slice(&opened).ok()
    }

    /// What a request asked of whom; none if nobody can tell, because its body was not read. Of one that an earlier
    /// layout wrote, what can be told from its contents, as long as there are any.
    pub fn about(&self, row: &Row, contents: &Value, schemas: &Schemas) -> Option<Vec<Operation>> {
        if let Some(about) = &row.about {
            return about::decode(about);
        }
        let body = if contents["body"].is_null() { String::new() } else { contents["body"].to_string() };
        let read = about::Request::of_contents(row, contents, body.as_bytes()).operations(schemas)?;
        let print = self.prints()?;
        Some(read.into_iter().map(|operation| operation.printed(&print)).collect())
    }

    /// What makes fingerprints as rows have them; of a name as [`same_name`] writes it. None without a file.
    fn prints(&self) -> Option<impl Fn(&str) -> Print + use<>> {
        let fingerprints = self.0.as_ref()?.1.fingerprints();
        Some(move |name: &str| Print::of(&fingerprints.of(name)))
    }

    /// The fingerprint of a name, whatever its case.
    pub fn print_of_name(&self, name: &str) -> Option<Print> {
        Some(self.prints()?(&same_name(name)))
    }

    /// The fingerprint of a value that an attribute has.
    pub fn print_of_value(&self, value: &Value) -> Option<Print> {
        Some(self.prints()?(&about::canonical(value)))
    }
}

/// The query for the numbers of rows behind `after` that have one of these fingerprints: it looks once in each chunk.
pub(super) fn numbers_of(
    connection: &Connection,
    after: &str,
    fingerprints: &str,
) -> Result<String, rusqlite::Error> {
    if !has_chunks(connection)? {
        return Ok(format!("SELECT number FROM names WHERE fingerprint IN ({fingerprints})"));
    }
    // CROSS: in that order, whatever SQLite thinks of it.
    Ok(format!(
        "WITH RECURSIVE chunks (chunk) AS (
             SELECT max({after}, (SELECT min(number) FROM requests)) / {CHUNK_ROWS} UNION ALL
             SELECT chunk + 1 FROM chunks WHERE chunk < (SELECT max(number) FROM requests) / {CHUNK_ROWS}
         )
         SELECT names.number FROM chunks CROSS JOIN names USING (chunk) WHERE fingerprint IN ({fingerprints})"
    ))
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let notes: Option<String> = row.get("notes")?;
    let first: Option<i64> = row.get("first_revision")?;
    let end: Option<i64> = row.get("end_revision")?;
    let revisions = first.zip(end).map(|(first, end)| (unsigned(first)..unsigned(end)).collect());
    Ok(Row {
        number: unsigned(row.get("number")?),
        id: row.get("id")?,
        at: Timestamp(row.get("at")?),
        client: row.get("client")?,
        token: row.get("token")?,
        method: row.get("method")?,
        route: row.get("route")?,
        filter: row.get("filter")?,
        status: row.get("status")?,
        code: row.get("code")?,
        outcome: row.get("outcome")?,
        results: row.get::<_, Option<i64>>("results")?.map(unsigned),
        duration_micros: unsigned(row.get("duration")?),
        resource: row.get("resource")?,
        notes: notes.map(|notes| notes.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        revisions: revisions.unwrap_or_default(),
        requests: unsigned(row.get("requests")?),
        sealed: row.get("sealed")?,
        about: row.get("about")?,
    })
}
