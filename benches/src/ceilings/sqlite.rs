//! The same rows straight to SQLite: an event and a user's row a write, `synchronous=FULL`, in batches of the size
//! that the service came to. No HTTP, no check, no hash, no seal.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags, params};

use crate::people;

/// How large the service's rows are, on average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    header_bytes: usize,
    payload_bytes: usize,
}

impl Shape {
    /// Looks at the events of a type in a log, from outside.
    pub(crate) fn of(log: &Path, event_type: &str) -> anyhow::Result<Self> {
        let log = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY).context("log.db")?;
        let shape = log.query_row(
            "SELECT cast(avg(length(header)) AS INTEGER), cast(avg(length(payload)) AS INTEGER)
             FROM (SELECT header, payload FROM events WHERE header ->> 'type' = ?1 ORDER BY revision DESC LIMIT 200)",
            [event_type],
            |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)),
        );
        let (header, payload) = shape.with_context(|| format!("no {event_type} in log.db"))?;
        Ok(Self { header_bytes: header as usize, payload_bytes: payload as usize })
    }
}

/// A database with events and users.
pub(crate) struct RawSqlite {
    connection: Connection,
    shape: Shape,
    events: u64,
    users: u64,
    turn: u64,
}

impl RawSqlite {
    pub(crate) fn create(folder: &Path, shape: Shape) -> anyhow::Result<Self> {
        let connection = Connection::open(folder.join(format!("raw-{}.db", shape.payload_bytes)))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -16384;
             CREATE TABLE events (revision INTEGER PRIMARY KEY, header TEXT NOT NULL, payload BLOB) STRICT;
             CREATE TABLE users (rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,
                                 active INTEGER NOT NULL, revision INTEGER NOT NULL, document TEXT NOT NULL) STRICT;",
        )?;
        Ok(Self { connection, shape, events: 0, users: 0, turn: 0 })
    }

    /// Creates users for a while; answers how many a second.
    pub(crate) fn creates_per_second(&mut self, batch: usize, time: Duration) -> anyhow::Result<f64> {
        let (began, before) = (Instant::now(), self.users);
        while began.elapsed() < time {
            self.create_batch(batch)?;
        }
        Ok((self.users - before) as f64 / began.elapsed().as_secs_f64())
    }

    /// Creates so many users.
    pub(crate) fn fill(&mut self, users: u64) -> anyhow::Result<()> {
        while self.users < users {
            self.create_batch(1_024)?;
        }
        Ok(())
    }

    /// Switches users off and on for a while; answers how many a second.
    pub(crate) fn patches_per_second(&mut self, batch: usize, time: Duration) -> anyhow::Result<f64> {
        let (began, before) = (Instant::now(), self.events);
        while began.elapsed() < time {
            let transaction = self.connection.transaction()?;
            for _ in 0..batch {
                self.events += 1;
                insert_event(&transaction, self.events, self.shape)?;
                let number = (self.turn % self.users * 7_919) % self.users;
                let active = !(self.turn / self.users).is_multiple_of(2);
                self.turn += 1;
                transaction
                    .prepare_cached(
                        "UPDATE users SET active = ?2, revision = ?3, document = ?4 WHERE id = ?1",
                    )?
                    .execute(params![
                        id(number),
                        active,
                        self.events.cast_signed(),
                        people::document(number)
                    ])?;
            }
            transaction.commit()?;
        }
        Ok((self.events - before) as f64 / began.elapsed().as_secs_f64())
    }

    fn create_batch(&mut self, batch: usize) -> anyhow::Result<()> {
        let transaction = self.connection.transaction()?;
        for _ in 0..batch {
            self.events += 1;
            insert_event(&transaction, self.events, self.shape)?;
            let number = self.users;
            self.users += 1;
            let (name, document) = (people::user_name(number).to_lowercase(), people::document(number));
            transaction
                .prepare_cached(
                    "INSERT INTO users (rid, id, name, active, revision, document) VALUES (?1, ?2, ?3, 1, ?1, ?4)",
                )?
                .execute(params![self.events.cast_signed(), id(number), name, document])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn insert_event(transaction: &Connection, revision: u64, shape: Shape) -> anyhow::Result<()> {
    let header = "h".repeat(shape.header_bytes);
    let payload = vec![0x5a_u8; shape.payload_bytes];
    transaction
        .prepare_cached("INSERT INTO events (revision, header, payload) VALUES (?1, ?2, ?3)")?
        .execute(params![revision.cast_signed(), header, payload])?;
    Ok(())
}

/// In order of time, like the service's.
fn id(number: u64) -> String {
    format!("019b76da-a800-7000-8000-{number:012x}")
}
