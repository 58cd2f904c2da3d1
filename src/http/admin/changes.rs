//! Administrative commands: each handler reads its input, queues one command and answers what came of it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use provisioning::command::{
    Bound, Change, ClientChange, Command, NewClient, NewToken, Precondition, Provider, ScimCommand,
};
use provisioning::event::TokenIssued;
use provisioning::ids::OperatorId;
use provisioning::tenancy::{ClientKind, Role, Tenancy};
use provisioning::{ClientId, ResourceId, Revision, Timestamp, TokenId};
use scim::resource::Document;
use scim::{Object, ResourceType};
use serde::Deserialize;
use serde_json::json;

use super::{Body, House, json_answer, open_tenant, operator_origin};
use crate::directories::NewTenant;
use crate::http::context;
use crate::http::error::Failure;
use crate::profiles::{self, Applicable, ProfileError};
use crate::reports;

type Answer = Result<HttpResponse, Failure>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateTenant {
    tenant: String,
    host: Option<String>,
    base_path: Option<String>,
    #[serde(default)]
    kind: ClientKind,
    /// The name of one that ships.
    profile: Option<String>,
    /// The text of another.
    profile_toml: Option<String>,
    #[serde(default)]
    settings: Object,
}

/// The profile that a request names or brings.
fn asked_profile(name: Option<&str>, text: Option<&str>) -> Result<Option<Applicable>, Failure> {
    let found = match (name, text) {
        (None, None) => return Ok(None),
        (Some(name), None) => profiles::shipped(name),
        (None, Some(text)) => profiles::read(text),
        (Some(_), Some(_)) => {
            let detail =
                "`profile` names a profile that ships and `profile_toml` is another; send one of the two";
            return Err(Failure::new(StatusCode::BAD_REQUEST, "parameter_invalid", detail));
        }
    };
    let bad = StatusCode::BAD_REQUEST;
    found.map(Some).map_err(|error| match error {
        ProfileError::Unknown => Failure::new(bad, "profile_unknown", error.to_string()),
        ProfileError::Mistaken(_) => Failure::new(bad, "profile_invalid", error.to_string()),
    })
}

pub(super) async fn create_tenant(
    http: HttpRequest,
    body: Body<CreateTenant>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let CreateTenant { tenant, host, base_path, kind, profile, profile_toml, settings: given } =
        body.into_inner().0;
    let profile = asked_profile(profile.as_deref(), profile_toml.as_deref())?;
    let mut settings = profile.as_ref().map(|asked| asked.profile.settings()).unwrap_or_default();
    settings.extend(given);
    for (key, value) in [("host", host), ("base_path", base_path)] {
        if let Some(value) = value {
            settings.insert(key.into(), value.into());
        }
    }
    let new = NewTenant { tenant, settings, profile: profile.map(|asked| asked.stamp), kind };
    let (directory, secret) = house.directories.create(new, origin).await?;
    let tenancy = directory.tenancy();
    let authority = context::authority(&http, &house, tenancy.settings.host.as_deref());
    let base_url = format!("{authority}{}", tenancy.settings.base_path);
    let body = json!({"tenant": directory.tenant(), "base_url": base_url, "token": secret.text()});
    Ok(json_answer(StatusCode::CREATED, &body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTenant {
    /// The name of one that ships.
    profile: Option<String>,
    /// The text of another.
    profile_toml: Option<String>,
    settings: Option<Object>,
}

pub(super) async fn update_tenant(
    http: HttpRequest,
    path: web::Path<String>,
    body: Body<UpdateTenant>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let UpdateTenant { profile, profile_toml, settings: given } = body.into_inner().0;
    let profile = asked_profile(profile.as_deref(), profile_toml.as_deref())?;
    if profile.is_none() && given.is_none() {
        let detail = "send `settings`, `profile` or `profile_toml`: what is to change";
        return Err(Failure::new(StatusCode::BAD_REQUEST, "parameter_invalid", detail));
    }
    let mut settings = profile.as_ref().map(|asked| asked.profile.patch()).unwrap_or_default();
    settings.extend(given.unwrap_or_default());
    house.directories.check_base_path(&path, settings.get("base_path"))?;
    let command = Command::UpdateTenant { settings, profile: profile.map(|asked| asked.stamp) };
    directory.submit(command, origin).await?;
    super::report(&http, Arc::clone(&house), &["admin", "v1", "tenants", &path]).await
}

pub(super) async fn close_tenant(
    http: HttpRequest,
    path: web::Path<String>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    house.directories.close(&path, origin).await?;
    Ok(json_answer(StatusCode::OK, &json!({"tenant": *path, "state": "closed"})))
}

pub(super) async fn accept_clock(
    http: HttpRequest,
    path: web::Path<String>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    // The registry has a clock to keep as well, and no tenant can have its name.
    let directory = match path.as_str() {
        "system" => Arc::clone(house.directories.system()),
        name => open_tenant(&house, name)?,
    };
    let to = house.directories.shared().clock.now();
    let last = directory.recorded(Revision(directory.position().0.saturating_sub(1)), 1)?;
    let from = last.first().map_or(to, |event| event.header.recorded_at);
    let written = directory.submit(Command::AdjustClock { from, to }, origin).await?;
    let revision = written.revisions.end.saturating_sub(1);
    Ok(json_answer(StatusCode::OK, &json!({"tenant": *path, "revision": revision})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateClient {
    name: String,
    #[serde(default)]
    kind: ClientKind,
    replaces: Option<String>,
}

pub(super) async fn create_client(
    http: HttpRequest,
    path: web::Path<String>,
    body: Body<CreateClient>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let CreateClient { name, kind, replaces } = body.into_inner().0;
    let id = ClientId(house.directories.shared().ids.next());
    let domain = match replaces {
        None => id.to_string(),
        Some(old) => {
            let tenancy = directory.tenancy();
            let old = client_named(&tenancy, &old)?;
            tenancy.clients[&old].domain.clone()
        }
    };
    directory.submit(Command::CreateClient(NewClient { id, name, kind, domain }), origin).await?;
    client_answer(StatusCode::CREATED, &directory.tenancy(), id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateClient {
    enabled: Option<bool>,
    /// Null takes the bound away.
    #[serde(default, deserialize_with = "given")]
    requests_per_second: Option<Bound>,
}

/// A bound where the member is there: a number, or null for none.
fn given<'de, D: serde::Deserializer<'de>>(member: D) -> Result<Option<Bound>, D::Error> {
    let number: Option<u32> = Deserialize::deserialize(member)?;
    Ok(Some(number.map_or(Bound::Unbounded, Bound::AtMost)))
}

pub(super) async fn update_client(
    http: HttpRequest,
    path: web::Path<(String, String)>,
    body: Body<UpdateClient>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let (tenant, client) = path.into_inner();
    let directory = open_tenant(&house, &tenant)?;
    let id = client_named(&directory.tenancy(), &client)?;
    let UpdateClient { enabled, requests_per_second } = body.into_inner().0;
    let change = ClientChange { enabled, requests_per_second };
    directory.submit(Command::UpdateClient { id, change }, origin).await?;
    client_answer(StatusCode::OK, &directory.tenancy(), id)
}

fn client_named(tenancy: &Tenancy, name: &str) -> Result<ClientId, Failure> {
    let unknown = || Failure::not_found("client_not_found", format!("the tenant has no client `{name}`"));
    tenancy.client_named(name).ok_or_else(unknown)
}

fn client_answer(status: StatusCode, tenancy: &Tenancy, id: ClientId) -> Answer {
    let client = tenancy.clients.get(&id).ok_or_else(Failure::view_behind)?;
    Ok(json_answer(status, &reports::client(tenancy, id, client)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueToken {
    client: Option<String>,
    role: Option<Role>,
    /// Seconds from now.
    expires_in: Option<u64>,
}

/// The longest life of a token, in seconds: ten years.
const TOKEN_SECONDS_MAX: u64 = 10 * 365 * 24 * 3_600;

pub(super) async fn issue_token(
    http: HttpRequest,
    path: web::Path<String>,
    body: Body<IssueToken>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let IssueToken { client, role, expires_in } = body.into_inner().0;
    let role = role.unwrap_or(Role::Client);
    let client = match role {
        Role::Client => Some(client_named(&directory.tenancy(), client.as_deref().unwrap_or("default"))?),
        Role::Auditor => None,
    };
    let expires_at = match expires_in {
        None => None,
        Some(seconds @ 1..=TOKEN_SECONDS_MAX) => {
            let micros = i64::try_from(seconds * 1_000_000).unwrap_or(i64::MAX);
            Some(Timestamp(house.directories.shared().clock.now().0.saturating_add(micros)))
        }
        Some(_) => {
            let detail = format!("`expires_in` must be between 1 and {TOKEN_SECONDS_MAX} seconds");
            return Err(Failure::new(StatusCode::BAD_REQUEST, "parameter_invalid", detail));
        }
    };
    let secret = house.directories.shared().new_secret()?;
    let id = TokenId(house.directories.shared().ids.next());
    let issued = TokenIssued { client, label: secret.label(), role, expires_at, sha256: secret.sha256() };
    directory.submit(Command::IssueToken(NewToken { id, issued }), origin).await?;
    Ok(json_answer(StatusCode::CREATED, &json!({"id": id, "token": secret.text()})))
}

pub(super) async fn revoke_token(
    http: HttpRequest,
    path: web::Path<(String, String)>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let (tenant, token) = path.into_inner();
    let directory = open_tenant(&house, &tenant)?;
    let not_found = || Failure::not_found("token_not_found", "the tenant has no token with that id");
    let id = TokenId::parse(&token).ok_or_else(not_found)?;
    if !directory.tenancy().tokens.contains_key(&id) {
        return Err(not_found());
    }
    directory.submit(Command::RevokeToken(id), origin).await?;
    Ok(json_answer(StatusCode::OK, &json!({"id": id, "revoked": true})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CreateGroup {
    display_name: String,
}

pub(super) async fn create_group(
    http: HttpRequest,
    path: web::Path<String>,
    body: Body<CreateGroup>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let directory = open_tenant(&house, &path)?;
    let display_name = body.into_inner().0.display_name;
    if display_name.trim().is_empty() {
        let detail = "`displayName` must not be empty";
        return Err(Failure::new(StatusCode::BAD_REQUEST, "parameter_invalid", detail));
    }
    let id = ResourceId(house.directories.shared().ids.next());
    let mut attributes = Object::new();
    attributes.insert("displayName".into(), display_name.clone().into());
    let command = Command::Scim(ScimCommand {
        resource_type: ResourceType::Group,
        id,
        provider: Provider { domain: None, kind: ClientKind::Generic },
        precondition: Precondition::None,
        change: Change::Create(Document { attributes, ..Document::default() }),
    });
    directory.submit(command, origin).await?;
    Ok(json_answer(StatusCode::CREATED, &json!({"id": id, "displayName": display_name})))
}

pub(super) async fn activate_user(
    http: HttpRequest,
    path: web::Path<(String, String)>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let (tenant, user) = path.into_inner();
    let directory = open_tenant(&house, &tenant)?;
    let not_found = || Failure::not_found("user_not_found", "the tenant has no user with that id");
    let id = ResourceId::parse(&user).ok_or_else(not_found)?;
    let written = directory.submit(Command::ActivateUser(id), origin).await?;
    Ok(json_answer(StatusCode::OK, &json!({"id": id, "activated": !written.revisions.is_empty()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateOperator {
    name: String,
}

pub(super) async fn create_operator(
    http: HttpRequest,
    body: Body<CreateOperator>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let secret = house.directories.shared().new_secret()?;
    let id = OperatorId(house.directories.shared().ids.next());
    let name = body.into_inner().0.name;
    let command = Command::CreateOperator { id, name: name.clone(), sha256: secret.sha256() };
    house.directories.system().submit(command, origin).await?;
    Ok(json_answer(StatusCode::CREATED, &json!({"id": id, "name": name, "token": secret.text()})))
}

pub(super) async fn revoke_operator(
    http: HttpRequest,
    path: web::Path<String>,
    house: web::Data<House>,
) -> Answer {
    let origin = operator_origin(&http, &house)?;
    let system = house.directories.system();
    let tenancy = system.tenancy();
    let mut operators = tenancy.operators.iter();
    let found = operators.find(|(id, operator)| operator.name == *path || id.to_string() == *path);
    let not_found = || Failure::not_found("operator_not_found", format!("there is no operator `{path}`"));
    let id = *found.ok_or_else(not_found)?.0;
    system.submit(Command::RevokeOperator(id), origin).await?;
    Ok(json_answer(StatusCode::OK, &json!({"id": id, "revoked": true})))
}
