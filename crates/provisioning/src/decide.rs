//! From a command and what is true now to the events to record, or a rejection.
//!
//! Pure: the same command on the same state gives the same decision, so that a writer may decide again after
//! a conflict. Checks come in the order of the contract: existence, precondition, syntax and schema, rule,
//! uniqueness. There is one file for each subject.

mod decision;
mod group;
mod members;
mod policy;
mod registry;
mod scope;
mod tenant;
mod together;
mod unique;
mod user;

pub use decision::{DecideError, Decided, Decision, Draft, Outcome};
pub use together::{Expecting, memberships_apart};

use scim::ResourceType;
use scim::schemas::Schemas;

use self::scope::Scope;
use crate::command::{Change, Command, Origin, ScimCommand};
use crate::directory::Directory;
use crate::event::ClientSeen;

#[cfg(test)]
mod tests;

/// Decides one command. What it brings goes into the events as it is.
pub fn decide<D: Directory>(
    command: Command,
    origin: &Origin,
    directory: &D,
    schemas: &Schemas,
) -> Decided<D> {
    let tenancy = directory.tenancy();
    let decision = match command {
        Command::Scim(command) => return decide_scim(command, origin, directory, schemas),
        Command::ActivateUser(id) => return user::activate(id, origin, directory),
        Command::CreateTenant { settings, profile, client, token } => {
            tenant::create(tenancy, &settings, profile.as_ref(), &client, &token)
        }
        Command::UpdateTenant { settings, profile } => {
            return tenant::update(directory, &settings, profile.as_ref());
        }
        Command::CreateClient(client) => tenant::create_client(tenancy, &client),
        Command::UpdateClient { id, change } => tenant::update_client(tenancy, id, change),
        Command::NotePresence { id, silent, seen_at, usual_seconds } => {
            tenant::note_presence(tenancy, id, silent, ClientSeen { seen_at, usual_seconds })
        }
        Command::IssueToken(token) => tenant::issue_token(tenancy, &token, origin.received_at),
        Command::RevokeToken(id) => tenant::revoke_token(tenancy, id),
        Command::RecordPublished(published) => Ok(tenant::record_published(&published)),
        Command::AdjustClock { from, to } => Ok(tenant::adjust_clock(from, to)),
        Command::RegisterTenant { tenant, stream } => registry::register_tenant(tenancy, &tenant, stream),
        Command::CloseTenant(stream) => registry::close_tenant(tenancy, stream),
        Command::CreateOperator { id, name, sha256 } => {
            registry::create_operator(tenancy, id, &name, &sha256)
        }
        Command::RevokeOperator(id) => registry::revoke_operator(tenancy, id),
    };
    Ok(decision?)
}

/// Decides a SCIM write. A precondition on a POST means nothing: there is nothing yet that it could hold for.
pub fn decide_scim<D: Directory>(
    command: ScimCommand,
    origin: &Origin,
    directory: &D,
    schemas: &Schemas,
) -> Decided<D> {
    let ScimCommand { resource_type, id, provider, precondition, change } = command;
    let (provider, precondition) = (&provider, &precondition);
    let schema = schemas.of(resource_type);
    let scope = &Scope { resource_type, id, provider, precondition, origin, directory, schema };
    if resource_type == ResourceType::Group {
        policy::check_groups_offered(scope)?;
    }
    match (resource_type, change) {
        (ResourceType::User, Change::Create(document)) => user::create(scope, document),
        (ResourceType::User, Change::Replace(document)) => match scope.find()? {
            Some(user) => user::replace(scope, scope.met(user)?, document),
            None => user::create_under_its_id(scope, document),
        },
        (ResourceType::User, Change::Patch(request)) => user::patch(scope, scope.existing()?, &request),
        (ResourceType::User, Change::Delete) => user::delete(scope, &scope.existing()?),
        (ResourceType::Group, Change::Create(document)) => group::create(scope, document),
        (ResourceType::Group, Change::Replace(document)) => {
            group::replace(scope, scope.existing()?, document)
        }
        (ResourceType::Group, Change::Patch(request)) => group::patch(scope, scope.existing()?, request),
        (ResourceType::Group, Change::Delete) => group::delete(scope, &scope.existing()?),
    }
}
