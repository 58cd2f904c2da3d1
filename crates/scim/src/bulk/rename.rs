//! Another id in the place of one that was drawn.
//!
//! A POST may bring back a person under an old id instead of the one that was drawn for it. What refers to that
//! POST was read with the drawn id, which is in nobody's data by chance: wherever it stands, it was a reference.

use serde_json::Value;

use crate::filter::Filter;
use crate::patch::PatchRequest;
use crate::resource::Document;

impl Document {
    /// Puts `to` wherever `from` stands as a value.
    pub fn rename(&mut self, from: &str, to: &str) {
        for value in self.attributes.values_mut() {
            in_value(value, from, to);
        }
        for member in self.members.iter_mut().flatten() {
            in_text(&mut member.value, from, to);
        }
        if let Some(external_id) = &mut self.external_id {
            in_text(external_id, from, to);
        }
    }
}

impl PatchRequest {
    /// Puts `to` wherever `from` stands as a value, in filters of paths too.
    pub fn rename(&mut self, from: &str, to: &str) {
        for operation in &mut self.operations {
            in_value(&mut operation.value, from, to);
            if let Some(filter) = operation.path.as_mut().and_then(|path| path.filter.as_mut()) {
                in_filter(filter, from, to);
            }
        }
    }
}

fn in_text(text: &mut String, from: &str, to: &str) {
    if text == from {
        to.clone_into(text);
    }
}

fn in_value(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => in_text(text, from, to),
        Value::Array(elements) => elements.iter_mut().for_each(|element| in_value(element, from, to)),
        Value::Object(members) => members.values_mut().for_each(|member| in_value(member, from, to)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn in_filter(filter: &mut Filter, from: &str, to: &str) {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter_mut().for_each(|term| in_filter(term, from, to)),
        Filter::Not(term) | Filter::ValuePath { filter: term, .. } => in_filter(term, from, to),
        Filter::Compare { value, .. } => in_value(value, from, to),
        Filter::Present(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::schemas::Schemas;

    #[test]
    fn an_id_is_renamed_in_values_members_and_filters_and_nowhere_else() {
        let schemas = Schemas::standard();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "drawn",
            "externalId": "drawn too",
            "members": [{"value": "drawn"}, {"value": "other"}],
        });
        let (mut document, _) = crate::resource::read(group, &schemas.group).unwrap();
        document.rename("drawn", "real");
        let members: Vec<_> = document.members.iter().flatten().map(|member| &*member.value).collect();
        assert_eq!((&document.attributes["displayName"], members), (&json!("real"), vec!["real", "other"]));
        assert_eq!(document.external_id.as_deref(), Some("drawn too"));

        let patch = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {"op": "remove", "path": "members[value eq \"drawn\" or not (value eq \"other\")]"},
                {"op": "add", "path": "members", "value": [{"value": "drawn"}]},
            ],
        });
        let mut request = crate::patch::parse::parse(patch.clone(), &schemas.group).unwrap();
        request.rename("drawn", "real");
        let renamed = serde_json::from_str(&patch.to_string().replace("drawn", "real")).unwrap();
        assert_eq!(request, crate::patch::parse::parse(renamed, &schemas.group).unwrap());
    }
}
