//! What tests look at beside answers: the events that were recorded, and the bytes of files.
//!
//! Everything but files is asked of the audit interface, as an auditor would.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService};

/// More than any test records.
const EVENTS_MAX: usize = 10_000;

impl TestService {
    /// The events of a tenant behind a revision, as the audit interface tells them.
    pub(crate) async fn events(&self, tenant: &str, after: u64) -> Vec<Value> {
        let path = format!("/audit/v1/{tenant}/events?after={after}&limit={EVENTS_MAX}");
        let answer = self.admin("GET", &path, None).await.expect(200);
        answer["events"].as_array().expect("a list of events").clone()
    }

    /// The last revision of a tenant.
    pub(crate) async fn revision(&self, tenant: &str) -> u64 {
        let path = format!("/audit/v1/{tenant}/events?limit=0");
        let answer = self.admin("GET", &path, None).await.expect(200);
        answer["position"].as_u64().expect("a position")
    }

    /// Another client of a tenant, with a token of its own.
    pub(crate) async fn client(&self, tenant: &Tenant, name: &str, kind: &str) -> Tenant {
        let path = format!("/admin/v1/tenants/{}/clients", tenant.name);
        self.admin("POST", &path, Some(json!({"name": name, "kind": kind}))).await.expect(201);
        let issued = self.token(&tenant.name, json!({"client": name})).await;
        Tenant { token: issued.token, ..tenant.clone() }
    }

    /// A new token of a tenant.
    pub(crate) async fn token(&self, tenant: &str, asked: Value) -> Issued {
        let path = format!("/admin/v1/tenants/{tenant}/tokens");
        let issued = self.admin("POST", &path, Some(asked)).await.expect(201);
        let text = |key: &str| issued[key].as_str().expect("the answer is complete").to_owned();
        Issued { id: text("id"), token: text("token") }
    }

    /// Changes settings of a tenant.
    pub(crate) async fn set(&self, tenant: &Tenant, settings: Value) {
        let path = format!("/admin/v1/tenants/{}", tenant.name);
        self.admin("PATCH", &path, Some(json!({ "settings": settings }))).await.expect(200);
    }
}

/// A token that was issued.
pub(crate) struct Issued {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// What is recorded from now on.
pub(crate) struct Watch<'s> {
    service: &'s TestService,
    tenant: String,
    position: u64,
}

impl<'s> Watch<'s> {
    pub(crate) async fn begin(service: &'s TestService, tenant: &Tenant) -> Self {
        let position = service.revision(&tenant.name).await;
        Self { service, tenant: tenant.name.clone(), position }
    }

    /// The events since the last look.
    pub(crate) async fn events(&mut self) -> Vec<Value> {
        let events = self.service.events(&self.tenant, self.position).await;
        self.position += events.len() as u64;
        events
    }

    /// The types of the events since the last look.
    pub(crate) async fn types(&mut self) -> Vec<String> {
        let text = |event: &Value| event["type"].as_str().expect("an event has a type").to_owned();
        self.events().await.iter().map(text).collect()
    }
}

/// The files below a folder, whatever they are, that contain these bytes. A file that is gone between the listing and
/// the look (a journal of SQLite's, while the service runs) holds nothing any more.
pub(crate) fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else {
            let content = match std::fs::read(&path) {
                Ok(content) => content,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => panic!("{}: {error}", path.display()),
            };
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
