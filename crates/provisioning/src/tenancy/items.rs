//! The tenancy as separate items, so that a view can keep one row for each and rewrite only what an event
//! touched.
//!
//! Items are named as the subjects of their events are printed: `tenant`, `clients/<id>`, `tokens/<id>`,
//! `tenants/<stream>`, `operators/<id>`.

use scim::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ImportError, ProfileStamp, Settings, Tenancy};
use crate::ids::Revision;
use crate::recorded::Subject;

/// The item `tenant`.
#[derive(Serialize, serde::Deserialize)]
struct TenantItem {
    settings: Settings,
    profile: Option<ProfileStamp>,
    withheld_up_to: Revision,
}

impl Tenancy {
    /// The item that an event about this subject may have touched; `None` if there is none (any more or at
    /// all).
    pub fn item(&self, subject: &Subject) -> Option<(String, Value)> {
        let value = match subject {
            Subject::Tenant => self.tenant_item(),
            Subject::Client(id) => self.clients.get(id).map(to_value),
            Subject::Token(id) => self.tokens.get(id).map(to_value),
            Subject::RegisteredTenant(stream) => self.tenants.get(stream).map(to_value),
            Subject::Operator(id) => self.operators.get(id).map(to_value),
            Subject::User(_) | Subject::Group(_) => None,
        }?;
        Some((subject.to_string(), value))
    }

    /// Every item.
    pub fn export(&self) -> Vec<(String, Value)> {
        let subjects = std::iter::once(Subject::Tenant)
            .chain(self.clients.keys().copied().map(Subject::Client))
            .chain(self.tokens.keys().copied().map(Subject::Token))
            .chain(self.tenants.keys().copied().map(Subject::RegisteredTenant))
            .chain(self.operators.keys().copied().map(Subject::Operator));
        subjects.filter_map(|subject| self.item(&subject)).collect()
    }

    /// A tenancy from its items, in any order.
    pub fn import(items: impl Iterator<Item = (String, Value)>) -> Result<Self, ImportError> {
        let mut tenancy = Self::default();
        for (name, value) in items {
            tenancy.put(&name, value).ok_or(ImportError { name })?;
        }
        Ok(tenancy)
    }

    fn put(&mut self, name: &str, value: Value) -> Option<()> {
        match Subject::parse(name)? {
            Subject::Tenant => {
                let item: TenantItem = from_value(value)?;
                self.settings = item.settings;
                self.profile = item.profile;
                self.withheld_up_to = item.withheld_up_to;
            }
            Subject::Client(id) => {
                self.clients.insert(id, from_value(value)?);
            }
            Subject::Token(id) => {
                self.tokens.insert(id, from_value(value)?);
            }
            Subject::RegisteredTenant(stream) => {
                self.tenants.insert(stream, from_value(value)?);
            }
            Subject::Operator(id) => {
                self.operators.insert(id, from_value(value)?);
            }
            Subject::User(_) | Subject::Group(_) => return None,
        }
        Some(())
    }

    /// A registry has no settings of its own, hence no such item.
    fn tenant_item(&self) -> Option<Value> {
        let item = TenantItem {
            settings: self.settings.clone(),
            profile: self.profile.clone(),
            withheld_up_to: self.withheld_up_to,
        };
        (item.settings != Settings::default() || item.profile.is_some()).then(|| to_value(&item))
    }
}

impl Settings {
    /// Every setting by its name; those that are not set are null.
    pub fn to_object(&self) -> Object {
        let Value::Object(settings) = to_value(self) else {
            unreachable!("a struct with named fields is an object");
        };
        settings
    }
}

fn to_value(item: &impl Serialize) -> Value {
    serde_json::to_value(item).expect("items have text keys and numbers that JSON can write")
}

fn from_value<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{ClientId, OperatorId, StreamId, TokenId};
    use crate::tenancy::{Client, ClientKind, Operator, RegisteredTenant, Role, Token};
    use crate::testing::uuid;
    use crate::timestamp::Timestamp;

    fn everything() -> Tenancy {
        let (at, later) = (Timestamp(1_750_000_000_123_456), Timestamp(1_750_000_001_000_000));
        let client = Client {
            name: "default".to_owned(),
            kind: ClientKind::OneLogin,
            domain: uuid(1).to_string(),
            enabled: false,
            requests_per_second: Some(25),
            silent_since: None,
            created_at: at,
        };
        let token = |client, role, revoked_at| Token {
            client,
            label: "mst_abcd".to_owned(),
            role,
            issued_at: at,
            expires_at: Some(later),
            revoked_at,
            sha256: "00".repeat(32),
        };
        Tenancy {
            settings: Settings {
                tenant: "acme".to_owned(),
                host: Some("acme.test".to_owned()),
                ..Settings::default()
            },
            profile: Some(ProfileStamp { name: "generic".to_owned(), sha256: "11".repeat(32) }),
            withheld_up_to: Revision(7),
            clients: [(ClientId(uuid(1)), client)].into(),
            tokens: [
                (TokenId(uuid(2)), token(Some(ClientId(uuid(1))), Role::Client, None)),
                (TokenId(uuid(3)), token(None, Role::Auditor, Some(later))),
            ]
            .into(),
            tenants: [(
                StreamId(uuid(4)),
                RegisteredTenant { tenant: "acme".to_owned(), registered_at: at, closed_at: Some(later) },
            )]
            .into(),
            operators: [(
                OperatorId(uuid(5)),
                Operator {
                    name: "root".to_owned(),
                    sha256: "22".repeat(32),
                    created_at: at,
                    revoked_at: None,
                },
            )]
            .into(),
        }
    }

    #[test]
    fn what_is_exported_is_imported_again() {
        let tenancy = everything();
        let items = tenancy.export();
        assert_eq!(items.len(), 6);
        assert_eq!(Tenancy::import(items.into_iter().rev()), Ok(tenancy));
        assert_eq!(Tenancy::default().export(), []);
    }

    #[test]
    fn an_item_is_named_as_its_subject() {
        let tenancy = everything();
        let subject = Subject::Client(ClientId(uuid(1)));
        let (name, value) = tenancy.item(&subject).unwrap();
        assert_eq!(name, format!("clients/{}", uuid(1)));
        assert_eq!(value["kind"], json!("onelogin"));
        assert_eq!(tenancy.item(&Subject::Client(ClientId(uuid(9)))), None);
    }

    #[test]
    fn an_item_that_is_none_is_refused_by_name() {
        for name in ["nonsense", "users/00000000-0000-0000-0000-000000000001", "tenant"] {
            let error = Tenancy::import([(name.to_owned(), json!(1))].into_iter()).unwrap_err();
            assert_eq!(error.name, name);
        }
    }
}
