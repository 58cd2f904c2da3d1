//! Why somebody is, or is not, provisioned: the requests that named that person, what went wrong in them, who has to
//! mend it and how.
//!
//! A request that names a person need not be about them: [`asked`] tells. What became of what was asked is judged in
//! [`case`]; what codes mean is `explanations`' table; what no single code tells (nobody ever asked, asked for and
//! never created, refused again and again) stands in [`traps`]; and [`mod@hidden`] says where the log cannot tell.

mod acts;
mod asked;
mod case;
mod findings;
mod hidden;
mod traps;

use std::collections::BTreeSet;

use provisioning::{ResourceId, Timestamp};
use scim::ResourceType;
use serde_json::{Value, json};

use self::acts::Act;
use self::asked::Whom;
use self::case::Case;
use self::findings::Failure;
use super::requests::{item, names_of};
use super::{Parameters, ReportError};
use crate::directory::Directory;
use crate::request_log::{Reader, Row, Totals, Wanted};

/// How many requests that named the person are looked at, the newest ones.
const REQUESTS_MAX: usize = 200;
/// How many refusals that do not name the person are looked at.
const REFUSED_REQUESTS_MAX: usize = 500;
/// Refusals at the door that are older do not count any more.
const DOOR_MICROS_MAX: i64 = 7 * 24 * 60 * 60 * 1_000_000;

#[cfg(test)]
pub(super) use traps::told as told_by_traps;

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

impl Person {
    fn told(&self) -> Value {
        let (user_name, active) = self.user.clone().unzip();
        json!({"id": self.id, "userName": user_name, "active": active})
    }
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
    let mut names = names_of(directory, name)?;
    names.extend(people.iter().filter_map(|person| Some(person.user.as_ref()?.0.clone())));
    let reader = Reader::open(directory)?;
    let (position, totals) = (directory.position(), reader.totals()?);
    let elsewhere =
        nobodys.map(|nobodys| Elsewhere::of(directory, nobodys, &names)).transpose()?.unwrap_or_default();
    let wanted =
        Wanted { names: names.clone(), newest_first: true, limit: REQUESTS_MAX, ..Wanted::default() };
    let rows = reader.rows(&wanted)?;
    let wanted =
        Wanted { failed: true, newest_first: true, limit: REFUSED_REQUESTS_MAX, ..Wanted::default() };
    let refused = reader.rows(&wanted)?;
    let refused = without(&refused, &rows);
    let whom = Whom::new(&names, !people.is_empty(), &directory.schemas());
    let acts = acts(&reader, &whom, &people, &rows);
    let hidden =
        if people.is_empty() { hidden(&reader, &totals, name, &refused, &elsewhere)? } else { Vec::new() };
    let case = Case {
        directory,
        reader: &reader,
        name,
        people: &people,
        rows: &rows,
        acts: &acts,
        is_elsewhere: !elsewhere.findings.is_empty(),
        is_hidden: !hidden.is_empty(),
    };
    let (verdict, findings) = case.judge()?;
    Ok(json!({
        "tenant": directory.tenant(),
        "user": name,
        "verdict": verdict,
        "people": people.iter().map(Person::told).collect::<Vec<_>>(),
        "findings": findings,
        "hidden": hidden,
        "door": door(directory, &reader, &refused),
        "elsewhere": elsewhere.findings,
        "requests": rows.iter().map(|row| item(directory, &reader, row)).collect::<Vec<_>>(),
        "log": log(&reader, &totals)?,
        "position": position,
    }))
}

/// What the tenant's log covers.
fn log(reader: &Reader, totals: &Totals) -> Result<Value, ReportError> {
    let Totals { logged, dropped, pruned, .. } = totals;
    Ok(json!({"first_at": reader.first_at()?, "logged": logged, "dropped": dropped, "pruned": pruned}))
}

/// What became of requests that reached no tenant.
#[derive(Default)]
struct Elsewhere {
    /// Of those that named the person.
    findings: Vec<Value>,
    /// The others, as far as the person may be in them.
    hidden: Option<Value>,
}

impl Elsewhere {
    fn of(directory: &Directory, nobodys: &Directory, names: &[String]) -> Result<Self, ReportError> {
        let reader = Reader::open(nobodys)?;
        let refused = Wanted { failed: true, newest_first: true, ..Wanted::default() };
        let wanted = Wanted { names: names.to_vec(), limit: REQUESTS_MAX, ..refused.clone() };
        let rows = reader.rows(&wanted)?;
        let failures: Vec<Failure<'_>> = rows.iter().flat_map(|row| Failure::of(&reader, row)).collect();
        let findings = findings::of(directory, &failures, &findings::as_explained);
        let others = reader.rows(&Wanted { limit: REFUSED_REQUESTS_MAX, ..refused })?;
        let hidden = hidden::elsewhere(&reader, &without(&others, &rows));
        Ok(Self { findings, hidden })
    }
}

fn hidden(
    reader: &Reader,
    totals: &Totals,
    name: &str,
    refused: &[&Row],
    elsewhere: &Elsewhere,
) -> Result<Vec<Value>, ReportError> {
    let mut hidden = hidden::of(reader, totals, name, refused)?;
    hidden.extend(elsewhere.hidden.clone());
    Ok(hidden)
}

fn without<'r>(rows: &'r [Row], others: &[Row]) -> Vec<&'r Row> {
    let others: BTreeSet<u64> = others.iter().map(|row| row.number).collect();
    rows.iter().filter(|row| !others.contains(&row.number)).collect()
}

fn acts<'r>(reader: &Reader, whom: &Whom, people: &[Person], rows: &'r [Row]) -> Vec<Act<'r>> {
    let present = people.iter().filter(|person| person.user.is_some());
    let ids: Vec<String> = present.map(|person| person.id.to_string()).collect();
    let of = |row| acts::of(whom, &ids, row, &reader.detail(row).unwrap_or_default());
    rows.iter().flat_map(of).collect()
}

/// Refusals that name nobody and may be why somebody is missing.
fn door(directory: &Directory, reader: &Reader, refused: &[&Row]) -> Vec<Value> {
    let newest = refused.last().map_or(Timestamp(0), |row| row.at);
    let at_door = |row: &&&Row| {
        let is_there = row.code.as_deref().is_some_and(|code| DOOR.contains(&code));
        is_there && newest.0 - row.at.0 <= DOOR_MICROS_MAX
    };
    let failures = refused.iter().filter(at_door).flat_map(|row| Failure::of(reader, row));
    findings::of(directory, &failures.collect::<Vec<_>>(), &findings::as_explained)
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
