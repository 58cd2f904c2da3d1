//! `muster observe …`: what a tenant that is not published yet would have set off.

use clap::Subcommand;
use serde_json::Value;

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

fn report(answer: &Value) -> Table {
    let counts = answer["counts"].as_object().into_iter().flatten();
    let counts: Vec<_> = counts.map(|(reason, count)| format!("{reason} {count}")).collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    let people = match answer["people"].as_u64() {
        Some(1) => "1 person".to_owned(),
        people => format!("{} people", people.unwrap_or_default()),
    };
    let columns =
        &["recorded_at", "name", "subject", "reason", "was_active", "actor.name", "request", "revision"];
    Table::of(&answer["deprovisioning"], columns).summary(format!(
        "mode {}: {people} would have lost access ({counts}) up to revision {}",
        words::value(&answer["mode"]),
        words::value(&answer["up_to"]),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_would_have_lost_access_has_a_line_and_is_counted() {
        let answer = json!({
            "mode": "observe", "up_to": 9, "people": 1, "counts": { "deactivated": 1, "restored": 1 },
            "deprovisioning": [
                { "revision": 8, "recorded_at": "2026-06-30T08:15:00.000000Z", "subject": "users/0190-a",
                  "name": "alice@example.com", "reason": "deactivated", "was_active": true,
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
    fn a_page_is_asked_for() {
        let command = Command::Report { tenant: "acme".into(), after: Some(7), limit: None };
        assert_eq!(command.call().path, "/audit/v1/acme/observe?after=7");
    }
}
