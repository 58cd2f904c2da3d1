//! What the profiles that ship promise to administrators: the conversations under `tests/wire/profiles`.
//!
//! Each is played in a tenant of its own that was set up by the profile whose folder it is in. A request with the header
//! `Operator` is one of the operator's, to the admin interface below the tenant.

use std::collections::BTreeSet;

use serde_json::json;

use super::player::{Request, Response, Service, play};
use super::{agent, assert_none, conversations, send, wire_folder};
use crate::harness::TestService;

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

#[tokio::test(flavor = "multi_thread")]
async fn every_conversation_of_a_profile_holds_in_a_tenant_that_was_set_up_by_it() {
    let service = TestService::start().await;
    let mut failures = Vec::new();
    for folder in folders() {
        let profile = folder.trim_start_matches("profiles/");
        for (number, conversation) in conversations(&folder).into_iter().enumerate() {
            let name = format!("{profile}-{number}");
            let body = json!({"profile": profile, "kind": conversation.client.kind()});
            let tenant = service.create_tenant_with(&name, body).await;
            let account = Service { base: tenant.base_url, token: tenant.token };
            let operator = Operator {
                url: format!("{}/admin/v1/tenants/{name}", service.url),
                token: service.operator_token(),
            };
            let played = tokio::task::spawn_blocking(move || {
                let agent = agent();
                play(&conversation, &account, &mut |request| operator.or_client(&agent, request), &mut |_| ())
            });
            let mismatch = played.await.expect("the player does not panic").err();
            failures.extend(mismatch.map(|mismatch| format!("{profile}: {mismatch}")));
        }
    }
    assert_none(&failures);
}

/// Whoever runs the service.
struct Operator {
    /// The admin interface below the tenant.
    url: String,
    token: String,
}

impl Operator {
    /// Sends a request of the operator's to the admin interface, any other as it is.
    fn or_client(&self, agent: &ureq::Agent, request: &Request) -> Result<Response, String> {
        if !request.headers.iter().any(|(name, _)| name == "Operator") {
            return send(agent, request);
        }
        let mut request = Request { url: format!("{}{}", self.url, request.path), ..request.clone() };
        let theirs = ["Authorization", "Content-Type"];
        request.headers.retain(|(name, _)| theirs.iter().all(|own| !name.eq_ignore_ascii_case(own)));
        request.headers.push(("Authorization".to_owned(), format!("Bearer {}", self.token)));
        request.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        let mut response = send(agent, &request)?;
        // The player holds every answer to the rules of SCIM, which these do not follow.
        response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
        response.headers.push(("Content-Type".to_owned(), "application/scim+json".to_owned()));
        Ok(response)
    }
}
