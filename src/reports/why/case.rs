//! Everything that is known about one person, and what is to be said of it.

use std::collections::BTreeSet;

use provisioning::tenancy::{ClientKind, PostDeactivated};
use provisioning::{ClientId, Status, Timestamp};
use serde_json::{Value, json};

use super::acts::{Act, Asked, Failed, SKIPPED};
use super::findings::{self, Failure};
use super::settled::Acts;
use super::traps;
use super::whom::{Person, Whom};
use crate::directory::Directory;
use crate::explanations::{Remedy, Who};
use crate::reports::ReportError;
use crate::reports::remedies::Names;
use crate::request_log::{Kind, Reader, Row};

/// So many conflicts of one kind are a loop.
const LOOP_REQUESTS_MIN: u64 = 3;
/// With fewer requests, nobody can speak of a share that fails.
const QUARANTINE_REQUESTS_MIN: u64 = 10;
const FOUR_WEEKS_MICROS: i64 = 28 * 24 * 60 * 60 * 1_000_000;

/// What is done where an id was asked for that nobody has, and the person is here.
const RELINK: &str = "Have the identity provider find the person anew, by provisioning them on demand or by restarting its \
                      provisioning: it asks by an id that nobody has here, and the person is here under another.";

/// Everything that is known about one person.
pub(super) struct Case<'c> {
    pub(super) directory: &'c Directory,
    pub(super) reader: &'c Reader,
    /// By what they were asked for.
    pub(super) name: &'c str,
    pub(super) people: &'c [Person],
    pub(super) whom: &'c Whom,
    /// Requests that named the person, oldest first.
    pub(super) rows: &'c [Row],
    /// What of them is about the person.
    pub(super) acts: &'c [Act<'c>],
    /// Whether requests named the person and reached no tenant.
    pub(super) is_elsewhere: bool,
    /// Whether the log has requests that nobody can look into.
    pub(super) is_hidden: bool,
}

/// How the people who bear the name are now.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// How far whoever has come furthest is; none if nobody is here.
    status: Option<Status>,
    /// Somebody who is here was active once.
    was_active: bool,
}

impl Standing {
    fn of(people: &[Person]) -> Self {
        let present = || people.iter().filter_map(|person| person.user.as_ref());
        let has = |status: &Status| present().any(|user| user.status == *status);
        let status = [Status::Active, Status::Invited, Status::Disabled].into_iter().find(has);
        Self { status, was_active: present().any(|user| user.was_active) }
    }

    fn is_here(self) -> bool {
        self.status.is_some()
    }

    fn is_inactive(self) -> bool {
        self.status == Some(Status::Disabled)
    }
}

impl Case<'_> {
    /// What happened, and what is to be said about it: what is not settled first.
    pub(super) fn judge(&self) -> Result<(&'static str, Vec<Value>), ReportError> {
        let standing = Standing::of(self.people);
        let failures = self.failures();
        let is_open = failures
            .iter()
            .any(|failure| !failure.settled && (failure.about == Some("person") || !standing.is_here()));
        let (verdict, told) = self.verdict(standing, is_open);
        let advice = |failure: &Failure<'_>, remedies| self.advice(failure, standing, remedies);
        let all = findings::of(self.directory, &failures, &advice);
        let (mut found, settled): (Vec<Value>, Vec<Value>) =
            all.into_iter().partition(|finding| finding["settled"] == false);
        found.extend(told.map(|code| self.trapped(code, self.last())));
        found.extend(self.traps(&found, standing));
        found.extend(self.quarantines()?);
        found.extend(self.tolerated());
        found.extend(settled);
        Ok((verdict, found))
    }

    fn verdict(&self, standing: Standing, is_open: bool) -> (&'static str, Option<&'static str>) {
        let looked_up_only = !self.rows.is_empty() && self.acts.len() == self.rows.len();
        let is_look_up = |act: &Act<'_>| matches!(act.asked, Asked::LookUp);
        let looked_up_only = looked_up_only && self.acts.iter().all(is_look_up);
        if is_open {
            ("refused", None)
        } else if standing.status == Some(Status::Invited) {
            ("invited", None)
        } else if standing.status == Some(Status::Active) {
            ("provisioned", None)
        } else if standing.is_here() && !standing.was_active {
            ("inactive", Some("created_inactive"))
        } else if standing.is_here() {
            ("deactivated", Some("deprovisioned"))
        } else if !self.people.is_empty() {
            ("deleted", Some("deprovisioned"))
        } else if looked_up_only {
            ("looked_up_never_created", Some("lookup.no_create"))
        } else if !self.rows.is_empty() {
            ("named_never_created", None)
        } else if self.is_elsewhere {
            ("reached_no_tenant", Some("reached_no_tenant"))
        } else if self.is_hidden {
            ("not_seen", Some("not_seen"))
        } else {
            ("never_seen", Some("never_seen"))
        }
    }

    /// What was refused of what was asked about the person.
    fn failures(&self) -> Vec<Failure<'_>> {
        let mut found = Vec::new();
        for (at, act) in self.acts.iter().enumerate() {
            let settled = !act.failures.is_empty() && self.is_settled(at);
            for failed in &act.failures {
                let about = if act.is_about_person() { "person" } else { "membership" };
                found.push(Failure { about: Some(about), settled, ..Failure::new(act.row, failed) });
            }
        }
        found
    }

    fn is_settled(&self, at: usize) -> bool {
        Acts { all: self.acts, whom: self.whom, reader: self.reader }.is_settled(at)
    }

    fn last(&self) -> Option<&Row> {
        self.acts.last().map(|act| act.row).or(self.rows.last())
    }

    /// What other than single codes is to be said.
    fn traps(&self, open: &[Value], standing: Standing) -> Vec<Value> {
        let mut found = Vec::new();
        let is_open = |codes: &[&str]| {
            let mut open = open.iter().filter(|finding| finding["settled"] == false);
            open.any(|finding| finding["code"].as_str().is_some_and(|code| codes.contains(&code)))
        };
        if standing.is_inactive() && !self.reactivates() && is_open(&["user_name_taken", "external_id_taken"])
        {
            found.push(self.trapped("rehire.post_conflict", self.last()));
        }
        if open.iter().any(|it| it["status"] == 409 && it["requests"].as_u64() >= Some(LOOP_REQUESTS_MIN)) {
            found.push(self.trapped("conflict.loop", self.last()));
        }
        let is_missed = |act: &Act<'_>| {
            let is_unknown = |failed: &Failed| failed.code == "unknown_member";
            act.is_missed && (act.failures.is_empty() || act.failures.iter().any(is_unknown))
        };
        let missed = self.acts.iter().enumerate().rfind(|(at, act)| is_missed(act) && !self.is_settled(*at));
        found.extend(missed.map(|(_, act)| self.trapped("ref.order", Some(act.row))));
        let changes = |act: &&Act<'_>| {
            let kind = act.of_user().map(|operation| operation.kind);
            act.is_done() && matches!(kind, Some(Kind::Replace | Kind::Change))
        };
        if standing.is_inactive()
            && let Some(act) = self.acts.iter().rfind(|act| act.of_user().is_some()).filter(changes)
            && self.kind(act.row) == Some(ClientKind::Okta)
        {
            found.push(self.trapped("okta.never_deletes", Some(act.row)));
        }
        found
    }

    fn reactivates(&self) -> bool {
        self.directory.tenancy().settings.post_deactivated == PostDeactivated::Reactivate
    }

    /// Who was not there when a group had them is no matter of settings, and a switch that is set is not set again.
    fn advice(&self, failure: &Failure<'_>, standing: Standing, mut remedies: Vec<Remedy>) -> Vec<Remedy> {
        let is_rehire = standing.is_inactive() && !self.reactivates();
        if failure.about == Some("person") && !is_rehire {
            remedies.retain(|remedy| !remedy.r#do.contains("post_deactivated=reactivate"));
        }
        // Whoever is here, under another id, is not made anew by anybody, and would stay for good.
        if failure.about == Some("person") && standing.is_here() && failure.code == "resource_not_found" {
            remedies.retain(|remedy| remedy.who != Who::Nobody);
            if remedies.is_empty() {
                remedies.push(Remedy { who: Who::IdentityProvider, r#do: RELINK.to_owned(), only: None });
            }
        }
        remedies
    }

    fn kind(&self, row: &Row) -> Option<ClientKind> {
        let id = ClientId::parse(row.client.as_deref()?)?;
        self.directory.tenancy().clients.get(&id).map(|client| client.kind)
    }

    /// The connections to Entra ID that asked about the person and fail so often that Entra ID switches them off.
    fn quarantines(&self) -> Result<Vec<Value>, ReportError> {
        let asked = self.acts.iter().filter(|act| self.kind(act.row) == Some(ClientKind::Entra));
        let clients: BTreeSet<&str> = asked.filter_map(|act| act.row.client.as_deref()).collect();
        let mut found = Vec::new();
        for client in clients {
            let Some(since) = self.reader.failing_since(client, QUARANTINE_REQUESTS_MIN)? else { continue };
            let row =
                self.acts.iter().rfind(|act| act.row.client.as_deref() == Some(client)).map(|act| act.row);
            let ends = Timestamp(since.0.saturating_add(FOUR_WEEKS_MICROS));
            let day = |at: Timestamp| at.to_string().chars().take("2026-01-01".len()).collect::<String>();
            let (since, date) = (day(since), day(ends));
            let fill = |text: &Value| {
                let text = text.as_str().unwrap_or_default();
                Value::from(text.replace("<since>", &since).replace("<date>", &date))
            };
            let mut told = self.trapped("quarantine.thresholds", row);
            told["why"] = fill(&told["why"]);
            told["remedies"][0]["do"] = fill(&told["remedies"][0]["do"]);
            told["ends_at"] = json!(ends);
            found.push(told);
        }
        Ok(found)
    }

    /// What was understood though it deviates.
    fn tolerated(&self) -> Option<Value> {
        let about_person = self.acts.iter().filter(|act| act.is_about_person() && act.is_done());
        let mut deviating = about_person.filter(|act| act.row.notes.iter().any(|note| note != SKIPPED));
        let notes: BTreeSet<&String> =
            deviating.clone().flat_map(|act| &act.row.notes).filter(|note| *note != SKIPPED).collect();
        let mut told = self.trapped("tolerated", Some(deviating.next_back()?.row));
        told["notes"] = json!(notes);
        Some(told)
    }

    fn trapped(&self, code: &str, row: Option<&Row>) -> Value {
        let (trap, names) = (traps::of(code), Names::of(self.directory, row));
        let user = |text: &str| text.replace("<user>", &crate::shell::word(self.name));
        let remedies: Vec<Remedy> =
            trap.remedies.iter().map(|(who, text)| names.remedy(*who, &user(text))).collect();
        json!({
            "code": trap.name,
            "why": names.put_into(trap.why),
            "who": remedies.first().map(|remedy| remedy.who),
            "remedies": remedies,
            "notes": [],
            "last_at": row.map(|row| row.at),
            "request": row.and_then(|row| row.id.as_ref()),
        })
    }
}
