//! Deviations in the body of a POST or PUT: wrong URNs here, wrong values in [`super::value`].
//!
//! Old connectors name schemas as SCIM 1 did or as Microsoft once did, misspell them, or forget the core one
//! beside an extension. Each such name has one meaning, so it is rewritten, both in `schemas` and as the key of
//! an extension's object. URNs that mean nothing here are taken out.

use std::collections::HashSet;

use serde_json::Value;

use super::value::coerce_object;
use super::{Dialect, Notes, Place};
use crate::schemas::ENTERPRISE_USER;
use crate::{Object, ResourceSchema};

/// Microsoft's schema URIs of before 2018, `…/ADSCIM/2.0/Group`, all begin like this.
const ADSCIM: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/";
/// The core schema in SCIM 1 (`…:1.0`) and in drafts of SCIM 2 (`…:2.0`).
const SCIM_1_CORE: &str = "urn:scim:schemas:core:";
/// The enterprise extension in SCIM 1 and in drafts of SCIM 2.
const SCIM_1_ENTERPRISE: &str = "urn:scim:schemas:extension:enterprise:";

/// Where the URNs of a body stand.
const SCHEMAS: &str = "schemas";

/// Applies every dialect of a resource's body.
pub(super) fn rewrite(body: &mut Value, schema: &ResourceSchema, notes: &mut Notes) {
    if let Value::Object(object) = body {
        rewrite_schemas(object, schema, notes);
        rewrite_extension_keys(object, schema, notes);
        coerce_object(object, schema, &Place::BODY, notes);
        extension_undeclared(object, schema, notes);
    }
}

/// Rewrites the URNs in `schemas`; `entra.core_urn_missing`: adds the core one where only extensions are named.
fn rewrite_schemas(object: &mut Object, schema: &ResourceSchema, notes: &mut Notes) {
    let Some(urns) = urns(object) else { return };
    once_each(urns, notes);
    let mut index = 0;
    while let Some(urn) = urns.get(index) {
        let Some((dialect, right)) = urn.as_str().and_then(|urn| right_urn(urn, schema)) else {
            index += 1;
            continue;
        };
        notes.note(dialect, SCHEMAS);
        if names(urns, right) {
            urns.remove(index);
        } else {
            urns[index] = Value::from(right);
        }
    }
    if !names(urns, &schema.core.id) && schema.extensions.iter().any(|extension| names(urns, &extension.id)) {
        urns.insert(0, Value::String(schema.core.id.clone()));
        notes.note(Dialect::EntraCoreUrnMissing, SCHEMAS);
    }
    if names(urns, &schema.core.id) {
        known_only(urns, |urn| schema.all().any(|schema| schema.id.eq_ignore_ascii_case(urn)), notes);
    }
}

/// `generic.urn_repeated`: a URN that stands there twice, as templates that were put together have it.
pub(super) fn once_each(urns: &mut Vec<Value>, notes: &mut Notes) {
    let mut seen = HashSet::new();
    urns.retain(|urn| {
        let stays = urn.as_str().is_none_or(|urn| seen.insert(urn.to_ascii_lowercase()));
        if !stays {
            notes.note(Dialect::GenericUrnRepeated, SCHEMAS);
        }
        stays
    });
}

/// `generic.urn_unknown`: a URN that has no meaning here, from mappings for another service provider.
pub(super) fn known_only(urns: &mut Vec<Value>, is_known: impl Fn(&str) -> bool, notes: &mut Notes) {
    urns.retain(|urn| {
        let stays = urn.as_str().is_none_or(&is_known);
        if !stays {
            notes.note(Dialect::GenericUrnUnknown, SCHEMAS);
        }
        stays
    });
}

/// `entra.extension_undeclared`: attributes of an extension whose URN `schemas` does not name. They count.
fn extension_undeclared(object: &mut Object, schema: &ResourceSchema, notes: &mut Notes) {
    let has_value = |value: &Value| value.as_object().is_some_and(|it| it.values().any(|it| !it.is_null()));
    let there: Vec<&str> = schema
        .extensions
        .iter()
        .filter(|extension| {
            object.iter().any(|(key, value)| key.eq_ignore_ascii_case(&extension.id) && has_value(value))
        })
        .map(|extension| extension.id.as_str())
        .collect();
    let Some(urns) = urns(object) else { return };
    for urn in there {
        if !names(urns, urn) {
            urns.push(Value::from(urn));
            notes.note(Dialect::EntraExtensionUndeclared, Place::BODY.member(urn));
        }
    }
}

/// The elements of `schemas`.
fn urns(object: &mut Object) -> Option<&mut Vec<Value>> {
    let (_, urns) = object.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(SCHEMAS))?;
    urns.as_array_mut()
}

fn names(urns: &[Value], id: &str) -> bool {
    urns.iter().any(|urn| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(id)))
}

/// Rewrites URNs that are keys of extension objects, unless the right key is there as well.
fn rewrite_extension_keys(object: &mut Object, schema: &ResourceSchema, notes: &mut Notes) {
    let wrong: Vec<(String, (Dialect, &str))> =
        object.keys().filter_map(|key| Some((key.clone(), right_urn(key, schema)?))).collect();
    for (key, (dialect, right)) in wrong {
        let taken = object.keys().any(|key| key.eq_ignore_ascii_case(right));
        if !taken
            && schema.extension(right).is_some()
            && let Some(value) = object.remove(&key)
        {
            object.insert(right.to_owned(), value);
            notes.note(dialect, Place::BODY.member(right));
        }
    }
}

/// What a wrong URN means: the dialect that writes it, and the right one.
///
/// `onelogin.scim1_urn`: `urn:scim:schemas:core:2.0`, `urn:scim:schemas:extension:enterprise:2.0` and the same
/// with `1.0`. `entra.adscim_uri`: a URI of Microsoft's own with the resource type at its end. `entra.urn_typo`:
/// the last colon is missing, `…:enterprise:2.0User`.
fn right_urn<'s>(urn: &str, schema: &'s ResourceSchema) -> Option<(Dialect, &'s str)> {
    let core = schema.core.id.as_str();
    let type_name = schema.resource_type.name();
    if is_scim_1(urn, SCIM_1_CORE, type_name) {
        return Some((Dialect::OneLoginScim1Urn, core));
    }
    if is_scim_1(urn, SCIM_1_ENTERPRISE, type_name) {
        return Some((Dialect::OneLoginScim1Urn, &schema.extension(ENTERPRISE_USER)?.id));
    }
    if let Some(rest) = strip(urn, ADSCIM) {
        let rest = strip(rest, "2.0/").unwrap_or(rest);
        return rest.eq_ignore_ascii_case(type_name).then_some((Dialect::EntraAdscimUri, core));
    }
    let extensions = schema.extensions.iter().map(|extension| extension.id.as_str());
    let right = std::iter::once(core).chain(extensions).find(|id| misses_last_colon(urn, id))?;
    Some((Dialect::EntraUrnTypo, right))
}

/// Whether the URN is a SCIM 1 prefix with one of its releases and, if anything, the resource type behind it.
fn is_scim_1(urn: &str, prefix: &str, type_name: &str) -> bool {
    let Some(rest) = strip(urn, prefix) else { return false };
    match rest.split_once(':') {
        None => matches!(rest, "1.0" | "2.0"),
        Some((release, name)) => matches!(release, "1.0" | "2.0") && name.eq_ignore_ascii_case(type_name),
    }
}

fn misses_last_colon(urn: &str, id: &str) -> bool {
    id.rsplit_once(':')
        .is_some_and(|(head, tail)| strip(urn, head).is_some_and(|rest| rest.eq_ignore_ascii_case(tail)))
}

/// The text behind a prefix of whatever case.
fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests;
