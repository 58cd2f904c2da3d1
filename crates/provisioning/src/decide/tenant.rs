//! Decisions about a tenant itself: settings, clients, tokens, and what the machine reports.

use scim::fold::fold;
use scim::{Object, ResourceType};
use serde_json::json;

use super::decision::{DecideError, Decided, Decision, Draft};
use crate::command::{Bound, ClientChange, NewClient, NewToken};
use crate::directory::Directory;
use crate::event::{ClientSeen, ClockAdjusted, Event, Published, SettingsChange, TokenIssued};
use crate::ids::{ClientId, Revision, TokenId};
use crate::merge_patch;
use crate::recorded::Subject;
use crate::rejection::Rejection;
use crate::tenancy::check::{check_name, publish_from_fixed, schema_refused};
use crate::tenancy::{GroupPolicy, ProfileStamp, PublishFrom, Role, Settings, Tenancy, Token};
use crate::timestamp::Timestamp;

/// Two, so that a rotation has an overlap.
const ACTIVE_TOKENS_MAX: usize = 2;

/// The largest bound of a client's requests: beyond it there is nothing to bound.
const REQUESTS_PER_SECOND_MAX: u32 = 1_000_000;

/// The most accepted messages that one event names.
pub(super) const PUBLISHED_PER_EVENT: usize = 1_000;

/// The first events of a tenant. Every setting is recorded, so that no later default changes an old tenant.
pub(super) fn create(
    tenancy: &Tenancy,
    settings: &Object,
    profile: Option<&ProfileStamp>,
    client: &NewClient,
    token: &NewToken,
) -> Result<Decision, Rejection> {
    if *tenancy != Tenancy::default() {
        return Err(Rejection::Conflict {
            code: "tenant_exists",
            detail: "this stream has a tenant already".to_owned(),
        });
    }
    let resolved = Settings::of_new_tenant(settings)?;
    check_name(&client.name, "client_name_invalid")?;
    let created = SettingsChange { settings: assigned(&resolved), profile: profile.cloned() };
    Ok(Decision::done([
        Draft::new(Subject::Tenant, Event::TenantCreated(created)),
        client_created(client),
        token_issued(&NewToken {
            issued: TokenIssued { client: Some(client.id), ..token.issued.clone() },
            ..token.clone()
        }),
    ]))
}

pub(super) fn update<D: Directory>(
    directory: &D,
    settings: &Object,
    profile: Option<&ProfileStamp>,
) -> Decided<D> {
    let tenancy = directory.tenancy();
    let updated = with_mode(&tenancy.settings, tenancy.settings.updated(settings)?)?;
    if updated.tenant != tenancy.settings.tenant {
        return Err(Rejection::Invalid {
            code: "setting_fixed",
            detail: "the name of a tenant cannot change; create another tenant".to_owned(),
        }
        .into());
    }
    check_schemas_beside_resources(directory, &updated)?;
    check_groups_beside_resources(directory, &updated)?;
    let settings = merge_patch::diff(&assigned(&tenancy.settings), assigned(&updated));
    let profile = profile.filter(|profile| tenancy.profile.as_ref() != Some(*profile)).cloned();
    if settings.is_empty() && profile.is_none() {
        return Ok(Decision::done([]));
    }
    let change = SettingsChange { settings, profile };
    Ok(Decision::done([Draft::new(Subject::Tenant, Event::TenantUpdated(change))]))
}

/// A tenant becomes live once, with an event that says from where it is published, and stays so: whoever hears of it
/// hears every revision from there on.
fn with_mode(before: &Settings, mut after: Settings) -> Result<Settings, Rejection> {
    match (before.observes(), after.observes()) {
        // Whoever takes a setting away seldom means that everything that follows is published, for good.
        (true, false) if after.mode.is_none() => Err(Rejection::Invalid {
            code: "mode_fixed",
            detail: "a tenant that observes becomes live, for good, by mode=live and by nothing else; to let it go \
                     on observing leave mode out"
                .to_owned(),
        }),
        (true, false) => {
            after.publish_from.get_or_insert(PublishFrom::Here);
            Ok(after)
        }
        (false, true) => Err(Rejection::Invalid {
            code: "mode_fixed",
            detail: "a tenant that is live stays live, since its consumers would miss revisions; to try something \
                     out create another tenant with mode=observe"
                .to_owned(),
        }),
        _ if before.publish_from != after.publish_from => Err(publish_from_fixed()),
        _ => {
            // Taking it away would change nothing.
            after.mode = after.mode.or(before.mode);
            Ok(after)
        }
    }
}

/// What resources hold must stay readable, and what was right yesterday must not be refused tomorrow.
fn check_schemas_beside_resources<D: Directory>(
    directory: &D,
    updated: &Settings,
) -> Result<(), DecideError<D::Error>> {
    let before = directory.tenancy().settings.schemas.clone().unwrap_or_default();
    let after = updated.schemas.clone().unwrap_or_default();
    if before == after {
        return Ok(());
    }
    for resource_type in [ResourceType::User, ResourceType::Group] {
        if directory.has_resources(resource_type).map_err(DecideError::Directory)? {
            after.check_beside_resources(&before, resource_type).map_err(schema_refused)?;
        }
    }
    Ok(())
}

/// Where there are groups, they cannot be denied; where two have one name, nobody can link by it.
fn check_groups_beside_resources<D: Directory>(
    directory: &D,
    updated: &Settings,
) -> Result<(), DecideError<D::Error>> {
    if updated.groups == directory.tenancy().settings.groups {
        return Ok(());
    }
    let is_off = updated.groups == Some(GroupPolicy::Off);
    if is_off && directory.has_resources(ResourceType::Group).map_err(DecideError::Directory)? {
        return Err(Rejection::Invalid {
            code: "groups_in_use",
            detail: "groups cannot be off while the tenant has some; delete them first, or set groups to link-only"
                .to_owned(),
        }
        .into());
    }
    if updated.groups == Some(GroupPolicy::LinkOnly)
        && let Some(name) = directory.shared_group_name().map_err(DecideError::Directory)?
    {
        let holders = directory.groups_named(&name).map_err(DecideError::Directory)?;
        let ids: Vec<String> = holders.iter().map(ToString::to_string).collect();
        return Err(Rejection::Conflict {
            code: "group_names_shared",
            detail: format!(
                "groups cannot be link-only while several have one name, since identity providers link by it: rename \
                 or delete all but one of {}",
                ids.join(", ")
            ),
        }
        .into());
    }
    Ok(())
}

pub(super) fn create_client(tenancy: &Tenancy, client: &NewClient) -> Result<Decision, Rejection> {
    check_name(&client.name, "client_name_invalid")?;
    let name = fold(&client.name);
    if let Some((holder, _)) = tenancy.clients.iter().find(|(_, other)| fold(&other.name) == name) {
        return Err(Rejection::Conflict {
            code: "client_name_taken",
            detail: format!("the client {holder} has this name already; choose another"),
        });
    }
    Ok(Decision::done([client_created(client)]))
}

pub(super) fn update_client(
    tenancy: &Tenancy,
    id: ClientId,
    change: ClientChange,
) -> Result<Decision, Rejection> {
    let client = tenancy.clients.get(&id).ok_or_else(|| no_client(id))?;
    let mut settings = Object::new();
    if let Some(enabled) = change.enabled.filter(|enabled| *enabled != client.enabled) {
        settings.insert("enabled".to_owned(), json!(enabled));
    }
    let rate = change.requests_per_second.map(Bound::number);
    if let Some(rate) = rate.filter(|rate| *rate != client.requests_per_second) {
        if rate.is_some_and(|rate| !(1..=REQUESTS_PER_SECOND_MAX).contains(&rate)) {
            return Err(Rejection::Invalid {
                code: "client_rate_invalid",
                detail: format!(
                    "requests_per_second is a whole number from 1 to {REQUESTS_PER_SECOND_MAX}, or null for any number"
                ),
            });
        }
        settings.insert("requests_per_second".to_owned(), json!(rate));
    }
    if settings.is_empty() {
        return Ok(Decision::done([]));
    }
    let change = SettingsChange { settings, profile: None };
    Ok(Decision::done([Draft::new(Subject::Client(id), Event::ClientUpdated(change))]))
}

/// What is known already is not recorded again, and who is not expected to come is not silent.
pub(super) fn note_presence(
    tenancy: &Tenancy,
    id: ClientId,
    silent: bool,
    seen: ClientSeen,
) -> Result<Decision, Rejection> {
    let client = tenancy.clients.get(&id).ok_or_else(|| no_client(id))?;
    let event = match (client.silent_since.is_some(), silent) {
        (false, true) if tenancy.is_expected(id) => Event::ClientSilent(seen),
        (true, false) => Event::ClientHeard(seen),
        (true | false, true) | (false, false) => return Ok(Decision::done([])),
    };
    Ok(Decision::done([Draft::new(Subject::Client(id), event)]))
}

pub(super) fn issue_token(
    tenancy: &Tenancy,
    token: &NewToken,
    now: Option<Timestamp>,
) -> Result<Decision, Rejection> {
    match token.issued.client {
        Some(client) => may_have_another_token(tenancy, client, now)?,
        None if token.issued.role == Role::Client => {
            return Err(Rejection::Invalid {
                code: "token_without_client",
                detail: "a token of the role client belongs to a client; name one".to_owned(),
            });
        }
        None => {}
    }
    Ok(Decision::done([token_issued(token)]))
}

pub(super) fn revoke_token(tenancy: &Tenancy, id: TokenId) -> Result<Decision, Rejection> {
    let token =
        tenancy.tokens.get(&id).ok_or_else(|| Rejection::NotFound(format!("no token has the id {id}")))?;
    if token.revoked_at.is_some() {
        return Ok(Decision::done([]));
    }
    Ok(Decision::done([Draft::new(Subject::Token(id), Event::TokenRevoked)]))
}

pub(super) fn record_published(published: &[(Revision, u64, Timestamp)]) -> Decision {
    let events = published.chunks(PUBLISHED_PER_EVENT).map(|accepted| {
        let published = Published { published: accepted.to_vec() };
        Draft::new(Subject::Tenant, Event::DeprovisioningPublished(published))
    });
    Decision::done(events.collect::<Vec<_>>())
}

/// A clock that does not stand before the last event needs nobody's consent.
pub(super) fn adjust_clock(from: Timestamp, to: Timestamp) -> Decision {
    if to >= from {
        return Decision::done([]);
    }
    Decision::done([Draft::new(Subject::Tenant, Event::ClockAdjusted(ClockAdjusted { from, to }))])
}

fn may_have_another_token(
    tenancy: &Tenancy,
    client: ClientId,
    now: Option<Timestamp>,
) -> Result<(), Rejection> {
    if !tenancy.clients.contains_key(&client) {
        return Err(no_client(client));
    }
    let expired = |token: &Token| {
        let end = token.expires_at.zip(now);
        end.is_some_and(|(expires_at, now)| expires_at <= now)
    };
    let active = tenancy
        .tokens
        .values()
        .filter(|token| token.client == Some(client) && token.revoked_at.is_none() && !expired(token));
    if active.count() >= ACTIVE_TOKENS_MAX {
        return Err(Rejection::Conflict {
            code: "too_many_tokens",
            detail: format!(
                "the client has {ACTIVE_TOKENS_MAX} active tokens already; revoke one of them first"
            ),
        });
    }
    Ok(())
}

fn client_created(client: &NewClient) -> Draft {
    let settings = [
        ("name", json!(client.name)),
        ("kind", json!(client.kind)),
        ("domain", json!(client.domain)),
        ("enabled", json!(true)),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Draft::new(Subject::Client(client.id), Event::ClientCreated(SettingsChange { settings, profile: None }))
}

fn token_issued(token: &NewToken) -> Draft {
    Draft::new(Subject::Token(token.id), Event::TokenIssued(token.issued.clone()))
}

fn no_client(id: ClientId) -> Rejection {
    Rejection::NotFound(format!("no client has the id {id}"))
}

/// The settings that have a value: a merge patch has no other way to say "none" than to leave it out.
fn assigned(settings: &Settings) -> Object {
    settings.to_object().into_iter().filter(|(_, value)| !value.is_null()).collect()
}
