//! Files that are as they were written, and files that are not.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::wal::{self, Fault};
use super::{is_damage, open};

const PAGE_BYTES: usize = 4_096;
/// What another program does.
const CHANGES: [&str; 3] = [
    "UPDATE rows SET text = 'another' WHERE number = 7",
    "DELETE FROM rows WHERE number = 7",
    "INSERT INTO rows VALUES (1000000, 'new')",
];

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with rows of all sizes in several trees, closed in order.
    fn filled(&self) -> PathBuf {
        let path = self.file("filled.db");
        let connection = create(&path);
        fill(&connection, 1..=400);
        connection.execute_batch("DELETE FROM rows WHERE number % 3 = 0").unwrap();
        path
    }
}

fn create(path: &Path) -> Connection {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
             CREATE INDEX texts ON rows (substr(text, 1, 20));",
        )
        .unwrap();
    connection
}

/// Every tenth value needs pages of its own.
fn fill(connection: &Connection, numbers: std::ops::RangeInclusive<i64>) {
    connection.execute_batch("BEGIN").unwrap();
    for number in numbers {
        let length = if number % 10 == 0 { 20_000 } else { 100 };
        let text = format!("{number:020}").repeat(length / 20);
        connection.execute("INSERT INTO rows VALUES (?1, ?2)", (number, text)).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// Everything that is in the file, read by way of the table and of the index.
fn contents(path: &Path) -> rusqlite::Result<Vec<(i64, String)>> {
    contents_of(&open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn contents_of(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let rows = "SELECT number, text FROM rows ORDER BY number";
    let by_text = "SELECT number, text FROM rows INDEXED BY texts WHERE substr(text, 1, 20) >= '' ORDER BY substr(text, 1, 20)";
    let mut contents = Vec::new();
    for query in [rows, by_text] {
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        contents.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(contents)
}

#[track_caller]
fn assert_damaged(path: &Path) {
    let error = contents(path).expect_err("the file is damaged");
    assert!(is_damage(&error), "{error}");
}

#[test]
fn what_was_written_is_read_again() {
    let place = Place::new();
    let path = place.filled();
    assert_eq!(contents(&path).unwrap().len(), 2 * (400 - 133));
    let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    for round in 1..=20 {
        fill(&connection, round * 1_000..=round * 1_000 + 200);
        connection.execute("DELETE FROM rows WHERE number % 7 = ?1 % 7", [round]).unwrap();
        let _done: (i64, i64, i64) = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
    }
    connection.execute_batch("VACUUM").unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    drop(connection);
    contents(&path).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_is_damage_or_changes_nothing() {
    let place = Place::new();
    let path = place.filled();
    let before = contents(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut found = 0;
    // A prime step meets every place of a page, in some page or other.
    for place in (0..whole.len()).step_by(611) {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&path, &flipped).unwrap();
        match contents(&path) {
            Ok(same) => assert_eq!(same, before, "byte {place}"),
            Err(error) => {
                assert!(is_damage(&error), "byte {place}: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 500, "{found}");
}

#[test]
fn pages_that_changed_places_are_damage() {
    let place = Place::new();
    let path = place.filled();
    let whole = fs::read(&path).unwrap();
    let last = whole.len() / PAGE_BYTES - 1;
    // The last pages hold a long value, one in the other's sight.
    let mut swapped = whole.clone();
    let (one, other) = (last * PAGE_BYTES, (last - 1) * PAGE_BYTES);
    swapped.copy_within(one..one + PAGE_BYTES, other);
    swapped[one..].copy_from_slice(&whole[other..other + PAGE_BYTES]);
    fs::write(&path, swapped).unwrap();
    assert_damaged(&path);
}

#[test]
fn zeros_and_a_missing_end_are_damage() {
    let place = Place::new();
    let path = place.filled();
    let whole = fs::read(&path).unwrap();
    let mut zeros = whole.clone();
    zeros[5 * PAGE_BYTES..].fill(0);
    fs::write(&path, zeros).unwrap();
    assert_damaged(&path);
    fs::write(&path, &whole[..whole.len() - 3 * PAGE_BYTES]).unwrap();
    assert_damaged(&path);
}

#[test]
fn a_page_that_is_there_in_part_is_damage() {
    let place = Place::new();
    let path = place.filled();
    let whole = fs::read(&path).unwrap();
    // SQLite takes a single byte for an empty file.
    for missing in (1..2 * PAGE_BYTES).step_by(101).chain(whole.len() - 600..whole.len() - 1) {
        fs::write(&path, &whole[..whole.len() - missing]).unwrap();
        assert_damaged(&path);
    }
}

#[test]
fn what_another_program_writes_is_damage() {
    let place = Place::new();
    for statement in CHANGES {
        let path = place.filled();
        let other = Connection::open(&path).unwrap();
        assert_eq!(other.execute(statement, []).unwrap(), 1);
        drop(other);
        assert_damaged(&path);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_file_without_checksums_is_damage() {
    let place = Place::new();
    let path = place.file("plain.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE rows (number INTEGER, text TEXT)").unwrap();
    assert_damaged(&path);
}

/// A write-ahead log as a crash leaves it, with several commits in it.
fn left_behind(place: &Place) -> (PathBuf, Vec<u8>) {
    let path = place.file("left.db");
    let connection = create(&path);
    connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    fill(&connection, 1..=100);
    fill(&connection, 101..=110);
    fill(&connection, 111..=120);
    let bytes = fs::read(place.file("left.db-wal")).unwrap();
    (place.file("copy-wal"), bytes)
}

#[test]
fn a_log_that_a_crash_left_behind_is_whole() {
    let place = Place::new();
    let (copy, bytes) = left_behind(&place);
    assert_eq!(wal::fault(&copy).unwrap(), None, "there is none");
    for whole in [&bytes[..], &[], &bytes[..32], &bytes[..bytes.len() - 100], &bytes[..bytes.len() - 4_120]] {
        fs::write(&copy, whole).unwrap();
        assert_eq!(wal::fault(&copy).unwrap(), None, "{} bytes", whole.len());
    }
    // What an earlier run left behind the last frame.
    let mut longer = bytes.clone();
    longer.extend(bytes[32..32 + 2 * 4_120].iter().map(|byte| byte ^ 0x55));
    fs::write(&copy, longer).unwrap();
    assert_eq!(wal::fault(&copy).unwrap(), None);
}

#[test]
fn a_log_that_was_changed_in_its_middle_is_torn() {
    let place = Place::new();
    let (copy, bytes) = left_behind(&place);
    let end = bytes.len() - 4_120;
    for place in (0..32).chain((32..end).step_by(379)) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&copy, flipped).unwrap();
        assert_eq!(wal::fault(&copy).unwrap(), Some(Fault::Torn), "byte {place}");
    }
    fs::write(&copy, &bytes[..20]).unwrap();
    assert_eq!(wal::fault(&copy).unwrap(), Some(Fault::Torn), "half a header");
    let mut zeros = bytes.clone();
    zeros[8_000..12_000].fill(0);
    fs::write(&copy, zeros).unwrap();
    assert_eq!(wal::fault(&copy).unwrap(), Some(Fault::Torn));
}

mod logs;
