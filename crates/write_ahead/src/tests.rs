//! The write-ahead log of a real file, with nobody in it, with a reader who stays, and with readers without a pause.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rusqlite::OpenFlags;

use super::*;

const SMALL: Bounds = Bounds { copied: 64 * 1024, begun_anew: 512 * 1024 };
/// How long a reader stays at most: well below what readers are waited for.
const STAY: Duration = Duration::from_millis(5);
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

fn writer(path: &Path) -> (Connection, WriteAhead) {
    let mut connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    let tended = WriteAhead::within(SMALL, &mut connection, BUSY_TIMEOUT).unwrap();
    connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
    (connection, tended)
}

/// Ten pages and a little more; answers the bytes of the ten.
fn write(connection: &Connection) -> u64 {
    connection.execute("INSERT INTO t VALUES (zeroblob(40960))", []).unwrap();
    40_960
}

fn reader(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn begin(reader: &Connection) {
    reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[test]
fn no_commit_copies_and_tending_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (connection, mut tended) = writer(&path);
    let empty = length(&path);
    for _ in 0..200 {
        write(&connection);
    }
    // SQLite itself copies after 1,000 pages.
    assert!(tended.bytes() > 2_000 * 4_096, "{}", tended.bytes());
    assert_eq!(length(&path), empty);
    tended.tend(&connection).unwrap();
    assert!(length(&path) > 200 * 40_960);
    write(&connection);
    assert!(tended.bytes() < SMALL.copied, "it began anew");
}

#[test]
fn a_reader_that_stays_holds_up_nobody_and_the_log_is_short_again_once_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (connection, mut tended) = writer(&path);
    write(&connection);
    let reader = reader(&path);
    begin(&reader);
    while tended.bytes() < 2 * SMALL.begun_anew {
        write(&connection);
        tended.tend(&connection).unwrap();
    }
    assert!(length(&log_of(&path)) >= 2 * SMALL.begun_anew);
    reader.execute_batch("COMMIT").unwrap();
    for _ in 0..10 {
        write(&connection);
        tended.tend(&connection).unwrap();
    }
    assert!(tended.bytes() < SMALL.begun_anew, "{}", tended.bytes());
    assert!(length(&log_of(&path)) <= SMALL.begun_anew + SMALL.copied, "{}", length(&log_of(&path)));
    let waits: i64 = connection.pragma_query_value(None, "busy_timeout", |row| row.get(0)).unwrap();
    assert_eq!(Duration::from_millis(waits.cast_unsigned()), BUSY_TIMEOUT);
}

fn another(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open(path)
}

#[test]
fn another_connection_copies_while_the_writer_writes_and_tending_copies_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (connection, mut tended) = writer(&path);
    assert!(!tended.is_due());
    while !tended.is_due() {
        write(&connection);
    }
    let before = length(&path);
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    write(&connection);
    tended.copying().run(|| another(&path)).unwrap();
    let copied = length(&path);
    assert!(copied > before, "{copied}");
    connection.execute_batch("COMMIT").unwrap();
    assert!(tended.is_due(), "what was written meanwhile is not copied yet");
    tended.tend(&connection).unwrap();
    assert!(length(&path) > copied);
    write(&connection);
    assert!(tended.bytes() < SMALL.copied, "it began anew");
}

/// The file of a writer that has gone may have been replaced: its write-ahead log is another one's.
#[test]
fn nothing_is_opened_once_the_writer_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (connection, tended) = writer(&path);
    write(&connection);
    let copying = tended.copying();
    drop(tended);
    copying.run(|| -> rusqlite::Result<Connection> { unreachable!("the writer has gone") }).unwrap();
}

/// Whoever closes last empties the log and removes it; of a connection that only copies nobody expects that.
#[test]
fn whoever_copies_leaves_the_log_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (connection, tended) = writer(&path);
    write(&connection);
    let copying = tended.copying();
    let copied = copying.run(|| {
        let another = another(&path)?;
        another.pragma_query_value(None, "schema_version", |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)?;
        Ok::<_, rusqlite::Error>(another)
    });
    copied.unwrap();
    assert!(log_of(&path).exists());
    assert!(length(&path) > 40_960);
}

/// Four readers, of whom the next always begins before the last one ends, and each stays while much is written, if
/// that goes on: somebody is always in the log, and in a part of it that could not be copied yet.
#[test]
fn readers_without_a_pause_do_not_keep_the_log_from_beginning_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let (connection, mut tended) = writer(&path);
    let readers: Vec<Connection> = (0..4).map(|_| reader(&path)).collect();
    let (written, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let longest = std::thread::scope(|scope| {
        let (written, over) = (&written, &over);
        scope.spawn(move || {
            begin(&readers[0]);
            for turn in 1.. {
                let (before, begun) = (written.load(Ordering::Relaxed), Instant::now());
                while written.load(Ordering::Relaxed) < before + 2 * SMALL.copied && begun.elapsed() < STAY {
                    std::thread::yield_now();
                }
                begin(&readers[turn % 4]);
                readers[(turn - 1) % 4].execute_batch("COMMIT").unwrap();
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let mut longest = 0;
        while written.load(Ordering::Relaxed) < 20 * SMALL.begun_anew {
            written.fetch_add(write(&connection), Ordering::Relaxed);
            tended.tend(&connection).unwrap();
            longest = length(&log_of(&path)).max(longest);
        }
        over.store(true, Ordering::Relaxed);
        longest
    });
    assert!(longest < 4 * SMALL.begun_anew, "{longest}");
}
