//! The virtual file system through which SQLite reads and writes such files: the operating system's own, with two
//! functions replaced.
//!
//! SQLite asks a file for its table of functions. After the operating system's file system has opened a database or a
//! write-ahead log, its table is exchanged for a copy in which reading checks a page, and writing completes it. What is
//! written to a write-ahead log is gathered behind what the operating system's file system keeps of a file, and all
//! functions that could tell the difference have it written first. Everything else (locks, shared memory) stays as it
//! is, and so do rollback journals, which a page passes on its way back into its own file only.
//!
//! This is the only unsafe code of the workspace: SQLite's interface for file systems is one of C.
#![expect(unsafe_code, reason = "SQLite's interface for file systems is one of C")]

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, Error, ffi};

use super::gathered::Gathered;
use super::{RESERVED_BYTES, c_void, completed, frame, is_whole, page_number};

/// By this name SQLite knows it.
pub(super) const NAME: &CStr = c"page_checksums";

/// The operating system's file system. SQLite never frees it.
struct Original(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite lets any thread use a registered file system, and nothing here changes it.
unsafe impl Send for Original {}
// SAFETY: likewise.
unsafe impl Sync for Original {}

static ORIGINAL: OnceLock<Original> = OnceLock::new();

/// The files whose pages are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Database,
    WriteAheadLog,
}

impl Kind {
    /// By the flags with which SQLite opens a file.
    fn of(flags: c_int) -> Option<Self> {
        match flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL) {
            ffi::SQLITE_OPEN_MAIN_DB => Some(Self::Database),
            ffi::SQLITE_OPEN_WAL => Some(Self::WriteAheadLog),
            _ => None,
        }
    }
}

/// A table of functions that takes another one's place. SQLite sees the first field only.
#[repr(C)]
struct Replaced {
    methods: ffi::sqlite3_io_methods,
    original: *const ffi::sqlite3_io_methods,
    kind: Kind,
}

/// One for each kind and each table that the operating system's file system has: it chooses by the kind of disk.
/// Never freed.
static TABLES: Mutex<Vec<Table>> = Mutex::new(Vec::new());

struct Table(&'static Replaced);

// SAFETY: a table is never changed after it was made, and what it points to are SQLite's constants.
unsafe impl Send for Table {}

/// Makes the file system known to SQLite, once.
pub(super) fn register() -> rusqlite::Result<()> {
    static REGISTERED: Mutex<bool> = Mutex::new(false);
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    if *registered {
        return Ok(());
    }
    // SAFETY: a null name asks for the default; SQLite starts itself first.
    let original = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    if original.is_null() {
        return Err(failure(ffi::SQLITE_CANTOPEN));
    }
    ORIGINAL.get_or_init(|| Original(original));
    // SAFETY: `original` is a valid file system for as long as the process lives. The copy differs in its name, in
    // how it opens files, in how much room it wants for one, and in not being in SQLite's list yet; all its other
    // functions ask nothing of it that the original has not. It is never freed, since SQLite keeps it.
    let code = unsafe {
        let own = Box::leak(Box::new(ptr::read(original)));
        own.pNext = ptr::null_mut();
        own.zName = NAME.as_ptr();
        own.xOpen = Some(open);
        own.szOsFile =
            c_int::try_from(gathered_at(original) + size_of::<Gathered>()).expect("a few hundred bytes");
        ffi::sqlite3_vfs_register(own, 0)
    };
    if code != ffi::SQLITE_OK {
        return Err(failure(code));
    }
    *registered = true;
    Ok(())
}

/// Keeps room for checksums and marks in the pages of a file that is about to be made. Changes nothing in one that exists.
pub(super) fn reserve(connection: &Connection) -> rusqlite::Result<()> {
    let mut bytes = c_int::try_from(RESERVED_BYTES).expect("a few bytes");
    // SAFETY: the connection is open, and for this request SQLite reads and writes one int.
    let code = unsafe {
        let bytes = ptr::from_mut(&mut bytes).cast::<c_void>();
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_RESERVE_BYTES,
            bytes,
        )
    };
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(failure(code)) }
}

fn failure(code: c_int) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), None)
}

/// SQLite calls this to open a file.
unsafe extern "C" fn open(
    _own: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let Some(Original(original)) = ORIGINAL.get() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: SQLite's arguments are handed on as they are, to a file system that wants no more room for a file than
    // ours. What is gathered lies behind that, in the room that SQLite keeps for ours, and nobody has used it yet.
    unsafe {
        let Some(open) = (**original).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = open(*original, name, file, flags, out_flags);
        if let Some(kind) = Kind::of(flags)
            && !(*file).pMethods.is_null()
        {
            (*file).pMethods = &raw const replaced((*file).pMethods, kind).methods;
            if kind == Kind::WriteAheadLog {
                gathered_of(file).write(Gathered::default());
            }
        }
        code
    }
}

/// Where what is gathered lies in the room for a file.
///
/// # Safety
/// `original` must be a valid file system.
unsafe fn gathered_at(original: *const ffi::sqlite3_vfs) -> usize {
    // SAFETY: by the contract of this function.
    let bytes = unsafe { (*original).szOsFile };
    usize::try_from(bytes).unwrap_or_default().next_multiple_of(align_of::<Gathered>())
}

/// Where the frames are that a file has been given and does not have yet.
///
/// # Safety
/// `file` must have room for a file of ours.
unsafe fn gathered_of(file: *mut ffi::sqlite3_file) -> *mut Gathered {
    let Original(original) = ORIGINAL.get().expect("files are opened by way of it");
    // SAFETY: by the contract of this function.
    unsafe { file.byte_add(gathered_at(*original)).cast() }
}

/// The table that takes the place of this one.
///
/// # Safety
/// `original` must point to a table of SQLite's, which are constants.
unsafe fn replaced(original: *const ffi::sqlite3_io_methods, kind: Kind) -> &'static Replaced {
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = tables.iter().find(|table| table.0.original == original && table.0.kind == kind);
    if let Some(Table(known)) = known {
        return known;
    }
    // SAFETY: by the contract of this function.
    let mut methods = unsafe { ptr::read(original) };
    // Version 3 adds reading through mapped memory, which passes by `read`.
    methods.iVersion = methods.iVersion.min(2);
    match kind {
        Kind::Database => {
            methods.xRead = Some(read);
            methods.xWrite = Some(write);
            methods.xDeviceCharacteristics = Some(device_characteristics);
        }
        Kind::WriteAheadLog => {
            methods.xRead = Some(read_log);
            methods.xWrite = Some(write_log);
            methods.xTruncate = Some(truncate_log);
            methods.xSync = Some(sync_log);
            methods.xFileSize = Some(size_of_log);
            methods.xClose = Some(close_log);
        }
    }
    let table: &'static Replaced = Box::leak(Box::new(Replaced { methods, original, kind }));
    tables.push(Table(table));
    table
}

/// The functions that stood in a file's table before.
///
/// # Safety
/// `file` must have been opened by [`open`] as a database or a write-ahead log.
unsafe fn original<'f>(file: *mut ffi::sqlite3_file) -> &'f ffi::sqlite3_io_methods {
    // SAFETY: the table of such a file is the first field of a `Replaced`, and neither is ever freed.
    unsafe { &*(*(*file).pMethods.cast::<Replaced>()).original }
}

/// SQLite calls this to read a database.
unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: only files that were opened here have this function, and SQLite's buffer has `amount` bytes.
    let code = unsafe { read_page(file, buffer, amount, offset, page_number, is_whole) };
    // SQLite takes what a file lacks for zeros. Behind the end of a file that may be; a page that ends there was cut.
    if code == ffi::SQLITE_IOERR_SHORT_READ
        && usize::try_from(amount).is_ok_and(|amount| page_number(amount, offset).is_some())
    {
        let mut size = 0;
        // SAFETY: as above.
        let sized = unsafe { original(file).xFileSize.map(|file_size| file_size(file, &raw mut size)) };
        return if sized == Some(ffi::SQLITE_OK) && size <= offset { code } else { ffi::SQLITE_IOERR_DATA };
    }
    code
}

/// SQLite calls this to read a write-ahead log.
unsafe extern "C" fn read_log(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: likewise.
    unsafe {
        match flush(file) {
            ffi::SQLITE_OK => read_page(file, buffer, amount, offset, frame::place, frame::is_marked),
            code => code,
        }
    }
}

/// SQLite calls this to write a database.
unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    let page = usize::try_from(amount).ok().and_then(|bytes| Some((bytes, page_number(bytes, offset)?)));
    match page {
        Some((bytes, number)) => {
            // SAFETY: only files that were opened here have this function, and SQLite's buffer has `amount` bytes.
            unsafe {
                write_on(file, offset, &completed(number, std::slice::from_raw_parts(buffer.cast(), bytes)))
            }
        }
        // SAFETY: likewise.
        None => unsafe { write_as_it_is(file, buffer, amount, offset) },
    }
}

/// SQLite calls this to write a write-ahead log.
unsafe extern "C" fn write_log(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    let Ok(bytes) = usize::try_from(amount) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: only logs that were opened here have this function, SQLite's buffer has `amount` bytes, and one thread at
    // a time uses a file.
    unsafe {
        let piece = std::slice::from_raw_parts(buffer.cast(), bytes);
        (*gathered_of(file)).write(offset, piece, |offset, bytes| write_on(file, offset, bytes))
    }
}

/// SQLite calls this to shorten a write-ahead log. No transaction is open then.
unsafe extern "C" fn truncate_log(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: only logs that were opened here have this function, and one thread at a time uses a file.
    unsafe {
        (*gathered_of(file)).discard();
        original(file).xTruncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |truncate| truncate(file, size))
    }
}

/// SQLite calls this to make a write-ahead log durable.
unsafe extern "C" fn sync_log(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: likewise.
    unsafe {
        match flush(file) {
            ffi::SQLITE_OK => original(file).xSync.map_or(ffi::SQLITE_IOERR_FSYNC, |sync| sync(file, flags)),
            code => code,
        }
    }
}

/// SQLite calls this to ask for the length of a write-ahead log.
unsafe extern "C" fn size_of_log(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: likewise.
    unsafe {
        match flush(file) {
            ffi::SQLITE_OK => original(file).xFileSize.map_or(ffi::SQLITE_IOERR_FSTAT, |ask| ask(file, size)),
            code => code,
        }
    }
}

/// SQLite calls this, once, when it is done with a write-ahead log.
unsafe extern "C" fn close_log(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: likewise; nobody asks for what is gathered after this.
    unsafe {
        ptr::drop_in_place(gathered_of(file));
        original(file).xClose.map_or(ffi::SQLITE_IOERR_CLOSE, |close| close(file))
    }
}

/// Has written what was gathered.
///
/// # Safety
/// `file` must have been opened by [`open`] as a write-ahead log, and nobody else may use it.
unsafe fn flush(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: by the contract of this function.
    unsafe { (*gathered_of(file)).flush(|offset, bytes| write_on(file, offset, bytes)) }
}

/// Writes bytes of our own.
///
/// # Safety
/// `file` must have been opened by [`open`] as a database or a write-ahead log.
unsafe fn write_on(file: *mut ffi::sqlite3_file, offset: i64, bytes: &[u8]) -> c_int {
    let Ok(amount) = c_int::try_from(bytes.len()) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: by the contract of this function; the buffer has as many bytes as are said.
    unsafe { write_as_it_is(file, bytes.as_ptr().cast(), amount, offset) }
}

/// Hands a write on.
///
/// # Safety
/// `file` must have been opened by [`open`] as a database or a write-ahead log, and `buffer` must have `amount` bytes.
unsafe fn write_as_it_is(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: by the contract of this function.
    unsafe {
        original(file).xWrite.map_or(ffi::SQLITE_IOERR_WRITE, |write| write(file, buffer, amount, offset))
    }
}

/// Reads, and answers that the data are bad where a page does not stand as it has to in its place.
///
/// # Safety
/// `file` must have been opened by [`open`] as a database or a write-ahead log, and `buffer` must have `amount` bytes.
unsafe fn read_page(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: i64,
    place: fn(usize, i64) -> Option<u64>,
    stands: fn(u64, &[u8]) -> bool,
) -> c_int {
    // SAFETY: by the contract of this function.
    let Some(read) = (unsafe { original(file).xRead }) else { return ffi::SQLITE_IOERR_READ };
    // SAFETY: SQLite's arguments are handed on as they are.
    let code = unsafe { read(file, buffer, amount, offset) };
    if code == ffi::SQLITE_OK
        && let Ok(amount) = usize::try_from(amount)
        && let Some(place) = place(amount, offset)
    {
        // SAFETY: the buffer has `amount` bytes, all of which were just read.
        let page = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), amount) };
        if !stands(place, page) {
            return ffi::SQLITE_IOERR_DATA;
        }
    }
    code
}

/// SQLite calls this to ask what a disk can do. That a part of a page may be read alone is not said: whoever reads a
/// part cannot check it.
unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: only files that were opened here have this function, and SQLite's argument is handed on as it is.
    let characteristics = unsafe { original(file).xDeviceCharacteristics.map_or(0, |ask| ask(file)) };
    characteristics & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}
