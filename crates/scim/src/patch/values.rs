//! The values of one multi-valued attribute, while PATCH changes them.
//!
//! Two values are the same if their `type` and `value` are (RFC 7643 section 2.4), or all their parts where there
//! is no `value`; `primary` never tells values apart. Texts compare as their attributes say.

use std::collections::HashMap;

use serde_json::Value;

use super::parts::{is_unassigned, merge, set};
use crate::dialect::Notes;
use crate::filter::TypedFilter;
use crate::filter::evaluate::element_matches;
use crate::fold::fold;
use crate::schema::Attribute;
use crate::{Object, ScimError, ScimType};

/// The most values that one request may look at, each counted for each term of each filter: far more than an
/// identity provider needs, and well under a second of work.
const WORK_MAX: usize = 500_000;

const PRIMARY: &str = "primary";

/// How far a request has been carried out.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// How much it has made us do.
    steps: usize,
    /// The operation that is under way, counted from one.
    pub(super) operation: usize,
    /// The dialects that were met.
    pub(super) notes: Notes,
}

impl Work {
    fn add(&mut self, steps: usize) -> Result<(), ScimError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps <= WORK_MAX {
            return Ok(());
        }
        let detail =
            "the operations compare too many values with too many others; send them in several requests";
        Err(ScimError::new(ScimType::TooMany, "patch_too_costly", detail))
    }
}

/// The list, with what the present operation does to it.
#[derive(Debug)]
pub(super) struct Values<'a> {
    attribute: &'a Attribute,
    elements: Vec<Value>,
    /// The element that this operation made the primary one.
    primary: Option<usize>,
}

impl<'a> Values<'a> {
    /// The values that an attribute has.
    pub(super) fn new(attribute: &'a Attribute, old: Option<Value>) -> Self {
        let elements = match old {
            None => Vec::new(),
            Some(Value::Array(elements)) => elements,
            Some(single) => vec![single],
        };
        Self { attribute, elements, primary: None }
    }

    /// Which elements the filter selects; without one, all.
    pub(super) fn selected(
        &self,
        filter: Option<&TypedFilter>,
        work: &mut Work,
    ) -> Result<Vec<usize>, ScimError> {
        work.add(self.elements.len().saturating_mul(filter.map_or(1, terms)))?;
        let Some(filter) = filter else { return Ok((0..self.elements.len()).collect()) };
        let matching =
            self.elements.iter().enumerate().filter(|(_, element)| element_matches(filter, element));
        Ok(matching.map(|(index, _)| index).collect())
    }

    /// Takes all elements away.
    pub(super) fn clear(&mut self) {
        self.elements.clear();
    }

    /// Takes these elements away. The others keep their places until [`Values::finish`].
    pub(super) fn remove(&mut self, indices: &[usize]) {
        for &index in indices {
            self.elements[index] = Value::Null;
        }
    }

    /// Adds one value or an array of them. One that is there already keeps its place and its spelling and gets the
    /// parts that it lacks, so that adding the same again changes nothing (RFC 7644 section 3.5.2.1).
    pub(super) fn add(&mut self, given: &Value, work: &mut Work) -> Result<(), ScimError> {
        let given = given.as_array().map_or(std::slice::from_ref(given), Vec::as_slice);
        work.add(self.elements.len().saturating_add(given.len()))?;
        let mut places: HashMap<String, usize> = HashMap::with_capacity(self.elements.len() + given.len());
        for (index, element) in self.elements.iter().enumerate() {
            places.entry(self.identity(element)).or_insert(index);
        }
        for value in given {
            let mut element = Value::Object(Object::new());
            merge(&mut element, value, self.attribute)?;
            if is_nothing(&element) {
                continue;
            }
            let index = *places.entry(self.identity(&element)).or_insert(self.elements.len());
            if index == self.elements.len() {
                self.elements.push(element);
            } else {
                self.supplement(index, &element)?;
            }
            self.note_primary(index, value)?;
        }
        Ok(())
    }

    /// Changes an element: one part of it, or what is given of it.
    pub(super) fn change(
        &mut self,
        index: usize,
        sub_attribute: Option<&Attribute>,
        value: &Value,
    ) -> Result<(), ScimError> {
        let element = &mut self.elements[index];
        match (sub_attribute, element) {
            (Some(sub_attribute), Value::Object(parts)) => {
                set(parts, self.attribute, sub_attribute, value)?;
                if sub_attribute.name == PRIMARY && *value == Value::Bool(true) {
                    self.make_primary(index)?;
                }
                Ok(())
            }
            // Only a value of the wrong type has no parts; the check of the document will refuse it.
            (Some(_), _) => Ok(()),
            (None, element) => {
                merge(element, value, self.attribute)?;
                self.note_primary(index, value)
            }
        }
    }

    /// The list as it is to be kept; `None` if nothing is left of it.
    pub(super) fn finish(mut self) -> Option<Value> {
        // RFC 7644 section 3.5.2: a new primary value takes the place of the old one.
        if let Some(primary) = self.primary {
            for (index, element) in self.elements.iter_mut().enumerate() {
                if index != primary
                    && let Some(flag) = element.get_mut(PRIMARY)
                {
                    *flag = Value::Bool(false);
                }
            }
        }
        self.elements.retain(|element| !is_nothing(element));
        (!self.elements.is_empty()).then_some(Value::Array(self.elements))
    }

    /// Gives an element the parts of the same value that differ by more than case.
    fn supplement(&mut self, index: usize, given: &Value) -> Result<(), ScimError> {
        let (Value::Object(parts), Value::Object(given)) = (&mut self.elements[index], given) else {
            return Ok(());
        };
        for (name, part) in given {
            if let Some(sub_attribute) = self.attribute.sub_attribute(name)
                && parts.get(name).is_none_or(|old| key(old, sub_attribute) != key(part, sub_attribute))
            {
                set(parts, self.attribute, sub_attribute, part)?;
            }
        }
        Ok(())
    }

    fn note_primary(&mut self, index: usize, given: &Value) -> Result<(), ScimError> {
        let makes_primary = |(name, part): (&String, &Value)| {
            name.eq_ignore_ascii_case(PRIMARY) && *part == Value::Bool(true)
        };
        if given.as_object().is_some_and(|parts| parts.iter().any(makes_primary)) {
            self.make_primary(index)?;
        }
        Ok(())
    }

    fn make_primary(&mut self, index: usize) -> Result<(), ScimError> {
        if self.primary.is_some_and(|primary| primary != index) {
            let detail =
                format!("the operation makes several values of {} primary; one can be", self.attribute.name);
            return Err(ScimError::new(ScimType::InvalidValue, "primary_repeated", detail));
        }
        self.primary = Some(index);
        Ok(())
    }

    /// A text that is the same for values that are the same.
    fn identity(&self, element: &Value) -> String {
        let Value::Object(parts) = element else { return key(element, self.attribute) };
        let of = |name: &str| {
            let sub_attribute = self.attribute.sub_attribute(name)?;
            Some(format!("{name}:{}", key(parts.get(&sub_attribute.name)?, sub_attribute)))
        };
        let parts: Vec<String> = match of("value") {
            Some(value) => of("type").into_iter().chain([value]).collect(),
            None => parts.keys().filter(|name| *name != PRIMARY).filter_map(|name| of(name)).collect(),
        };
        parts.join(",")
    }
}

/// A text that is the same for values that compare as equal.
fn key(value: &Value, attribute: &Attribute) -> String {
    let folded = value.as_str().filter(|_| !attribute.case_exact).map(|text| Value::String(fold(text)));
    folded.as_ref().unwrap_or(value).to_string()
}

fn is_nothing(element: &Value) -> bool {
    is_unassigned(element) || element.as_object().is_some_and(Object::is_empty)
}

/// How many comparisons a filter makes of one element.
fn terms(filter: &TypedFilter) -> usize {
    match filter {
        TypedFilter::And(inner) | TypedFilter::Or(inner) => inner.iter().map(terms).sum(),
        TypedFilter::Not(term) => terms(term),
        TypedFilter::Compare(_) | TypedFilter::Present(_) => 1,
        TypedFilter::ValuePath { filter, .. } => terms(filter),
    }
}
