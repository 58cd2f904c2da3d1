//! Why somebody is, or is not, provisioned: the requests that named that person, what went wrong in them, who has to
//! mend it and how.
//!
//! A request that names a person need not be about them: the log says of each what it asked of whom, and [`mod@acts`] are
//! those whose subject is the person. Whether what was refused has its effect by now tells [`mod@settled`]; all of it
//! together is judged in [`case`]; what codes mean is `explanations`' table; what no single code tells (nobody ever
//! asked, asked for and never created, refused again and again) stands in [`traps`]; and [`mod@hidden`] says where the
//! log cannot tell, from what [`mod@unjudged`] finds among the refusals that are no acts of theirs.

mod acts;
mod case;
mod findings;
mod hidden;
mod settled;
mod traps;
mod unjudged;
mod whom;

use provisioning::Timestamp;
use scim::schemas::Schemas;
use serde_json::{Value, json};

use self::acts::Act;
use self::case::Case;
use self::findings::Failure;
use self::unjudged::{Hides, Unjudged};
use self::whom::{Person, Whom};
use super::requests::{item, names_of};
use super::{Parameters, ReportError};
use crate::directory::Directory;
use crate::request_log::{Operation, Reader, Row, Totals, Wanted};

/// How many requests that named the person are looked at, the newest ones that are no answered reads: by these the
/// person is judged.
const REQUESTS_MAX: usize = 200;
/// How many answered reads that named the person are told beside them.
const READS_MAX: usize = 200;
/// How many refusals that do not name the person are looked at.
const REFUSED_REQUESTS_MAX: usize = 500;
/// Refusals at the door that are older than that before the newest one do not count any more, nor what reached no
/// tenant before now.
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

/// A tenant's log, and how its requests are read.
struct Log<'l> {
    reader: &'l Reader,
    schemas: Schemas,
}

impl Log<'_> {
    /// What is kept of a request, and what it asked of whom; of the latter none if nobody can tell.
    fn read(&self, row: &Row) -> (Value, Option<Vec<Operation>>) {
        let contents = self.reader.detail(row).unwrap_or_default();
        let operations = self.reader.about(row, &contents, &self.schemas);
        (contents, operations)
    }
}

/// The newest requests that name the person, oldest first.
struct Named {
    rows: Vec<Row>,
    /// The newest one that was left out, if it was no answered read.
    left_out: Option<Row>,
}

impl Named {
    /// Reads are many, and tell little: they take no place of what the person is judged by.
    fn of(reader: &Reader, names: &[String]) -> Result<Self, ReportError> {
        let newest = |reads, limit| {
            let names = names.to_vec();
            reader.rows(&Wanted { names, reads: Some(reads), newest_first: true, limit, ..Wanted::default() })
        };
        let mut rows = newest(false, REQUESTS_MAX + 1)?;
        let left_out = (rows.len() > REQUESTS_MAX).then(|| rows.remove(0));
        rows.extend(newest(true, READS_MAX)?);
        rows.sort_unstable_by_key(|row| row.number);
        Ok(Self { rows, left_out })
    }
}

/// `nobodys` is the log of requests that reached no tenant: only operators see what of it names the person.
pub(super) fn of(
    directory: &Directory,
    nobodys: Option<&Directory>,
    now: Timestamp,
    parameters: Parameters<'_>,
) -> Result<Value, ReportError> {
    let missing =
        || ReportError::invalid("parameter_invalid", "`user` must be an id, a userName or an e-mail address");
    let name = parameters.get("user").filter(|name| !name.is_empty()).ok_or_else(missing)?;
    let people = whom::people(directory, name)?;
    let mut names = names_of(directory, name)?;
    names.extend(people.iter().filter_map(|person| Some(person.user.as_ref()?.name.clone())));
    let reader = Reader::open(directory)?;
    let (position, totals) = (directory.position(), reader.totals()?);
    let log = Log { reader: &reader, schemas: directory.schemas() };
    let elsewhere = nobodys
        .map(|nobodys| Elsewhere::of(directory, nobodys, &names, !people.is_empty(), now))
        .transpose()?
        .unwrap_or_default();
    let Named { rows, left_out } = Named::of(&reader, &names)?;
    let wanted =
        Wanted { partly_failed: true, newest_first: true, limit: REFUSED_REQUESTS_MAX, ..Wanted::default() };
    let refused = reader.rows(&wanted)?;
    let whom = Whom::new(directory, &reader, name, &people);
    let acts = acts(&log, &whom, &rows);
    let unjudged = Unjudged::of(&log, &refused, &rows, &acts, !people.is_empty())?;
    let mut hidden = hidden::of(directory, &log, &totals, &names, &unjudged)?;
    hidden.extend(left_out.map(|row| hidden::named_earlier(&row)));
    hidden.extend(elsewhere.hidden.clone());
    let case = Case {
        directory,
        reader: &reader,
        name,
        people: &people,
        whom: &whom,
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
        "door": door(directory, &reader, &unjudged),
        "elsewhere": elsewhere.findings,
        "requests": rows.iter().map(|row| item(directory, &reader, row)).collect::<Vec<_>>(),
        "log": covered(&reader, &totals)?,
        "position": position,
    }))
}

/// What the tenant's log covers.
fn covered(reader: &Reader, totals: &Totals) -> Result<Value, ReportError> {
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
    fn of(
        directory: &Directory,
        nobodys: &Directory,
        names: &[String],
        is_known: bool,
        now: Timestamp,
    ) -> Result<Self, ReportError> {
        let reader = Reader::open(nobodys)?;
        let since = Some(Timestamp(now.0 - DOOR_MICROS_MAX));
        let refused = Wanted { failed: true, newest_first: true, since, ..Wanted::default() };
        let wanted = Wanted { names: names.to_vec(), limit: REQUESTS_MAX, ..refused.clone() };
        let rows = reader.rows(&wanted)?;
        let failures: Vec<Failure<'_>> = rows.iter().flat_map(|row| Failure::of(&reader, row)).collect();
        let findings = findings::of(directory, &failures, &findings::as_explained);
        let mut others = reader.rows(&Wanted { limit: REFUSED_REQUESTS_MAX, ..refused })?;
        others.retain(|other| rows.iter().all(|row| row.number != other.number));
        let log = Log { reader: &reader, schemas: nobodys.schemas() };
        let hidden = hidden::elsewhere(&log, &Unjudged::of(&log, &others, &[], &[], is_known)?);
        Ok(Self { findings, hidden })
    }
}

fn acts<'r>(log: &Log<'_>, whom: &Whom, rows: &'r [Row]) -> Vec<Act<'r>> {
    let mut acts = Vec::new();
    for row in rows {
        let (contents, operations) = log.read(row);
        acts::add(&mut acts, whom, row, &contents, operations);
    }
    acts
}

/// Refusals that may be why somebody is missing, or is not changed: of what nobody knows whom it was about.
fn door(directory: &Directory, reader: &Reader, unjudged: &Unjudged<'_>) -> Vec<Value> {
    let rows = &unjudged.rows;
    let newest = rows.last().map_or(Timestamp(0), |(row, _)| row.at);
    let at_door = |(row, hides): &&(&Row, Option<Hides>)| {
        let is_coded = row.code.as_deref().is_some_and(|code| DOOR.contains(&code));
        let is_there = is_coded || *hides == Some(Hides::Unread);
        acts::is_failed(row) && is_there && newest.0 - row.at.0 <= DOOR_MICROS_MAX
    };
    let failures = rows.iter().filter(at_door).flat_map(|(row, _)| Failure::of(reader, row));
    findings::of(directory, &failures.collect::<Vec<_>>(), &findings::as_explained)
}
