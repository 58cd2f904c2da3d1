//! SCIM schemas as JSON Schema: what a resource looks like in an answer, and in a request.
//!
//! A request's form says what is meant, not all that is taken: dialects and unknown attributes are taken besides.

use scim::schema::{Attribute, AttributeType, Mutability, ReturnedRule, Schema};
use scim::{Object, ResourceSchema};
use serde_json::{Value, json};

/// What a required text looks like: no control character, and more than blanks.
const TEXT: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

/// What a `userName` looks like: a text without a blank at its ends (`scim::resource::check_names`).
const USER_NAME: &str =
    r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$";

/// Which way a body goes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Answer,
    Request,
}

/// A resource as it is answered. Which attributes are there depends on what the client chose.
pub(super) fn answered(schema: &ResourceSchema) -> Value {
    let mut body = object(&schema.core.attributes, Way::Answer);
    for extension in &schema.extensions {
        body["properties"][&extension.id] = object(&extension.attributes, Way::Answer);
    }
    // A tenant may have extensions of its own.
    body["properties"]["schemas"] = json!({"type": "array", "items": {"type": "string"}, "contains": {"const": schema.core.id}, "minItems": 1});
    body["properties"]["id"]["format"] = "uuid".into();
    body["required"] = json!(["schemas", "id"]);
    body["description"] = schema.core.description.clone().into();
    body
}

/// A resource as a client sends it.
pub(super) fn requested(schema: &ResourceSchema) -> Value {
    let mut body = object(&schema.core.attributes, Way::Request);
    for extension in &schema.extensions {
        body["properties"][&extension.id] = object(&extension.attributes, Way::Request);
    }
    let core = &schema.core.id;
    body["properties"]["schemas"] = json!({"type": "array", "items": {"enum": urns(schema).collect::<Vec<_>>()}, "contains": {"const": core}});
    let required = schema.core.attributes.iter();
    let required = required.filter(|attribute| attribute.required && is_part(attribute, Way::Request));
    body["required"] =
        std::iter::once("schemas").chain(required.map(|attribute| attribute.name.as_str())).collect();
    body
}

fn urns(schema: &ResourceSchema) -> impl Iterator<Item = &String> {
    std::iter::once(&schema.core).chain(&schema.extensions).map(|schema: &Schema| &schema.id)
}

fn is_part(attribute: &Attribute, way: Way) -> bool {
    match way {
        Way::Answer => attribute.returned != ReturnedRule::Never,
        Way::Request => attribute.mutability != Mutability::ReadOnly,
    }
}

fn object(attributes: &[Attribute], way: Way) -> Value {
    let parts = attributes.iter().filter(|attribute| is_part(attribute, way));
    let properties: Object =
        parts.map(|attribute| (attribute.name.clone(), property(attribute, way))).collect();
    json!({"type": "object", "properties": properties})
}

fn property(attribute: &Attribute, way: Way) -> Value {
    let mut value = match attribute.value_type {
        AttributeType::Complex => object(&attribute.sub_attributes, way),
        AttributeType::Boolean => json!({"type": "boolean"}),
        AttributeType::Decimal => json!({"type": "number"}),
        AttributeType::Integer => json!({"type": "integer"}),
        AttributeType::Binary => json!({"type": "string", "contentEncoding": "base64"}),
        AttributeType::String | AttributeType::Reference | AttributeType::DateTime => {
            json!({"type": "string"})
        }
    };
    if way == Way::Request && attribute.required && attribute.value_type == AttributeType::String {
        value["pattern"] = if attribute.name == "userName" { USER_NAME } else { TEXT }.into();
    }
    if !attribute.canonical_values.is_empty() {
        value["examples"] = attribute.canonical_values.clone().into();
    }
    if attribute.multi_valued {
        value = json!({"type": "array", "items": value});
    }
    value["description"] = attribute.description.clone().into();
    value
}
