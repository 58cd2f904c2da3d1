//! `muster access`: who was active at an instant, and in which groups.

use clap::Args;
use serde_json::Value;

use super::call::{Call, Verb, View, audit, query};
use super::table::Table;
use super::words;

#[derive(Debug, Args)]
pub(super) struct Command {
    /// Name of the tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// The instant, in RFC 3339, such as 2026-06-30T23:59:59Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: String,
    /// Only members of this group.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl Command {
    pub(super) fn call(&self) -> Call {
        let parameters = [("at", Some(self.at.as_str())), ("group", self.group.as_deref())];
        Call::new(Verb::Get, query(&audit(&self.tenant, &["access"]), parameters), View::Rows(people))
    }
}

/// Takes what RFC 3339 allows, as it was typed.
fn instant(text: &str) -> Result<String, String> {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a time with its zone, such as 2026-06-30T23:59:59Z".to_owned()),
    }
}

fn people(answer: &Value) -> Table {
    let users = answer["users"].as_array().map_or(0, Vec::len);
    let counted = if users == 1 { "1 user".to_owned() } else { format!("{users} users") };
    let at = words::value(&answer["at"]);
    let position = words::value(&answer["position"]);
    Table::of(&answer["users"], &["userName", "id", "active", "groups"])
        .summary(format!("{counted} at {at}, log position {position}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_are_listed_with_their_groups_and_counted() {
        let answer = json!({
            "users": [
                { "id": "0190-a", "userName": "alice@example.com", "active": true,
                  "groups": [{ "id": "g1", "displayName": "Finance" }, { "id": "g2", "displayName": "Sales" }] },
                { "id": "0190-b", "userName": "bob@example.com", "active": true, "groups": [] },
            ],
            "position": 17, "at": "2026-06-30T23:59:59.000000Z",
        });
        insta::assert_snapshot!(people(&answer).to_text(), @r"
        USERNAME           ID      ACTIVE  GROUPS
        alice@example.com  0190-a  true    Finance, Sales
        bob@example.com    0190-b  true

        2 users at 2026-06-30T23:59:59.000000Z, log position 17
        ");
    }

    #[test]
    fn the_instant_needs_its_zone() {
        assert!(instant("2026-06-30T23:59:59Z").is_ok());
        assert!(instant("2026-06-30T23:59:59+02:00").is_ok());
        assert!(instant("2026-06-30").is_err());
        assert!(instant("2026-06-30T23:59:59").is_err());
    }

    #[test]
    fn instant_and_group_are_asked_for() {
        let command = Command {
            tenant: "acme".into(),
            at: "2026-06-30T23:59:59+02:00".into(),
            group: Some("R&D".into()),
        };
        assert_eq!(
            command.call().path,
            "/audit/v1/acme/access?at=2026-06-30T23%3A59%3A59%2B02%3A00&group=R%26D"
        );
    }
}
