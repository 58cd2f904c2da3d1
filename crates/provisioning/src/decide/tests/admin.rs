//! Tenants, clients, tokens, operators, and what the machine reports.

use super::*;
use crate::command::{Bound, ClientChange};
use crate::ids::{OperatorId, Revision, StreamId};
use crate::tenancy::ProfileStamp;
use crate::timestamp::Timestamp;

const STREAM: StreamId = StreamId(uuid::Uuid::from_u128(1));

fn empty() -> House {
    House { model: Model::default(), ..House::new() }
}

fn client(n: u128, name: &str) -> NewClient {
    NewClient {
        id: ClientId(uuid(n)),
        name: name.to_owned(),
        kind: ClientKind::Entra,
        domain: uuid(n).to_string(),
    }
}

fn token(n: u128, issued: TokenIssued) -> Command {
    Command::IssueToken(NewToken { id: TokenId(uuid(n)), issued })
}

fn update(settings: Value) -> Command {
    Command::UpdateTenant { settings: object(settings), profile: None }
}

fn operator(n: u128, name: &str) -> Command {
    Command::CreateOperator { id: OperatorId(uuid(n)), name: name.to_owned(), sha256: "00".to_owned() }
}

#[test]
fn a_tenant_begins_with_all_its_settings_a_client_and_a_token() {
    let create = Command::CreateTenant {
        settings: object(json!({"tenant": "acme", "base_path": "/acme/scim/v2", "host": null})),
        profile: Some(ProfileStamp { name: "generic".to_owned(), sha256: "00".to_owned() }),
        client: client(1, "default"),
        token: NewToken { id: TokenId(uuid(2)), issued: token_of(Some(1)) },
    };
    let mut house = empty();
    then(
        house.when(&create),
        &[
            r#"tenant.created | tenant | {"settings":{"base_path":"/acme/scim/v2","delete":"delete","initial":"active","post_deactivated":"conflict","put_omitted":"clear","put_unknown":"not_found","tenant":"acme"},"profile":{"name":"generic","sha256":"00"}}"#,
            r#"client.created | clients/@1 | {"settings":{"domain":"@1","enabled":true,"kind":"entra","name":"default"}}"#,
            r#"token.issued | tokens/@2 | {"client":"@1","label":"mst_abcd","role":"client","sha256":"00"}"#,
        ],
    );
    refused(house.when(&create), "tenant_exists");
}

#[test]
fn a_tenant_that_requests_could_not_find_is_not_created() {
    for (settings, code) in [
        (json!({"tenant": "Acme", "base_path": "/a"}), "tenant_name_invalid"),
        (json!({"tenant": "acme"}), "base_path_invalid"),
        (json!({"tenant": "acme", "base_path": "/a", "host": "a b"}), "host_invalid"),
        (json!({"tenant": "acme", "base_path": "/a", "colour": "red"}), "setting_unknown"),
        (json!({"tenant": "acme", "base_path": "/a", "delete": "perhaps"}), "setting_invalid"),
    ] {
        let create = Command::CreateTenant {
            settings: object(settings),
            profile: None,
            client: client(1, "default"),
            token: NewToken { id: TokenId(uuid(2)), issued: token_of(Some(1)) },
        };
        refused(empty().when(&create), code);
    }
}

#[test]
fn an_update_records_what_differs() {
    let mut house = House::with(json!({"host": "acme.test"}));
    then(
        house.when(&update(json!({"host": null, "delete": "refuse", "initial": "active", "tenant": "acme"}))),
        &[r#"tenant.updated | tenant | {"settings":{"delete":"refuse","host":null}}"#],
    );
    then(house.when(&update(json!({"delete": "refuse"}))), &[]);
    refused(house.when(&update(json!({"tenant": "other"}))), "setting_fixed");
    refused(house.when(&update(json!({"base_path": null}))), "base_path_invalid");
    refused(house.when(&update(json!({"colour": "red"}))), "setting_unknown");
}

#[test]
fn another_profile_with_the_same_settings_is_recorded_once() {
    let mut house = House::new();
    let profile = Some(ProfileStamp { name: "generic".to_owned(), sha256: "00".to_owned() });
    let apply = Command::UpdateTenant { settings: object(json!({})), profile };
    then(house.when(&apply), &[r#"tenant.updated | tenant | {"profile":{"name":"generic","sha256":"00"}}"#]);
    then(house.when(&apply), &[]);
}

#[test]
fn clients_have_names_of_their_own() {
    let mut house = House::new();
    house.when(&Command::CreateClient(client(1, "Entra"))).unwrap();
    refused(house.when(&Command::CreateClient(client(2, "entra"))), "client_name_taken");
    refused(house.when(&Command::CreateClient(client(2, ""))), "client_name_invalid");
    refused(house.when(&Command::CreateClient(client(2, &"x".repeat(65)))), "client_name_invalid");
}

#[test]
fn a_client_is_switched_once() {
    let mut house = House::new();
    let switch = |n, enabled| Command::UpdateClient {
        id: ClientId(uuid(n)),
        change: ClientChange { enabled: Some(enabled), ..ClientChange::default() },
    };
    then(house.when(&switch(20, true)), &[]);
    then(
        house.when(&switch(20, false)),
        &[r#"client.updated | clients/@20 | {"settings":{"enabled":false}}"#],
    );
    then(house.when(&switch(20, false)), &[]);
    refused(house.when(&switch(1, false)), "not found");
}

#[test]
fn a_client_falls_silent_and_is_heard_once_each_while_it_is_expected() {
    let mut house = House::new();
    let seen_at = Timestamp(7_000_000);
    let note =
        |n, silent| Command::NotePresence { id: ClientId(uuid(n)), silent, seen_at, usual_seconds: 2_400 };
    let told = |verb: &str| {
        format!(
            r#"client.{verb} | clients/@20 | {{"seen_at":"1970-01-01T00:00:07.000000Z","usual_seconds":2400}}"#
        )
    };
    then(house.when(&note(20, false)), &[]);
    then(house.when(&note(20, true)), &[told("silent").as_str()]);
    then(house.when(&note(20, true)), &[]);
    then(house.when(&note(20, false)), &[told("heard").as_str()]);
    then(house.when(&note(20, false)), &[]);
    refused(house.when(&note(1, true)), "not found");
    house.when(&Command::RevokeToken(TokenId(uuid(21)))).unwrap();
    then(house.when(&note(20, true)), &[]);
}

#[test]
fn a_clients_requests_are_bounded_by_a_number_that_makes_sense() {
    let mut house = House::new();
    let rate = |rate| Command::UpdateClient {
        id: ClientId(uuid(20)),
        change: ClientChange { requests_per_second: Some(rate), ..ClientChange::default() },
    };
    then(house.when(&rate(Bound::Unbounded)), &[]);
    then(
        house.when(&rate(Bound::AtMost(25))),
        &[r#"client.updated | clients/@20 | {"settings":{"requests_per_second":25}}"#],
    );
    then(house.when(&rate(Bound::AtMost(25))), &[]);
    refused(house.when(&rate(Bound::AtMost(0))), "client_rate_invalid");
    refused(house.when(&rate(Bound::AtMost(1_000_001))), "client_rate_invalid");
    then(
        house.when(&rate(Bound::Unbounded)),
        &[r#"client.updated | clients/@20 | {"settings":{"requests_per_second":null}}"#],
    );
}

#[test]
fn a_client_has_two_active_tokens_at_most() {
    let mut house = House::new();
    house.when(&token(22, token_of(Some(20)))).unwrap();
    assert!(refused(house.when(&token(23, token_of(Some(20)))), "too_many_tokens").contains("revoke"));
    then(house.when(&Command::RevokeToken(TokenId(uuid(21)))), &["token.revoked | tokens/@21"]);
    then(house.when(&Command::RevokeToken(TokenId(uuid(21)))), &[]);
    refused(house.when(&Command::RevokeToken(TokenId(uuid(90)))), "not found");

    let short_lived = TokenIssued { expires_at: Some(Timestamp(1_000)), ..token_of(Some(20)) };
    house.when(&token(23, short_lived)).unwrap();
    house.origin.received_at = Some(Timestamp(999));
    refused(house.when(&token(24, token_of(Some(20)))), "too_many_tokens");
    house.origin.received_at = Some(Timestamp(1_000));
    house.when(&token(24, token_of(Some(20)))).unwrap();
}

#[test]
fn a_token_of_a_client_needs_that_client() {
    let mut house = House::new();
    refused(house.when(&token(22, token_of(Some(90)))), "not found");
    refused(house.when(&token(22, token_of(None))), "token_without_client");
    for n in 22..25 {
        house.when(&token(n, TokenIssued { role: Role::Auditor, ..token_of(None) })).unwrap();
    }
}

#[test]
fn what_the_broker_accepted_is_recorded_by_the_thousand() {
    let mut house = House::new();
    then(house.when(&Command::RecordPublished(vec![])), &[]);
    let accepted = (1..=1_001).map(|n| (Revision(n), n + 7, Timestamp(0))).collect();
    let decision = house.when(&Command::RecordPublished(accepted)).unwrap();
    let sizes = decision.events.iter().map(|draft| {
        let Event::DeprovisioningPublished(published) = &draft.event else { panic!("{draft:?}") };
        published.published.len()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [1_000, 1]);
}

#[test]
fn only_a_clock_that_was_set_back_is_accepted() {
    let mut house = House::new();
    let adjust = |from, to| Command::AdjustClock { from: Timestamp(from), to: Timestamp(to) };
    then(
        house.when(&adjust(2_000_000, 1_000_000)),
        &[
            r#"clock.adjusted | tenant | {"from":"1970-01-01T00:00:02.000000Z","to":"1970-01-01T00:00:01.000000Z"}"#,
        ],
    );
    then(house.when(&adjust(1, 1)), &[]);
}

#[test]
fn the_registry_has_each_open_tenant_and_each_stream_once() {
    let register = |tenant: &str, stream| Command::RegisterTenant { tenant: tenant.to_owned(), stream };
    let mut house = empty();
    let other = StreamId(uuid(2));
    house.when(&register("acme", STREAM)).unwrap();
    then(house.when(&register("acme", STREAM)), &[]);
    refused(house.when(&register("acme", other)), "tenant_exists");
    refused(house.when(&register("other", STREAM)), "tenant_exists");
    refused(house.when(&register("admin", other)), "tenant_name_invalid");
    house.when(&Command::CloseTenant(STREAM)).unwrap();
    then(house.when(&Command::CloseTenant(STREAM)), &[]);
    refused(house.when(&Command::CloseTenant(other)), "not found");
    refused(house.when(&register("acme", STREAM)), "tenant_exists");
    then(house.when(&register("acme", other)), &[r#"tenant.registered | tenants/@2 | {"tenant":"acme"}"#]);
}

#[test]
fn the_last_operator_stays() {
    let mut house = empty();
    let revoke = |n| Command::RevokeOperator(OperatorId(uuid(n)));
    then(
        house.when(&operator(1, "root")),
        &[r#"operator.created | operators/@1 | {"name":"root","sha256":"00"}"#],
    );
    refused(house.when(&revoke(1)), "last_operator");
    refused(house.when(&operator(2, "Root")), "operator_exists");
    refused(house.when(&operator(2, "a\tb")), "operator_name_invalid");
    house.when(&operator(2, "second")).unwrap();
    then(house.when(&revoke(1)), &["operator.revoked | operators/@1"]);
    then(house.when(&revoke(1)), &[]);
    refused(house.when(&revoke(2)), "last_operator");
    refused(house.when(&revoke(3)), "not found");
    house.when(&operator(3, "root")).unwrap();
}

#[test]
fn a_tenant_that_observes_becomes_live_once_and_says_from_where() {
    for (promotion, recorded) in [
        (json!({"mode": "live"}), r#"{"mode":"live","publish_from":"here"}"#),
        (json!({"mode": "live", "publish_from": "here"}), r#"{"mode":"live","publish_from":"here"}"#),
        (json!({"mode": "live", "publish_from": "start"}), r#"{"mode":"live","publish_from":"start"}"#),
    ] {
        let mut house = House::with(json!({"mode": "observe"}));
        refused(house.when(&update(json!({"publish_from": "start"}))), "publish_from_fixed");
        refused(house.when(&update(json!({"mode": null}))), "mode_fixed");
        refused(house.when(&update(json!({"mode": null, "publish_from": "here"}))), "mode_fixed");
        let expected = format!(r#"tenant.updated | tenant | {{"settings":{recorded}}}"#);
        then(house.when(&update(promotion.clone())), &[expected.as_str()]);
        then(house.when(&update(promotion)), &[]);
        refused(house.when(&update(json!({"mode": "observe"}))), "mode_fixed");
        for other in ["here", "start"].iter().filter(|other| !recorded.contains(*other)) {
            refused(house.when(&update(json!({"publish_from": other}))), "publish_from_fixed");
        }
        refused(house.when(&update(json!({"publish_from": null}))), "publish_from_fixed");
    }
}

#[test]
fn a_tenant_that_never_observed_has_no_place_to_be_published_from() {
    let mut house = House::new();
    refused(house.when(&update(json!({"mode": "observe"}))), "mode_fixed");
    refused(house.when(&update(json!({"mode": "live", "publish_from": "start"}))), "publish_from_fixed");
    let create = Command::CreateTenant {
        settings: object(
            json!({"tenant": "acme", "base_path": "/a", "mode": "observe", "publish_from": "here"}),
        ),
        profile: None,
        client: client(1, "default"),
        token: NewToken { id: TokenId(uuid(2)), issued: token_of(Some(1)) },
    };
    refused(empty().when(&create), "publish_from_fixed");
}
