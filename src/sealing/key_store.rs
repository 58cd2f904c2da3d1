//! The data keys of one tenant: `keys.db`, the pool of keys that are durable and not yet in use, and a bounded
//! cache of unwrapped ones.
//!
//! Promises: a key is durable before its number can be drawn; a number is never given twice; drawing touches no
//! disk while the pool lasts; a key that is missing never passes for one that was destroyed. Which subject a key
//! belongs to is not known here, the log's headers say that.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use provisioning::{EventId, StreamId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::payload::{self, OpenedPayload, SealedPayload};
use super::secret::{NONCE_BYTES, SECRET_BYTES, Secret, TAG_BYTES};
use super::side_file::SideFileKey;
use super::{KeyError, MasterKey};
use crate::randomness::Randomness;
use crate::sqlite_file::{Layout, OpenError, is_damage};

#[cfg(test)]
mod tests;

/// Keys are made when no more than this many are left: enough for several full batches, so that making the next
/// ones is done before the writer runs out.
pub const POOL_LOW: usize = 512;

/// Keys are made until this many are pooled: 2,000 cost about as much time as the one sync that they share.
pub const POOL_HIGH: usize = 2_048;

/// So many unwrapped keys of a tenant are kept in memory, at some 130 bytes each. More than a full pool, since
/// keys are used most right after they were made.
const CACHED_KEYS_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// Keys of a stretch are looked up in one go where at least one in so many is wanted.
const SPREAD_MAX: usize = 4;

const LAYOUT: Layout = Layout {
    what: "a key store",
    application_id: i32::from_be_bytes(*b"MuKy"),
    number: 1,
    page_bytes: 4_096,
    tables: include_str!("keys.sql"),
};

const SALT_BYTES: usize = 32;
const TENANT_KEY: &[u8] = b"muster tenant key v1";
const MASTER_CHECK: &[u8] = b"muster master key check v1";
const DATA_KEY: &[u8] = b"muster data key v1";
const SIDE_FILE_KEY: &[u8] = b"muster side file key v1";
const DESTROYED: &[u8] = b"muster destroyed key v1";

/// The data keys of one tenant.
///
/// Shared between the writer, followers and readers; unwrapped keys are cached (bounded, wiped on eviction).
pub struct KeyStore {
    stream: StreamId,
    tenant_key: Secret,
    randomness: Arc<dyn Randomness>,
    /// Looks keys up, so that opening a payload does not wait for a sync. Before the writer, since fields are
    /// dropped in this order: SQLite removes the write-ahead log when the last connection closes, if that one may
    /// write.
    reader: Mutex<Connection>,
    /// Makes keys; held while they are synced.
    writer: Mutex<Connection>,
    /// Numbers that are durable and, as far as is known here, not named by the log. Never held during I/O.
    pool: Mutex<BTreeSet<u64>>,
    unwrapped: Mutex<LruCache<u64, Secret>>,
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl KeyStore {
    /// Opens `keys.db`, creating it with a new salt if it is missing (`greatest_named` must then be 0: a log that
    /// names keys without a key store is an error that says so). A store that has made fewer keys than the log
    /// names is refused as well: it is older than the log, and what it lacks must not pass for erased.
    pub fn open(
        path: &Path,
        stream: StreamId,
        master: &MasterKey,
        randomness: Arc<dyn Randomness>,
        greatest_named: u64,
    ) -> Result<Self, KeyError> {
        let older = |made: u64| {
            format!(
                "the log names key {greatest_named}, but this key store has made {made}: restore the one that \
                 belongs to the log"
            )
        };
        // Looked at before SQLite makes the file, so that none is left in the way of the one to be restored.
        if greatest_named > 0 && !path.try_exists().unwrap_or(true) {
            return Err(corrupt(path, &older(0)));
        }
        let salt: [u8; SALT_BYTES] = randomness.array()?;
        let writer = LAYOUT
            .open(path, |new| {
                if greatest_named > 0 {
                    return Err(OpenError::Refused(older(0)));
                }
                new.execute(
                    "INSERT INTO meta (one, stream, salt, master_check) VALUES (1, ?1, ?2, ?3)",
                    params![stream.to_string(), salt, derive(master, &salt, MASTER_CHECK, stream).expose()],
                )?;
                Ok(())
            })
            .map_err(|error| open_failed(path, error))?;
        // A destroyed key is overwritten, not only forgotten.
        writer.pragma_update(None, "secure_delete", true).map_err(|error| failed(&error))?;
        let reader = LAYOUT.open_read_only(path).map_err(|error| open_failed(path, error))?;
        let tenant_key = tenant_key(&reader, path, stream, master)?;
        let made = greatest_made(&reader).map_err(|error| failed(&error))?;
        if greatest_named > made {
            return Err(corrupt(path, &older(made)));
        }
        let pool = unnamed(&reader, greatest_named).map_err(|error| failed(&error))?;
        // Bounded after it was made: otherwise room for all keys would be taken at once.
        let mut unwrapped = LruCache::unbounded();
        unwrapped.resize(CACHED_KEYS_MAX);
        Ok(Self {
            stream,
            tenant_key,
            randomness,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            pool: Mutex::new(pool),
            unwrapped: Mutex::new(unwrapped),
        })
    }

    /// The stream that the keys belong to.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The lowest pooled number above `above` (the greatest that the log names, or that this batch has drawn).
    /// Refills the pool first if it is empty.
    pub fn draw(&self, above: u64) -> Result<u64, KeyError> {
        let lowest = || lock(&self.pool).range(above + 1..).next().copied();
        if let Some(number) = lowest() {
            return Ok(number);
        }
        self.make(above, 0)?;
        Ok(lowest().expect("numbers above this one were pooled, and the log does not name them yet"))
    }

    /// Makes keys, in one durable write, until [`POOL_HIGH`] lie above `above`; does nothing while more than
    /// [`POOL_LOW`] do. Called outside the write path, with the greatest number that the log names: numbers up to
    /// there leave the pool.
    pub fn refill(&self, above: u64) -> Result<(), KeyError> {
        {
            let mut pool = lock(&self.pool);
            *pool = pool.split_off(&(above + 1));
        }
        self.make(above, POOL_LOW)
    }

    /// Whether it is time to call [`KeyStore::refill`]: no more than [`POOL_LOW`] keys are pooled above `above`.
    pub fn is_low(&self, above: u64) -> bool {
        lock(&self.pool).range(above + 1..).nth(POOL_LOW).is_none()
    }

    /// Looks up the keys of these numbers in one go, for whoever is about to open many payloads, where one statement
    /// does not read much else. What goes wrong shows when a payload is opened.
    pub fn have_ready(&self, numbers: impl Iterator<Item = u64>) {
        let mut wanted: BTreeSet<u64> = numbers.collect();
        {
            let unwrapped = lock(&self.unwrapped);
            wanted.retain(|number| !unwrapped.contains(number));
        }
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return };
        if last - first >= (wanted.len() * SPREAD_MAX) as u64 {
            return;
        }
        let Ok(found) = look_up_all(&lock(&self.reader), *first, *last) else { return };
        for (number, wrapped) in found.into_iter().filter(|(number, _)| wanted.contains(number)) {
            if let Some(secret) = self.unwrap(number, &wrapped) {
                lock(&self.unwrapped).put(number, secret);
            }
        }
    }

    /// Gives a payload that stays plain its salt.
    pub fn plain(&self, payload: &[u8]) -> Result<SealedPayload, KeyError> {
        payload::plain(self.randomness.as_ref(), payload)
    }

    /// Seals a payload under a key.
    pub fn seal(&self, key: u64, event: EventId, payload: &[u8]) -> Result<SealedPayload, KeyError> {
        match self.secret(key)? {
            Some(secret) => payload::seal(self.randomness.as_ref(), &secret, event, payload),
            None => {
                Err(KeyError::Corrupt(format!("key {key} was destroyed; nothing more is sealed under it")))
            }
        }
    }

    /// Opens a stored payload, plain or sealed, and checks its digest.
    pub fn open_payload(
        &self,
        key: Option<u64>,
        event: EventId,
        stored: &[u8],
        digest: &str,
    ) -> Result<OpenedPayload, KeyError> {
        let secret = match key.map(|number| self.secret(number)).transpose()? {
            Some(None) => return Ok(OpenedPayload::Erased),
            Some(Some(secret)) => Some(secret),
            None => None,
        };
        payload::open(secret.as_ref(), event, stored, digest).map(OpenedPayload::Bytes)
    }

    /// A key for a file that is being made beside the log, and the wrapped form to keep in that file.
    pub fn new_side_file_key(&self) -> Result<(SideFileKey, Vec<u8>), KeyError> {
        let secret = Secret::random(self.randomness.as_ref())?;
        let mut wrapped = Vec::with_capacity(NONCE_BYTES + SECRET_BYTES + TAG_BYTES);
        let nonce = self.randomness.array()?;
        self.tenant_key.encrypt_onto(
            &mut wrapped,
            nonce,
            &[secret.expose()],
            &self.bound_to(SIDE_FILE_KEY, 0),
        );
        Ok((SideFileKey::of(&secret, Arc::clone(&self.randomness)), wrapped))
    }

    /// The key of a file beside the log, from its wrapped form; `None` if it is no key of this tenant.
    pub fn side_file_key(&self, wrapped: &[u8]) -> Option<SideFileKey> {
        let opened = self.tenant_key.decrypt(wrapped, &self.bound_to(SIDE_FILE_KEY, 0))?;
        let secret = Secret::copied(&opened)?;
        Some(SideFileKey::of(&secret, Arc::clone(&self.randomness)))
    }

    /// Fills the pool up unless more than `enough` numbers lie above `above`.
    fn make(&self, above: u64, enough: usize) -> Result<(), KeyError> {
        let mut writer = lock(&self.writer);
        let pooled = lock(&self.pool).range(above + 1..).count();
        if pooled > enough {
            return Ok(());
        }
        let made = self.make_durable(&mut writer, above, POOL_HIGH - pooled)?;
        lock(&self.pool).extend(made.iter().map(|(number, _)| number));
        let mut unwrapped = lock(&self.unwrapped);
        for (number, secret) in made {
            unwrapped.put(number, secret);
        }
        Ok(())
    }

    fn make_durable(
        &self,
        writer: &mut Connection,
        above: u64,
        count: usize,
    ) -> Result<Vec<(u64, Secret)>, KeyError> {
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| failed(&error))?;
        let first = above.max(greatest_made(&transaction).map_err(|error| failed(&error))?) + 1;
        let mut made = Vec::with_capacity(count);
        for number in (first..).take(count) {
            let secret = Secret::random(self.randomness.as_ref())?;
            let mut wrapped = Vec::with_capacity(NONCE_BYTES + SECRET_BYTES + TAG_BYTES);
            let nonce = self.randomness.array()?;
            self.tenant_key.encrypt_onto(
                &mut wrapped,
                nonce,
                &[secret.expose()],
                &self.bound_to(DATA_KEY, number),
            );
            transaction
                .prepare_cached("INSERT INTO keys (number, wrapped) VALUES (?1, ?2)")
                .and_then(|mut statement| statement.execute(params![sql(number), wrapped]))
                .map_err(|error| failed(&error))?;
            made.push((number, secret));
        }
        transaction.commit().map_err(|error| failed(&error))?;
        Ok(made)
    }

    /// The key of that number; `None` if it was destroyed.
    fn secret(&self, number: u64) -> Result<Option<Secret>, KeyError> {
        if let Some(secret) = lock(&self.unwrapped).get(&number) {
            return Ok(Some(secret.clone()));
        }
        let wrapped = look_up(&lock(&self.reader), number).map_err(|error| failed(&error))?;
        let Some(wrapped) = wrapped else {
            let made = greatest_made(&lock(&self.reader)).map_err(|error| failed(&error))?;
            return Err(KeyError::Corrupt(if (1..=made).contains(&number) {
                format!("key {number} is missing; a key that was destroyed leaves a mark")
            } else {
                format!("key {number} was never made; the greatest is {made}")
            }));
        };
        let Some(secret) = self.unwrap(number, &wrapped) else {
            let destroyed = self.tenant_key.decrypt(&wrapped, &self.bound_to(DESTROYED, number)).is_some();
            return if destroyed {
                Ok(None)
            } else {
                Err(KeyError::Corrupt(format!("the stored key {number} was changed")))
            };
        };
        lock(&self.unwrapped).put(number, secret.clone());
        Ok(Some(secret))
    }

    /// The key in a stored row; `None` if that was destroyed or changed.
    fn unwrap(&self, number: u64, wrapped: &[u8]) -> Option<Secret> {
        let opened = self.tenant_key.decrypt(wrapped, &self.bound_to(DATA_KEY, number))?;
        Secret::copied(&opened)
    }

    /// What a stored row is bound to: it opens as nothing else, under no other number and in no other tenant.
    fn bound_to(&self, purpose: &[u8], number: u64) -> Vec<u8> {
        [purpose, self.stream.0.as_bytes(), &number.to_be_bytes()].concat()
    }
}

/// A secret of this tenant from the master key, for one purpose.
fn derive(master: &MasterKey, salt: &[u8], purpose: &[u8], stream: StreamId) -> Secret {
    master.secret().derive(salt, &[purpose, stream.0.as_bytes()])
}

/// The tenant key, after checking that file, stream and master key belong together.
fn tenant_key(
    reader: &Connection,
    path: &Path,
    stream: StreamId,
    master: &MasterKey,
) -> Result<Secret, KeyError> {
    let (owner, salt, check) = reader
        .query_row("SELECT stream, salt, master_check FROM meta", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .map_err(|error| failed(&error))?;
    if owner != stream.to_string() {
        return Err(corrupt(path, &format!("it belongs to stream {owner}, not {stream}")));
    }
    if derive(master, &salt, MASTER_CHECK, stream).expose() != check.as_slice() {
        return Err(corrupt(path, "it was made with another master key: give the one that it was made with"));
    }
    Ok(derive(master, &salt, TENANT_KEY, stream))
}

/// The greatest number that was ever given. SQLite's own note of it is not believed when the keys say more: a number
/// that was given twice would be two keys.
fn greatest_made(connection: &Connection) -> rusqlite::Result<u64> {
    let greatest = "SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'keys'), 0),
                               ifnull((SELECT max(number) FROM keys), 0))";
    connection.prepare_cached(greatest)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// The numbers that are made and that the log does not name.
fn unnamed(connection: &Connection, greatest_named: u64) -> rusqlite::Result<BTreeSet<u64>> {
    connection
        .prepare("SELECT number FROM keys WHERE number > ?1")?
        .query_map([sql(greatest_named)], |row| row.get(0).map(i64::cast_unsigned))?
        .collect()
}

fn look_up(connection: &Connection, number: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT wrapped FROM keys WHERE number = ?1")?
        .query_row([sql(number)], |row| row.get(0))
        .optional()
}

/// All from one number to another.
fn look_up_all(connection: &Connection, first: u64, last: u64) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    connection
        .prepare_cached("SELECT number, wrapped FROM keys WHERE number BETWEEN ?1 AND ?2")?
        .query_map([sql(first), sql(last)], |row| Ok((row.get(0).map(i64::cast_unsigned)?, row.get(1)?)))?
        .collect()
}

/// Key numbers lie below 2^53; one beyond SQLite's integers is no key.
fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn failed(error: &rusqlite::Error) -> KeyError {
    if is_damage(error) {
        KeyError::Corrupt(error.to_string())
    } else {
        KeyError::Unavailable(error.to_string())
    }
}

fn open_failed(path: &Path, error: OpenError) -> KeyError {
    match error {
        OpenError::Io(error) => KeyError::Unavailable(format!("{}: {error}", path.display())),
        OpenError::Sqlite(error) => failed(&error),
        OpenError::Refused(reason) => corrupt(path, &reason),
    }
}

fn corrupt(path: &Path, reason: &str) -> KeyError {
    KeyError::Corrupt(format!("{}: {reason}", path.display()))
}

/// What these locks guard is changed in one step, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
