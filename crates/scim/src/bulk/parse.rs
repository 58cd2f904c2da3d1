//! A bulk request's message: its shape, and the shape of each of its operations.
//!
//! What is wrong with the message as a whole refuses it, and nothing is done. What is wrong with one operation is
//! that operation's error, since the others are to be carried out (RFC 7644 section 3.7). Names of members are found
//! whatever their case, the method too.

use std::collections::HashMap;

use serde_json::Value;

use super::references::PREFIX;
use super::{Asked, BULK_REQUEST, Method, Operation, Path, Request};
use crate::dialect::{Dialect, Notes, Place, message_members, message_urns};
use crate::{Object, ResourceType, ScimError, ScimType};

/// Why a message is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkError {
    /// It has this many operations, which are too many.
    #[error("{0} operations are too many for one request")]
    TooManyOperations(usize),
    /// It is not what a message has to be.
    #[error(transparent)]
    Message(#[from] ScimError),
}

/// Reads a message of at most `operations_max` operations. `notes` are those of the message itself; each operation has
/// its own.
pub fn parse(body: Value, operations_max: usize, notes: &mut Notes) -> Result<Request, BulkError> {
    let mut body = if let Value::Object(body) = body { body } else { Object::new() };
    message_members(&mut body, &["schemas", "failOnErrors", "Operations"], &Place::BODY, notes);
    let mut schemas = take(&mut body, "schemas");
    if let Some(schemas) = &mut schemas {
        message_urns(schemas, BULK_REQUEST, notes);
    }
    if !names_bulk_request(schemas.as_ref()) {
        let detail = format!("the body must be an object whose schemas attribute has {BULK_REQUEST}");
        return Err(invalid("bulk_schema_missing", detail).into());
    }
    let fail_on_errors = fail_on_errors(take(&mut body, "failOnErrors"))?;
    let operations = match take(&mut body, "Operations") {
        Some(Value::Array(operations)) if !operations.is_empty() => operations,
        _ => {
            let detail = "Operations must be an array of one or more operations";
            return Err(invalid("bulk_no_operations", detail).into());
        }
    };
    if operations.len() > operations_max {
        return Err(BulkError::TooManyOperations(operations.len()));
    }
    let mut read = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        let Value::Object(operation) = operation else {
            let detail = format!("operation {} must be an object", index + 1);
            return Err(invalid("bulk_operation_invalid", detail).into());
        };
        read.push(self::operation(operation));
    }
    check_names(&read)?;
    Ok(Request { fail_on_errors, operations: read })
}

fn names_bulk_request(schemas: Option<&Value>) -> bool {
    let is_bulk_request =
        |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(BULK_REQUEST));
    schemas.and_then(Value::as_array).is_some_and(|urns| urns.iter().any(is_bulk_request))
}

fn fail_on_errors(value: Option<Value>) -> Result<Option<usize>, ScimError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    if let Some(errors @ 1..) = value.as_u64() {
        return Ok(Some(usize::try_from(errors).unwrap_or(usize::MAX)));
    }
    let detail = "failOnErrors must be a whole number, 1 or more; leave it out to have every operation tried";
    Err(ScimError::new(ScimType::InvalidValue, "bulk_fail_on_errors_invalid", detail))
}

/// RFC 7644 section 3.7: a `bulkId` is unique within the request. It matters where others may refer to it.
fn check_names(operations: &[Operation]) -> Result<(), ScimError> {
    let mut seen = HashMap::new();
    for (index, operation) in operations.iter().enumerate() {
        if let Some(name) = operation.names()
            && let Some(first) = seen.insert(name, index)
        {
            let detail = format!(
                "the operations {} and {} have the same bulkId, so it is unclear which resource it names; give \
                 each POST its own",
                first + 1,
                index + 1
            );
            return Err(invalid("bulk_id_repeated", detail));
        }
    }
    Ok(())
}

fn operation(mut operation: Object) -> Operation {
    let mut notes = Notes::new();
    let known = ["method", "bulkId", "version", "path", "data"];
    message_members(&mut operation, &known, &Place::BODY, &mut notes);
    let method = take(&mut operation, "method");
    let method = method.as_ref().and_then(Value::as_str);
    let known = method.and_then(Method::named);
    // `generic.bulk_form`: a method in other letters, and a path in another form than `/Users/<id>`.
    if known.is_some_and(|known| Some(known.as_str()) != method) {
        notes.note(Dialect::GenericBulkForm, "method");
    }
    let bulk_id = match take(&mut operation, "bulkId") {
        Some(Value::String(name)) if !name.is_empty() => Some(name),
        _ => None,
    };
    let path = path(take(&mut operation, "path").as_ref(), &mut notes);
    if known == Some(Method::Delete)
        && operation.iter().any(|(name, value)| is_data(name) && !value.is_null())
    {
        notes.note(Dialect::GenericBodyIgnored, "data");
    }
    Operation {
        method: known.map(Method::as_str).or(method).map(str::to_owned),
        path: path.as_ref().ok().cloned(),
        asked: known
            .ok_or_else(|| invalid("bulk_method_invalid", "method must be POST, PUT, PATCH or DELETE"))
            .and_then(|method| asked(method, path?, bulk_id.as_deref(), operation)),
        bulk_id,
        notes,
    }
}

fn is_data(name: &str) -> bool {
    name.eq_ignore_ascii_case("data")
}

fn asked(
    method: Method,
    path: Path,
    bulk_id: Option<&str>,
    mut operation: Object,
) -> Result<Asked, ScimError> {
    match (method, &path.id) {
        (Method::Post, Some(_)) => {
            let detail = "the path of a POST must be an endpoint alone, /Users or /Groups";
            return Err(invalid("bulk_path_invalid", detail));
        }
        (Method::Post, None) if bulk_id.is_none() => {
            let detail = "a POST needs a bulkId, a text that is not empty";
            return Err(invalid("bulk_id_missing", detail));
        }
        (Method::Put | Method::Patch | Method::Delete, None) => {
            let detail =
                format!("the path of a {} must name a resource, such as /Users/<id>", method.as_str());
            return Err(invalid("bulk_path_invalid", detail));
        }
        _ => {}
    }
    let version = match take(&mut operation, "version") {
        _ if method == Method::Post => None,
        None | Some(Value::Null) => None,
        Some(Value::String(version)) => Some(version),
        Some(_) => {
            let detail = "version must be a text, the ETag of the resource";
            return Err(invalid("bulk_version_invalid", detail));
        }
    };
    let data = match take(&mut operation, "data") {
        _ if method == Method::Delete => Value::Null,
        Some(data @ Value::Object(_)) => data,
        _ => {
            let detail = format!(
                "a {} needs data, an object that is the body of the same request sent alone",
                method.as_str()
            );
            return Err(invalid("bulk_data_missing", detail));
        }
    };
    Ok(Asked { method, path, version, data })
}

/// Reads a path such as `/Users` or `/Groups/<id>`. Everything behind the endpoint is one id, since a `bulkId` may
/// hold any character.
fn path(value: Option<&Value>, notes: &mut Notes) -> Result<Path, ScimError> {
    let written = value.and_then(Value::as_str).unwrap_or_default();
    let text = written.strip_prefix('/').unwrap_or(written);
    let (endpoint, id) = text.split_once('/').unwrap_or((text, ""));
    let resource_type = [ResourceType::User, ResourceType::Group]
        .into_iter()
        .find(|resource_type| resource_type.endpoint().eq_ignore_ascii_case(endpoint));
    let Some(resource_type) = resource_type else {
        let detail = "path must be relative to the SCIM base URL, without a query: /Users, /Groups, or a resource \
                      below one of them";
        return Err(invalid("bulk_path_invalid", detail));
    };
    let id = id.strip_suffix('/').unwrap_or(id);
    if !id.starts_with(PREFIX) && id.contains(['/', '?', '#']) {
        let detail = "path must end with the id of a resource, without a query or anything else behind it";
        return Err(invalid("bulk_path_invalid", detail));
    }
    let slash = if id.is_empty() { "" } else { "/" };
    if written != format!("/{}{slash}{id}", resource_type.endpoint()) {
        notes.note(Dialect::GenericBulkForm, "path");
    }
    Ok(Path { resource_type, id: (!id.is_empty()).then(|| id.to_owned()) })
}

fn invalid(code: &'static str, detail: impl Into<String>) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, code, detail)
}

/// Takes a member out of an object, whatever the case of its name.
fn take(object: &mut Object, name: &str) -> Option<Value> {
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

#[cfg(test)]
mod tests;
