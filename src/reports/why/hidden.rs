//! What may hide somebody whom no request names: requests that nobody could look into, or that have no row of their
//! own. Where there are any, nobody can say that the identity provider never sent the person.

use std::collections::BTreeSet;

use provisioning::{ResourceId, Timestamp};
use serde_json::{Value, json};

use super::Log;
use super::acts::is_look_up;
use super::whom::first_recorded;
use crate::directory::Directory;
use crate::reports::ReportError;
use crate::request_log::{self, Kind, Operation, ReadingError, Row, Totals};

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

const MANY: Hiding =
    Hiding { what: "many", why: "They name more people than can be found, or were too large to look into." };
const FOREIGN: Hiding = Hiding {
    what: "foreign_token",
    why: "Sent to this tenant's address with a token of another tenant: they are in that tenant's log, and their \
          body was not read.",
};
const LOG_OFF: Hiding = Hiding {
    what: "log_off",
    why: "Requests came while the request log was switched off; it was found so at that time.",
};
const NOT_COVERED: Hiding = Hiding {
    what: "not_covered",
    why: "An identity provider had something recorded by a request that the log does not have: it was begun anew, or \
          switched off then.",
};

impl Hiding {
    fn told(&self, requests: Option<u64>, last_at: Option<Timestamp>) -> Value {
        json!({"what": self.what, "why": self.why, "requests": requests, "last_at": last_at, "codes": []})
    }

    fn told_of(&self, rows: &[&Row]) -> Option<Value> {
        let last = rows.last()?;
        let codes = rows.iter().filter_map(|row| row.code.as_deref()).flat_map(|codes| codes.split(", "));
        let mut told = self.told(Some(rows.len() as u64), Some(last.at));
        told["codes"] = json!(codes.collect::<BTreeSet<_>>());
        told["request"] = json!(last.id);
        Some(told)
    }
}

/// What in a tenant's log may hide the person. `refused` are its newest refusals without those that name them.
pub(super) fn of(
    directory: &Directory,
    log: &Log<'_>,
    totals: &Totals,
    names: &[String],
    refused: &[&Row],
) -> Result<Vec<Value>, ReportError> {
    let reader = log.reader;
    let (mut unread, mut unnamed, mut stale) = (Vec::new(), Vec::new(), Vec::new());
    for row in refused {
        match hides(row, log.about(row).as_deref()) {
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
    let earlier = reader.refused_before(refused.first().map_or(0, |row| row.number), names)?;
    let is_id = names.first().is_some_and(|name| ResourceId::parse(name).is_some());
    let folded = reader.nameless_reads(is_id)?;
    let (many, foreign) = (reader.cut()?, reader.foreign()?);
    for (hiding, requests, last_at) in [
        (REFUSED_EARLIER, earlier.requests, earlier.last_at),
        (MANY, many.requests, many.last_at),
        (FOREIGN, foreign.requests, foreign.last_at),
        (FOLDED, folded.requests, folded.last_at),
        (DROPPED, totals.dropped, None),
        (PRUNED, totals.pruned, None),
    ] {
        if requests > 0 {
            found.push(hiding.told(Some(requests), last_at));
        }
    }
    let off_at = request_log::off_at(directory).map_err(ReadingError::from)?;
    if let Some(at) = off_at {
        found.push(LOG_OFF.told(None, Some(at)));
    }
    found.extend(not_covered(directory, log, totals)?);
    Ok(found)
}

/// What the log has lost without knowing it: where nothing was removed, it has the first request that had something
/// recorded.
fn not_covered(directory: &Directory, log: &Log<'_>, totals: &Totals) -> Result<Option<Value>, ReportError> {
    if totals.dropped + totals.pruned > 0 {
        return Ok(None);
    }
    let Some((request, at)) = first_recorded(directory)? else { return Ok(None) };
    let is_there = log.reader.request(&request)?.is_some();
    Ok((!is_there).then(|| NOT_COVERED.told(None, Some(at))))
}

/// What in the log of requests that reached no tenant may hide the person.
pub(super) fn elsewhere(log: &Log<'_>, refused: &[&Row]) -> Option<Value> {
    let is_scim = |path: &Value| {
        let path = path.as_str().unwrap_or_default().to_ascii_lowercase();
        ["users", "scim", "bulk"].iter().any(|part| path.contains(part))
    };
    let unread: Vec<&Row> = refused
        .iter()
        .filter(|row| {
            let contents = log.reader.detail(row).unwrap_or_default();
            is_scim(&contents["path"]) && hides(row, log.about(row).as_deref()) == Some("unread")
        })
        .copied()
        .collect();
    NO_TENANT.told_of(&unread)
}

/// What nobody can tell of a request of which something was refused.
fn hides(row: &Row, operations: Option<&[Operation]>) -> Option<&'static str> {
    let is_missing = |code: Option<&str>| code == Some("resource_not_found");
    let code = row.code.as_deref();
    // A filter that compares with a secret is not kept.
    if code == Some("filter_sensitive_attribute") {
        return Some("unread");
    }
    let Some(operations) = operations else { return Some("unread") };
    let is_group = row.route.starts_with("/Groups");
    let is_stale = !is_group && is_missing(code);
    if is_look_up(row) {
        return is_stale.then_some("stale_id");
    }
    let is_undone =
        |it: &&Operation| it.undone.is_some() || matches!(row.outcome.as_str(), "refused" | "failed");
    for operation in operations.iter().filter(is_undone).filter(|it| it.kind != Kind::Group) {
        let says_nothing = operation.changes.is_empty();
        match operation.kind {
            Kind::Replace | Kind::Change if says_nothing && operation.name.is_none() => {
                return Some("unread");
            }
            Kind::Create if operation.name.is_none() => return Some("unnamed"),
            _ if operation.name.is_some() => {}
            _ if is_stale || is_missing(operation.undone.as_ref().map(|undone| undone.code.as_str())) => {
                return Some("stale_id");
            }
            _ => {}
        }
    }
    None
}
