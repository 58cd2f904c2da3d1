//! Requests as they were logged, with the names of who sent them and what their codes mean.

use provisioning::{ClientId, TokenId};
use serde_json::{Value, json};

use super::remedies::explained;
use super::{Parameters, ReportError};
use crate::directory::Directory;
use crate::request_log::{Reader, ReadingError, Row, Wanted};

/// Requests on a page, where the caller does not say, and whatever the caller says.
const PAGE_DEFAULT: u64 = 100;
const PAGE_MAX: u64 = 1_000;

impl From<ReadingError> for ReportError {
    fn from(error: ReadingError) -> Self {
        Self::Unavailable { code: "request_log_unavailable", detail: error.to_string() }
    }
}

/// The newest requests, or those behind a number; oldest first.
pub(super) fn list(directory: &Directory, parameters: Parameters<'_>) -> Result<Value, ReportError> {
    let after = parameters.get("after").map(|_| parameters.number("after", 0)).transpose()?;
    let limit = parameters.number("limit", PAGE_DEFAULT)?.min(PAGE_MAX);
    let failed = match parameters.get("failed") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(ReportError::invalid("parameter_invalid", "`failed` must be true or false"));
        }
    };
    let names = match parameters.get("user") {
        Some(user) => names_of(directory, user)?,
        None => Vec::new(),
    };
    let reader = Reader::open(directory)?;
    // First: whatever is read afterwards is at least as new.
    let (position, totals) = (directory.position(), reader.totals()?);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let newest_first = after.is_none();
    let rows = reader.rows(&Wanted { after, names, failed, newest_first, limit, ..Wanted::default() })?;
    let requests: Vec<Value> = rows.iter().map(|row| item(directory, &reader, row)).collect();
    Ok(json!({
        "requests": requests,
        "position": position,
        "last": totals.last,
        "logged": totals.logged,
        "dropped": totals.dropped,
        "pruned": totals.pruned,
    }))
}

/// One request with everything that is kept of it.
pub(super) fn show(directory: &Directory, id: &str) -> Result<Value, ReportError> {
    let reader = Reader::open(directory)?;
    let Some(row) = reader.request(id)? else {
        let detail = "no request with that id is logged: it was folded into others, is too old, or reached another \
                      tenant or none";
        return Err(ReportError::not_found("request_not_found", detail));
    };
    let mut shown = item(directory, &reader, &row);
    shown["contents"] = json!(reader.detail(&row));
    shown["explanations"] = explained(directory, &row);
    Ok(shown)
}

/// Everything by which requests may name the person whom a name means: the name itself, and the ids of whoever bears
/// or bore it.
pub(super) fn names_of(directory: &Directory, name: &str) -> Result<Vec<String>, ReportError> {
    let ids = directory.with_history(|history| history.users_known_as(name))?;
    let ids = ids.iter().map(ToString::to_string);
    Ok(std::iter::once(name.to_owned()).chain(ids).collect())
}

/// A row as it is answered everywhere.
pub(super) fn item(directory: &Directory, reader: &Reader, row: &Row) -> Value {
    let tenancy = directory.tenancy();
    let client = row.client.as_deref().map(|id| {
        let client = ClientId::parse(id).and_then(|id| tenancy.clients.get(&id));
        json!({"id": id, "name": client.map(|client| &client.name)})
    });
    let token = row.token.as_deref().map(|id| {
        let token = TokenId::parse(id).and_then(|id| tenancy.tokens.get(&id));
        json!({"id": id, "label": token.map(|token| &token.label)})
    });
    let contents = reader.detail(row).unwrap_or_default();
    let mut shown = json!(row);
    shown["client"] = json!(client);
    shown["token"] = json!(token);
    shown["path"] = contents["path"].clone();
    shown["detail"] = contents["detail"].clone();
    shown
}
