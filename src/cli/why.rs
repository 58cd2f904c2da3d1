//! `muster why`: why somebody is, or is not, provisioned, as text that an administrator acts on.

use clap::Args;
use serde_json::Value;

use super::call::{Call, Verb, View, audit, query};
use super::requests::{explained, line};
use super::words;

/// Requests that are shown to people; JSON has more of them.
const SHOWN_REQUESTS_MAX: usize = 20;

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
        "looked_up_never_created" => "looked up, and never created",
        "named_never_created" => "named in requests, and never created",
        "refused" => "the last attempt was refused",
        "provisioned" => "provisioned and active",
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
    for (name, heading) in [
        ("door", "Refused, and may be about anybody"),
        ("elsewhere", "Named in requests that reached no tenant"),
    ] {
        if !list(name).is_empty() {
            text.extend(["\n", heading, "\n"]);
        }
        for finding in list(name) {
            text.push('\n');
            explained(&mut text, finding);
        }
    }
    text + &format!("\nlog position {}\n", words::value(&answer["position"]))
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
            "findings": [{
                "code": "user_name_taken", "why": "Another user has this `userName`.",
                "detail": "user 0190 has this userName", "remedies": [
                    {"who": "identity_provider", "do": "Match existing users."},
                    {"who": "operator", "do": "`muster tenant update`."},
                ],
            }],
            "door": [{"code": "token_expired", "why": "The token's time is over.", "detail": null,
                      "remedies": [{"who": "operator", "do": "Issue another."}]}],
            "elsewhere": [],
        });
        insta::assert_snapshot!(text(&answer), @r"
        alice@example.com  tenant acme: the last attempt was refused

          2026-11-22T06:02:11.000000Z  default       POST   /acme/scim/v2/Users  409 refused user_name_taken

        user_name_taken
          Happened user 0190 has this userName
          Why      Another user has this `userName`.
          Who      the administrator of the identity provider
          Do       Match existing users.
          Who      the operator of Muster
          Do       `muster tenant update`.

        Refused, and may be about anybody

        token_expired
          Why      The token's time is over.
          Who      the operator of Muster
          Do       Issue another.

        log position 9
        ");
    }

    #[test]
    fn nobody_was_ever_asked_about_is_an_answer() {
        let answer = json!({
            "tenant": "acme", "user": "bob", "verdict": "never_seen", "findings": [], "requests": [], "door": [],
            "elsewhere": [], "position": 3,
        });
        assert_eq!(text(&answer), "bob  tenant acme: never seen in any request\n\nlog position 3\n");
    }
}
