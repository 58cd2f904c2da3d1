//! Pages that are still in the write-ahead log: our own, and another program's.

use std::os::unix::fs::FileExt as _;

use rusqlite::wal::CheckpointMode;

use super::*;

const MODES: [CheckpointMode; 4] =
    [CheckpointMode::PASSIVE, CheckpointMode::FULL, CheckpointMode::RESTART, CheckpointMode::TRUNCATE];

fn reader(path: &Path) -> Connection {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn writer(path: &Path) -> Connection {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    connection
}

fn wal_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

/// File and write-ahead log as a crash would leave them now.
fn crashed(path: &Path) -> PathBuf {
    let copy = path.with_file_name("crashed.db");
    fs::copy(path, &copy).unwrap();
    fs::copy(wal_of(path), wal_of(&copy)).unwrap();
    fs::remove_file(path.with_file_name("crashed.db-shm")).ok();
    copy
}

#[track_caller]
fn assert_is_damage<T: std::fmt::Debug>(outcome: rusqlite::Result<T>) {
    let error = outcome.expect_err("pages of another program");
    assert!(is_damage(&error), "{error}");
}

/// A connection that has little memory writes pages of one transaction several times.
#[test]
fn what_was_written_is_read_by_every_connection_and_after_a_crash() {
    let place = Place::new();
    let path = place.filled();
    let (one, other, reads) = (writer(&path), writer(&path), reader(&path));
    one.pragma_update(None, "cache_size", 10).unwrap();
    for round in 0..12_i64 {
        let mode = MODES[usize::try_from(round).unwrap() % MODES.len()];
        let first = 1_000 * (round + 1);
        fill(&one, first..=first + 150);
        other.execute("UPDATE rows SET text = text || 'x' WHERE number % 7 = ?1 % 7", [round]).unwrap();
        one.execute_batch(
            "BEGIN; DELETE FROM rows WHERE number % 5 = 0; SAVEPOINT here; UPDATE rows SET text = 'y' || text;
             ROLLBACK TO here; UPDATE rows SET text = text || 'z' WHERE number % 3 = 0; COMMIT;
             BEGIN; UPDATE rows SET text = ''; ROLLBACK;",
        )
        .unwrap();
        if round % 5 == 4 {
            other.execute_batch("VACUUM").unwrap();
        }
        let expected = contents_of(&one).unwrap();
        let copy = crashed(&path);
        // What was rolled back may look as if it were torn.
        assert_ne!(wal::fault(&wal_of(&copy)).unwrap(), Some(Fault::Foreign));
        let anybody = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        for (who, read) in [("other", &other), ("reader", &reads), ("anybody", &anybody)] {
            assert_eq!(contents_of(read).unwrap(), expected, "round {round}, {who}");
        }
        drop(anybody);
        assert_eq!(contents(&copy).unwrap(), expected, "round {round}, after a crash");
        one.wal_checkpoint_v2(Some("main"), mode).unwrap();
        assert_eq!(contents_of(&reads).unwrap(), expected, "round {round}, after a checkpoint");
    }
    let expected = contents_of(&one).unwrap();
    drop((one, other, reads));
    assert_eq!(contents(&path).unwrap(), expected);
}

#[test]
fn what_another_program_commits_while_a_file_is_open_is_damage() {
    let place = Place::new();
    for statement in CHANGES {
        let path = place.filled();
        let (own, reads) = (writer(&path), reader(&path));
        fill(&own, 2_000..=2_100);
        contents_of(&reads).unwrap();
        let another = Connection::open(&path).unwrap();
        assert_eq!(another.execute(statement, []).unwrap(), 1);
        assert_is_damage(contents_of(&reads));
        assert_is_damage(contents(&path));
        assert_is_damage(own.execute("UPDATE rows SET text = text || 'x'", []));
        for mode in MODES {
            assert_is_damage(own.wal_checkpoint_v2(Some("main"), mode));
        }
        drop(another);
        drop((own, reads));
        assert_eq!(wal::fault(&wal_of(&path)).unwrap(), Some(Fault::Foreign), "{statement}");
        assert_damaged(&path);
        for suffix in ["db", "db-wal", "db-shm"] {
            fs::remove_file(path.with_extension(suffix)).unwrap();
        }
    }
}

#[test]
fn what_another_program_leaves_in_the_log_is_damage() {
    let place = Place::new();
    for statement in CHANGES {
        let path = place.filled();
        let another = Connection::open(&path).unwrap();
        assert_eq!(another.execute(statement, []).unwrap(), 1);
        let copy = crashed(&path);
        assert_eq!(wal::fault(&wal_of(&copy)).unwrap(), Some(Fault::Foreign), "{statement}");
        assert_damaged(&copy);
        drop(another);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_another_program_adds_to_a_log_that_a_crash_left_is_damage() {
    let place = Place::new();
    let path = place.filled();
    let own = writer(&path);
    fill(&own, 2_000..=2_010);
    let copy = crashed(&path);
    let another = Connection::open(&copy).unwrap();
    another.execute(CHANGES[0], []).unwrap();
    let path = copy.with_file_name("again.db");
    fs::copy(&copy, &path).unwrap();
    fs::copy(wal_of(&copy), wal_of(&path)).unwrap();
    assert_eq!(wal::fault(&wal_of(&path)).unwrap(), Some(Fault::Foreign));
    assert_damaged(&path);
}

#[test]
fn a_bit_that_flips_in_the_log_while_it_is_read_is_damage() {
    let place = Place::new();
    let path = place.filled();
    let own = writer(&path);
    own.execute_batch("UPDATE rows SET text = text || 'x'").unwrap();
    let whole = fs::read(wal_of(&path)).unwrap();
    let log = fs::OpenOptions::new().write(true).open(wal_of(&path)).unwrap();
    // In the middle of the page of a frame that is the last of its page: every row was changed once.
    let page = whole.len() - 4_120 + 24 + 2_000;
    log.write_all_at(&[whole[page] ^ 1], page as u64).unwrap();
    assert_is_damage(contents(&path));
    log.write_all_at(&[whole[page]], page as u64).unwrap();
    contents(&path).unwrap();
}

#[test]
fn a_file_with_room_for_the_checksum_alone_is_damage() {
    let place = Place::new();
    let path = place.filled();
    let mut bytes = fs::read(&path).unwrap();
    bytes[crate::RESERVED_AT] = 4;
    let page = crate::completed(1, &bytes[..PAGE_BYTES]);
    bytes[..PAGE_BYTES].copy_from_slice(&page);
    fs::write(&path, bytes).unwrap();
    assert_damaged(&path);
}
