//! A TOML text with the lines of its keys.

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::Mistake;
use scim::Object;

/// A step from a value to one inside it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'s> {
    Key(&'s str),
    Index(usize),
}

/// A text that is TOML.
pub(super) struct Source<'t> {
    text: &'t str,
    tree: DeTable<'t>,
    /// The same as JSON.
    pub(super) root: Object,
}

impl<'t> Source<'t> {
    /// Reads a text; every place where it is no TOML is a mistake.
    pub(super) fn parse(text: &'t str) -> Result<Self, Vec<Mistake>> {
        let (tree, errors) = DeTable::parse_recoverable(text);
        let told = |error: &toml::de::Error| {
            let line = line_at(text, error.span().map_or(0, |span| span.start));
            Mistake { line, key: String::new(), problem: format!("this is not TOML: {}", error.message()) }
        };
        if !errors.is_empty() {
            return Err(errors.iter().map(told).collect());
        }
        match toml::from_str(text) {
            Ok(root) => Ok(Self { text, tree: tree.into_inner(), root }),
            Err(error) => Err(vec![told(&error)]),
        }
    }

    /// The value at the end of a path.
    pub(super) fn value(&self, path: &[Step<'_>]) -> Option<&Value> {
        let (Step::Key(first), rest) = path.split_first().map(|(first, rest)| (*first, rest))? else {
            return None;
        };
        rest.iter().try_fold(self.root.get(first)?, |value, step| match step {
            Step::Key(name) => value.get(name),
            Step::Index(index) => value.get(index),
        })
    }

    /// A mistake about what is at the end of a path, or about what is nearest to it.
    pub(super) fn mistake(&self, path: &[Step<'_>], problem: impl Into<String>) -> Mistake {
        let mut key = String::new();
        for step in path {
            match step {
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => key = format!("{key}.{name}"),
                Step::Index(index) => key = format!("{key}[{index}]"),
            }
        }
        Mistake { line: line_at(self.text, self.offset(path)), key, problem: problem.into() }
    }

    fn offset(&self, path: &[Step<'_>]) -> usize {
        let Some((Step::Key(first), rest)) = path.split_first() else { return 0 };
        let Some((key, value)) = self.tree.get_key_value(*first) else { return 0 };
        let (mut offset, mut value) = (key.span().start, value.get_ref());
        for step in rest {
            let found = match (step, value) {
                (Step::Key(name), DeValue::Table(table)) => {
                    table.get_key_value(*name).map(|(key, value)| (key.span().start, value))
                }
                (Step::Index(index), DeValue::Array(array)) => {
                    array.get(*index).map(|value| (value.span().start, value))
                }
                _ => None,
            };
            let Some((at, inner)) = found else { break };
            (offset, value) = (at, inner.get_ref());
        }
        offset
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}
