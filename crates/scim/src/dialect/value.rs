//! Deviations inside values: how providers write booleans, references and nested attributes.
//!
//! The bodies of POST and PUT and the values of PATCH operations share these functions. Each deviation is one
//! small function, named in its first line by what it notes. What is no known deviation is left alone:
//! the schema check answers for it. Nothing here fails, and nothing here knows operations or paths of PATCH.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::note::Place;
use super::{Dialect, Notes};
use crate::resource::EXTERNAL_ID;
use crate::schema::{Attribute, AttributeType, Mutability, Schema};
use crate::{Object, ResourceSchema};

/// Brings all attributes of an object into RFC form: first its keys ([`nest_keys`]), then its values
/// ([`coerce`]). What names nothing in the schemas is taken out.
pub(super) fn coerce_object(object: &mut Object, schema: &ResourceSchema, at: &Place<'_>, notes: &mut Notes) {
    core_object(object, schema, at, notes);
    nest_keys(object, schema, at, notes);
    object.retain(|key, value| {
        if let Some(attribute) = schema.core.attribute(key) {
            coerce(value, attribute, &at.member(&attribute.name), notes);
            return true;
        }
        let Some(extension) = schema.extension(key) else { return unknown(key, at, notes) };
        if let Value::Object(members) = value {
            let at = at.member(&extension.id);
            coerce_members(members, |key| extension.attribute(key), &at, notes);
        }
        true
    });
}

/// The members of an object that may only be these attributes.
fn coerce_members<'s>(
    members: &mut Object,
    find: impl Fn(&str) -> Option<&'s Attribute>,
    at: &Place<'_>,
    notes: &mut Notes,
) {
    members.retain(|key, value| {
        let Some(attribute) = find(key) else { return unknown(key, at, notes) };
        coerce(value, attribute, &at.member(&attribute.name), notes);
        true
    });
}

/// `generic.attribute_unknown`: a name that no schema has, from mappings for another service provider. It is left
/// out, so that one attribute too many keeps nobody from being provisioned, or deprovisioned. Says that it does not
/// stay.
pub(super) fn unknown(name: &str, at: &Place<'_>, notes: &mut Notes) -> bool {
    notes.note(Dialect::GenericAttributeUnknown, at.member(name));
    false
}

/// Brings the value of one attribute into RFC form, with everything below it. What only the service provider may write
/// is ignored or refused whatever its form, so that is left as it is.
pub(super) fn coerce(value: &mut Value, attribute: &Attribute, at: &Place<'_>, notes: &mut Notes) {
    if attribute.mutability == Mutability::ReadOnly {
        return;
    }
    if attribute.multi_valued {
        single_value(value, attribute, at, notes);
        if let Value::Array(elements) = value {
            null_element(elements, at, notes);
            for (index, element) in elements.iter_mut().enumerate() {
                coerce_element(element, attribute, &at.element(index + 1), notes);
            }
        }
    } else {
        if attribute.value_type == AttributeType::Complex {
            complex_list(value, at, notes);
            complex_text(value, attribute, at, notes);
        } else {
            wrapped_value(value, at, notes);
        }
        coerce_element(value, attribute, at, notes);
    }
}

/// One value: of a singular attribute, or one of the values of a multi-valued one.
pub(super) fn coerce_element(value: &mut Value, attribute: &Attribute, at: &Place<'_>, notes: &mut Notes) {
    match (attribute.value_type, value) {
        (AttributeType::Boolean, value) => bool_string(value, at, notes),
        (AttributeType::Complex, Value::Object(members)) => {
            coerce_members(members, |key| attribute.sub_attribute(key), at, notes);
        }
        (AttributeType::Binary, Value::String(text)) => base64_form(text, at, notes),
        (AttributeType::Reference, Value::String(text)) => reference_form(text, at, notes),
        (AttributeType::String, value) if attribute.name == EXTERNAL_ID => {
            external_id_empty(value, at, notes);
        }
        _ => {}
    }
}

/// `entra.bool_string`: a boolean as text, `"False"`. Entra writes every boolean of its mappings like this
/// unless the tenant URL carries `aadOptscim062020`; some connectors write `"1"` and `"0"`.
fn bool_string(value: &mut Value, at: &Place<'_>, notes: &mut Notes) {
    let Value::String(text) = &*value else { return };
    let boolean = if text.eq_ignore_ascii_case("true") || text == "1" {
        true
    } else if text.eq_ignore_ascii_case("false") || text == "0" {
        false
    } else {
        return;
    };
    *value = Value::Bool(boolean);
    notes.note(Dialect::EntraBoolString, at);
}

/// `generic.single_value`: one value of a multi-valued attribute without the array around it, from connectors that
/// map one address. What does not have the attribute's shape is left for the schema check.
fn single_value(value: &mut Value, attribute: &Attribute, at: &Place<'_>, notes: &mut Notes) {
    let complex = attribute.value_type == AttributeType::Complex;
    if !value.is_null() && !value.is_array() && complex == value.is_object() {
        *value = Value::Array(vec![value.take()]);
        notes.note(Dialect::GenericSingleValue, at);
    }
}

/// `generic.null_element`: `null` among values, from templates whose source has none.
fn null_element(elements: &mut Vec<Value>, at: &Place<'_>, notes: &mut Notes) {
    if let Some(index) = elements.iter().position(Value::is_null) {
        elements.retain(|element| !element.is_null());
        notes.note(Dialect::GenericNullElement, at.element(index + 1));
    }
}

/// `generic.base64_form`: base64 with the alphabet for URLs, or with line breaks, as certificates are cut out of
/// files. It is kept as it is, so that a client reads what it wrote.
fn base64_form(text: &str, at: &Place<'_>, notes: &mut Notes) {
    if text.contains(|c: char| matches!(c, '-' | '_') || c.is_ascii_whitespace()) {
        notes.note(Dialect::GenericBase64Form, at);
    }
}

/// `generic.reference_form`: an address with letters beyond ASCII that nobody encoded. It is kept as it is.
fn reference_form(text: &str, at: &Place<'_>, notes: &mut Notes) {
    if !text.is_ascii() {
        notes.note(Dialect::GenericReferenceForm, at);
    }
}

/// `generic.external_id_empty`: an empty `externalId`, from mappings whose source has none. It is none.
fn external_id_empty(value: &mut Value, at: &Place<'_>, notes: &mut Notes) {
    if value.as_str().is_some_and(str::is_empty) {
        *value = Value::Null;
        notes.note(Dialect::GenericExternalIdEmpty, at);
    }
}

/// `entra.complex_list`: the object of a singular complex attribute inside an array, as Entra sends `manager`:
/// `[{"value": "…", "$ref": "…"}]`.
fn complex_list(value: &mut Value, at: &Place<'_>, notes: &mut Notes) {
    if let Value::Array(elements) = value
        && let [only @ Value::Object(_)] = elements.as_mut_slice()
    {
        *value = only.take();
        notes.note(Dialect::EntraComplexList, at);
    }
}

/// `entra.complex_text`: the `value` of a singular complex attribute without the object around it, as Entra
/// sends `manager`: `"271"`. An empty text takes the manager away.
fn complex_text(value: &mut Value, attribute: &Attribute, at: &Place<'_>, notes: &mut Notes) {
    let Value::String(text) = &mut *value else { return };
    let Some(inner) = attribute.sub_attribute("value") else { return };
    *value = if text.is_empty() { Value::Null } else { json!({ (&inner.name): std::mem::take(text) }) };
    notes.note(Dialect::EntraComplexText, at);
}

/// `entra.wrapped_value`: a simple singular value wrapped like an element of a multi-valued attribute,
/// `[{"value": "y"}]`. Entra does so for attributes that its mapping takes for multi-valued.
fn wrapped_value(value: &mut Value, at: &Place<'_>, notes: &mut Notes) {
    if let Value::Array(elements) = value
        && let [Value::Object(members)] = elements.as_mut_slice()
        && let Some((_, inner)) = members.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case("value"))
    {
        *value = inner.take();
        notes.note(Dialect::EntraWrappedValue, at);
    }
}

/// `generic.core_object`: attributes of the core schema in an object under its URN, as those of an extension are.
/// They move to where nothing stands yet.
fn core_object(object: &mut Object, schema: &ResourceSchema, at: &Place<'_>, notes: &mut Notes) {
    let key =
        object.iter().find(|(key, value)| key.eq_ignore_ascii_case(&schema.core.id) && value.is_object());
    let Some(key) = key.map(|(key, _)| key.clone()) else { return };
    if let Some(Value::Object(members)) = object.remove(&key) {
        let taken: HashSet<String> = object.keys().map(|key| key.to_ascii_lowercase()).collect();
        object.extend(members.into_iter().filter(|(name, _)| !taken.contains(&name.to_ascii_lowercase())));
        notes.note(Dialect::GenericCoreObject, at.member(&schema.core.id));
    }
}

/// Moves values under flat keys to where they belong: `name.givenName`, `urn:…:User:department`,
/// `urn:…:User.department` and a bare `department` become members of nested objects.
///
/// A key is only moved if all of it is known, and only to where nothing stands yet. Any other is left in place,
/// where it is an unknown attribute. That keeps the work linear, too: known names are few.
fn nest_keys(object: &mut Object, schema: &ResourceSchema, at: &Place<'_>, notes: &mut Notes) {
    let flat: Vec<(String, FlatKey<'_>)> = object
        .keys()
        .filter_map(|key| FlatKey::read(key, schema).map(|flat_key| (key.clone(), flat_key)))
        .collect();
    for (key, flat_key) in flat {
        let Some(value) = object.remove(&key) else { continue };
        match place(object, &flat_key.route, value) {
            Ok(()) => notes.note(flat_key.dialect, at.member(&key)),
            Err(value) => {
                object.insert(key, value);
            }
        }
    }
    for (key, value) in object.iter_mut() {
        if let (Some(extension), Value::Object(members)) = (schema.extension(key), value) {
            nest_dotted_keys(members, extension, &at.member(&extension.id), notes);
        }
    }
}

/// Dotted keys inside an extension's object: `"urn:…:User": {"manager.value": …}`.
fn nest_dotted_keys(members: &mut Object, schema: &Schema, at: &Place<'_>, notes: &mut Notes) {
    let flat: Vec<(String, Vec<&str>)> = members
        .keys()
        .filter(|key| key.contains('.'))
        .filter_map(|key| Some((key.clone(), attribute_route(key, schema)?)))
        .collect();
    for (key, route) in flat {
        let Some(value) = members.remove(&key) else { continue };
        match place(members, &route, value) {
            Ok(()) => notes.note(Dialect::EntraDottedKey, at.member(&key)),
            Err(value) => {
                members.insert(key, value);
            }
        }
    }
}

/// A key that names something deeper, with the way to it in schema spelling.
struct FlatKey<'s> {
    dialect: Dialect,
    route: Vec<&'s str>,
}

impl<'s> FlatKey<'s> {
    /// `entra.dotted_key`: `name.givenName` in an object, which Entra sends with `aadOptscim062020`.
    ///
    /// `entra.urn_key`: `urn:…:User:employeeNumber` in an object, from the same place.
    ///
    /// `entra.urn_dot`: a dot between URN and attribute, `urn:…:User.manager`, from Entra jobs made before 2018
    /// and from Microsoft's own test collections.
    ///
    /// `entra.bare_extension_name`: an attribute of an extension without its URN, `manager` beside `userName`;
    /// it counts if exactly one extension has it, as in paths.
    fn read(key: &str, schema: &'s ResourceSchema) -> Option<Self> {
        if schema.core.attribute(key).is_some() || schema.extension(key).is_some() {
            return None;
        }
        for extension in &schema.extensions {
            if let Some((dialect, name)) = strip_urn(key, &extension.id) {
                return Some(Self { dialect, route: extension_route(name, extension)? });
            }
        }
        if let Some((dialect, name)) = strip_urn(key, &schema.core.id) {
            return Some(Self { dialect, route: attribute_route(name, &schema.core)? });
        }
        if let Some(route) = attribute_route(key, &schema.core) {
            return Some(Self { dialect: Dialect::EntraDottedKey, route });
        }
        let mut routes = schema.extensions.iter().filter_map(|extension| extension_route(key, extension));
        let route = routes.next()?;
        routes.next().is_none().then_some(Self { dialect: Dialect::EntraBareExtensionName, route })
    }
}

/// The way to an attribute of an extension.
fn extension_route<'s>(name: &str, extension: &'s Schema) -> Option<Vec<&'s str>> {
    let mut route = attribute_route(name, extension)?;
    route.insert(0, &extension.id);
    Some(route)
}

/// The part of a key behind a URN and a colon or dot, and the name of the dialect that writes it so.
fn strip_urn<'k>(key: &'k str, urn: &str) -> Option<(Dialect, &'k str)> {
    let (head, tail) = key.split_at_checked(urn.len())?;
    if !head.eq_ignore_ascii_case(urn) {
        return None;
    }
    let colon = tail.strip_prefix(':').map(|name| (Dialect::EntraUrnKey, name));
    colon.or_else(|| tail.strip_prefix('.').map(|name| (Dialect::EntraUrnDot, name)))
}

/// `attribute` or `attribute.subAttribute` in schema spelling. A sub-attribute of a multi-valued attribute has
/// no one place, so such a name is no route.
fn attribute_route<'s>(name: &str, schema: &'s Schema) -> Option<Vec<&'s str>> {
    let Some((name, sub_name)) = name.split_once('.') else {
        return Some(vec![&schema.attribute(name)?.name]);
    };
    let attribute = schema.attribute(name).filter(|attribute| !attribute.multi_valued)?;
    Some(vec![&attribute.name, &attribute.sub_attribute(sub_name)?.name])
}

/// Puts a value at the end of a route of object members, making the objects on the way. Gives the value back
/// if something stands there already, or if a step on the way is no object.
fn place(object: &mut Object, route: &[&str], value: Value) -> Result<(), Value> {
    let Some((name, rest)) = route.split_first() else { return Err(value) };
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    if rest.is_empty() {
        if key.is_some() {
            return Err(value);
        }
        object.insert((*name).to_owned(), value);
        return Ok(());
    }
    let inner = object.entry(key.unwrap_or_else(|| (*name).to_owned())).or_insert(Value::Null);
    if inner.is_null() {
        *inner = Value::Object(Object::new());
    }
    match inner.as_object_mut() {
        Some(inner) => place(inner, rest, value),
        None => Err(value),
    }
}

#[cfg(test)]
mod tests;
