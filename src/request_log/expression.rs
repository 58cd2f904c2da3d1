//! Paths of PATCH operations, and filters: read as the service reads them, deviations included. What is compared with
//! an attribute is kept as a value of that attribute would be; names and operators are kept. Of what nobody can read,
//! only words of our own are: see [`filter_shape`].

use std::borrow::Cow;
use std::fmt::Display;

use scim::ResourceSchema;
use scim::dialect::{self, Notes};
use scim::filter::Filter;
use serde_json::Value;

use super::allowed::{Holds, Level, Rule};
use super::filter_shape;
use super::keeping::Keeping;
use super::words::{self, REMOVED};

/// What has to be done to an expression before it is kept.
#[derive(Default)]
struct Found {
    /// A value was removed from it.
    has_removed: bool,
    /// There is a name in it that nobody knows.
    has_unknown: bool,
    /// There is one that does not even look like a name.
    is_odd: bool,
}

impl Keeping<'_> {
    /// The path of an operation, and what stands at it, if that is known.
    pub(super) fn path(&mut self, text: &mut Cow<'_, str>) -> Option<Rule> {
        let known = self.allowed.rule(Level::BODY, text);
        if known.is_some() || words::is_name(text) {
            return known;
        }
        let Some(mut path) = self.read(|schema| dialect::patch_path(text, schema)) else {
            self.lose(text);
            return None;
        };
        let mut found = Found::default();
        let attribute = self.named(Some(Level::BODY), &path.path, &mut found);
        let parts = parts_of(attribute);
        if let Some(filter) = &mut path.filter {
            self.terms(filter, parts, &mut found);
        }
        let rule = match &path.sub_attribute {
            Some(part) => self.named(parts, part, &mut found),
            None => attribute,
        };
        let filter = path.filter.map(|filter| format!("[{filter}]")).unwrap_or_default();
        let part = path.sub_attribute.map(|part| format!(".{part}")).unwrap_or_default();
        self.settle(text, &found, || format!("{}{filter}{part}", path.path));
        // Nobody can tell what is selected by what nobody may know.
        rule.filter(|_| !found.has_removed && !found.has_unknown)
    }

    /// A filter on resources.
    pub(super) fn filter(&mut self, text: &mut Cow<'_, str>) {
        let read = |schema: &ResourceSchema| {
            scim::filter::parse::parse(&dialect::filter_text(text, schema, &mut Notes::new())).ok()
        };
        let Some(mut filter) = self.read(read) else {
            if !self.is_kept_comparison(text) {
                self.lose(text);
            }
            return;
        };
        let mut found = Found::default();
        self.terms(&mut filter, Some(Level::BODY), &mut found);
        self.settle(text, &found, || filter.to_string());
    }

    /// Whether a filter that cannot be read is a comparison all the same, with an operator or an escape that there is
    /// not, `userName is "alice"`, and may be kept.
    fn is_kept_comparison(&mut self, text: &str) -> bool {
        const OPERATORS: [&str; 10] =
            ["eq", "is", "=", "==", "equals", "like", "contains", "startsWith", "in", "ne"];
        let Some((attribute, rest)) = text.trim().split_once(' ') else { return false };
        let Some((operator, value)) = rest.trim_start().split_once(' ') else { return false };
        let value = value.trim();
        let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let is_one = match inside {
            Some(inside) => !inside.contains('"'),
            // What a text program has made of quotation marks is no part of a name.
            None => !value.contains(|part: char| part.is_whitespace() || "\"'()[]“”„‘’«»".contains(part)),
        };
        let rule = self.allowed.rule(Level::BODY, attribute).filter(|_| is_one);
        words::is_one_of(operator, &OPERATORS)
            && rule.is_some_and(|rule| self.text(inside.unwrap_or(value), rule, true))
    }

    /// What something is read as: how deviations are understood depends on what has which attributes.
    fn read<T>(&self, read: impl Fn(&ResourceSchema) -> Option<T>) -> Option<T> {
        let schemas = &self.allowed.schemas;
        [&schemas.user, &schemas.group].into_iter().find_map(|schema| read(schema))
    }

    /// Looks at everything that a filter compares with attributes of that table; none if nobody knows them.
    fn terms(&mut self, filter: &mut Filter, level: Option<Level>, found: &mut Found) {
        match filter {
            Filter::And(terms) | Filter::Or(terms) => {
                for term in terms {
                    self.terms(term, level, found);
                }
            }
            Filter::Not(term) => self.terms(term, level, found),
            Filter::Present(path) => {
                self.named(level, path, found);
            }
            Filter::ValuePath { path, filter } => {
                let parts = parts_of(self.named(level, path, found));
                self.terms(filter, parts, found);
            }
            Filter::Compare { path, value, .. } => {
                let rule = self.named(level, path, found);
                let keeps = rule.is_some_and(|rule| match value {
                    Value::String(text) => self.text(text, rule, true),
                    _ => self.is_own() && self.single(rule).is_some(),
                });
                if !keeps && !value.is_null() {
                    *value = REMOVED.into();
                    found.has_removed = true;
                }
            }
        }
    }

    /// What a name means.
    fn named(&self, level: Option<Level>, name: &impl Display, found: &mut Found) -> Option<Rule> {
        let name = name.to_string();
        let rule = level.and_then(|level| self.allowed.rule(level, &name));
        found.has_unknown |= rule.is_none();
        found.is_odd |= rule.is_none() && !words::is_name(&name);
        rule
    }

    /// Has of an expression what may be kept.
    fn settle(&mut self, text: &mut Cow<'_, str>, found: &Found, written: impl FnOnce() -> String) {
        if found.is_odd {
            self.lose(text);
        } else if found.has_removed {
            *text = Cow::Owned(written());
            self.has_removed = true;
        }
    }

    fn lose(&mut self, text: &mut Cow<'_, str>) {
        *text = Cow::Owned(filter_shape::of(text));
        self.has_removed = true;
    }
}

fn parts_of(rule: Option<Rule>) -> Option<Level> {
    match rule?.holds {
        Holds::Parts(parts) => Some(parts),
        _ => None,
    }
}
