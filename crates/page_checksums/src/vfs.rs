//! The virtual file system through which SQLite reads and writes such files: the operating system's own, with two
//! functions replaced.
//!
//! SQLite asks a file for its table of functions. After the operating system's file system has opened a database or a
//! write-ahead log, its table is exchanged for a copy in which reading checks a page, and writing completes it.
//! Everything else (locks, shared memory, syncs) stays as it is, and so do rollback journals, which a page passes on
//! its way back into its own file only.
//!
//! This is the only unsafe code of the workspace: SQLite's interface for file systems is one of C.
#![expect(unsafe_code, reason = "SQLite's interface for file systems is one of C")]

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, Error, ffi};

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
    // how it opens files and in not being in SQLite's list yet; all its other functions ask nothing of it that the
    // original has not. It is never freed, since SQLite keeps it.
    let code = unsafe {
        let own = Box::leak(Box::new(ptr::read(original)));
        own.pNext = ptr::null_mut();
        own.zName = NAME.as_ptr();
        own.xOpen = Some(open);
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
    // SAFETY: SQLite's arguments are handed on as they are, to the file system whose size of a file ours has.
    unsafe {
        let Some(open) = (**original).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = open(*original, name, file, flags, out_flags);
        if let Some(kind) = Kind::of(flags)
            && !(*file).pMethods.is_null()
        {
            (*file).pMethods = &raw const replaced((*file).pMethods, kind).methods;
        }
        code
    }
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
    // SAFETY: only files that were opened here have this function, and SQLite's arguments are handed on as they are.
    let code = unsafe {
        let Some(read) = original(file).xRead else { return ffi::SQLITE_IOERR_READ };
        read(file, buffer, amount, offset)
    };
    let Ok(amount) = usize::try_from(amount) else { return code };
    // SQLite takes what a file lacks for zeros. Behind the end of a file that may be; a page that ends there was cut.
    if code == ffi::SQLITE_IOERR_SHORT_READ && page_number(amount, offset).is_some() {
        let mut size = 0;
        // SAFETY: as above.
        let sized = unsafe { original(file).xFileSize.map(|file_size| file_size(file, &raw mut size)) };
        return if sized == Some(ffi::SQLITE_OK) && size <= offset { code } else { ffi::SQLITE_IOERR_DATA };
    }
    if code == ffi::SQLITE_OK
        && let Some(number) = page_number(amount, offset)
    {
        // SAFETY: the buffer has `amount` bytes, all of which were just read.
        let page = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), amount) };
        if !is_whole(number, page) {
            return ffi::SQLITE_IOERR_DATA;
        }
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
    // SAFETY: only files that were opened here have this function, and SQLite's arguments are handed on as they are.
    let code = unsafe {
        let Some(read) = original(file).xRead else { return ffi::SQLITE_IOERR_READ };
        read(file, buffer, amount, offset)
    };
    if code == ffi::SQLITE_OK
        && let Ok(amount) = usize::try_from(amount)
        && let Some(place) = frame::place(amount, offset)
    {
        // SAFETY: the buffer has `amount` bytes, all of which were just read.
        let page = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), amount) };
        if !frame::is_marked(place, page) {
            return ffi::SQLITE_IOERR_DATA;
        }
    }
    code
}

/// SQLite calls this to write a database.
unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: only files that were opened here have this function, and SQLite's buffer has `amount` bytes.
    unsafe { write_page(file, buffer, amount, offset, page_number, completed) }
}

/// SQLite calls this to write a write-ahead log.
unsafe extern "C" fn write_log(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: likewise.
    unsafe { write_page(file, buffer, amount, offset, frame::place, frame::marked) }
}

/// Writes a page as it has to stand in its place, and what is no page as it is.
///
/// # Safety
/// `file` must have been opened by [`open`] as a database or a write-ahead log, and `buffer` must have `amount` bytes.
unsafe fn write_page(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: i64,
    place: fn(usize, i64) -> Option<u64>,
    complete: fn(u64, &[u8]) -> Vec<u8>,
) -> c_int {
    // SAFETY: by the contract of this function.
    let Some(write) = (unsafe { original(file).xWrite }) else { return ffi::SQLITE_IOERR_WRITE };
    match usize::try_from(amount).ok().and_then(|amount| Some((amount, place(amount, offset)?))) {
        Some((bytes, place)) => {
            // SAFETY: by the contract of this function.
            let page = complete(place, unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), bytes) });
            // SAFETY: the page that is handed on has as many bytes as SQLite's.
            unsafe { write(file, page.as_ptr().cast(), amount, offset) }
        }
        // SAFETY: SQLite's arguments are handed on as they are.
        None => unsafe { write(file, buffer, amount, offset) },
    }
}

/// SQLite calls this to ask what a disk can do. That a part of a page may be read alone is not said: whoever reads a
/// part cannot check it.
unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: only files that were opened here have this function, and SQLite's argument is handed on as it is.
    let characteristics = unsafe { original(file).xDeviceCharacteristics.map_or(0, |ask| ask(file)) };
    characteristics & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}
