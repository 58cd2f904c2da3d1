//! `muster timeline`: what happened to a person, as text that an auditor reads from top to bottom.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::call::{Call, Verb, View, audit, query};
use super::words;

#[derive(Debug, Args)]
pub(super) struct Command {
    /// Name of the tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Id, userName or e-mail address of the person, also a former one.
    user: String,
}

impl Command {
    pub(super) fn call(&self) -> Call {
        let path = query(&audit(&self.tenant, &["timeline"]), [("user", Some(self.user.as_str()))]);
        Call::new(Verb::Get, path, View::Text(text))
    }
}

/// Every resource that ever bore the name, oldest first.
fn text(answer: &Value) -> String {
    let resources = list(&answer["resources"]);
    let mut text = String::new();
    if resources.is_empty() {
        text.push_str("Nobody ever bore that name.\n");
    }
    for resource in resources {
        resource_text(&mut text, resource).expect("writing to a String does not fail");
        text.push('\n');
    }
    text + &format!("log position {}\n", words::value(&answer["position"]))
}

fn resource_text(text: &mut String, resource: &Value) -> std::fmt::Result {
    let last = list(&resource["events"]).iter().rfind(|event| event["group"].is_null());
    let state = match (&resource["active"], last.map(|event| &event["type"])) {
        (Value::Bool(true), _) => "active",
        (_, Some(last)) if last == "user.deleted" => "deleted",
        _ => "inactive",
    };
    let [name, id] = ["userName", "id"].map(|member| words::value(&resource[member]));
    writeln!(text, "{name}  ({state}, id {id})")?;
    let mut today = "";
    for event in list(&resource["events"]) {
        let recorded_at = event["recorded_at"].as_str().unwrap_or_default();
        let (day, time) = recorded_at.split_once('T').unwrap_or((recorded_at, ""));
        if day != today {
            writeln!(text, "\n  {}", words::printable(day))?;
            today = day;
        }
        event_text(text, event, &words::printable(time))?;
    }
    memberships_text(text, list(&resource["memberships"]))
}

fn event_text(text: &mut String, event: &Value, time: &str) -> std::fmt::Result {
    let actor = &event["actor"];
    let name = [&actor["name"], &actor["client"]].into_iter().find(|name| !name.is_null());
    let name = name.map(|name| format!(" {}", words::value(name))).unwrap_or_default();
    let by = format!("{}{name}", words::value(&actor["kind"]));
    writeln!(text, "    {time}  {} by {by}  [{}]", deed(event), words::value(&event["revision"]))?;
    for change in list(&event["changes"]) {
        let [path, from, to] = ["path", "from", "to"].map(|member| words::value(&change[member]));
        writeln!(text, "        {path}: {from} -> {to}")?;
    }
    match &event["accepted_at"] {
        Value::Null => Ok(()),
        at => writeln!(text, "        broker accepted at {}", words::value(at)),
    }
}

/// What happened, in words; a type that this release does not know stands for itself.
fn deed(event: &Value) -> String {
    let group = || words::value(&event["group"]);
    match event["type"].as_str().unwrap_or_default() {
        "user.created" => "provisioned".to_owned(),
        "user.updated" => "changed".to_owned(),
        "user.activated" => "signed in for the first time, recorded".to_owned(),
        "user.deactivated" => "deactivated".to_owned(),
        "user.reactivated" => "reactivated".to_owned(),
        "user.hidden" => "deleted (the account is kept, inactive)".to_owned(),
        "user.deleted" => "deleted".to_owned(),
        "group.members_added" => format!("added to group {}", group()),
        "group.members_removed" => format!("removed from group {}", group()),
        other => words::printable(other),
    }
}

fn memberships_text(text: &mut String, memberships: &[Value]) -> std::fmt::Result {
    if memberships.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n  Groups")?;
    let named = |membership: &Value| match &membership["displayName"] {
        Value::Null => words::value(&membership["group"]),
        name => words::value(name),
    };
    let width = memberships.iter().map(|membership| named(membership).chars().count()).max().unwrap_or(0);
    for membership in memberships {
        let from = words::value(&membership["from"]);
        let until = match &membership["to"] {
            Value::Null => "until now".to_owned(),
            to => format!("to {}", words::value(to)),
        };
        writeln!(text, "    {:<width$}  from {from} {until}", named(membership))?;
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_reads_from_provisioning_to_the_brokers_acceptance() {
        let actor =
            json!({ "kind": "client", "client": "01931d3c-0000-7000-8000-00000000000c", "name": "okta" });
        let answer = json!({ "resources": [{
            "id": "01931d3c-0000-7000-8000-000000000001", "userName": "alice@example.com", "active": false,
            "events": [
                { "revision": 4, "recorded_at": "2026-11-21T09:31:02.000000Z", "type": "user.created",
                  "actor": actor, "group": null, "accepted_at": null,
                  "changes": [{ "path": "userName", "from": null, "to": "alice@example.com" }] },
                { "revision": 6, "recorded_at": "2026-11-21T09:31:03.000000Z", "type": "group.members_added",
                  "actor": actor, "group": { "id": "g", "displayName": "Finance" }, "changes": [] },
                { "revision": 9, "recorded_at": "2026-11-22T10:00:00.000000Z", "type": "user.deactivated",
                  "actor": { "kind": "operator", "name": "root" },
                  "changes": [{ "path": "active", "from": true, "to": false }],
                  "accepted_at": "2026-11-22T10:00:00.400000Z" },
                { "revision": 11, "recorded_at": "2026-11-22T10:00:01.000000Z", "type": "hold.added",
                  "actor": { "kind": "system" } },
            ],
            "memberships": [
                { "group": "g", "displayName": "Finance", "from": "2026-11-21T09:31:03.000000Z",
                  "to": "2026-11-22T10:00:00.000000Z" },
                { "group": "h", "displayName": null, "from": "2026-11-21T09:31:04.000000Z", "to": null },
            ],
        }], "position": 11 });
        insta::assert_snapshot!(text(&answer), @r"
        alice@example.com  (inactive, id 01931d3c-0000-7000-8000-000000000001)

          2026-11-21
            09:31:02.000000Z  provisioned by client okta  [4]
                userName: - -> alice@example.com
            09:31:03.000000Z  added to group Finance by client okta  [6]

          2026-11-22
            10:00:00.000000Z  deactivated by operator root  [9]
                active: true -> false
                broker accepted at 2026-11-22T10:00:00.400000Z
            10:00:01.000000Z  hold.added by system  [11]

          Groups
            Finance  from 2026-11-21T09:31:03.000000Z to 2026-11-22T10:00:00.000000Z
            h        from 2026-11-21T09:31:04.000000Z until now

        log position 11
        ");
    }

    #[test]
    fn nobody_is_said_in_words() {
        let answer = json!({ "resources": [], "position": 3 });
        assert_eq!(text(&answer), "Nobody ever bore that name.\nlog position 3\n");
    }
}
