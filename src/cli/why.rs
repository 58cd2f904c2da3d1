//! `muster why`: why somebody is, or is not, provisioned, as text that an administrator acts on.

use clap::Args;
use serde_json::Value;

use super::call::{Call, Verb, View, audit, query};
use super::requests::{counted, explained, line, who};
use super::words;

/// Requests that are shown to people; JSON has more of them.
const SHOWN_REQUESTS_MAX: usize = 20;

/// Verdicts that leave open why.
const UNEXPLAINED: [&str; 4] = ["never_seen", "not_seen", "looked_up_never_created", "named_never_created"];

#[derive(Debug, Args)]
pub(super) struct Command {
    /// Name of the tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Id, userName or e-mail address of the person, also a former one.
    user: String,
}

impl Command {
    pub(super) fn call(&self) -> Call {
        let path = query(&audit(&self.tenant, &["why"]), [("user", Some(self.user.as_str()))]);
        Call::new(Verb::Get, path, View::Text(text))
    }
}

fn text(answer: &Value) -> String {
    let list = |name: &str| answer[name].as_array().map_or(&[][..], Vec::as_slice);
    let verdict = match answer["verdict"].as_str().unwrap_or_default() {
        "never_seen" => "never seen in any request",
        "not_seen" => "not seen in any request that could be looked at",
        "reached_no_tenant" => "named only in requests that reached no tenant",
        "looked_up_never_created" => "looked up, and never created",
        "named_never_created" => "named in requests, and never created",
        "refused" => "the last attempt was refused",
        "provisioned" => "provisioned and active",
        "invited" => "provisioned and invited, and not signed in yet",
        "inactive" => "provisioned as inactive, and never active yet",
        "deactivated" => "provisioned, and deactivated",
        "deleted" => "provisioned, and deleted",
        other => other,
    };
    let [user, tenant] = ["user", "tenant"].map(|name| words::value(&answer[name]));
    let mut text = format!("{user}  tenant {tenant}: {}\n", words::printable(verdict));
    let requests = list("requests");
    let left_out = requests.len().saturating_sub(SHOWN_REQUESTS_MAX);
    if !requests.is_empty() {
        text.push('\n');
    }
    if left_out > 0 {
        text.extend(["  ", &left_out.to_string(), " earlier requests are left out\n"]);
    }
    for request in &requests[left_out..] {
        text.push_str("  ");
        text.push_str(&line(request));
    }
    for finding in list("findings") {
        text.push('\n');
        explained(&mut text, finding);
    }
    // Whoever is told what is the matter need not search elsewhere; that somebody is here explains no change that
    // they lack.
    let is_known = !list("people").is_empty();
    if is_known || UNEXPLAINED.contains(&answer["verdict"].as_str().unwrap_or_default()) {
        let what = if is_known { "a change of this person" } else { "this person" };
        hidden(&mut text, what, list("hidden"));
        door(&mut text, list("door"));
    }
    if !list("elsewhere").is_empty() {
        text.push_str("\nNamed in requests that reached no tenant\n");
    }
    for finding in list("elsewhere") {
        text.push('\n');
        explained(&mut text, finding);
    }
    if let Some(first) = answer["log"]["first_at"].as_str() {
        let [logged, dropped, pruned] =
            ["logged", "dropped", "pruned"].map(|name| words::value(&answer["log"][name]));
        let counts = format!("{logged} requests, {dropped} dropped, {pruned} removed since");
        text.extend(["\nthe request log begins at ", &words::printable(first), ": ", &counts]);
    }
    text + &format!("\nlog position {}\n", words::value(&answer["position"]))
}

/// Where somebody may be whom no request names, or what is not known to have been asked of them.
fn hidden(text: &mut String, what: &str, kinds: &[Value]) {
    if !kinds.is_empty() {
        text.extend(["\nWhat may hide ", what, "\n"]);
    }
    for kind in kinds {
        let [what, why] = ["what", "why"].map(|name| words::value(&kind[name]));
        text.extend(["  ", &what, "  ", &counted(kind).unwrap_or_default()]);
        if kind["codes"].as_array().is_some_and(|codes| !codes.is_empty()) {
            text.extend([" (", &words::value(&kind["codes"]), ")"]);
        }
        text.extend(["\n    ", &why, "\n"]);
    }
}

/// Refusals of which nobody knows whom they were about: what, how often, when, and the likeliest remedy.
fn door(text: &mut String, findings: &[Value]) {
    if !findings.is_empty() {
        text.push_str("\nRefused, and may be about anybody\n");
    }
    for finding in findings {
        let code = words::value(&finding["code"]);
        text.extend(["  ", &code, "  ", &counted(finding).unwrap_or_default(), "\n"]);
        let remedy = &finding["remedies"][0];
        if !remedy.is_null() {
            text.extend(["    ", who(remedy), ": ", &words::value(&remedy["do"]), "\n"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_says_what_happened_why_and_who_does_what() {
        let answer = json!({
            "tenant": "acme", "user": "alice@example.com", "verdict": "refused", "people": [], "position": 9,
            "requests": [{
                "at": "2026-11-22T06:02:11.000000Z", "client": {"name": "default"}, "method": "POST",
                "route": "/Users", "path": "/acme/scim/v2/Users", "filter": null, "status": 409,
                "outcome": "refused", "code": "user_name_taken", "results": null, "requests": 1,
            }],
            "findings": [
                {
                    "code": "user_name_taken", "why": "Another user has this `userName`.", "settled": false,
                    "detail": "user 0190 has this userName", "requests": 2, "request": "0191",
                    "last_at": "2026-11-22T06:02:11.000000Z", "remedies": [
                        {"who": "identity_provider", "do": "Match existing users."},
                        {"who": "operator", "do": "`muster tenant update`."},
                    ],
                },
                {
                    "code": "tolerated", "why": "It was rewritten.", "notes": ["entra.bool_string"],
                    "last_at": "2026-11-22T06:02:10.000000Z", "request": "0190",
                    "remedies": [{"who": "nobody", "do": "Nothing."}],
                },
                {"code": "wrong_type", "why": "It has another type.", "detail": null, "settled": true},
            ],
            "door": [{"code": "token_expired", "remedies": []}], "hidden": [], "elsewhere": [],
            "log": {"first_at": "2026-11-01T00:00:00.000000Z", "logged": 7, "dropped": 0, "pruned": 0},
        });
        insta::assert_snapshot!(text(&answer), @r"
        alice@example.com  tenant acme: the last attempt was refused

          2026-11-22T06:02:11.000000Z  default       POST   /acme/scim/v2/Users  409 refused user_name_taken

        user_name_taken
          Happened user 0190 has this userName
          When     2 requests, the last at 2026-11-22T06:02:11.000000Z, request 0191
          Why      Another user has this `userName`.
          Who      the administrator of the identity provider
          Do       Match existing users.
          Who      the operator of Muster
          Do       `muster tenant update`.

        tolerated
          When     2026-11-22T06:02:10.000000Z, request 0190
          Why      It was rewritten.
          Notes    entra.bool_string
          Who      nobody
          Do       Nothing.

        wrong_type  (settled: it has succeeded since)
          Why      It has another type.

        the request log begins at 2026-11-01T00:00:00.000000Z: 7 requests, 0 dropped, 0 removed since
        log position 9
        ");
    }

    #[test]
    fn whoever_is_not_found_is_told_where_they_may_be() {
        let at = "2026-11-22T06:02:11.000000Z";
        let answer = json!({
            "tenant": "acme", "user": "bob", "verdict": "not_seen", "findings": [], "requests": [],
            "hidden": [
                {"what": "unread", "why": "Refused unread.", "requests": 2, "last_at": at, "request": "0190",
                 "codes": ["body_too_large", "token_expired"]},
                {"what": "dropped", "why": "They have no row.", "requests": 1, "last_at": null, "codes": []},
            ],
            "door": [{"code": "token_expired", "why": "The token's time is over.", "detail": null, "requests": 2,
                      "last_at": at, "request": "0190",
                      "remedies": [{"who": "operator", "do": "Issue another."}]}],
            "elsewhere": [{"code": "tenant_not_found", "why": "No tenant has it.", "remedies": []}],
            "position": 3,
        });
        insta::assert_snapshot!(text(&answer), @r"
        bob  tenant acme: not seen in any request that could be looked at

        What may hide this person
          unread  2 requests, the last at 2026-11-22T06:02:11.000000Z, request 0190 (body_too_large, token_expired)
            Refused unread.
          dropped  1 request
            They have no row.

        Refused, and may be about anybody
          token_expired  2 requests, the last at 2026-11-22T06:02:11.000000Z, request 0190
            the operator of Muster: Issue another.

        Named in requests that reached no tenant

        tenant_not_found
          Why      No tenant has it.

        log position 3
        ");
    }

    #[test]
    fn what_may_hide_a_change_of_somebody_is_told_beside_how_they_are() {
        let answer = json!({
            "tenant": "acme", "user": "bob", "verdict": "provisioned", "findings": [], "requests": [],
            "people": [{"id": "0190", "userName": "bob", "active": true}],
            "hidden": [{"what": "unread", "why": "Refused unread.", "requests": 2, "last_at": null, "codes": []}],
            "door": [{"code": "token_expired", "requests": 2,
                      "remedies": [{"who": "operator", "do": "Issue another."}]}],
            "elsewhere": [], "position": 3,
        });
        insta::assert_snapshot!(text(&answer), @r"
        bob  tenant acme: provisioned and active

        What may hide a change of this person
          unread  2 requests
            Refused unread.

        Refused, and may be about anybody
          token_expired  2 requests
            the operator of Muster: Issue another.

        log position 3
        ");
    }

    #[test]
    fn nobody_was_ever_asked_about_is_an_answer() {
        let answer = json!({
            "tenant": "acme", "user": "bob", "verdict": "never_seen", "findings": [], "requests": [], "door": [],
            "hidden": [], "elsewhere": [], "position": 3,
        });
        assert_eq!(text(&answer), "bob  tenant acme: never seen in any request\n\nlog position 3\n");
    }
}
