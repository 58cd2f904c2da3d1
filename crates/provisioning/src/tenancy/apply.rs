//! The fold of what is true of the tenant itself. Total: what does not fit is passed over, key by key.

use scim::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Client, ClientKind, Operator, PublishFrom, RegisteredTenant, Tenancy, Token};
use crate::event::{Event, OperatorCreated, SettingsChange, TenantRegistered, TokenIssued};
use crate::ids::Revision;
use crate::merge_patch;
use crate::recorded::{Header, Opened, Recorded, Subject};
use crate::timestamp::Timestamp;

#[cfg(test)]
mod tests;

impl Tenancy {
    /// What a recorded event means for the tenant itself; events about users and groups mean nothing here.
    pub fn apply(&mut self, recorded: &Recorded) {
        let header = &recorded.header;
        let Opened::Event(event) = &recorded.event else { return };
        match event {
            Event::TenantCreated(change) | Event::TenantUpdated(change) => self.set(header, change),
            Event::ClientCreated(change) => self.add_client(header, change),
            Event::ClientUpdated(change) => self.update_client(header, change),
            Event::ClientSilent(seen) => self.note_silence(header, Some(seen.seen_at)),
            Event::ClientHeard(_) => self.note_silence(header, None),
            Event::TokenIssued(issued) => self.add_token(header, issued),
            Event::TokenRevoked => self.revoke_token(header),
            Event::TenantRegistered(registered) => self.register_tenant(header, registered),
            Event::TenantClosed => self.close_tenant(header),
            Event::OperatorCreated(created) => self.add_operator(header, created),
            Event::OperatorRevoked => self.revoke_operator(header),
            Event::UserCreated(_)
            | Event::UserUpdated(_)
            | Event::UserActivated(_)
            | Event::UserDeactivated(_)
            | Event::UserReactivated(_)
            | Event::UserHidden(_)
            | Event::UserDeleted(_)
            | Event::GroupCreated(_)
            | Event::GroupUpdated(_)
            | Event::GroupMembersAdded(_)
            | Event::GroupMembersRemoved(_)
            | Event::GroupDeleted(_)
            | Event::DeprovisioningPublished(_)
            | Event::ClockAdjusted(_) => {}
        }
    }

    fn set(&mut self, header: &Header, change: &SettingsChange) {
        let observed = self.settings.observes();
        merge(&mut self.settings, &change.settings);
        let is_promoted = observed && !self.settings.observes();
        if is_promoted && self.settings.publish_from != Some(PublishFrom::Start) {
            self.withheld_up_to = Revision(header.revision.0.saturating_sub(1));
        }
        if let Some(profile) = &change.profile {
            self.profile = Some(profile.clone());
        }
    }

    fn add_client(&mut self, header: &Header, change: &SettingsChange) {
        let Subject::Client(id) = header.subject else { return };
        let mut client = Client {
            name: String::new(),
            kind: ClientKind::default(),
            domain: id.to_string(),
            enabled: true,
            requests_per_second: None,
            silent_since: None,
            created_at: header.recorded_at,
        };
        merge(&mut client, &change.settings);
        self.clients.insert(id, client);
    }

    fn update_client(&mut self, header: &Header, change: &SettingsChange) {
        let Subject::Client(id) = header.subject else { return };
        if let Some(client) = self.clients.get_mut(&id) {
            merge(client, &change.settings);
            // Once it is switched on again, it may take its time to come.
            client.silent_since = client.silent_since.filter(|_| client.enabled);
        }
    }

    fn note_silence(&mut self, header: &Header, since: Option<Timestamp>) {
        let Subject::Client(id) = header.subject else { return };
        if let Some(client) = self.clients.get_mut(&id) {
            client.silent_since = since;
        }
    }

    fn add_token(&mut self, header: &Header, issued: &TokenIssued) {
        let Subject::Token(id) = header.subject else { return };
        self.tokens.insert(
            id,
            Token {
                client: issued.client,
                label: issued.label.clone(),
                role: issued.role,
                issued_at: header.recorded_at,
                expires_at: issued.expires_at,
                revoked_at: None,
                sha256: issued.sha256.clone(),
            },
        );
    }

    fn revoke_token(&mut self, header: &Header) {
        let Subject::Token(id) = header.subject else { return };
        if let Some(token) = self.tokens.get_mut(&id) {
            token.revoked_at.get_or_insert(header.recorded_at);
        }
    }

    fn register_tenant(&mut self, header: &Header, registered: &TenantRegistered) {
        let Subject::RegisteredTenant(stream) = header.subject else { return };
        self.tenants.insert(
            stream,
            RegisteredTenant {
                tenant: registered.tenant.clone(),
                registered_at: header.recorded_at,
                closed_at: None,
            },
        );
    }

    fn close_tenant(&mut self, header: &Header) {
        let Subject::RegisteredTenant(stream) = header.subject else { return };
        if let Some(tenant) = self.tenants.get_mut(&stream) {
            tenant.closed_at.get_or_insert(header.recorded_at);
        }
    }

    fn add_operator(&mut self, header: &Header, created: &OperatorCreated) {
        let Subject::Operator(id) = header.subject else { return };
        self.operators.insert(
            id,
            Operator {
                name: created.name.clone(),
                sha256: created.sha256.clone(),
                created_at: header.recorded_at,
                revoked_at: None,
            },
        );
    }

    fn revoke_operator(&mut self, header: &Header) {
        let Subject::Operator(id) = header.subject else { return };
        if let Some(operator) = self.operators.get_mut(&id) {
            operator.revoked_at.get_or_insert(header.recorded_at);
        }
    }
}

/// Merges a patch into an item one member at a time, so that a member that does not fit costs only itself.
fn merge<T: Serialize + DeserializeOwned>(item: &mut T, patch: &Object) {
    for (name, change) in patch {
        let Ok(Value::Object(mut members)) = serde_json::to_value(&*item) else { return };
        merge_patch::apply(&mut members, &Object::from_iter([(name.clone(), change.clone())]));
        if let Ok(merged) = serde_json::from_value(Value::Object(members)) {
            *item = merged;
        }
    }
}
