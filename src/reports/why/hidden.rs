//! What may hide somebody whom no request names: requests that nobody could look into, or that have no row of their
//! own. Where there are any, nobody can say that the identity provider never sent the person; and of somebody who is
//! here, they may hide a change that was refused.

use std::collections::BTreeSet;

use provisioning::{ResourceId, Timestamp};
use serde_json::{Value, json};

use super::Log;
use super::unjudged::{Hides, Unjudged};
use super::whom::first_recorded;
use crate::directory::Directory;
use crate::reports::ReportError;
use crate::request_log::{self, ReadingError, Row, Tally, Totals};

/// One kind of requests that may hide somebody.
struct Hiding {
    what: &'static str,
    why: &'static str,
}

const UNREAD: Hiding = Hiding {
    what: "unread",
    why: "Refused before their body or filter could be read or understood: nobody knows whom they were about.",
};
const UNNAMED: Hiding =
    Hiding { what: "unnamed", why: "Refused, and without a userName: they may have been about anybody." };
const STALE_ID: Hiding = Hiding {
    what: "stale_id",
    why: "About an id that this tenant does not have, and without a userName: it may be the person's elsewhere.",
};
const REFUSED_EARLIER: Hiding =
    Hiding { what: "refused_earlier", why: "Refused longer ago, and not looked into here." };
const NAMED_EARLIER: Hiding = Hiding {
    what: "named_earlier",
    why: "They name the person, but only the newest of such requests were looked into here.",
};
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

/// That not even everything by which the person is judged was looked at.
pub(super) fn named_earlier(last: &Row) -> Value {
    NAMED_EARLIER.told(None, Some(last.at))
}

/// What in a tenant's log may hide the person; of somebody whom the tenant knows, a change of them.
pub(super) fn of(
    directory: &Directory,
    log: &Log<'_>,
    totals: &Totals,
    names: &[String],
    unjudged: &Unjudged<'_>,
) -> Result<Vec<Value>, ReportError> {
    let reader = log.reader;
    let mut found: Vec<Value> =
        [(UNREAD, Hides::Unread), (UNNAMED, Hides::Unnamed), (STALE_ID, Hides::StaleId)]
            .into_iter()
            .filter_map(|(hiding, hides)| hiding.told_of(&unjudged.that(hides)))
            .collect();
    let earlier = reader.refused_before(unjudged.first, names)?;
    let is_id = names.first().is_some_and(|name| ResourceId::parse(name).is_some());
    // No look-up changes anybody.
    let folded = if unjudged.is_known { Tally::default() } else { reader.nameless_reads(is_id)? };
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
pub(super) fn elsewhere(log: &Log<'_>, unjudged: &Unjudged<'_>) -> Option<Value> {
    let is_scim = |row: &&Row| {
        let contents = log.reader.detail(row).unwrap_or_default();
        let path = contents["path"].as_str().unwrap_or_default().to_ascii_lowercase();
        ["users", "scim", "bulk"].iter().any(|part| path.contains(part))
    };
    let unread: Vec<&Row> = unjudged.that(Hides::Unread).into_iter().filter(is_scim).collect();
    NO_TENANT.told_of(&unread)
}
