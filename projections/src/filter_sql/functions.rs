//! What SQLite cannot do itself: folding, suffixes and instants exactly as `scim` understands them.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use scim::filter::typed;
use scim::fold;

/// Makes `fold(text)`, `ends_with(text, suffix)` and `instant(text)` known to a connection. Each is NULL for
/// anything but text.
pub(crate) fn register_functions(connection: &Connection) -> rusqlite::Result<()> {
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("fold", 1, pure, |context| Ok(text(context, 0)?.map(fold::fold)))?;
    connection.create_scalar_function("ends_with", 2, pure, |context| {
        Ok(text(context, 0)?.zip(text(context, 1)?).map(|(text, suffix)| text.ends_with(suffix)))
    })?;
    connection
        .create_scalar_function("instant", 1, pure, |context| Ok(text(context, 0)?.and_then(typed::instant)))
}

fn text<'c>(context: &'c Context<'_>, index: usize) -> rusqlite::Result<Option<&'c str>> {
    match context.get_raw(index) {
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).map(Some).map_err(|error| rusqlite::Error::Utf8Error(index, error))
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Ok(None),
    }
}
