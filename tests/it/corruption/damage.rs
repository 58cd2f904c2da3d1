//! What disks and people do to files.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::dice::Dice;

/// A file that is damaged, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// `acme`, or `system`: the registry.
    pub(super) owner: &'static str,
    pub(super) name: &'static str,
}

const fn acme(name: &'static str) -> Target {
    Target { owner: "acme", name }
}

const fn system(name: &'static str) -> Target {
    Target { owner: "system", name }
}

/// One after the other, those twice that hold what nothing else does.
pub(super) const FILES: [Target; 15] = [
    acme("log.db"),
    acme("current.db"),
    acme("keys.db"),
    acme("history.db"),
    acme("log.db"),
    acme("operations.db"),
    acme("log.db-wal"),
    acme("current.db-wal"),
    acme("keys.db"),
    acme("keys.db-wal"),
    acme("history.db"),
    acme("history.db-wal"),
    acme("requests.db"),
    system("log.db"),
    system("current.db"),
];

/// Damages a file in a folder in some way, and says how.
pub(super) fn damage(folder: &Path, name: &str, dice: &mut Dice) -> String {
    let path = folder.join(name);
    if !path.exists() {
        return "it is not there".to_owned();
    }
    match dice.below(if name.ends_with("-wal") { 3 } else { 10 }) {
        0 => flip(&path, dice),
        1 => truncate(&path, dice),
        2 => {
            fs::remove_file(&path).expect("a file can be removed");
            "removed".to_owned()
        }
        3..8 => change_rows(&path, dice, false),
        _ => format!("{}, left in the write-ahead log", change_rows(&path, dice, true)),
    }
}

fn flip(path: &Path, dice: &mut Dice) -> String {
    let mut bytes = fs::read(path).expect("a file can be read");
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    let (at, bit) = (dice.below(bytes.len()), dice.below(8));
    bytes[at] ^= 1 << bit;
    fs::write(path, bytes).expect("a file can be written");
    format!("bit {bit} of byte {at} flipped")
}

fn truncate(path: &Path, dice: &mut Dice) -> String {
    let file = fs::OpenOptions::new().write(true).open(path).expect("a file can be written");
    let bytes = usize::try_from(file.metadata().expect("a file has a length").len()).expect("a small file");
    let left = dice.below(bytes + 1);
    file.set_len(left as u64).expect("a file can be cut");
    format!("cut from {bytes} to {left} bytes")
}

/// Changes rows as somebody would who opens the file with SQLite and, now and then, covers the traces badly: what it
/// calls from then on is that program's.
fn change_rows(path: &Path, dice: &mut Dice, left_in_log: bool) -> String {
    let file = Connection::open(path).expect("a database");
    if left_in_log {
        file.pragma_update(None, "wal_autocheckpoint", 0).expect("a connection");
    }
    let how = change_rows_in(&file, dice);
    if left_in_log {
        leave_in_log(file, path);
    }
    how
}

/// Closes a file as a program does that is killed.
pub(crate) fn leave_in_log(file: Connection, path: &Path) {
    let log = path.with_extension("db-wal");
    let left = [path, &log].map(|path| fs::read(path).ok());
    drop(file);
    for (path, bytes) in [path, &log].into_iter().zip(left) {
        if let Some(bytes) = bytes {
            fs::write(path, bytes).expect("a file can be written");
        }
    }
}

fn change_rows_in(file: &Connection, dice: &mut Dice) -> String {
    let names = |kind: &str| -> Vec<String> {
        let query = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite_stat%'";
        let mut statement = file.prepare(query).expect("a schema");
        let names = statement.query_map([kind], |row| row.get(0)).expect("names");
        names.map(|name| name.expect("a name")).collect()
    };
    let triggers: Vec<(String, String)> = {
        let query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
        let mut statement = file.prepare(query).expect("a schema");
        let triggers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("triggers");
        triggers.map(|trigger| trigger.expect("a trigger")).collect()
    };
    for (trigger, _) in &triggers {
        file.execute_batch(&format!("DROP TRIGGER {trigger}")).expect("a trigger can be dropped");
    }
    let left_out = !triggers.is_empty() && dice.below(8) == 0;
    let how = change_a_table(file, &names("table"), dice);
    if left_out {
        return format!("{how}, without its triggers");
    }
    for (_, trigger) in &triggers {
        file.execute_batch(trigger).expect("a trigger can be made again");
    }
    how
}

fn change_a_table(file: &Connection, tables: &[String], dice: &mut Dice) -> String {
    let tables: Vec<(&String, Vec<i64>)> =
        tables.iter().map(|table| (table, keys(file, table))).filter(|(_, keys)| !keys.is_empty()).collect();
    if tables.is_empty() {
        return "no table has rows".to_owned();
    }
    let (table, keys) = dice.choose(&tables);
    let one = *dice.choose(keys);
    let others: Vec<i64> = keys.iter().copied().filter(|key| *key != one).collect();
    let other = if others.is_empty() { one } else { *dice.choose(&others) };
    let columns: Vec<String> = {
        let query = format!("SELECT name FROM pragma_table_info('{table}') WHERE pk = 0");
        let mut statement = file.prepare(&query).expect("a schema");
        statement.query_map([], |row| row.get(0)).expect("names").map(|name| name.expect("a name")).collect()
    };
    let column = if columns.is_empty() { "rowid".to_owned() } else { dice.choose(&columns).clone() };
    let last = keys.iter().max().expect("there are rows");
    // A row that is alone can only be deleted.
    let (how, statements) = match if others.is_empty() { 0 } else { dice.below(7) } {
        0 => (format!("row {one} deleted"), format!("DELETE FROM {table} WHERE rowid = {one}")),
        1 => (format!("rows from {one} on deleted"), format!("DELETE FROM {table} WHERE rowid >= {one}")),
        2 => (
            format!("rows {one} and {other} swapped"),
            format!(
                "UPDATE {table} SET rowid = {last} + 2 WHERE rowid = {one};
                 UPDATE {table} SET rowid = {one} WHERE rowid = {other};
                 UPDATE {table} SET rowid = {other} WHERE rowid = {last} + 2"
            ),
        ),
        3 => (
            format!("{column} of row {one} is that of row {other}"),
            format!(
                "UPDATE OR IGNORE {table} SET {column} = (SELECT {column} FROM {table} WHERE rowid = {other}) WHERE rowid = {one}"
            ),
        ),
        4 => (
            format!("{column} of row {one} has another character"),
            format!("UPDATE OR IGNORE {table} SET {column} = {column} || 'x' WHERE rowid = {one}"),
        ),
        5 => (
            format!("row {one} stands before the first"),
            format!("UPDATE OR IGNORE {table} SET rowid = -1 WHERE rowid = {one}"),
        ),
        _ => (
            format!("a copy of row {one} inserted"),
            format!(
                "CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE rowid = {one};
                 INSERT OR IGNORE INTO {table} SELECT * FROM copied;
                 UPDATE OR IGNORE {table} SET rowid = {last} + 1 WHERE rowid = {one};
                 INSERT OR IGNORE INTO {table} SELECT * FROM copied"
            ),
        ),
    };
    match file.execute_batch(&statements) {
        Ok(()) => format!("{table}: {how}"),
        // The table's own rules allow no such thing.
        Err(error) => format!("{table}: {how}: refused: {error}"),
    }
}

/// The row numbers of a table that has any.
fn keys(file: &Connection, table: &str) -> Vec<i64> {
    let Ok(mut statement) = file.prepare(&format!("SELECT rowid FROM {table}")) else { return Vec::new() };
    statement.query_map([], |row| row.get(0)).expect("rows").map(|key| key.expect("a key")).collect()
}
