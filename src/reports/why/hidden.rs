//! What may hide somebody whom no request names: requests that nobody could look into, or that have no row of their
//! own. Where there are any, nobody can say that the identity provider never sent the person.

use std::collections::BTreeSet;

use provisioning::{ResourceId, Timestamp};
use serde_json::{Value, json};

use super::asked::member;
use crate::reports::ReportError;
use crate::request_log::{Reader, Row, Totals};

/// One kind of requests that may hide somebody.
struct Hiding {
    what: &'static str,
    why: &'static str,
}

const UNREAD: Hiding = Hiding {
    what: "unread",
    why: "Refused before their body could be read: nobody knows whom they were about.",
};
const UNNAMED: Hiding =
    Hiding { what: "unnamed", why: "Refused, and without a userName: they may have been about anybody." };
const STALE_ID: Hiding = Hiding {
    what: "stale_id",
    why: "About an id that this tenant does not have, and without a userName: it may be the person's elsewhere.",
};
const REFUSED_EARLIER: Hiding =
    Hiding { what: "refused_earlier", why: "Refused longer ago, and not looked into here." };
const NO_TENANT: Hiding = Hiding {
    what: "no_tenant",
    why: "They reached no tenant, by a wrong address or token, and their body was not read.",
};
const FOLDED: Hiding = Hiding {
    what: "folded",
    why: "Look-ups that share rows without names: one may have asked for the person, none created anybody.",
};
const DROPPED: Hiding =
    Hiding { what: "dropped", why: "They have no row, because the log could not keep up." };
const PRUNED: Hiding =
    Hiding { what: "pruned", why: "Their rows were removed because of their age, or of the log's size." };

impl Hiding {
    fn told(&self, requests: u64, last_at: Option<Timestamp>) -> Value {
        json!({"what": self.what, "why": self.why, "requests": requests, "last_at": last_at, "codes": []})
    }

    fn told_of(&self, rows: &[&Row]) -> Option<Value> {
        let last = rows.last()?;
        let codes = rows.iter().filter_map(|row| row.code.as_deref()).flat_map(|codes| codes.split(", "));
        let mut told = self.told(rows.len() as u64, Some(last.at));
        told["codes"] = json!(codes.collect::<BTreeSet<_>>());
        told["request"] = json!(last.id);
        Some(told)
    }
}

/// What in a tenant's log may hide the person. `refused` are its newest refusals without those that name them.
pub(super) fn of(
    reader: &Reader,
    totals: &Totals,
    name: &str,
    refused: &[&Row],
) -> Result<Vec<Value>, ReportError> {
    let (mut unread, mut unnamed, mut stale) = (Vec::new(), Vec::new(), Vec::new());
    for row in refused {
        match hides(row, &reader.detail(row).unwrap_or_default()) {
            Some("unread") => unread.push(*row),
            Some("unnamed") => unnamed.push(*row),
            Some(_) => stale.push(*row),
            None => {}
        }
    }
    let mut found: Vec<Value> = [(UNREAD, unread), (UNNAMED, unnamed), (STALE_ID, stale)]
        .iter()
        .filter_map(|(hiding, rows)| hiding.told_of(rows))
        .collect();
    let earlier = reader.refused_before(refused.first().map_or(0, |row| row.number))?;
    let folded = reader.nameless_reads(ResourceId::parse(name).is_some())?;
    for (hiding, requests, last_at) in [
        (REFUSED_EARLIER, earlier.requests, earlier.last_at),
        (FOLDED, folded.requests, folded.last_at),
        (DROPPED, totals.dropped, None),
        (PRUNED, totals.pruned, None),
    ] {
        if requests > 0 {
            found.push(hiding.told(requests, last_at));
        }
    }
    Ok(found)
}

/// What in the log of requests that reached no tenant may hide the person.
pub(super) fn elsewhere(reader: &Reader, refused: &[&Row]) -> Option<Value> {
    let is_scim = |path: &Value| {
        let path = path.as_str().unwrap_or_default().to_ascii_lowercase();
        ["users", "scim", "bulk"].iter().any(|part| path.contains(part))
    };
    let unread: Vec<&Row> = refused
        .iter()
        .filter(|row| {
            let contents = reader.detail(row).unwrap_or_default();
            is_scim(&contents["path"]) && hides(row, &contents) == Some("unread")
        })
        .copied()
        .collect();
    NO_TENANT.told_of(&unread)
}

fn hides(row: &Row, contents: &Value) -> Option<&'static str> {
    let body = &contents["body"];
    let writes = matches!(row.method.as_str(), "POST" | "PUT" | "PATCH");
    let is_group = row.route.starts_with("/Groups");
    let has_user_name =
        || body.as_object().and_then(|body| member(body, "userName")).is_some_and(Value::is_string);
    let code = row.code.as_deref();
    // A filter that compares with a secret is not kept.
    if (writes && body.is_null()) || code == Some("filter_sensitive_attribute") {
        Some("unread")
    } else if writes && row.route == "/Users" && !has_user_name() {
        Some("unnamed")
    } else if !is_group && code == Some("resource_not_found") && !has_user_name() {
        Some("stale_id")
    } else {
        None
    }
}
