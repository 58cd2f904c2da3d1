//! How far a new connection has come: which of the first steps have been seen in the request log.

use provisioning::tenancy::{GroupPolicy, Settings, Tenancy};
use provisioning::{ClientId, EventType, Revision};
use serde_json::{Value, json};

use super::super::remedies::explained;
use super::super::requests::item;
use super::super::{Parameters, ReportError};
use crate::directory::Directory;
use crate::directory::catch_up::CatchUpError;
use crate::request_log::{Reader, Row, Wanted};

/// How many requests are looked at, the newest ones: a connection that is being set up makes few.
const REQUESTS_MAX: usize = 1_000;
/// How many events of a request are looked at.
const EVENTS_MAX: usize = 16;

/// A step, in the order in which it usually comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Authenticated,
    DiscoveryRead,
    UnknownUserLookedUp,
    UserCreated,
    UserUpdated,
    UserDeactivated,
    GroupPushed,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::Authenticated,
        Self::DiscoveryRead,
        Self::UnknownUserLookedUp,
        Self::UserCreated,
        Self::UserUpdated,
        Self::UserDeactivated,
        Self::GroupPushed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::DiscoveryRead => "discovery_read",
            Self::UnknownUserLookedUp => "unknown_user_looked_up",
            Self::UserCreated => "user_created",
            Self::UserUpdated => "user_updated",
            Self::UserDeactivated => "user_deactivated",
            Self::GroupPushed => "group_pushed",
        }
    }

    /// What makes an identity provider take this step.
    fn how(self, settings: &Settings) -> &'static str {
        match self {
            Self::GroupPushed if settings.groups == Some(GroupPolicy::Off) => {
                "nothing: this tenant has no groups"
            }
            Self::GroupPushed if settings.groups == Some(GroupPolicy::LinkOnly) => {
                "link a group that is here already (`muster group create` makes one), and push or assign it"
            }
            Self::Authenticated => "test the connection at the identity provider",
            Self::DiscoveryRead => {
                "nothing: some providers read what the service can do, Okta and OneLogin do not"
            }
            Self::UnknownUserLookedUp => "test the connection, or assign somebody who is not here yet",
            Self::UserCreated => "assign a person to the application",
            Self::UserUpdated => "change the person's name there",
            Self::UserDeactivated => "take the person's assignment away",
            Self::GroupPushed => "push a group, or assign one",
        }
    }

    /// Whether a connection without it is not finished.
    fn is_required(self, settings: &Settings) -> bool {
        match self {
            Self::DiscoveryRead => false,
            Self::GroupPushed => settings.groups != Some(GroupPolicy::Off),
            _ => true,
        }
    }

    /// The step that an event is.
    fn of_event(event_type: EventType) -> Option<Self> {
        match event_type {
            EventType::UserCreated => Some(Self::UserCreated),
            EventType::UserUpdated | EventType::UserReactivated => Some(Self::UserUpdated),
            EventType::UserDeactivated | EventType::UserDeleted | EventType::UserHidden => {
                Some(Self::UserDeactivated)
            }
            EventType::GroupCreated | EventType::GroupUpdated | EventType::GroupMembersAdded => {
                Some(Self::GroupPushed)
            }
            _ => None,
        }
    }
}

/// The steps with the request in which each was first seen, and the last refusal that nothing has followed.
pub fn progress(directory: &Directory, parameters: Parameters<'_>) -> Result<Value, ReportError> {
    let tenancy = directory.tenancy();
    let settings = &tenancy.settings;
    let client = parameters.get("client").map(|name| client_named(&tenancy, name)).transpose()?;
    let reader = Reader::open(directory)?;
    let position = directory.position();
    let wanted = Wanted { newest_first: true, limit: REQUESTS_MAX, ..Wanted::default() };
    let mut rows = reader.rows(&wanted)?;
    if let Some(client) = client {
        let id = client.to_string();
        // Who came without a valid token may have been this client.
        rows.retain(|row| row.client.as_ref().is_none_or(|of| *of == id));
    }
    let mut seen: [Option<&Row>; Step::ALL.len()] = [None; Step::ALL.len()];
    for row in &rows {
        for step in steps_of(directory, row)? {
            seen[step as usize].get_or_insert(row);
        }
    }
    let steps: Vec<Value> = Step::ALL
        .into_iter()
        .zip(&seen)
        .map(|(step, row)| {
            json!({
                "step": step.name(),
                "done": row.is_some(),
                "required": step.is_required(settings),
                "at": row.map(|row| row.at),
                "request": row.and_then(|row| row.id.as_ref()),
                "how": step.how(settings),
            })
        })
        .collect();
    let complete =
        Step::ALL.into_iter().zip(&seen).all(|(step, row)| row.is_some() || !step.is_required(settings));
    let refused = rows.last().filter(|row| matches!(row.outcome.as_str(), "refused" | "failed"));
    let refused = refused.map(|row| {
        let mut shown = item(directory, &reader, row);
        shown["explanations"] = explained(directory, row);
        shown
    });
    Ok(json!({
        "tenant": directory.tenant(),
        "client": client.and_then(|id| tenancy.clients.get(&id).map(|client| client.name.clone())),
        "steps": steps,
        "complete": complete,
        "refused": refused,
        "position": position,
    }))
}

fn client_named(tenancy: &Tenancy, name: &str) -> Result<ClientId, ReportError> {
    let unknown = || ReportError::not_found("client_not_found", "the tenant has no client of that name");
    tenancy.client_named(name).ok_or_else(unknown)
}

fn steps_of(directory: &Directory, row: &Row) -> Result<Vec<Step>, ReportError> {
    let mut steps = Vec::new();
    if row.client.is_none() || matches!(row.outcome.as_str(), "refused" | "failed") {
        return Ok(steps);
    }
    steps.push(Step::Authenticated);
    if matches!(row.route.as_str(), "/ServiceProviderConfig" | "/ResourceTypes" | "/Schemas") {
        steps.push(Step::DiscoveryRead);
    }
    if row.filter.is_some() && row.results == Some(0) && row.route.starts_with("/Users") {
        steps.push(Step::UnknownUserLookedUp);
    }
    if let Some(&first) = row.revisions.first() {
        let events = row.revisions.len().min(EVENTS_MAX);
        let stored = directory.stored(Revision(first - 1), events).map_err(CatchUpError::from)?;
        for event in &stored {
            let header = directory.header(event).map_err(CatchUpError::from)?;
            steps.extend(Step::of_event(header.event_type));
        }
    }
    Ok(steps)
}
