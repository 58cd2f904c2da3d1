//! The functions that stand in the tables of databases and write-ahead logs. SQLite calls them.
//!
//! For all of them: only files that were opened by [`super::open`] have them, SQLite's buffers have as many bytes as it
//! says, and one thread at a time uses a file.

use std::ffi::c_int;
use std::ptr;

use rusqlite::ffi;

use super::{gathered_of, original};
use crate::{c_void, completed, frame, is_whole, page_number};

/// Puts those of a database into a table.
pub(super) fn for_database(methods: &mut ffi::sqlite3_io_methods) {
    methods.xRead = Some(read);
    methods.xWrite = Some(write);
    methods.xDeviceCharacteristics = Some(device_characteristics);
}

/// Puts those of a write-ahead log into a table.
pub(super) fn for_log(methods: &mut ffi::sqlite3_io_methods) {
    methods.xRead = Some(read_log);
    methods.xWrite = Some(write_log);
    methods.xTruncate = Some(truncate_log);
    methods.xSync = Some(sync_log);
    methods.xFileSize = Some(size_of_log);
    methods.xClose = Some(close_log);
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

/// SQLite calls this to shorten a write-ahead log.
unsafe extern "C" fn truncate_log(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: only logs that were opened here have this function, and one thread at a time uses a file.
    unsafe {
        match flush(file) {
            ffi::SQLITE_OK => {
                original(file).xTruncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |truncate| truncate(file, size))
            }
            code => code,
        }
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
/// `file` must have been opened by [`super::open`] as a write-ahead log, and nobody else may use it.
unsafe fn flush(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: by the contract of this function.
    unsafe { (*gathered_of(file)).flush(|offset, bytes| write_on(file, offset, bytes)) }
}

/// Writes bytes of our own.
///
/// # Safety
/// `file` must have been opened by [`super::open`] as a database or a write-ahead log.
unsafe fn write_on(file: *mut ffi::sqlite3_file, offset: i64, bytes: &[u8]) -> c_int {
    let Ok(amount) = c_int::try_from(bytes.len()) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: by the contract of this function; the buffer has as many bytes as are said.
    unsafe { write_as_it_is(file, bytes.as_ptr().cast(), amount, offset) }
}

/// Hands a write on.
///
/// # Safety
/// `file` must have been opened by [`super::open`] as a database or a write-ahead log, and `buffer` must have `amount` bytes.
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
/// `file` must have been opened by [`super::open`] as a database or a write-ahead log, and `buffer` must have `amount` bytes.
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
