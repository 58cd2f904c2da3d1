//! The virtual file system through which SQLite reads and writes such files: the operating system's own, with some
//! functions replaced.
//!
//! SQLite asks a file for its table of functions. After the operating system's file system has opened a database or a
//! write-ahead log, its table is exchanged for a copy in which reading checks a page, and writing completes it
//! ([`functions`]). What is written to a write-ahead log is gathered behind what the operating system's file system
//! keeps of a file, and all functions that could tell the difference have it written first. Everything else (locks,
//! shared memory) stays as it is, and so do rollback journals, which a page passes on its way back into its own file
//! only.
//!
//! This is the only unsafe code of the workspace: SQLite's interface for file systems is one of C.
#![expect(unsafe_code, reason = "SQLite's interface for file systems is one of C")]

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, Error, ffi};

use super::gathered::Gathered;
use super::{RESERVED_BYTES, c_void};

mod functions;

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
        Kind::Database => functions::for_database(&mut methods),
        Kind::WriteAheadLog => functions::for_log(&mut methods),
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
