//! Drawing, keeping and losing keys.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use provisioning::{EventId, StreamId};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{DESTROYED, KeyStore, MASTER_CHECK, NONCE_BYTES, POOL_HIGH, POOL_LOW, TENANT_KEY, derive, lock};
use crate::randomness::SystemRandomness;
use crate::sealing::{KeyError, MasterKey, OpenedPayload};

const STREAM: StreamId = StreamId(Uuid::from_u128(1));
const EVENT: EventId = EventId(Uuid::from_u128(2));
const HIGH: u64 = POOL_HIGH as u64;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keys.db")
    }

    fn open(&self, greatest_named: u64) -> Result<KeyStore, KeyError> {
        let master = MasterKey::load_or_create(&self.0.path().join("master.key"), &SystemRandomness)?;
        self.open_as(STREAM, &master, greatest_named)
    }

    fn open_as(
        &self,
        stream: StreamId,
        master: &MasterKey,
        greatest_named: u64,
    ) -> Result<KeyStore, KeyError> {
        KeyStore::open(&self.path(), stream, master, Arc::new(SystemRandomness), greatest_named)
    }

    /// Somebody else at the file.
    fn sql(&self, statements: &str) {
        Connection::open(self.path()).unwrap().execute_batch(statements).unwrap();
    }
}

/// A master key of the bytes 0 to 31.
fn known_master(folder: &Folder) -> MasterKey {
    let path = folder.0.path().join("known.key");
    fs::write(&path, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    MasterKey::load(&path).unwrap()
}

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(answer: Result<T, KeyError>, text: &str) {
    match answer {
        Err(KeyError::Corrupt(reason)) => assert!(reason.contains(text), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_numbered_from_one_and_drawn_in_order() {
    let folder = Folder::new();
    let keys = folder.open(0).unwrap();
    assert_eq!((keys.draw(0).unwrap(), keys.draw(1).unwrap(), keys.draw(2).unwrap()), (1, 2, 3));
    assert_eq!(keys.draw(0).unwrap(), 1, "a number counts as used only when the log names it");
    assert_eq!(keys.draw(HIGH).unwrap(), HIGH + 1);
}

#[test]
fn pooled_numbers_are_kept_across_opening() {
    let folder = Folder::new();
    folder.open(0).unwrap().draw(0).unwrap();
    let keys = folder.open(5).unwrap();
    assert_eq!((keys.draw(0).unwrap(), keys.draw(5).unwrap()), (6, 6));
    assert_eq!(keys.draw(HIGH).unwrap(), HIGH + 1);
}

#[test]
fn drawing_touches_no_disk_while_the_pool_lasts() {
    let folder = Folder::new();
    let keys = folder.open(0).unwrap();
    keys.refill(0).unwrap();
    let (_making, _looking_up) = (lock(&keys.writer), lock(&keys.reader));
    let sealed = keys.seal(keys.draw(41).unwrap(), EVENT, b"{}").unwrap();
    let opened = keys.open_payload(Some(42), EVENT, &sealed.stored, &sealed.digest).unwrap();
    assert_eq!(opened, OpenedPayload::Bytes(b"{}".to_vec()));
}

#[test]
fn refilling_waits_until_few_are_left_and_then_fills_up() {
    let folder = Folder::new();
    let keys = folder.open(0).unwrap();
    let made = || {
        let file = Connection::open(folder.path()).unwrap();
        file.query_row("SELECT max(number) FROM keys", [], |row| row.get::<_, i64>(0))
            .unwrap()
            .cast_unsigned()
    };
    keys.refill(0).unwrap();
    assert_eq!(made(), HIGH);
    let above_low = HIGH - POOL_LOW as u64 - 1;
    keys.refill(above_low).unwrap();
    assert_eq!(made(), HIGH);
    keys.refill(above_low + 1).unwrap();
    assert_eq!(made(), above_low + 1 + HIGH);
    assert_eq!(lock(&keys.pool).len(), POOL_HIGH);
}

#[test]
fn new_numbers_lie_above_those_of_the_log_and_of_destroyed_keys() {
    let folder = Folder::new();
    let keys = folder.open(0).unwrap();
    assert_eq!(keys.draw(10_000).unwrap(), 10_001, "above what the log names");
    drop(keys);
    let greatest = 10_000 + HIGH;
    folder.sql("UPDATE sqlite_sequence SET seq = 10001");
    assert_eq!(
        folder.open(greatest).unwrap().draw(greatest).unwrap(),
        greatest + 1,
        "above every key there is"
    );
    folder.sql("DELETE FROM keys WHERE number >= 10001");
    let greatest = greatest + HIGH;
    assert_eq!(folder.open(0).unwrap().draw(0).unwrap(), greatest + 1, "above what was ever made");
}

#[test]
fn sealed_payloads_open_after_the_store_was_opened_again() {
    let folder = Folder::new();
    let sealed = {
        let keys = folder.open(0).unwrap();
        keys.seal(keys.draw(0).unwrap(), EVENT, b"{}").unwrap()
    };
    let keys = folder.open(1).unwrap();
    for _ in ["from the file", "from memory"] {
        let opened = keys.open_payload(Some(1), EVENT, &sealed.stored, &sealed.digest).unwrap();
        assert_eq!(opened, OpenedPayload::Bytes(b"{}".to_vec()));
    }
}

#[test]
fn plain_payloads_need_no_key() {
    let keys = Folder::new().open(0).unwrap();
    let made = keys.plain(b"{}").unwrap();
    let opened = keys.open_payload(None, EVENT, &made.stored, &made.digest).unwrap();
    assert_eq!(opened, OpenedPayload::Bytes(b"{}".to_vec()));
}

#[test]
fn a_destroyed_key_erases_and_one_that_is_missing_or_was_never_made_is_corrupt() {
    let folder = Folder::new();
    let sealed = folder.open(0).map(|keys| {
        keys.draw(0).unwrap();
        keys.seal(HIGH, EVENT, b"{}").unwrap()
    });
    let sealed = sealed.unwrap();
    let mark = {
        let keys = folder.open(HIGH).unwrap();
        let mut mark = Vec::new();
        keys.tenant_key.encrypt_onto(&mut mark, [7; NONCE_BYTES], &[], &keys.bound_to(DESTROYED, HIGH));
        hex::encode(mark)
    };
    folder.sql(&format!(
        "UPDATE keys SET wrapped = x'{mark}' WHERE number IN ({HIGH}, 2); DELETE FROM keys WHERE number = 3"
    ));
    for looked_up_before in [false, true] {
        let keys = folder.open(HIGH).unwrap();
        if looked_up_before {
            keys.have_ready(0..=4);
            keys.have_ready(HIGH - 1..=HIGH + 1);
        }
        let open = |number| keys.open_payload(Some(number), EVENT, &sealed.stored, &sealed.digest);
        assert_eq!(open(HIGH).unwrap(), OpenedPayload::Erased);
        assert_corrupt(keys.seal(HIGH, EVENT, b"{}"), "was destroyed");
        assert_corrupt(open(HIGH + 1), "was never made");
        assert_corrupt(open(0), "was never made");
        assert_corrupt(open(1), "sealed with another key");
        assert_corrupt(open(2), "was changed");
        assert_corrupt(open(3), "key 3 is missing");
    }
}

#[test]
fn keys_that_lie_together_are_looked_up_in_one_go_and_others_when_they_are_needed() {
    let folder = Folder::new();
    folder.open(0).unwrap().draw(0).unwrap();
    let keys = folder.open(HIGH).unwrap();
    keys.have_ready([5, 3, 1, 5].into_iter());
    keys.have_ready([7, 1_000].into_iter());
    keys.have_ready(std::iter::empty());
    folder.sql("DELETE FROM keys");
    for (number, is_ready) in [(1, true), (2, false), (3, true), (5, true), (7, false), (1_000, false)] {
        assert_eq!(keys.seal(number, EVENT, b"{}").is_ok(), is_ready, "{number}");
    }
}

#[test]
fn a_log_without_its_key_store_is_refused_and_nothing_is_made() {
    let folder = Folder::new();
    assert_corrupt(folder.open(7), "the log names key 7, but this key store has made 0: restore");
    assert!(!folder.path().exists());
    fs::write(folder.path(), "").unwrap();
    assert_corrupt(folder.open(7), "has made 0: restore");
    assert_eq!(folder.open(0).unwrap().draw(0).unwrap(), 1);
}

#[test]
fn a_key_store_older_than_the_log_is_refused() {
    let folder = Folder::new();
    folder.open(0).unwrap().draw(0).unwrap();
    assert!(folder.open(HIGH).is_ok());
    assert_corrupt(folder.open(HIGH + 1), &format!("this key store has made {HIGH}: restore"));
}

#[test]
fn another_master_key_is_told_when_the_store_is_opened() {
    let folder = Folder::new();
    drop(folder.open(0).unwrap());
    let opened = folder.open_as(STREAM, &known_master(&folder), 0);
    assert_corrupt(opened, "was made with another master key");
}

#[test]
fn a_store_of_another_tenant_or_kind_is_refused() {
    let folder = Folder::new();
    drop(folder.open(0).unwrap());
    let master = MasterKey::load(&folder.0.path().join("master.key")).unwrap();
    let other = folder.open_as(StreamId(Uuid::from_u128(9)), &master, 0);
    assert_corrupt(other, "belongs to stream");
    folder.sql("PRAGMA application_id = 1");
    assert_corrupt(folder.open(0), "the file is not a key store");
}

#[test]
fn a_key_moved_to_another_number_does_not_open() {
    let folder = Folder::new();
    folder.open(0).unwrap().draw(0).unwrap();
    folder.sql("UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE number = 1) WHERE number = 2");
    let keys = folder.open(2).unwrap();
    assert_corrupt(keys.seal(2, EVENT, b"{}"), "the stored key 2 was changed");
    assert!(keys.seal(1, EVENT, b"{}").is_ok());
}

#[test]
fn the_file_is_made_for_its_owner_only_and_holds_no_unwrapped_key() {
    let folder = Folder::new();
    let keys = folder.open(0).unwrap();
    keys.draw(0).unwrap();
    let secret = keys.secret(1).unwrap().unwrap();
    for name in ["keys.db", "keys.db-wal"] {
        let path = folder.0.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(32).any(|window| window == secret.expose()), "{name}");
    }
    let pragma =
        |name| lock(&keys.writer).pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("synchronous"), pragma("secure_delete")), (2, 1));
}

#[test]
fn the_derivation_of_the_tenant_key_is_fixed() {
    // Computed with another implementation of HKDF: key stores of the past depend on it.
    let folder = Folder::new();
    let master = known_master(&folder);
    let derived = |purpose| hex::encode(derive(&master, &[0xaa; 32], purpose, STREAM).expose());
    assert_eq!(derived(TENANT_KEY), "fc55dd00e2b7e8ceb89107720ee0a7db57fcdf45dbe79e1930589a484610995c");
    assert_eq!(derived(MASTER_CHECK), "9447de2e4ae2695ceddf39163484fcc2bd9ca64b529565350115779a6a8206f1");
}

#[test]
fn nothing_secret_is_printed() {
    let keys = Folder::new().open(0).unwrap();
    assert_eq!(format!("{keys:?}"), format!("KeyStore {{ stream: {STREAM:?}, .. }}"));
}
