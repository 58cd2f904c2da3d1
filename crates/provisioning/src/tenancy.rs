//! What is true of the tenant itself: settings, clients, tokens; in the registry, tenants and operators.
//!
//! Small enough to be held in memory whole. Folded from `tenant.*`, `client.*`, `token.*` and `operator.*`
//! events by [`Tenancy::apply`], the only code that says what those mean. A view keeps it as one row for each
//! item ([`Tenancy::item`], [`Tenancy::export`], [`Tenancy::import`]). [`check`] says which settings and
//! names are allowed; the fold never asks that.

mod apply;
pub mod check;
pub(crate) mod contradictions;
mod items;

use std::collections::BTreeMap;

use scim::fold::fold;
use scim::kept::Kept;
use scim::schemas::{Additions, Schemas};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, OperatorId, Revision, StreamId, TokenId};
use crate::timestamp::Timestamp;

/// The profile that settings came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileStamp {
    /// The profile's name.
    pub name: String,
    /// Lower-case hex SHA-256 of the profile file.
    pub sha256: String,
}

/// The identity provider behind a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the name of a product")]
pub enum ClientKind {
    #[default]
    Generic,
    Okta,
    Entra,
    OneLogin,
}

/// What to do with members that do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownMembers {
    /// Refuse the request, naming the ids.
    Reject,
    /// Leave them out and note it.
    Skip,
}

/// What a DELETE of a user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletePolicy {
    /// Deletes the resource.
    #[default]
    Delete,
    /// Hides it: SCIM answers 404, audit shows an inactive account.
    Deactivate,
    /// Refuses: the client has to deactivate instead.
    Refuse,
}

/// What a PUT does with attributes that it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PutOmitted {
    /// They are cleared (but `active` keeps its value).
    #[default]
    Clear,
    /// They keep their values.
    Keep,
}

/// What a PUT to an unknown id does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PutUnknown {
    /// 404.
    #[default]
    NotFound,
    /// Creates the user under that id, if the log never named it.
    Create,
}

/// What a POST for a person who was deactivated does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostDeactivated {
    /// 409 for a visible deactivated user.
    #[default]
    Conflict,
    /// Brings the user back under the same id.
    Reactivate,
}

/// How users start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialState {
    /// At once a member of their groups.
    #[default]
    Active,
    /// Not listed among members until their first sign-in.
    Invited,
}

/// Whether consumers hear of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything works and is recorded, and nothing is published.
    Observe,
    /// What is recorded is published.
    Live,
}

/// From where a tenant is published that observed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishFrom {
    /// From the event on that makes it live.
    Here,
    /// From its first event on.
    Start,
}

/// What identity providers may do with groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupPolicy {
    /// Create, change and delete them.
    Full,
    /// Change who is in them; operators create them.
    LinkOnly,
    /// Nothing: there are none.
    Off,
}

/// What a `userName` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserNameForm {
    /// Any text.
    Any,
    /// An e-mail address.
    Email,
}

/// The settings of a tenant, resolved: what `tenant.created` carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The tenant's name in commands and paths.
    pub tenant: String,
    /// Where its SCIM endpoints stand: begins with a slash, ends without.
    pub base_path: String,
    /// The host name that requests must name, if it has one.
    pub host: Option<String>,
    /// What to do with unknown members; `None`: skip for clients of kind `okta`, reject for others.
    pub unknown_members: Option<UnknownMembers>,
    /// What DELETE does.
    pub delete: DeletePolicy,
    /// What PUT does with omitted attributes.
    pub put_omitted: PutOmitted,
    /// What PUT does with unknown ids.
    pub put_unknown: PutUnknown,
    /// What POST does for deactivated persons.
    pub post_deactivated: PostDeactivated,
    /// How users start.
    pub initial: InitialState,
    /// Whether it is published; `None`: it is, and always was.
    pub mode: Option<Mode>,
    /// From where, if it observed before.
    pub publish_from: Option<PublishFrom>,
    /// What identity providers may do with groups; `None`: everything.
    pub groups: Option<GroupPolicy>,
    /// What a `userName` may be; `None`: any text.
    pub user_name: Option<UserNameForm>,
    /// Paths of the attributes of users that are kept; `None`: all.
    pub attributes: Option<Vec<String>>,
    /// Attributes and extensions beside the standard ones.
    pub schemas: Option<Additions>,
    /// Paths of attributes that take their canonical values only.
    pub enforce_canonical_values: Option<Vec<String>>,
    /// Whether requests that deviate from the RFCs are refused; `None`: they are understood and noted.
    pub strict: Option<bool>,
}

impl Settings {
    /// Whether the tenant is published; one whose settings do not say is.
    pub fn mode_in_force(&self) -> Mode {
        self.mode.unwrap_or(Mode::Live)
    }

    /// Whether nothing of the tenant is published.
    pub fn observes(&self) -> bool {
        self.mode_in_force() == Mode::Observe
    }

    /// Whether requests that deviate from the RFCs are refused.
    pub fn is_strict(&self) -> bool {
        self.strict == Some(true)
    }

    /// What users and groups of the tenant look like. Made anew with each call: keep it.
    pub fn schemas(&self) -> Schemas {
        let schemas = self.all_attributes();
        let kept = self.attributes.as_ref().and_then(|paths| Kept::read(paths, &schemas.user).ok());
        match kept {
            Some(kept) => schemas.keeping(kept),
            None => schemas,
        }
    }

    /// The same before anything is left out.
    pub(crate) fn all_attributes(&self) -> Schemas {
        let additions = self.schemas.clone().unwrap_or_default();
        let enforced = self.enforce_canonical_values.as_deref().unwrap_or_default();
        let mut schemas = Schemas::extended(&additions, enforced);
        if self.initial == InitialState::Invited {
            schemas = schemas.telling_status();
        }
        schemas.offers_groups = self.groups != Some(GroupPolicy::Off);
        schemas
    }
}

/// A client: one connection of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name, unique in the tenant.
    pub name: String,
    /// The identity provider behind it.
    pub kind: ClientKind,
    /// The provisioning domain whose external ids it reads and writes.
    pub domain: String,
    /// Off: every request is answered 403, nothing is lost.
    pub enabled: bool,
    /// How many requests a second it may make; `None` for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Its last request, if it has been silent since. One that is not expected to come is not called silent
    /// ([`Tenancy::silent_since`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// SCIM, on behalf of its client.
    Client,
    /// Reads the audit interface.
    Auditor,
}

/// A token: known by its hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The client it belongs to; `None` for an auditor's.
    pub client: Option<ClientId>,
    /// The first characters of the token.
    pub label: String,
    /// What it may do.
    pub role: Role,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Lower-case hex SHA-256 of the token.
    pub sha256: String,
}

impl Token {
    /// So many days before a token ends people are warned.
    pub const WARNING_DAYS: [u32; 3] = [1, 7, 30];

    /// Of the numbers of days before its end at which people are warned, the least that is not over: `None` for a
    /// token that has longer to go, has ended or never will.
    pub fn ends_within_days(&self, now: Timestamp) -> Option<u32> {
        const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
        let left = self.expires_at.filter(|_| self.revoked_at.is_none())?.0.saturating_sub(now.0);
        let mut warnings = Self::WARNING_DAYS.into_iter().filter(|_| left > 0);
        warnings.find(|days| left <= i64::from(*days) * DAY_MICROS)
    }
}

/// A tenant in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredTenant {
    /// Its name.
    pub tenant: String,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// An operator in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Its name.
    pub name: String,
    /// Lower-case hex SHA-256 of its token.
    pub sha256: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Everything that is true of the tenant itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tenancy {
    /// The settings.
    pub settings: Settings,
    /// The profile that was applied last.
    pub profile: Option<ProfileStamp>,
    /// Events up to here are never published: the tenant observed then, and was made live from behind them.
    pub withheld_up_to: Revision,
    /// Clients by id.
    pub clients: BTreeMap<ClientId, Client>,
    /// Tokens by id, revoked ones too.
    pub tokens: BTreeMap<TokenId, Token>,
    /// Registry: tenants by stream, closed ones too.
    pub tenants: BTreeMap<StreamId, RegisteredTenant>,
    /// Registry: operators by id, revoked ones too.
    pub operators: BTreeMap<OperatorId, Operator>,
}

impl Tenancy {
    /// Whether a client is expected to come: it is switched on and has a token that was not revoked. One that has
    /// expired counts: whoever is still to use it does not know.
    pub fn is_expected(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| client.enabled)
            && self.tokens.values().any(|token| token.client == Some(id) && token.revoked_at.is_none())
    }

    /// The client of that name, however it is written, or of that id. No two clients have names that differ in case
    /// only.
    pub fn client_named(&self, name: &str) -> Option<ClientId> {
        let folded = fold(name);
        let mut clients = self.clients.iter();
        clients
            .find(|(id, client)| fold(&client.name) == folded || id.to_string() == folded)
            .map(|(id, _)| *id)
    }

    /// The last request of a client that is silent.
    pub fn silent_since(&self, id: ClientId) -> Option<Timestamp> {
        self.clients.get(&id)?.silent_since.filter(|_| self.is_expected(id))
    }
}

/// A stored item that is none of a tenancy's: the view holds something that it was never given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item {name} of a tenancy cannot be read")]
pub struct ImportError {
    /// The item's name.
    pub name: String,
}
