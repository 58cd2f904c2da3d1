//! What an administrator fills in at an identity provider, worked out from the tenant as it is now; and how far a
//! connection has come.
//!
//! The provider's side is data ([`providers`]); the tenant's side are its settings, schemas, clients and tokens.
//! Nothing here is ever a token.

mod problems;
mod progress;
mod providers;

use provisioning::tenancy::{
    Client, ClientKind, DeletePolicy, GroupPolicy, Role, Settings, Tenancy, Token, UnknownMembers,
    UserNameForm,
};
use provisioning::{ClientId, Timestamp};
use scim::attribute_path::AttributePath;
use scim::schema::{Attribute, Mutability, Schema};
use scim::schemas::Schemas;
use scim::{ResourceSchema, ResourceType};
use serde_json::{Value, json};

use super::ReportError;
use crate::directory::Directory;
pub use progress::progress;
use providers::{About, Action, Field, Mapping, Provider};

/// What stands where the token belongs.
const TOKEN: &str = "the token that was shown when it was issued";

/// Where a provider reaches a tenant.
#[derive(Debug, Clone)]
pub struct Address {
    /// Its base URL.
    pub base_url: String,
    /// Whether scheme and port are those of `--public-url`; else they are those of whoever asks.
    pub is_public: bool,
}

/// The fields, actions and mappings for a provider.
pub fn sheet(
    directory: &Directory,
    id: &str,
    address: &Address,
    now: Timestamp,
) -> Result<Value, ReportError> {
    let Some(provider) = providers::named(id) else {
        let known = providers::ALL.map(|provider| provider.id).join(", ");
        let detail =
            format!("there are instructions for {known}; for another provider, start from one of them");
        return Err(ReportError::not_found("provider_unknown", detail));
    };
    // First: whatever is read afterwards is at least as new.
    let position = directory.position();
    let (tenancy, schemas) = (directory.tenancy(), directory.schemas());
    let settings = &tenancy.settings;
    let base_url = &address.base_url;
    let fields: Vec<Value> =
        provider.fields.iter().map(|field| shown_field(field, base_url, settings)).collect();
    let actions: Vec<Value> = provider.actions.iter().map(|action| shown_action(action, settings)).collect();
    let users = mappings(provider, provider.users, &schemas.user, settings);
    let groups = if schemas.offers_groups {
        mappings(provider, provider.groups, &schemas.group, settings)
    } else {
        Vec::new()
    };
    let notes = notes(provider, settings, users.iter().chain(&groups).any(|mapping| mapping["do"] == "add"));
    let clients: Vec<(&ClientId, &Client)> =
        tenancy.clients.iter().filter(|(_, client)| client.kind == provider.kind).collect();
    Ok(json!({
        "tenant": directory.tenant(),
        "provider": provider.id,
        "name": provider.name,
        "application": provider.application,
        "place": provider.place,
        "base_url": base_url,
        "fields": fields,
        "actions": actions,
        "mappings": { "User": users, "Group": groups },
        "notes": notes,
        "clients": clients.iter().map(|(id, client)| shown_client(&tenancy, id, client, now)).collect::<Vec<_>>(),
        "problems": problems::found(provider, &tenancy, address, now),
        "position": position,
    }))
}

fn shown_field(field: &Field, base_url: &str, settings: &Settings) -> Value {
    let value = match field.value {
        providers::Value::Text(text) => text.to_owned(),
        providers::Value::BaseUrl(suffix) => format!("{base_url}{suffix}"),
        providers::Value::Token => TOKEN.to_owned(),
        providers::Value::UserName { address, .. } if are_addresses(settings) => address.to_owned(),
        providers::Value::UserName { any, .. } => any.to_owned(),
    };
    json!({"place": field.place, "field": field.name, "value": value, "why": some(field.why)})
}

fn shown_action(action: &Action, settings: &Settings) -> Value {
    let (tick, why) = match action.about {
        About::Unwanted => (false, action.why),
        About::UserDeletion => match settings.delete {
            DeletePolicy::Refuse => {
                (false, "this tenant refuses to delete users; they are deactivated instead")
            }
            DeletePolicy::Deactivate => {
                (true, "this tenant keeps the account, deactivated and out of sight, when it is deleted")
            }
            DeletePolicy::Delete => (true, action.why),
        },
        About::Groups | About::GroupImport => match (settings.groups, action.about) {
            (Some(GroupPolicy::Off), _) => (false, "this tenant has no groups"),
            (Some(GroupPolicy::LinkOnly), About::Groups) => (
                true,
                "only to groups that are here already, by their names: this tenant's operator makes them",
            ),
            _ => (true, action.why),
        },
        About::Users => (true, action.why),
    };
    json!({"place": action.place, "action": action.name, "tick": tick, "why": some(why)})
}

/// Whether userNames have to be e-mail addresses.
fn are_addresses(settings: &Settings) -> bool {
    settings.user_name == Some(UserNameForm::Email)
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What to do with each mapping that the provider brings, then those that only this tenant knows.
fn mappings(
    provider: &Provider,
    brought: &[Mapping],
    schema: &ResourceSchema,
    settings: &Settings,
) -> Vec<Value> {
    // Where a name has to be an address, it comes from where the provider has addresses.
    let address = brought.iter().find(|mapping| mapping.to.starts_with("emails"));
    let address = address.filter(|_| are_addresses(settings));
    let why = match provider.user_name_at {
        Some(place) => format!("in this tenant a userName is the user's e-mail address: {place}"),
        None => "in this tenant a userName is the user's e-mail address".to_owned(),
    };
    let judged = |mapping: &Mapping| match (mapping.to, address) {
        ("userName", Some(address)) => json!({
            "from": address.from, "to": mapping.to, "do": "change",
            "why": why, "values": null,
        }),
        _ => judged(mapping, schema, settings),
    };
    let mut shown: Vec<Value> = brought.iter().map(judged).collect();
    if schema.resource_type == ResourceType::Group && !provider.adds_to_groups {
        return shown;
    }
    for (part, attribute) in added(schema) {
        let extension = (part.id != schema.core.id).then_some(&part.id);
        let to = extension.map_or_else(|| attribute.name.clone(), |urn| format!("{urn}:{}", attribute.name));
        if !is_kept(&to, schema) {
            continue;
        }
        let allowed = attribute.canonical_values_enforced.then_some(&attribute.canonical_values);
        let why = if attribute.required {
            "this tenant requires it"
        } else {
            "this tenant has it beside the standard"
        };
        shown.push(json!({"from": null, "to": to, "do": "add", "why": why, "values": allowed}));
    }
    shown
}

fn judged(mapping: &Mapping, schema: &ResourceSchema, settings: &Settings) -> Value {
    let end = if settings.is_strict() {
        "a user who has it would be refused"
    } else {
        "what is sent would be dropped"
    };
    let (r#do, from, why) = if !is_writable(mapping.to, schema) {
        ("remove", mapping.from, Some(format!("this tenant has no such attribute: {end}")))
    } else if !is_kept(mapping.to, schema) {
        ("remove", mapping.from, Some(format!("this tenant does not keep it: {end}")))
    } else if let Some((instead, why)) = mapping.instead {
        ("change", instead, Some(why.to_owned()))
    } else {
        ("keep", mapping.from, None)
    };
    json!({"from": from, "to": mapping.to, "do": r#do, "why": why, "values": null})
}

fn is_kept(path: &str, schema: &ResourceSchema) -> bool {
    schema.kept.as_ref().is_none_or(|kept| kept.keeps(path, schema))
}

/// Whether a client may write what a path, brackets and all, leads to.
fn is_writable(path: &str, schema: &ResourceSchema) -> bool {
    let plain = match (path.split_once('['), path.split_once(']')) {
        (Some((attribute, _)), Some((_, sub_attribute))) => format!("{attribute}{sub_attribute}"),
        _ => path.to_owned(),
    };
    let path = AttributePath::parse(&plain).ok();
    let found = path.as_ref().and_then(|path| path.resolve(schema));
    found.is_some_and(|found| {
        let parts = [found.attribute, found.sub_attribute];
        parts.into_iter().flatten().all(|attribute| attribute.mutability != Mutability::ReadOnly)
    })
}

/// Attributes beside the standard ones that a client may write.
fn added(schema: &ResourceSchema) -> impl Iterator<Item = (&Schema, &Attribute)> {
    schema.all().flat_map(move |part| {
        let extension = (part.id != schema.core.id).then_some(part.id.as_str());
        let is_added = move |attribute: &&Attribute| {
            attribute.mutability != Mutability::ReadOnly
                && Schemas::is_added(schema.resource_type, extension, &attribute.name)
        };
        part.attributes.iter().filter(is_added).map(move |attribute| (part, attribute))
    })
}

fn notes(provider: &Provider, settings: &Settings, adds: bool) -> Vec<String> {
    let mut notes = provider.notes.to_vec();
    notes.extend(adds.then_some(provider.adding));
    if settings.groups != Some(GroupPolicy::Off) {
        notes.extend(provider.group_notes);
        notes.push(about_members(provider, settings));
    }
    let host = settings.host.as_ref().map(|host| {
        format!(
            "no other host name than {host} counts for this tenant: it has to lead here, and the certificate has to \
             be for it"
        )
    });
    notes.into_iter().map(str::to_owned).chain(host).collect()
}

fn about_members(provider: &Provider, settings: &Settings) -> &'static str {
    let skips = match settings.unknown_members {
        Some(UnknownMembers::Skip) => true,
        Some(UnknownMembers::Reject) => false,
        None => provider.kind == ClientKind::Okta,
    };
    // A strict tenant takes no deviation, and leaving somebody out is one.
    if skips && !settings.is_strict() {
        "members whom this tenant does not know are left out and noted on the request"
    } else {
        "a request with members whom this tenant does not know is refused, and names them"
    }
}

fn shown_client(tenancy: &Tenancy, id: &ClientId, client: &Client, now: Timestamp) -> Value {
    let valid = tenancy
        .tokens
        .values()
        .filter(|token| token.client == Some(*id) && token.role == Role::Client && is_valid(token, now));
    let tokens: Vec<Value> =
        valid.map(|token| json!({"label": token.label, "expires_at": token.expires_at})).collect();
    json!({"id": id, "name": client.name, "enabled": client.enabled, "tokens": tokens})
}

fn is_valid(token: &Token, now: Timestamp) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|expires_at| expires_at > now)
}
