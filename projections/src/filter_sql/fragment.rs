//! A piece of SQL together with the values of its parameters.

use rusqlite::types::Value;

/// A piece of SQL with the values of its parameters, in the order of their question marks: pieces that are put
/// one after the other bring their values along.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fragment {
    sql: String,
    values: Vec<Value>,
}

impl Fragment {
    /// SQL of ours: never anything that a client sent.
    pub(crate) fn text(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// One bound value.
    pub(crate) fn value(value: impl Into<Value>) -> Self {
        Self { sql: "?".to_owned(), values: vec![value.into()] }
    }

    /// A function of two arguments.
    pub(crate) fn call(function: &str, first: Self, second: Self) -> Self {
        Self::text(function).then_text("(").then(first).then_text(", ").then(second).then_text(")")
    }

    pub(crate) fn then_text(mut self, sql: &str) -> Self {
        self.sql.push_str(sql);
        self
    }

    pub(crate) fn bind(self, value: impl Into<Value>) -> Self {
        self.then(Self::value(value))
    }

    pub(crate) fn then(mut self, mut next: Self) -> Self {
        self.sql.push_str(&next.sql);
        self.values.append(&mut next.values);
        self
    }

    pub(crate) fn in_brackets(mut self) -> Self {
        self.sql.insert(0, '(');
        self.then_text(")")
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }
}
