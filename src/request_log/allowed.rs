//! What may be kept of a request: values under the attributes that a tenant's schemas know and may return, and under
//! the members of the protocol's own messages, each with what it may hold. There is no list of what may not: whatever
//! is not here is not kept.
//!
//! Names are looked up whatever their case, in tables that are made once for a tenant's schemas.

use std::collections::HashMap;

use scim::ResourceSchema;
use scim::schema::{Attribute, AttributeType, Mutability, ReturnedRule, Schema};
use scim::schemas::Schemas;

use super::words;

/// A table of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(usize);

impl Level {
    /// The members of a body, and paths to attributes without a filter: `name.givenName`, `urn:…:User:department`.
    pub(super) const BODY: Self = Self(0);
    /// The members of an operation, of a PATCH or of a bulk request.
    pub(super) const OPERATION: Self = Self(1);
}

/// What may stand under a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) holds: Holds,
    pub(super) names: Naming,
    /// The table in which the name stands.
    pub(super) within: Level,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    /// What is never returned.
    Nothing,
    /// A text, a number or a boolean, or several of them.
    Value,
    /// Parts with names of that table. Where one value stands instead, it is what they have as `value`.
    Parts(Level),
    /// What the protocol has there.
    Message(Message),
}

/// What a member of a message may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message {
    /// A text or number of that kind.
    One(fn(&str) -> bool),
    /// One of them, or several.
    Many(fn(&str) -> bool),
    Filter,
    Operations,
    /// What an operation is about.
    Path,
    /// What an operation writes there.
    Value,
    /// A whole body.
    Data,
}

/// Whom a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// Somebody, whatever it looks like.
    Somebody,
    /// The last part of it does: it is the address of a resource.
    ByAddress,
    /// Somebody, if it looks like an address of theirs or is looked for.
    Perhaps,
    /// Nobody: it says which of several values is meant.
    Nobody,
}

/// The members of messages, where they stand, and what they may hold (RFC 7644 sections 3.4.2, 3.5.2 and 3.7).
const MESSAGES: [(Level, &str, Message); 17] = {
    use Message::{Data, Filter, Many, One, Operations, Path, Value};
    [
        (Level::BODY, "schemas", Many(words::is_uri)),
        (Level::BODY, "Operations", Operations),
        (Level::BODY, "failOnErrors", One(words::is_number)),
        (Level::BODY, "attributes", Many(words::are_names)),
        (Level::BODY, "excludedAttributes", Many(words::are_names)),
        (Level::BODY, "filter", Filter),
        (Level::BODY, "sortBy", One(words::are_names)),
        (Level::BODY, "sortOrder", One(words::is_order)),
        (Level::BODY, "startIndex", One(words::is_number)),
        (Level::BODY, "count", One(words::is_number)),
        (Level::OPERATION, "op", One(words::is_op)),
        (Level::OPERATION, "path", Path),
        (Level::OPERATION, "value", Value),
        (Level::OPERATION, "method", One(words::is_method)),
        (Level::OPERATION, "bulkId", One(words::is_id)),
        (Level::OPERATION, "version", One(words::is_etag)),
        (Level::OPERATION, "data", Data),
    ]
};

/// The longest name that is looked up.
const NAME_BYTES_MAX: usize = 256;

/// What the schemas of a tenant allow to be kept.
pub(super) struct Allowed {
    pub(super) schemas: Schemas,
    /// By names in lower case.
    levels: Vec<HashMap<Box<[u8]>, Rule>>,
}

impl Allowed {
    pub(super) fn of(schemas: Schemas) -> Self {
        let Schemas { user, group, .. } = schemas.clone();
        let mut allowed = Self { schemas, levels: vec![HashMap::new(), HashMap::new()] };
        for shape in [user, group] {
            allowed.add_shape(&shape);
        }
        for (level, name, message) in MESSAGES {
            let rule = Rule { holds: Holds::Message(message), names: Naming::Perhaps, within: level };
            allowed.add(level, name, rule);
        }
        allowed
    }

    /// Whether these are the schemas that it was made of.
    pub(super) fn is_of(&self, schemas: &Schemas) -> bool {
        use std::sync::Arc;
        Arc::ptr_eq(&self.schemas.user, &schemas.user) && Arc::ptr_eq(&self.schemas.group, &schemas.group)
    }

    /// What may stand under a name.
    pub(super) fn rule(&self, level: Level, name: &str) -> Option<Rule> {
        let mut folded = [0; NAME_BYTES_MAX];
        let folded = folded.get_mut(..name.len())?;
        folded.copy_from_slice(name.as_bytes());
        folded.make_ascii_lowercase();
        self.levels[level.0].get(&*folded).copied()
    }

    fn add_shape(&mut self, shape: &ResourceSchema) {
        self.add_schema(&shape.core, Level::BODY);
        for extension in &shape.extensions {
            let level = self.parts(Level::BODY, &extension.id);
            self.add_schema(extension, level);
        }
    }

    /// Adds the attributes of a schema, which stand in that table, and every path to one of them.
    fn add_schema(&mut self, schema: &Schema, level: Level) {
        self.add(Level::BODY, &schema.id, Rule { holds: Holds::Parts(level), ..rule("", Level::BODY) });
        for attribute in &schema.attributes {
            let mut of_attribute = rule(&attribute.name, level);
            if attribute.value_type == AttributeType::Complex {
                of_attribute.holds = Holds::Parts(self.parts(level, &attribute.name));
            }
            let is_hidden = is_hidden(attribute);
            for part in &attribute.sub_attributes {
                let Holds::Parts(parts) = of_attribute.holds else { break };
                let mut of_part = rule(&part.name, parts);
                if is_hidden || self::is_hidden(part) {
                    of_part.holds = Holds::Nothing;
                }
                self.add(parts, &part.name, of_part);
                self.add_paths(schema, &format!("{}.{}", attribute.name, part.name), of_part);
            }
            if is_hidden {
                of_attribute.holds = Holds::Nothing;
            }
            self.add(level, &attribute.name, of_attribute);
            self.add_paths(schema, &attribute.name, of_attribute);
        }
    }

    /// RFC 7644 section 3.10, and a dot behind the URN, as Entra ID once wrote it.
    fn add_paths(&mut self, schema: &Schema, path: &str, rule: Rule) {
        let qualified = [":", "."].map(|separator| format!("{}{separator}{path}", schema.id));
        for path in qualified.iter().map(String::as_str).chain([path]) {
            self.add(Level::BODY, path, rule);
        }
    }

    /// The table of what has parts, under that name.
    fn parts(&mut self, level: Level, name: &str) -> Level {
        if let Some(Rule { holds: Holds::Parts(parts), .. }) = self.rule(level, name) {
            return parts;
        }
        self.levels.push(HashMap::new());
        Level(self.levels.len() - 1)
    }

    /// What is hidden in one schema is hidden wherever it has the same name.
    fn add(&mut self, level: Level, name: &str, rule: Rule) {
        let known = self.levels[level.0].entry(name.to_ascii_lowercase().into_bytes().into()).or_insert(rule);
        known.holds = match (known.holds, rule.holds) {
            (Holds::Nothing, _) | (_, Holds::Nothing) => Holds::Nothing,
            (_, message @ Holds::Message(_)) => message,
            (known, _) => known,
        };
    }
}

/// The rule for an attribute of that name that has no parts.
fn rule(name: &str, within: Level) -> Rule {
    let is = |names: &[&str]| names.contains(&name);
    let names = match name {
        _ if is(&["userName", "value", "id", "externalId"]) => Naming::Somebody,
        _ if is(&["$ref", "location"]) => Naming::ByAddress,
        _ if is(&["type", "primary", "resourceType", "created", "lastModified"]) => Naming::Nobody,
        _ => Naming::Perhaps,
    };
    Rule { holds: Holds::Value, names, within }
}

/// Whether nobody may read an attribute; a password is such whatever a schema says of it.
pub(super) fn is_hidden(attribute: &Attribute) -> bool {
    attribute.returned == ReturnedRule::Never
        || attribute.mutability == Mutability::WriteOnly
        || attribute.name.eq_ignore_ascii_case("password")
}
