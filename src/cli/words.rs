//! Values from an answer as words for a terminal.
//!
//! Names come from identity providers, so whatever could steer a terminal or reorder a line is made visible.

use serde_json::Value;

pub(super) use crate::shell::word as shell;

/// What stands where there is no value.
pub(super) const ABSENT: &str = "-";

/// A value in words: text as it is, lists separated by commas, named things by their names.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => ABSENT.to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        Value::Object(_) => name(value).unwrap_or_else(|| printable(&value.to_string())),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The name of a group or client: its display name, else its name, else its id.
fn name(value: &Value) -> Option<String> {
    ["displayName", "name", "id"].iter().find_map(|key| value[*key].as_str()).map(printable)
}

/// The text without anything that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    let steers = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Lines of `label  value`, with the values in one column.
pub(super) fn fields(lines: &[(&str, &Value)]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let line = |(label, shown): &(&str, &Value)| format!("{label:<width$}  {}\n", value(shown));
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_words() {
        assert_eq!(value(&json!(null)), "-");
        assert_eq!(value(&json!("Finance")), "Finance");
        assert_eq!(value(&json!([{ "id": "1", "displayName": "Finance" }, "Sales"])), "Finance, Sales");
        assert_eq!(value(&json!({ "type": "work" })), r#"{"type":"work"}"#);
        assert_eq!(value(&json!(true)), "true");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{202e}d"), r"a\u{1b}[2Jb\nc\u{202e}d");
        assert_eq!(printable("Ünïcode 名"), "Ünïcode 名");
    }
}
