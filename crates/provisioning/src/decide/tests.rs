//! Given what was recorded, when a command comes, then these events or this refusal.

mod admin;
mod groups;
mod policies;
mod properties;
mod reactivation;
mod schemas;
mod together;
mod users;

use scim::resource::Document;
use scim::{MemberRef, ResourceType};
use serde_json::{Value, json};

use super::*;
use crate::command::{Change, NewClient, NewToken, Precondition, Provider, ScimCommand};
use crate::event::{self, Event, TokenIssued};
use crate::ids::{ClientId, ResourceId, TokenId};
use crate::recorded::Subject;
use crate::rejection::Rejection;
use crate::resource::Resource;
use crate::tenancy::{ClientKind, Role};
use crate::testing::{Model, object, origin, resource_id, uuid};

/// The client of every test that names no other.
const DOMAIN: &str = "okta";

/// A tenant on which commands are tried one after the other.
struct House {
    model: Model,
    schemas: Schemas,
    origin: Origin,
    provider: Provider,
    precondition: Precondition,
}

impl House {
    /// A tenant with default settings, its client `default` (20) and that client's token (21).
    fn new() -> Self {
        Self::with(json!({}))
    }

    /// A tenant with these settings different from the default.
    #[track_caller]
    fn with(settings: Value) -> Self {
        let provider = Provider { domain: Some(DOMAIN.to_owned()), kind: ClientKind::Generic };
        let mut house = Self {
            model: Model::default(),
            schemas: Schemas::standard(),
            origin: origin(),
            provider,
            precondition: Precondition::None,
        };
        let mut all = object(json!({"tenant": "acme", "base_path": "/acme/scim/v2"}));
        all.extend(object(settings));
        let client = NewClient {
            id: ClientId(uuid(20)),
            name: "default".to_owned(),
            kind: ClientKind::Generic,
            domain: DOMAIN.to_owned(),
        };
        let token = NewToken { id: TokenId(uuid(21)), issued: token_of(Some(20)) };
        house.when(&Command::CreateTenant { settings: all, profile: None, client, token }).unwrap();
        house
    }

    /// A user who is there without anybody having asked: quicker than a POST where many are needed.
    fn have_user(&mut self, n: u128) {
        let patch = object(json!({ "userName": format!("user{n}"), "active": true }));
        let created = Event::UserCreated(event::Change { patch, ..event::Change::default() });
        let user = Draft::new(Subject::User(resource_id(n)), created);
        self.model.record(&[Draft { active: Some([None, Some(true)]), ..user }]);
    }

    /// Decides and, if that was not refused, records.
    fn when(&mut self, command: &Command) -> Result<Decision, Rejection> {
        let again = decide(command.clone(), &self.origin, &self.model, &self.schemas);
        match decide(command.clone(), &self.origin, &self.model, &self.schemas) {
            Ok(decision) => {
                assert_eq!(again.unwrap(), decision, "the same command on the same state is decided alike");
                self.model.record(&decision.events);
                Ok(decision)
            }
            Err(DecideError::Rejected(rejection)) => Err(rejection),
            Err(DecideError::Directory(never)) => match never {},
        }
    }

    fn scim(&mut self, resource_type: ResourceType, n: u128, change: Change) -> Result<Decision, Rejection> {
        let (provider, precondition) = (self.provider.clone(), self.precondition.clone());
        self.when(&Command::Scim(ScimCommand {
            resource_type,
            id: resource_id(n),
            provider,
            precondition,
            change,
        }))
    }

    fn post_user(&mut self, n: u128, body: Value) -> Result<Decision, Rejection> {
        self.scim(ResourceType::User, n, Change::Create(document(body)))
    }

    fn put_user(&mut self, n: u128, body: Value) -> Result<Decision, Rejection> {
        self.scim(ResourceType::User, n, Change::Replace(document(body)))
    }

    fn patch_user(&mut self, n: u128, operations: Value) -> Result<Decision, Rejection> {
        let change = self.patch(ResourceType::User, operations);
        self.scim(ResourceType::User, n, change)
    }

    fn delete_user(&mut self, n: u128) -> Result<Decision, Rejection> {
        self.scim(ResourceType::User, n, Change::Delete)
    }

    fn post_group(&mut self, n: u128, body: Value) -> Result<Decision, Rejection> {
        self.scim(ResourceType::Group, n, Change::Create(document(body)))
    }

    fn put_group(&mut self, n: u128, body: Value) -> Result<Decision, Rejection> {
        self.scim(ResourceType::Group, n, Change::Replace(document(body)))
    }

    fn patch_group(&mut self, n: u128, operations: Value) -> Result<Decision, Rejection> {
        let change = self.patch(ResourceType::Group, operations);
        self.scim(ResourceType::Group, n, change)
    }

    fn delete_group(&mut self, n: u128) -> Result<Decision, Rejection> {
        self.scim(ResourceType::Group, n, Change::Delete)
    }

    #[track_caller]
    fn patch(&self, resource_type: ResourceType, operations: Value) -> Change {
        let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]});
        body["Operations"] = operations;
        Change::Patch(scim::patch::parse::parse(body, self.schemas.of(resource_type)).unwrap())
    }

    fn resource(&self, n: u128) -> Option<&Resource> {
        self.model.resources.get(&resource_id(n))
    }
}

/// A document from its wire form's essence: `externalId` and `members` (a list of numbers) stand beside the
/// rest.
#[track_caller]
fn document(body: Value) -> Document {
    let mut attributes = object(body);
    let external_id = attributes.remove("externalId").map(|value| value.as_str().unwrap().to_owned());
    let members = attributes.remove("members").map(|members| {
        members.as_array().unwrap().iter().map(|n| member(u128::from(n.as_u64().unwrap()))).collect()
    });
    Document { attributes, external_id, members }
}

fn member(n: u128) -> MemberRef {
    MemberRef { value: uuid(n).to_string(), member_type: None }
}

fn token_of(client: Option<u128>) -> TokenIssued {
    TokenIssued {
        client: client.map(|n| ClientId(uuid(n))),
        label: "mst_abcd".to_owned(),
        role: Role::Client,
        expires_at: None,
        sha256: "00".to_owned(),
    }
}

/// What a decision says, on one line for each event, with `@n` for the nth id.
fn told(decision: &Decision) -> Vec<String> {
    decision.events.iter().map(line).collect()
}

fn line(draft: &Draft) -> String {
    let side = |active: Option<bool>| active.map_or("none".to_owned(), |active| active.to_string());
    let mut parts = vec![draft.event.event_type().as_str().to_owned(), draft.subject.to_string()];
    if !draft.attributes.is_empty() {
        parts.push(draft.attributes.join(" "));
    }
    parts.extend(draft.active.map(|[before, after]| format!("{}>{}", side(before), side(after))));
    parts.extend(draft.event.payload().map(|payload| String::from_utf8(payload).unwrap()));
    parts.extend(draft.cause.map(|index| format!("caused by {index}")));
    (1..100).fold(parts.join(" | "), |text, n| text.replace(&uuid(n).to_string(), &format!("@{n}")))
}

/// Whom the event says to have come or gone.
fn members_of(draft: &Draft) -> &[(ResourceId, ResourceType)] {
    let (Event::GroupMembersAdded(change) | Event::GroupMembersRemoved(change)) = &draft.event else {
        return &[];
    };
    &change.members
}

#[track_caller]
fn then(decided: Result<Decision, Rejection>, events: &[&str]) {
    assert_eq!(told(&decided.unwrap()), events);
}

/// The refusal's code, or what stands for one.
#[track_caller]
fn refused(decided: Result<Decision, Rejection>, code: &str) -> String {
    let rejection = decided.unwrap_err();
    let found = match &rejection {
        Rejection::NotFound(_) => "not found",
        Rejection::PreconditionFailed(_) => "precondition",
        Rejection::Scim(error) => error.code,
        Rejection::Deviation(note) => note.dialect.name(),
        Rejection::Forbidden { code, .. }
        | Rejection::Invalid { code, .. }
        | Rejection::Conflict { code, .. } => code,
    };
    assert_eq!(found, code, "{rejection}");
    rejection.to_string()
}

#[track_caller]
fn unchanged(decided: Result<Decision, Rejection>, n: u128) {
    let decision = decided.unwrap();
    assert_eq!(decision.events, []);
    let Outcome::Unchanged(resource) = decision.outcome else { panic!("{:?}", decision.outcome) };
    assert_eq!(resource.id, resource_id(n));
}
