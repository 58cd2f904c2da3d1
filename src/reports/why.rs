//! Why somebody is, or is not, provisioned: the requests that named that person, what went wrong in them, who has to
//! mend it and how.
//!
//! What codes mean is `explanations`' table; what no single code tells (nobody ever asked, asked for and never
//! created, refused again and again) stands in [`traps`].

mod traps;

use std::collections::{BTreeMap, BTreeSet};

use provisioning::tenancy::ClientKind;
use provisioning::{ClientId, ResourceId, Timestamp};
use scim::ResourceType;
use serde_json::{Value, json};

use super::requests::{item, names_of};
use super::{Parameters, ReportError};
use crate::directory::Directory;
use crate::explanations::{self, Remedy};
use crate::request_log::{Reader, Row, Wanted};

/// How many requests that named the person are looked at, the newest ones.
const REQUESTS_MAX: usize = 200;
/// How many refusals at the door are looked at.
const DOOR_REQUESTS_MAX: usize = 500;
/// Refusals at the door that are older do not count any more.
const DOOR_MICROS_MAX: i64 = 7 * 24 * 60 * 60 * 1_000_000;
/// So many conflicts of one kind are a loop.
const LOOP_REQUESTS_MIN: u64 = 3;

/// Codes of refusals that may be about anybody: nobody had looked yet whom, or everybody of a group is missing there.
const DOOR: [&str; 17] = [
    "token_missing",
    "token_invalid",
    "token_malformed",
    "token_expired",
    "token_elsewhere",
    "token_role",
    "client_disabled",
    "rate_limited",
    "tenant_not_found",
    "route_not_found",
    "method_not_allowed",
    "media_type_unsupported",
    "body_too_large",
    "bulk_too_large",
    "json_malformed",
    "groups_off",
    "group_create_refused",
];

/// Somebody who bears or bore the name.
struct Person {
    id: ResourceId,
    /// None if there is no such user any more.
    user: Option<(String, bool)>,
}

/// `nobodys` is the log of requests that reached no tenant: only operators see what of it names the person.
pub(super) fn of(
    directory: &Directory,
    nobodys: Option<&Directory>,
    parameters: Parameters<'_>,
) -> Result<Value, ReportError> {
    let missing =
        || ReportError::invalid("parameter_invalid", "`user` must be an id, a userName or an e-mail address");
    let name = parameters.get("user").filter(|name| !name.is_empty()).ok_or_else(missing)?;
    let people = people(directory, name)?;
    let names = names_of(directory, name)?;
    let reader = Reader::open(directory)?;
    let position = directory.position();
    let elsewhere = nobodys.map(|nobodys| elsewhere(nobodys, &names)).transpose()?;
    let wanted = Wanted { names, newest_first: true, limit: REQUESTS_MAX, ..Wanted::default() };
    let rows = reader.rows(&wanted)?;
    let wanted = Wanted { failed: true, newest_first: true, limit: DOOR_REQUESTS_MAX, ..Wanted::default() };
    let refused = reader.rows(&wanted)?;
    let case = Case { directory, reader: &reader, people: &people, rows: &rows };
    let (verdict, findings) = case.judge(&refused);
    let requests: Vec<Value> = rows.iter().map(|row| item(directory, &reader, row)).collect();
    let people: Vec<Value> = people
        .iter()
        .map(|person| {
            let (user_name, active) = person.user.clone().unzip();
            json!({"id": person.id, "userName": user_name, "active": active})
        })
        .collect();
    Ok(json!({
        "tenant": directory.tenant(),
        "user": name,
        "verdict": verdict,
        "people": people,
        "findings": findings,
        "door": case.door(&refused),
        "elsewhere": elsewhere.unwrap_or_default(),
        "requests": requests,
        "position": position,
    }))
}

/// What became of requests that named the person and reached no tenant.
fn elsewhere(nobodys: &Directory, names: &[String]) -> Result<Vec<Value>, ReportError> {
    let reader = Reader::open(nobodys)?;
    let names = names.to_vec();
    let wanted = Wanted { names, failed: true, newest_first: true, limit: REQUESTS_MAX, ..Wanted::default() };
    Ok(failures(&reader, reader.rows(&wanted)?.iter()))
}

fn people(directory: &Directory, name: &str) -> Result<Vec<Person>, ReportError> {
    let ids = directory.with_history(|history| history.users_known_as(name))?;
    directory.with_current(|current| {
        let mut people = Vec::new();
        for id in ids {
            let stored = current.resource(ResourceType::User, id, None)?;
            let user = stored.map(|stored| {
                let document: Value = serde_json::from_str(&stored.document).unwrap_or_default();
                let active = document["active"].as_bool().unwrap_or(true);
                (document["userName"].as_str().unwrap_or_default().to_owned(), active)
            });
            people.push(Person { id, user });
        }
        Ok(people)
    })
}

/// Everything that is known about one person.
struct Case<'c> {
    directory: &'c Directory,
    reader: &'c Reader,
    people: &'c [Person],
    /// Requests that named the person, oldest first.
    rows: &'c [Row],
}

impl Case<'_> {
    /// What happened, and what is to be said about it: what is not settled first.
    fn judge(&self, refused: &[Row]) -> (&'static str, Vec<Value>) {
        let mut failures = failures(self.reader, self.rows.iter());
        for finding in &mut failures {
            let settled = finding["request"].as_str().is_some_and(|id| self.is_settled(id));
            finding["settled"] = settled.into();
        }
        let is_open = failures.iter().any(|finding| finding["settled"] == false);
        let present = self.people.iter().filter_map(|person| person.user.as_ref()).collect::<Vec<_>>();
        let is_active = present.iter().any(|(_, active)| *active);
        let looked_up_only = !self.rows.is_empty() && self.rows.iter().all(is_read);
        let (verdict, told) = if is_open {
            ("refused", None)
        } else if is_active {
            ("provisioned", None)
        } else if !present.is_empty() {
            ("deactivated", Some("deprovisioned"))
        } else if !self.people.is_empty() {
            ("deleted", Some("deprovisioned"))
        } else if looked_up_only {
            ("looked_up_never_created", Some("lookup.no_create"))
        } else if self.rows.is_empty() {
            ("never_seen", Some("never_seen"))
        } else {
            ("named_never_created", None)
        };
        let traps = self.traps(&failures, refused, is_active);
        let (mut findings, settled): (Vec<Value>, Vec<Value>) =
            failures.into_iter().partition(|finding| finding["settled"] == false);
        findings.extend(told.map(|code| self.trapped(code, self.rows.last())));
        findings.extend(traps);
        findings.extend(settled);
        (verdict, findings)
    }

    /// What other than single codes is to be said.
    fn traps(&self, failures: &[Value], refused: &[Row], is_active: bool) -> Vec<Value> {
        let mut found = Vec::new();
        let open = |codes: &[&str]| {
            let mut open = failures.iter().filter(|finding| finding["settled"] == false);
            open.any(|finding| finding["code"].as_str().is_some_and(|code| codes.contains(&code)))
        };
        let last = self.rows.last();
        let is_here = self.people.iter().any(|person| person.user.is_some());
        if is_here && !is_active && open(&["user_name_taken", "external_id_taken", "reactivation_ambiguous"])
        {
            found.push(self.trapped("rehire.post_conflict", last));
        }
        if failures.iter().any(|it| {
            it["settled"] == false
                && it["status"] == 409
                && it["requests"].as_u64() >= Some(LOOP_REQUESTS_MIN)
        }) {
            found.push(self.trapped("conflict.loop", last));
        }
        if open(&["unknown_member"]) {
            found.push(self.trapped("ref.order", last));
        }
        let kind = last.and_then(|row| self.kind(row));
        let ended = |row: &&Row| row.outcome == "recorded" && matches!(row.method.as_str(), "PATCH" | "PUT");
        if is_here
            && !is_active
            && kind == Some(ClientKind::Okta)
            && self.rows.iter().rfind(|row| !is_read(row)).is_some_and(|row| ended(&row))
        {
            found.push(self.trapped("okta.never_deletes", last));
        }
        if kind == Some(ClientKind::Entra) && self.is_quarantined(refused) {
            found.push(self.trapped("quarantine.thresholds", last));
        }
        if let Some(noted) = self.rows.iter().rfind(|row| !row.notes.is_empty()) {
            found.push(self.trapped("tolerated", Some(noted)));
        }
        found
    }

    fn kind(&self, row: &Row) -> Option<ClientKind> {
        let id = ClientId::parse(row.client.as_deref()?)?;
        self.directory.tenancy().clients.get(&id).map(|client| client.kind)
    }

    /// Whether four of ten recent requests failed, as far as Entra ID looks.
    fn is_quarantined(&self, refused: &[Row]) -> bool {
        const RECENT: usize = 100;
        const RECENT_MIN: u64 = 10;
        let wanted = Wanted { newest_first: true, limit: RECENT, ..Wanted::default() };
        let recent = self.reader.rows(&wanted).unwrap_or_default();
        let all: u64 = recent.iter().map(|row| row.requests).sum();
        let first = recent.first().map_or(0, |row| row.number);
        let failed = refused.iter().filter(|row| row.number >= first).count() as u64;
        all >= RECENT_MIN && failed * 10 >= all * 4
    }

    /// Whether what failed in that row has succeeded since.
    fn is_settled(&self, request: &str) -> bool {
        let failed = self.rows.iter().position(|row| row.id.as_deref() == Some(request));
        let Some(failed) = failed else { return false };
        let was_read = is_read(&self.rows[failed]);
        self.rows[failed + 1..].iter().any(|row| match row.outcome.as_str() {
            "recorded" | "unchanged" => true,
            "read" => was_read,
            _ => false,
        })
    }

    /// Refusals that name nobody and may be why somebody is missing.
    fn door(&self, refused: &[Row]) -> Vec<Value> {
        let newest = refused.last().map_or(Timestamp(0), |row| row.at);
        let ours: Vec<u64> = self.rows.iter().map(|row| row.number).collect();
        let at_door = |row: &&Row| {
            let is_there = row.code.as_deref().is_some_and(|code| DOOR.contains(&code));
            is_there && newest.0 - row.at.0 <= DOOR_MICROS_MAX && !ours.contains(&row.number)
        };
        failures(self.reader, refused.iter().filter(at_door))
    }

    fn trapped(&self, code: &str, row: Option<&Row>) -> Value {
        let trap = traps::of(code);
        let remedy = Remedy { who: trap.who, r#do: trap.r#do.to_owned() };
        let notes: Vec<&String> = match code {
            "tolerated" => self.rows.iter().flat_map(|row| &row.notes).collect(),
            _ => Vec::new(),
        };
        let notes: BTreeSet<&String> = notes.into_iter().collect();
        json!({
            "code": trap.name,
            "why": trap.why,
            "who": trap.who,
            "remedies": [remedy],
            "notes": notes,
            "last_at": row.map(|row| row.at),
            "request": row.and_then(|row| row.id.as_ref()),
        })
    }
}

fn is_read(row: &Row) -> bool {
    matches!(row.method.as_str(), "GET" | "HEAD" | "OPTIONS") || row.route.ends_with("/.search")
}

/// Failed requests by what failed, each with its meaning, the last one first.
fn failures<'r>(reader: &Reader, rows: impl Iterator<Item = &'r Row>) -> Vec<Value> {
    let mut by_code: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.filter(|row| matches!(row.outcome.as_str(), "refused" | "failed") || row.code.is_some()) {
        for code in row.code.as_deref().unwrap_or_default().split(", ") {
            by_code.entry(code).or_default().push(row);
        }
    }
    let mut found: Vec<(u64, Value)> = by_code
        .into_iter()
        .filter_map(|(code, rows)| {
            let (first, last) = (rows.first()?, rows.last()?);
            let explanation = explanations::of(code);
            let detail = reader.detail(last).map(|contents| contents["detail"].clone());
            let finding = json!({
                "code": code,
                "status": last.status,
                "why": explanation.map(|it| &it.why),
                "detail": detail,
                "who": explanation.and_then(|it| it.remedies.first()).map(|remedy| remedy.who),
                "remedies": explanation.map(|it| &it.remedies),
                "requests": rows.len(),
                "first_at": first.at,
                "last_at": last.at,
                "request": last.id,
            });
            Some((last.number, finding))
        })
        .collect();
    found.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
    found.into_iter().map(|(_, finding)| finding).collect()
}
