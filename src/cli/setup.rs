//! `muster setup …`: what to fill in at an identity provider, as Markdown for a ticket.

mod watch;

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::call::{Call, Verb, View, admin};
use super::exit::Failure;
use super::session::{Output, Session};
use super::words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What to fill in at Okta.
    Okta(Which),
    /// What to fill in at Microsoft Entra ID.
    Entra(Which),
    /// What to fill in at OneLogin.
    #[command(name = "onelogin")]
    OneLogin(Which),
    /// Shows which steps of a new connection have been seen, until all have.
    Watch(watch::Command),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Name of the tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Form of the instructions [default: md].
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown.
    Md,
    /// One JSON document.
    Json,
}

impl Command {
    pub(super) fn run(self, session: &mut Session) -> Result<u8, Failure> {
        let (provider, which) = match self {
            Self::Okta(which) => ("okta", which),
            Self::Entra(which) => ("entra", which),
            Self::OneLogin(which) => ("onelogin", which),
            Self::Watch(command) => return command.run(session),
        };
        if which.format == Some(Format::Json) {
            session.output = Output::Json;
        }
        session.api()?.must_run("the instructions name the address under which it is reached")?;
        session.perform(&Call::new(Verb::Get, admin(&which.tenant, &["setup", provider]), View::Text(text)))
    }
}

fn text(sheet: &Value) -> String {
    let [name, tenant] = ["name", "tenant"].map(|key| words::value(&sheet[key]));
    let mut text = format!("# Connect {name} to tenant {tenant}\n");
    let mut line = |line: String| writeln!(text, "{line}").expect("writing to a String does not fail");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let problems = list(&sheet["problems"]);
    if !problems.is_empty() {
        line("\n## Before you begin\n".to_owned());
        for problem in &problems {
            line(format!("- {}: {}", words::value(&problem["detail"]), words::value(&problem["do"])));
        }
    }
    line("\n## Connection\n".to_owned());
    line(format!("Application: {}.", words::value(&sheet["application"])));
    line(format!("Under {}:\n", words::value(&sheet["place"])));
    line("| Field | Value | Why |\n|---|---|---|".to_owned());
    for field in list(&sheet["fields"]) {
        let [name, value, why] = ["field", "value", "why"].map(|key| cell(&field[key]));
        let place = field["place"].as_str().map(|place| format!("{} > ", words::printable(place)));
        line(format!("| {}{name} | {value} | {why} |", place.unwrap_or_default()));
    }
    line("\n## Actions\n".to_owned());
    for action in list(&sheet["actions"]) {
        let tick = if action["tick"] == true { "x" } else { " " };
        let why = action["why"].as_str().map(|why| format!(": {}", words::printable(why)));
        let [place, name] = ["place", "action"].map(|key| words::value(&action[key]));
        line(format!("- [{tick}] {place} > {name}{}", why.unwrap_or_default()));
    }
    for (resource, heading) in [("User", "users"), ("Group", "groups")] {
        line(format!("\n## Attribute mappings of {heading}\n"));
        let mappings = list(&sheet["mappings"][resource]);
        if mappings.is_empty() {
            line(format!("None: this tenant has no {heading}."));
            continue;
        }
        line(format!("| {name} | SCIM | Do | Why |\n|---|---|---|---|"));
        for mapping in mappings {
            let [from, to, r#do] = ["from", "to", "do"].map(|key| cell(&mapping[key]));
            let values = list(&mapping["values"]).iter().map(words::value).collect::<Vec<_>>().join(", ");
            let why = match (mapping["why"].as_str(), values.is_empty()) {
                (None, _) => String::new(),
                (Some(why), true) => why.to_owned(),
                (Some(why), false) => format!("{why}; one of {values}"),
            };
            line(format!("| {from} | {to} | {do} | {} |", cell(&Value::from(why)), do = r#do));
        }
    }
    line("\n## Good to know\n".to_owned());
    for note in list(&sheet["notes"]) {
        line(format!("- {}", words::value(&note)));
    }
    line(format!("\nThen watch the first requests arrive: `muster setup watch --tenant {tenant}`"));
    text
}

/// A value as a cell of a Markdown table.
fn cell(value: &Value) -> String {
    if value.is_null() { String::new() } else { words::value(value).replace('|', "\\|") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn instructions_read_as_markdown() {
        let sheet = json!({
            "tenant": "acme", "name": "Okta", "application": "An application", "place": "Provisioning",
            "problems": [{"code": "no_token", "detail": "client default has no token", "do": "`muster token issue`"}],
            "fields": [
                {"place": null, "field": "Base URL", "value": "https://x/scim", "why": "as | it is"},
                {"place": "Sign On", "field": "Username", "value": "Email", "why": null},
            ],
            "actions": [
                {"place": "To App", "action": "Create Users", "tick": true, "why": null},
                {"place": "To App", "action": "Sync Password", "tick": false,
                 "why": "a password is never kept"},
            ],
            "mappings": {
                "User": [
                    {"from": "user.login", "to": "userName", "do": "keep", "why": null, "values": null},
                    {"from": null, "to": "role", "do": "add", "why": "this tenant requires it",
                     "values": ["owner", "guest"]},
                ],
                "Group": [],
            },
            "notes": ["mind the gap"],
        });
        insta::assert_snapshot!(text(&sheet), @r"
        # Connect Okta to tenant acme

        ## Before you begin

        - client default has no token: `muster token issue`

        ## Connection

        Application: An application.
        Under Provisioning:

        | Field | Value | Why |
        |---|---|---|
        | Base URL | https://x/scim | as \| it is |
        | Sign On > Username | Email |  |

        ## Actions

        - [x] To App > Create Users
        - [ ] To App > Sync Password: a password is never kept

        ## Attribute mappings of users

        | Okta | SCIM | Do | Why |
        |---|---|---|---|
        | user.login | userName | keep |  |
        |  | role | add | this tenant requires it; one of owner, guest |

        ## Attribute mappings of groups

        None: this tenant has no groups.

        ## Good to know

        - mind the gap

        Then watch the first requests arrive: `muster setup watch --tenant acme`
        ");
    }
}
