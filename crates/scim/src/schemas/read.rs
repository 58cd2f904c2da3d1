//! Additions as an operator writes them, in JSON: every key is known, and an error says where it stands.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Additions, SchemaError};
use crate::Object;
use crate::schema::{Attribute, AttributeType, Schema};

/// The members of a schema. A copy of what `/Schemas` serves has two more, which say nothing.
const OF_SCHEMA: [&str; 6] = ["id", "name", "description", "attributes", "schemas", "meta"];
/// The characteristics of an attribute (RFC 7643 section 7).
const OF_ATTRIBUTE: [&str; 12] = [
    "name",
    "type",
    "subAttributes",
    "multiValued",
    "description",
    "required",
    "canonicalValues",
    "caseExact",
    "mutability",
    "returned",
    "uniqueness",
    "referenceTypes",
];

impl Additions {
    /// Reads `{"User": [schema…], "Group": [schema…]}`. What is left out gets the RFC's default.
    pub fn read(value: &Value) -> Result<Self, SchemaError> {
        let mut additions = Self::default();
        for (name, schemas) in object(value, "schemas")? {
            let list = match name.as_str() {
                "User" => &mut additions.user,
                "Group" => &mut additions.group,
                _ => return Err(malformed("schemas", "has a member that is neither User nor Group")),
            };
            for (place, schema) in elements(schemas, &format!("schemas.{name}"))? {
                list.push(schema_at(schema, &place)?);
            }
        }
        Ok(additions)
    }
}

fn schema_at(value: &Value, place: &str) -> Result<Schema, SchemaError> {
    let members = object(value, place)?;
    known(members, &OF_SCHEMA, place)?;
    let attributes = attributes_at(members.get("attributes"), &format!("{place}.attributes"))?;
    let mut bare = members.clone();
    bare.insert("attributes".to_owned(), Value::Array(Vec::new()));
    Ok(Schema { attributes, ..typed(bare, place)? })
}

fn attributes_at(value: Option<&Value>, place: &str) -> Result<Vec<Attribute>, SchemaError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let read = |(place, value): (String, &Value)| attribute_at(value, &place);
    elements(value, place)?.into_iter().map(read).collect()
}

fn attribute_at(value: &Value, place: &str) -> Result<Attribute, SchemaError> {
    let members = object(value, place)?;
    let named = members.get("name").and_then(Value::as_str).unwrap_or("without a name");
    let place = format!("{place} ({named})");
    known(members, &OF_ATTRIBUTE, &place)?;
    let sub_attributes = attributes_at(members.get("subAttributes"), &format!("{place}.subAttributes"))?;
    let mut bare = members.clone();
    bare.remove("subAttributes");
    let mut attribute = Attribute { sub_attributes, ..typed(bare, &place)? };
    // RFC 7643 sections 2.3.6 and 2.3.7: both are case exact, whatever a schema says.
    attribute.case_exact |= matches!(attribute.value_type, AttributeType::Binary | AttributeType::Reference);
    Ok(attribute)
}

fn object<'v>(value: &'v Value, place: &str) -> Result<&'v Object, SchemaError> {
    value.as_object().ok_or_else(|| malformed(place, "must be an object"))
}

/// The elements of an array, each with its place.
fn elements<'v>(value: &'v Value, place: &str) -> Result<Vec<(String, &'v Value)>, SchemaError> {
    let elements = value.as_array().ok_or_else(|| malformed(place, "must be an array"))?;
    Ok(elements.iter().enumerate().map(|(index, value)| (format!("{place}[{index}]"), value)).collect())
}

fn known(members: &Object, names: &[&str], place: &str) -> Result<(), SchemaError> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let problem = format!("has the member {name}; the members there are {}", names.join(", "));
            Err(malformed(place, &problem))
        }
    }
}

fn typed<T: DeserializeOwned>(members: Object, place: &str) -> Result<T, SchemaError> {
    serde_json::from_value(Value::Object(members)).map_err(|error| malformed(place, &error.to_string()))
}

fn malformed(place: &str, problem: &str) -> SchemaError {
    SchemaError { code: "schema_malformed", detail: format!("{place}: {problem}") }
}
