//! What an operation does to one attribute (RFC 7644 sections 3.5.2.1 to 3.5.2.3).
//!
//! Where the RFC leaves a choice:
//! - An `add` whose filter selects nothing creates a value, if the filter says what it looks like:
//!   `emails[type eq "work"].value`. So does a `replace` of a part of one. Section 3.12 has `noTarget` for both, so
//!   they are dialects (`entra.filtered_add`, `entra.filtered_replace`): Entra counts on the value to be made.
//! - A `remove` whose filter selects nothing succeeds and changes nothing, like its example about a member that is
//!   not there: a retried request must not fail. For `replace` of whole values, section 3.5.2.3 demands `noTarget`.
//! - A value that a filter selects is complex as well, so parts that are not given stay as they are.
//! - A sub-attribute of a multi-valued attribute without a filter means that part of all values.
//! - `null` and `[]` take the target away, except that adding no values to a list changes nothing.

use serde_json::Value;

use super::OperationKind;
use super::parts::{immutable, is_unassigned, merge, required, set};
use super::values::{Values, Work};
use crate::attribute_path::AttributePath;
use crate::dialect::{Dialect, Place};
use crate::filter::{Filter, TypedFilter};
use crate::schema::{Attribute, AttributeType, Mutability};
use crate::{Object, ScimError, ScimType};

/// An operation, as far as it concerns one attribute.
#[derive(Debug)]
pub(super) struct Change<'c> {
    pub(super) kind: OperationKind,
    pub(super) attribute: &'c Attribute,
    /// The value filter, as written and as evaluated.
    pub(super) filter: Option<(&'c Filter, TypedFilter)>,
    pub(super) sub_attribute: Option<&'c Attribute>,
    pub(super) value: &'c Value,
}

impl Change<'_> {
    /// From the attribute's old value to its new one; `None` is unassigned.
    pub(super) fn apply(&self, old: Option<Value>, work: &mut Work) -> Result<Option<Value>, ScimError> {
        let name = &self.attribute.name;
        let was_assigned = old.is_some();
        let fixed = if self.attribute.mutability == Mutability::Immutable { old.clone() } else { None };
        let new = if self.attribute.multi_valued { self.list(old, work)? } else { self.single(old)? };
        if fixed.is_some() && fixed != new {
            return Err(immutable(name));
        }
        if self.attribute.required && was_assigned && new.is_none() {
            return Err(required(name));
        }
        Ok(new)
    }

    /// Whether the target is to be taken away.
    fn removes(&self) -> bool {
        self.kind == OperationKind::Remove || is_unassigned(self.value)
    }

    fn single(&self, old: Option<Value>) -> Result<Option<Value>, ScimError> {
        let complex = self.attribute.value_type == AttributeType::Complex;
        if !complex || (self.removes() && self.sub_attribute.is_none()) {
            return Ok((!self.removes()).then(|| self.value.clone()));
        }
        let mut new = old.unwrap_or_else(|| Value::Object(Object::new()));
        match (self.sub_attribute, &mut new) {
            (None, new) => merge(new, self.value, self.attribute)?,
            (Some(sub_attribute), Value::Object(parts)) => {
                set(parts, self.attribute, sub_attribute, self.part())?;
            }
            // Only a value of the wrong type has no parts; the check of the document will refuse it.
            (Some(_), _) => {}
        }
        Ok(Some(new).filter(|new| new.as_object().is_none_or(|parts| !parts.is_empty())))
    }

    fn list(&self, old: Option<Value>, work: &mut Work) -> Result<Option<Value>, ScimError> {
        let mut values = Values::new(self.attribute, old);
        if self.filter.is_some() || self.sub_attribute.is_some() {
            self.change_selected(&mut values, work)?;
        } else {
            if self.kind != OperationKind::Add {
                values.clear();
            }
            if self.kind != OperationKind::Remove {
                values.add(self.value, work)?;
            }
        }
        Ok(values.finish())
    }

    fn change_selected(&self, values: &mut Values<'_>, work: &mut Work) -> Result<(), ScimError> {
        let filter = self.filter.as_ref().map(|(_, typed)| typed);
        let selected = values.selected(filter, work)?;
        if self.removes() && self.sub_attribute.is_none() {
            values.remove(&selected);
            return Ok(());
        }
        if selected.is_empty() && !self.removes() {
            let new = self.new_value()?;
            self.note_creation(work);
            return values.add(&Value::Array(vec![new]), work);
        }
        selected.into_iter().try_for_each(|index| values.change(index, self.sub_attribute, self.part()))
    }

    /// The value for a sub-attribute or element that is to be changed.
    fn part(&self) -> &Value {
        if self.kind == OperationKind::Remove { &Value::Null } else { self.value }
    }

    /// A new value where the filter selects none: what the filter asks for, then what is given.
    fn new_value(&self) -> Result<Value, ScimError> {
        let mut parts = Object::new();
        for (path, value) in self.asked_for()? {
            if let Some(sub_attribute) = self.attribute.sub_attribute(&path.attribute) {
                set(&mut parts, self.attribute, sub_attribute, value)?;
            }
        }
        if let Some(sub_attribute) = self.sub_attribute {
            set(&mut parts, self.attribute, sub_attribute, self.value)?;
            return Ok(Value::Object(parts));
        }
        let mut new = Value::Object(parts);
        merge(&mut new, self.value, self.attribute)?;
        Ok(new)
    }

    /// What the filter says about a value that it selects, if that is all it says.
    fn asked_for(&self) -> Result<Vec<(&AttributePath, &Value)>, ScimError> {
        let Some((filter, _)) = &self.filter else { return Ok(Vec::new()) };
        let creates = match self.kind {
            OperationKind::Add => true,
            OperationKind::Replace => self.sub_attribute.is_some(),
            OperationKind::Remove => false,
        };
        filter.equalities().filter(|_| creates).ok_or_else(|| self.no_target())
    }

    /// A value that a filter selects was made, since there was none.
    fn note_creation(&self, work: &mut Work) {
        let dialect = match self.kind {
            OperationKind::Replace => Dialect::EntraFilteredReplace,
            OperationKind::Add | OperationKind::Remove => Dialect::EntraFilteredAdd,
        };
        if self.filter.is_some() {
            work.notes.note(dialect, Place::operation(work.operation).member(&self.attribute.name));
        }
    }

    fn no_target(&self) -> ScimError {
        let name = &self.attribute.name;
        let detail =
            format!("no value of {name} matches the filter in the path; add one without a filter first");
        ScimError::new(ScimType::NoTarget, "patch_no_target", detail)
    }
}
