//! Rows: as a table for people, as CSV for spreadsheets.
//!
//! Columns are named by the JSON members they show, a dot leading into an object. CSV is RFC 4180 in UTF-8, and
//! no cell of it can become a formula.

use comfy_table::presets::NOTHING;
use serde_json::Value;

use super::words;

/// Rows under their columns, with a line that sums them up.
#[derive(Debug)]
pub(super) struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
    summary: String,
}

impl Table {
    /// The members of each item of a list that the columns name.
    pub(super) fn of(list: &Value, columns: &'static [&'static str]) -> Self {
        let rows = list.as_array().into_iter().flatten().map(|item| row(item, columns)).collect();
        Self { columns, rows, summary: String::new() }
    }

    /// Adds the line that stands below the table; CSV does not have it.
    pub(super) fn summary(self, summary: String) -> Self {
        Self { summary, ..self }
    }

    /// The table as text, one row a line.
    pub(super) fn to_text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        table.set_header(self.columns.iter().map(|column| heading(column)));
        for row in &self.rows {
            table.add_row(row.iter().map(words::value));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let rows = if self.rows.is_empty() { String::new() } else { format!("{}\n", table.trim_fmt()) };
        let summary = if self.summary.is_empty() { String::new() } else { format!("{}\n", self.summary) };
        match (rows.is_empty(), summary.is_empty()) {
            (true, true) => "nothing\n".to_owned(),
            (false, false) => format!("{rows}\n{summary}"),
            _ => rows + &summary,
        }
    }

    /// The rows as CSV, after a line with the names of the columns.
    pub(super) fn to_csv(&self) -> String {
        self.rows.iter().fold(csv_header(self.columns), |csv, row| csv + &csv_line(row))
    }
}

/// The members of an item that the columns name.
pub(super) fn row(item: &Value, columns: &[&str]) -> Vec<Value> {
    columns.iter().map(|column| column.split('.').fold(item, |value, name| &value[name]).clone()).collect()
}

/// The line with the names of the columns.
pub(super) fn csv_header(columns: &[&str]) -> String {
    columns.join(",") + "\r\n"
}

/// One line of CSV.
pub(super) fn csv_line(row: &[Value]) -> String {
    row.iter().map(csv_cell).collect::<Vec<_>>().join(",") + "\r\n"
}

fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => return number.to_string(),
        other => words::value(other),
    };
    // A spreadsheet takes these at the start of a cell for a formula.
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// `base_url` as `BASE URL`, `actor.kind` as `ACTOR KIND`.
fn heading(column: &str) -> String {
    column.replace(['_', '.'], " ").to_uppercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_headings_rows_and_a_summary() {
        let list = json!([
            { "tenant": "acme", "base_url": "http://h/acme/scim/v2", "actor": { "kind": "client" } },
            { "tenant": "b", "base_url": null, "actor": { "kind": "operator" } },
        ]);
        let table = Table::of(&list, &["tenant", "base_url", "actor.kind"]).summary("2 tenants".into());
        insta::assert_snapshot!(table.to_text(), @r"
        TENANT  BASE URL               ACTOR KIND
        acme    http://h/acme/scim/v2  client
        b       -                      operator

        2 tenants
        ");
    }

    #[test]
    fn no_rows_say_so() {
        assert_eq!(Table::of(&json!([]), &["id"]).to_text(), "nothing\n");
        assert_eq!(Table::of(&json!([]), &["id"]).summary("0 users".into()).to_text(), "0 users\n");
    }

    #[test]
    fn csv_quotes_what_rfc_4180_says_and_ends_lines_with_crlf() {
        let list = json!([{ "a": "plain", "b": "x,\"y\"\nz", "c": null, "d": ["p", "q"], "e": -5 }]);
        assert_eq!(
            Table::of(&list, &["a", "b", "c", "d", "e"]).to_csv(),
            "a,b,c,d,e\r\nplain,\"x,\"\"y\"\"\nz\",,\"p, q\",-5\r\n"
        );
    }

    #[test]
    fn csv_cells_cannot_become_formulas() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=a,b", "\"'=a,b\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(csv_cell(&json!(text)), cell);
        }
        assert_eq!(csv_cell(&json!(["=1"])), "'=1");
    }
}
