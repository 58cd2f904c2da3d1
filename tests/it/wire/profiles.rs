//! What the profiles that ship promise to administrators: the conversations under `tests/wire/profiles`.
//!
//! Each is played in a tenant of its own that was set up by the profile whose folder it is in, with a real nats-server
//! behind it. A request with the header `Operator` is one of the operator's, to the admin interface below the tenant;
//! one with the header `Broker` asks what consumers find.

use std::collections::BTreeSet;
use std::sync::Arc;

use muster::app::Sources;
use serde_json::json;
use tokio::runtime::Handle;

use super::player::{Moment, Request, Response, Service, play};
use super::{agent, assert_none, check_notes, conversations, noted_of, send, wire_folder};
use crate::harness::{Nats, TestService};
use crate::outbox::{held, published};

const SCIM: &str = "application/scim+json";

/// The folders of conversations: one for each profile that ships.
pub(super) fn folders() -> Vec<String> {
    muster::profiles::names().map(|name| format!("profiles/{name}")).collect()
}

#[test]
fn every_profile_that_ships_has_conversations_and_no_other_has() {
    let entries = std::fs::read_dir(wire_folder().join("profiles")).expect("the folder is there");
    let found: BTreeSet<String> =
        entries.map(|entry| format!("profiles/{}", entry.unwrap().file_name().to_string_lossy())).collect();
    assert_eq!(found, folders().into_iter().collect());
}

/// Where the set-up page of each product has its SCIM service.
const BASE_PATHS: [(&str, &str); 5] = [
    ("mezmo", "/v1/enterprise/scim"),
    ("zenzap", "/auth/scim"),
    ("idmelon", "/api/scim/v2"),
    ("zulip", "/scim/v2"),
    ("secoda", "/api/v2/scim"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_conversation_of_a_profile_holds_in_a_tenant_that_was_set_up_by_it() {
    let nats = Arc::new(Nats::start().await);
    let servers = nats.url();
    let service = TestService::start_with(|config| config.nats = Some(servers), Sources::default()).await;
    let service = Arc::new(service);
    let mut failures = Vec::new();
    for folder in folders() {
        let profile = folder.trim_start_matches("profiles/");
        for (number, conversation) in conversations(&folder).into_iter().enumerate() {
            let name = format!("{profile}-{number}");
            let mut body = json!({"profile": profile, "kind": conversation.client.kind()});
            if conversation.own_host {
                body["host"] = json!(format!("{name}.example.test"));
            }
            let tenant = service.create_tenant_with(&name, body).await;
            let path = BASE_PATHS.iter().find(|(of, _)| *of == profile).map(|(_, path)| *path);
            assert!(path.is_none_or(|path| tenant.base_url.ends_with(path)), "{}", tenant.base_url);
            let account = Service { base: tenant.base_url, token: tenant.token };
            let around =
                Around { service: Arc::clone(&service), nats: Arc::clone(&nats), tenant: name.clone() };
            let file = format!("{profile}/{}", conversation.file());
            let played = tokio::task::spawn_blocking(move || {
                let (agent, mut noted) = (agent(), Vec::new());
                let mut observe = |moment: &Moment<'_>| noted.extend(noted_of(moment));
                let played = play(
                    &conversation,
                    &account,
                    &mut |request| around.answer(&agent, request),
                    &mut observe,
                );
                (played.err(), noted)
            });
            let (mismatch, noted) = played.await.expect("the player does not panic");
            failures.extend(mismatch.map(|mismatch| format!("{profile}: {mismatch}")));
            failures.extend(check_notes(&service, &name, &file, &noted).await);
        }
    }
    assert_none(&failures);
}

/// What is around the tenant of a conversation.
struct Around {
    service: Arc<TestService>,
    nats: Arc<Nats>,
    tenant: String,
}

impl Around {
    /// Sends a request where it belongs: to the operator's interface, to the broker, or else to the tenant, under its
    /// own host if it has one.
    fn answer(&self, agent: &ureq::Agent, request: &Request) -> Result<Response, String> {
        let has = |wanted: &str| request.headers.iter().any(|(name, _)| name == wanted);
        match (has("Operator"), has("Broker")) {
            (true, _) => self.operator(agent, request),
            (_, true) => Ok(self.broker(request.path.trim_start_matches('/'))),
            _ => self.client(agent, request),
        }
    }

    /// The name leads nowhere, so the service is asked where it is, and told the name.
    fn client(&self, agent: &ureq::Agent, request: &Request) -> Result<Response, String> {
        let mut request = request.clone();
        let (scheme, rest) = request.url.split_once("://").expect("a URL");
        let (authority, path) = rest.split_once('/').expect("a base path");
        let here = self.service.url.split_once("://").map_or(self.service.url.as_str(), |(_, here)| here);
        if authority != here {
            if !request.headers.iter().any(|(name, _)| name == "Host") {
                request.headers.push(("Host".to_owned(), authority.to_owned()));
            }
            request.url = format!("{scheme}://{here}/{path}");
        }
        send(agent, &request)
    }

    /// What a consumer finds of the tenant in a JetStream stream, once everything is published: of each message the
    /// end of its subject and what it tells.
    fn broker(&self, stream: &str) -> Response {
        let messages = Handle::current().block_on(async {
            published(&self.service, &self.nats, &self.tenant).await;
            held(&self.nats, stream, &self.tenant).await
        });
        let prefix = format!("muster.v1.{}.", self.tenant);
        let messages = messages.iter().map(|message| {
            let mut told = message.body["data"].clone();
            told["subject"] = json!(message.subject.trim_start_matches(&prefix));
            told
        });
        let body = json!({"messages": messages.collect::<Vec<_>>()}).to_string();
        Response { status: 200, headers: vec![("Content-Type".to_owned(), SCIM.to_owned())], body }
    }

    fn operator(&self, agent: &ureq::Agent, request: &Request) -> Result<Response, String> {
        let url = format!("{}/admin/v1/tenants/{}{}", self.service.url, self.tenant, request.path);
        let mut request = Request { url, ..request.clone() };
        let theirs = ["Authorization", "Content-Type"];
        request.headers.retain(|(name, _)| theirs.iter().all(|own| !name.eq_ignore_ascii_case(own)));
        let token = self.service.operator_token();
        request.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        request.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        let mut response = send(agent, &request)?;
        // The player holds every answer to the rules of SCIM, which these do not follow.
        response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
        response.headers.push(("Content-Type".to_owned(), SCIM.to_owned()));
        Ok(response)
    }
}
