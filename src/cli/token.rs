//! `muster token …`: issues, lists and revokes the tokens of clients and auditors.

use std::str::FromStr;

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::{Call, Verb, View, admin, object};
use super::table::Table;
use super::words;

/// What stands below a token that is not kept anywhere.
pub(super) const SHOWN_ONCE: &str = "The token is shown this once: store it now.\n";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Issues a token; two of a client are active at a time.
    Issue {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Client it belongs to [default: default].
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
        /// What it may do [default: client].
        #[arg(long, value_parser = ["client", "auditor"])]
        role: Option<String>,
        /// When it ends by itself, such as 90d, 12h or 30m [default: never].
        #[arg(long, value_name = "DUR")]
        expires_in: Option<Lifetime>,
    },
    /// Lists the tokens of a tenant, revoked ones too.
    List {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// Ends a token at once.
    Revoke {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Id of the token.
        token: String,
    },
}

impl Command {
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Issue { tenant, client, role, expires_in } => {
                let body = object([
                    ("client", client.as_ref().map(|client| json!(client))),
                    ("role", role.as_ref().map(|role| json!(role))),
                    ("expires_in", expires_in.map(|Lifetime { seconds }| json!(seconds))),
                ]);
                Call::new(Verb::Post, admin(tenant, &["tokens"]), View::Text(issued)).with(body)
            }
            Self::List { tenant } => Call::new(Verb::Get, admin(tenant, &["tokens"]), View::Rows(list)),
            Self::Revoke { tenant, token } => {
                Call::new(Verb::Delete, admin(tenant, &["tokens", token]), View::Text(revoked))
            }
        }
    }
}

/// How long a token lives: a number and one of `s`, `m`, `h`, `d`, `w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    seconds: u64,
}

impl FromStr for Lifetime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a number above 0 and a unit, such as 90d, 12h, 30m or 45s";
        let unit = text.chars().next_back().ok_or(EXPECTED)?;
        let seconds_each = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return Err(EXPECTED),
        };
        let number = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok()).ok_or(EXPECTED)?;
        let seconds = number.checked_mul(seconds_each).filter(|seconds| *seconds > 0).ok_or(EXPECTED)?;
        Ok(Self { seconds })
    }
}

/// The tokens in an answer.
pub(super) fn list(answer: &Value) -> Table {
    Table::of(
        &answer["tokens"],
        &[
            "label",
            "role",
            "client",
            "issued_at",
            "last_used_at",
            "expires_at",
            "expires_within_days",
            "revoked_at",
            "id",
        ],
    )
}

/// A token that was just made.
pub(super) fn issued(answer: &Value) -> String {
    words::fields(&["id", "token"].map(|name| (name, &answer[name]))) + SHOWN_ONCE
}

fn revoked(answer: &Value) -> String {
    format!("token {} is revoked\n", words::value(&answer["id"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_a_number_and_a_unit() {
        for (text, seconds) in
            [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000), ("2w", 1_209_600)]
        {
            assert_eq!(text.parse(), Ok(Lifetime { seconds }));
        }
        for refused in ["", "d", "90", "0d", "-1d", "1.5h", "1dd", "9é", "99999999999999999999w"] {
            assert!(refused.parse::<Lifetime>().is_err(), "{refused}");
        }
    }

    #[test]
    fn issuing_leaves_defaults_to_the_service() {
        let command = Command::Issue { tenant: "acme".into(), client: None, role: None, expires_in: None };
        assert_eq!(command.call().body, Some(json!({})));
        let command = Command::Issue {
            tenant: "acme".into(),
            client: Some("okta".into()),
            role: Some("client".into()),
            expires_in: Some("1h".parse().unwrap()),
        };
        assert_eq!(
            command.call().body,
            Some(json!({ "client": "okta", "role": "client", "expires_in": 3600 }))
        );
    }
}
