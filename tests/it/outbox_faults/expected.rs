//! Which messages a log calls for, worked out from what `muster events list` prints and from the documentation
//! (`docs/events.md`), not from the code that publishes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::consumer::Heard;
use crate::soak::Tally;

/// A message that has to be in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) revision: u64,
    subject: String,
    /// `Nats-Msg-Id`.
    id: String,
    /// `Muster-Subject`.
    about: String,
    /// The event's id.
    event: String,
    /// Of a deprovisioning message: why, and which members or groups it names.
    reason: Option<(&'static str, BTreeSet<String>)>,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn due(event: &Value, subject: String, reason: Option<(&'static str, BTreeSet<String>)>) -> Due {
    let revision = event["revision"].as_u64().expect("an event has a revision");
    Due {
        revision,
        subject,
        id: format!("{}:{revision}", text(&event["stream"])),
        about: text(&event["subject"]).to_owned(),
        event: text(&event["id"]).to_owned(),
        reason,
    }
}

/// Every event has one.
pub(super) fn events(tenant: &str, log: &[Value]) -> Vec<Due> {
    let subject = |event: &Value| {
        let (family, verb) = text(&event["type"]).split_once('.').expect("a type has two halves");
        let plural = if ["user", "group", "client", "token"].contains(&family) { "s" } else { "" };
        format!("muster.v1.{tenant}.events.{family}{plural}.{verb}")
    };
    log.iter().map(|event| due(event, subject(event), None)).collect()
}

/// What ends or restores somebody's access has one.
pub(super) fn deprovisioning(tenant: &str, log: &[Value]) -> Vec<Due> {
    let ends_a_user = |event: &Value| ["user.deleted", "user.hidden"].contains(&text(&event["type"]));
    let ended: BTreeSet<&str> =
        log.iter().filter(|event| ends_a_user(event)).map(|event| text(&event["id"])).collect();
    let mut groups_of: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in log.iter().filter(|event| text(&event["type"]) == "group.members_removed") {
        let group = text(&event["subject"]).trim_start_matches("groups/").to_owned();
        groups_of.entry(text(&event["cause"]["id"])).or_default().insert(group);
    }
    let mut lost: BTreeSet<(String, String)> = BTreeSet::new();
    let mut all = Vec::new();
    for event in log {
        let about = text(&event["subject"]);
        let members = || {
            let members = event["data"]["members"].as_array().into_iter().flatten();
            members.map(|member| text(&member[0]).to_owned()).collect::<BTreeSet<_>>()
        };
        let reason = match text(&event["type"]) {
            "user.deactivated" => Some(("deactivated", BTreeSet::new())),
            "user.reactivated" => Some(("restored", BTreeSet::new())),
            kind @ ("user.deleted" | "user.hidden") => {
                let groups = groups_of.get(text(&event["id"])).cloned().unwrap_or_default();
                Some((if kind == "user.deleted" { "deleted" } else { "hidden" }, groups))
            }
            "group.members_removed" => {
                let members = members();
                lost.extend(members.iter().map(|member| (about.to_owned(), member.clone())));
                (!ended.contains(text(&event["cause"]["id"]))).then_some(("group_lost", members))
            }
            "group.members_added" => {
                let had = |member: &String| lost.contains(&(about.to_owned(), member.clone()));
                let back: BTreeSet<_> = members().into_iter().filter(had).collect();
                (!back.is_empty()).then_some(("restored", back))
            }
            _ => None,
        };
        if reason.is_some() {
            let subject = format!("muster.v1.{tenant}.deprovisioning.{}", about.replace('/', "."));
            all.push(due(event, subject, reason));
        }
    }
    all
}

/// Holds what a consumer heard about one tenant, in the order in which it came, against what is due.
pub(super) fn compare(stream: &str, due: &[Due], heard: &[&Heard], tally: &mut Tally) {
    let mut missing: BTreeMap<u64, &Due> = due.iter().map(|due| (due.revision, due)).collect();
    let mut last = 0;
    for heard in heard {
        let revision = heard.revision();
        let Some(due) = missing.remove(&revision) else {
            tally.doubled(format!("{stream}: {} came twice or is not due", heard.id));
            continue;
        };
        if revision < last {
            tally.doubled(format!("{stream}: {} came behind revision {last}", heard.id));
        }
        last = revision;
        if let Some(difference) = difference(due, heard) {
            tally.lost(format!("{stream}: {}: {difference}", heard.id));
        }
    }
    for due in missing.values() {
        tally.lost(format!("{stream}: nobody heard of {due:?}"));
    }
}

fn difference(due: &Due, heard: &Heard) -> Option<String> {
    let data = &heard.body["data"];
    let named = data["members"].as_array().or(data["groups"].as_array());
    let named = named.into_iter().flatten().map(|id| text(id).to_owned()).collect();
    let is = Due {
        revision: heard.revision(),
        subject: heard.subject.clone(),
        id: heard.id.clone(),
        about: heard.about.clone(),
        event: text(&heard.body["id"]).to_owned(),
        reason: due.reason.as_ref().map(|(reason, _)| {
            (if text(&data["reason"]) == *reason { *reason } else { "another reason" }, named)
        }),
    };
    (is != *due).then(|| format!("is {is:?}, should be {due:?}"))
}
