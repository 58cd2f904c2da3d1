//! Mistakes in the schemas that a profile adds: each attribute is looked at alone, so that none hides another's.

use scim::schemas::{Additions, SchemaError};
use serde_json::{Map, Value, json};

use super::Mistake;
use super::source::{Source, Step};

/// Finds every mistake below `schemas`.
pub(super) fn check_schemas(source: &Source<'_>, mistakes: &mut Vec<Mistake>) {
    let before = mistakes.len();
    let root = [Step::Key("schemas")];
    let Some(Value::Object(types)) = source.value(&root) else {
        mistakes.push(source.mistake(&root, "takes tables such as [[schemas.User]]"));
        return;
    };
    for (name, schemas) in types {
        let path = [Step::Key("schemas"), Step::Key(name)];
        match schemas.as_array() {
            _ if !["User", "Group"].contains(&name.as_str()) => {
                mistakes
                    .push(source.mistake(&path, "there is no such resource type; there are User and Group"));
            }
            None => mistakes.push(source.mistake(&path, format!("takes tables, [[schemas.{name}]]"))),
            Some(schemas) => {
                for (index, schema) in schemas.iter().enumerate() {
                    let steps = [path[0], path[1], Step::Index(index)];
                    check_schema(source, name, schema, steps, mistakes);
                }
            }
        }
    }
    // What is wrong with several together.
    if mistakes.len() == before
        && let Err(error) = Additions::read(&Value::Object(types.clone())).and_then(|read| read.check())
    {
        mistakes.push(source.mistake(&root, error.detail));
    }
}

fn check_schema(
    source: &Source<'_>,
    resource_type: &str,
    schema: &Value,
    steps: [Step<'_>; 3],
    mistakes: &mut Vec<Mistake>,
) {
    let Some(members) = schema.as_object() else {
        mistakes.push(source.mistake(&steps, "takes a table with id and attributes"));
        return;
    };
    let nothing = Vec::new();
    let attributes = match members.get("attributes") {
        None => &nothing,
        Some(Value::Array(attributes)) => attributes,
        Some(_) => {
            let path = [steps[0], steps[1], steps[2], Step::Key("attributes")];
            mistakes.push(source.mistake(&path, "takes a list of attributes"));
            return;
        }
    };
    // The schema itself, with an attribute that nobody objects to.
    let mut bare = members.clone();
    bare.insert("attributes".to_owned(), json!([{"name": "anything-at-all"}]));
    let found = mistakes.len();
    for key in members.keys().filter(|key| *key != "attributes" && *key != "id") {
        let mut one =
            Map::from_iter([("id".to_owned(), json!("urn:any")), ("attributes".to_owned(), json!([]))]);
        one.insert(key.clone(), members[key].clone());
        if let Err(error) = Additions::read(&json!({ resource_type: [one] })) {
            mistakes
                .push(source.mistake(&[steps[0], steps[1], steps[2], Step::Key(key)], without_place(error)));
        }
    }
    if mistakes.len() == found
        && let Err(error) = check(resource_type, &bare)
    {
        mistakes.push(source.mistake(&[steps[0], steps[1], steps[2], Step::Key("id")], without_place(error)));
    }
    if attributes.is_empty() {
        mistakes.push(source.mistake(&steps, "adds no attributes"));
    }
    let sound = mistakes.len() == found;
    for (index, attribute) in attributes.iter().enumerate() {
        let path = [steps[0], steps[1], steps[2], Step::Key("attributes"), Step::Index(index)];
        let alone = Map::from_iter([
            ("id".to_owned(), members.get("id").filter(|_| sound).cloned().unwrap_or(json!("urn:any"))),
            ("name".to_owned(), members.get("name").filter(|_| sound).cloned().unwrap_or(json!("any"))),
        ]);
        check_attribute(source, resource_type, &alone, attribute, &path, mistakes);
    }
}

fn check_attribute(
    source: &Source<'_>,
    resource_type: &str,
    schema: &Map<String, Value>,
    attribute: &Value,
    path: &[Step<'_>],
    mistakes: &mut Vec<Mistake>,
) {
    let of = |attribute: Value| {
        let mut schema = schema.clone();
        schema.insert("attributes".to_owned(), Value::Array(vec![attribute]));
        schema
    };
    let found = mistakes.len();
    for (key, value) in attribute.as_object().into_iter().flatten() {
        let mut one = Map::from_iter([("name".to_owned(), json!("any"))]);
        one.insert(key.clone(), value.clone());
        if let Err(error) = Additions::read(&json!({ resource_type: [of(Value::Object(one))] })) {
            let steps: Vec<_> = path.iter().copied().chain([Step::Key(key)]).collect();
            mistakes.push(source.mistake(&steps, without_place(error)));
        }
    }
    if mistakes.len() == found
        && let Err(error) = check(resource_type, &of(attribute.clone()))
    {
        mistakes.push(source.mistake(path, without_place(error)));
    }
}

fn check(resource_type: &str, schema: &Map<String, Value>) -> Result<(), SchemaError> {
    Additions::read(&json!({ resource_type: [schema] }))?.check()
}

/// The key tells the place already.
fn without_place(error: SchemaError) -> String {
    match error.detail.split_once(": ") {
        Some((place, problem)) if error.code == "schema_malformed" && place.starts_with("schemas") => {
            problem.to_owned()
        }
        _ => error.detail,
    }
}
