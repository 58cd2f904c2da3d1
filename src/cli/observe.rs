//! `muster observe …`: what a tenant that is not published yet would have set off.

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::{Call, Verb, View, audit, query};
use super::table::Table;
use super::words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows whose access would have ended, or come back, since nothing is published.
    Report {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Only what was recorded after this revision; the counts are always of everything.
        #[arg(long, value_name = "REVISION")]
        after: Option<u64>,
        /// How many lines.
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u64>,
    },
}

impl Command {
    pub(super) fn call(&self) -> Call {
        let Self::Report { tenant, after, limit } = self;
        let [after, limit] = [after, limit].map(|number| number.map(|number| number.to_string()));
        let parameters = [("after", after.as_deref()), ("limit", limit.as_deref())];
        Call::new(Verb::Get, query(&audit(tenant, &["observe"]), parameters), View::Rows(report))
    }
}

const COLUMNS: &[&str] =
    &["recorded_at", "name", "group", "subject", "reason", "was_active", "actor.name", "request", "revision"];

/// A line for each person whom a message is about: one about a group names all who lost or regained it.
fn lines(message: &Value) -> impl Iterator<Item = Value> {
    let is_group = message["subject"].as_str().is_some_and(|subject| subject.starts_with("groups/"));
    let group = if is_group { &message["name"] } else { &Value::Null };
    message["who"].as_array().into_iter().flatten().map(move |person| {
        let mut line = json!({"name": person["name"], "group": group});
        for member in ["recorded_at", "subject", "reason", "was_active", "actor", "request", "revision"] {
            line[member] = message[member].clone();
        }
        line
    })
}

fn report(answer: &Value) -> Table {
    let counts = answer["counts"].as_object().into_iter().flatten();
    let counts: Vec<_> = counts.map(|(reason, count)| format!("{reason} {count}")).collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    let people = match answer["people"].as_u64() {
        Some(1) => "1 person".to_owned(),
        people => format!("{} people", people.unwrap_or_default()),
    };
    let messages = answer["deprovisioning"].as_array().into_iter().flatten();
    Table::of(&messages.flat_map(lines).collect(), COLUMNS).summary(format!(
        "mode {}: {people} would have lost access ({counts}) up to revision {}",
        words::value(&answer["mode"]),
        words::value(&answer["up_to"]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_would_have_lost_access_has_a_line_and_is_counted() {
        let answer = json!({
            "mode": "observe", "up_to": 9, "people": 1, "counts": { "deactivated": 1, "restored": 1 },
            "deprovisioning": [
                { "revision": 8, "recorded_at": "2026-06-30T08:15:00.000000Z", "subject": "users/0190-a",
                  "name": "alice@example.com", "reason": "deactivated", "was_active": true,
                  "who": [{ "id": "0190-a", "name": "alice@example.com" }],
                  "actor": { "kind": "client", "client": "c", "name": "default" }, "request": "0190-r" },
            ],
        });
        let text = report(&answer).to_text();
        assert!(text.contains("alice@example.com") && text.contains("0190-r"), "{text}");
        assert!(
            text.ends_with(
                "mode observe: 1 person would have lost access (deactivated 1, restored 1) up to revision 9\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_group_has_a_line_for_each_who_lost_it() {
        let who = json!([{ "id": "0190-a", "name": "alice@example.com" }, { "id": "0190-b", "name": null }]);
        let answer = json!({ "deprovisioning": [
            { "revision": 8, "subject": "groups/0190-g", "name": "Guides", "reason": "group_lost",
              "was_active": true, "who": who, "members": ["0190-a", "0190-b"] },
        ]});
        let csv = report(&answer).to_csv();
        let lines: Vec<&str> = csv.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                ",alice@example.com,Guides,groups/0190-g,group_lost,true,,,8",
                ",,Guides,groups/0190-g,group_lost,true,,,8",
            ]
        );
    }

    #[test]
    fn a_page_is_asked_for() {
        let command = Command::Report { tenant: "acme".into(), after: Some(7), limit: None };
        assert_eq!(command.call().path, "/audit/v1/acme/observe?after=7");
    }
}
