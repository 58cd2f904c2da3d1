//! Which attributes a tenant keeps, as an operator writes it: PATCH paths, found in the schemas.

use super::{COMMON, SchemaError};
use crate::attribute_path::AttributePath;
use crate::filter::{CompareOp, Filter};
use crate::fold::fold;
use crate::kept::{Kept, KeptPath};
use crate::patch::PatchPath;
use crate::schema::{Attribute, Mutability, ResourceSchema};

/// Attributes without which there is no account to speak of.
const NEEDED: [&str; 2] = ["userName", "active"];

impl Kept {
    /// Reads the paths of what is kept of Users. What every resource has, and what the service provider itself says
    /// of one, is always kept.
    pub fn read(paths: &[String], schema: &ResourceSchema) -> Result<Self, SchemaError> {
        let of_core = schema.core.attributes.iter().filter(|attribute| {
            attribute.mutability == Mutability::ReadOnly
                || COMMON.iter().any(|common| common.name == attribute.name)
        });
        let mut kept: Vec<KeptPath> = of_core.map(|attribute| whole(None, attribute)).collect();
        for path in paths {
            kept.extend(read_path(path, schema).map_err(|problem| invalid(&format!("{path} {problem}")))?);
        }
        let kept = Self(kept);
        match NEEDED.into_iter().find(|name| !kept.has(None, name)) {
            None => Ok(kept),
            Some(name) => Err(invalid(&format!("lacks {name}, without which there is no account"))),
        }
    }

    /// Whether what a PATCH path leads to is kept.
    pub fn keeps(&self, path: &str, schema: &ResourceSchema) -> bool {
        let covers = |kept: &KeptPath, wanted: &KeptPath| {
            let same = |part: &Option<String>, other: &Option<String>| part.is_none() || part == other;
            let element = kept.element.as_ref().is_none_or(|(part, text)| {
                wanted
                    .element
                    .as_ref()
                    .is_some_and(|(other, wanted)| part == other && fold(text) == fold(wanted))
            });
            kept.extension == wanted.extension
                && kept.attribute == wanted.attribute
                && element
                && same(&kept.sub_attribute, &wanted.sub_attribute)
        };
        read_path(path, schema)
            .is_ok_and(|wanted| wanted.iter().all(|wanted| self.0.iter().any(|kept| covers(kept, wanted))))
    }

    /// Whether anything of the attribute that a path names is kept; a path that names none is no matter of this.
    pub fn keeps_some(&self, path: &str, schema: &ResourceSchema) -> bool {
        let path = AttributePath::parse(path).ok();
        let Some(found) = path.as_ref().and_then(|path| path.resolve(schema)) else { return true };
        let extension = found.extension.map(|extension| extension.id.as_str());
        match (found.attribute, found.sub_attribute) {
            (Some(attribute), Some(part)) => self.has_part(extension, &attribute.name, &part.name),
            (Some(attribute), None) => self.has(extension, &attribute.name),
            (None, _) => true,
        }
    }
}

fn read_path(text: &str, schema: &ResourceSchema) -> Result<Vec<KeptPath>, String> {
    let path = PatchPath::parse(text).map_err(|error| format!("is no path: {}", error.detail))?;
    let place = path.resolve(schema).map_err(|_| "is no attribute of a User here".to_owned())?;
    let extension = place.extension.map(|extension| extension.id.clone());
    let Some(attribute) = place.attribute else {
        let attributes = &place.extension.unwrap_or(&schema.core).attributes;
        return Ok(attributes.iter().map(|attribute| whole(extension.clone(), attribute)).collect());
    };
    let element =
        match &path.filter {
            None => None,
            Some(filter) => Some(element(filter, attribute).ok_or_else(|| {
                "can have no other filter than one of the form [type eq \"work\"]".to_owned()
            })?),
        };
    let sub_attribute = place.sub_attribute.map(|part| part.name.clone());
    Ok(vec![KeptPath { element, sub_attribute, ..whole(extension, attribute) }])
}

/// The part and the text by which a filter chooses elements.
fn element(filter: &Filter, attribute: &Attribute) -> Option<(String, String)> {
    match filter {
        Filter::Compare { path, op: CompareOp::Eq, value } => {
            let part = attribute.sub_attribute(&path.attribute)?;
            Some((part.name.clone(), value.as_str()?.to_owned()))
        }
        Filter::Compare { .. }
        | Filter::And(_)
        | Filter::Or(_)
        | Filter::Not(_)
        | Filter::Present(_)
        | Filter::ValuePath { .. } => None,
    }
}

fn whole(extension: Option<String>, attribute: &Attribute) -> KeptPath {
    KeptPath { extension, attribute: attribute.name.clone(), element: None, sub_attribute: None }
}

fn invalid(problem: &str) -> SchemaError {
    SchemaError {
        code: "attributes_invalid",
        detail: format!("the list of attributes that are kept: {problem}"),
    }
}
