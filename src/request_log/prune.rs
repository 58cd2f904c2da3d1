//! Keeping the file bounded: sealed contents by age, rows by age, everything by size; oldest first, in small steps,
//! so that nothing waits long behind one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use provisioning::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::RequestLog;
use super::file::{CHUNK_ROWS, FileError, sql};
use crate::config::RequestLogConfig;
use crate::directories::Directories;

/// Rows that one transaction touches.
const STEP_ROWS: u32 = 1_000;

/// Steps of one pass; what is left comes with the next one.
const STEPS_MAX: usize = 100;

/// How often every tenant's file is looked at.
const INTERVAL: Duration = Duration::from_mins(10);

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Has every tenant's file pruned again and again, until the house shuts down.
pub async fn run(directories: Arc<Directories>, log: Weak<RequestLog>, mut stopping: watch::Receiver<bool>) {
    loop {
        let all = directories.tenants().into_iter().chain([Arc::clone(directories.system())]);
        let Some(log) = log.upgrade() else { return };
        all.for_each(|directory| log.prune(directory));
        drop(log);
        tokio::select! {
            _ = stopping.wait_for(|stops| *stops) => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// So many days ago.
pub(super) fn before(now: Timestamp, days: u32) -> Timestamp {
    Timestamp(now.0 - i64::from(days) * DAY_MICROS)
}

/// Removes contents and rows that are too old.
pub(super) fn by_age(
    connection: &mut Connection,
    config: &RequestLogConfig,
    now: Timestamp,
) -> Result<(), FileError> {
    let before = |days| before(now, days).0;
    for _ in 0..STEPS_MAX {
        let emptied = connection.execute(
            "UPDATE requests SET sealed = NULL WHERE number IN
                 (SELECT number FROM requests WHERE sealed IS NOT NULL AND at < ?1 ORDER BY number LIMIT ?2)",
            params![before(config.contents_days), STEP_ROWS],
        )?;
        if emptied < STEP_ROWS as usize {
            break;
        }
    }
    for _ in 0..STEPS_MAX {
        let old = before(config.rows_days);
        let greatest: Option<i64> = connection.query_row(
            "SELECT max(number) FROM (SELECT number, at FROM requests ORDER BY number LIMIT ?2) WHERE at < ?1",
            params![old, STEP_ROWS],
            |row| row.get(0),
        )?;
        let Some(greatest) = greatest else { break };
        remove_up_to(connection, greatest)?;
    }
    Ok(())
}

/// Removes the oldest rows while the file is too large, and at most a few times as many as came.
pub(super) fn to_size(connection: &mut Connection, bytes_max: u64, came: usize) -> Result<(), FileError> {
    const STEPS_PER_STEP_THAT_CAME: usize = 4;
    for _ in 0..(came.div_ceil(STEP_ROWS as usize) * STEPS_PER_STEP_THAT_CAME) {
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let used = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
        if used <= sql(bytes_max) {
            break;
        }
        let greatest: Option<i64> = connection.query_row(
            "SELECT max(number) FROM (SELECT number FROM requests ORDER BY number LIMIT ?1)",
            [STEP_ROWS],
            |row| row.get(0),
        )?;
        let Some(greatest) = greatest else { break };
        remove_up_to(connection, greatest)?;
    }
    Ok(())
}

fn remove_up_to(connection: &mut Connection, number: i64) -> Result<(), FileError> {
    let transaction = connection.transaction()?;
    transaction.execute("DELETE FROM names WHERE chunk <= ?1 / ?2 AND number <= ?1", [number, CHUNK_ROWS])?;
    transaction.execute(
        "UPDATE meta SET pruned = pruned + (SELECT ifnull(sum(requests), 0) FROM requests WHERE number <= ?1)",
        [number],
    )?;
    transaction.execute("DELETE FROM requests WHERE number <= ?1", [number])?;
    Ok(transaction.commit()?)
}
