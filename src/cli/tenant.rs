//! `muster tenant …`: creates, shows, changes and closes tenants.

use std::str::FromStr;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::call::{Call, Verb, View, admin, object, path};
use super::client::{self, KINDS};
use super::exit::Failure;
use super::profile;
use super::table::Table;
use super::token;
use super::words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a tenant with a client `default` and its token.
    Create {
        /// Name of the tenant: lower-case letters, digits and hyphens.
        id: String,
        /// Profile to set it up by: the name of one that ships, or a file.
        #[arg(long, value_name = "NAME_OR_FILE")]
        profile: Option<String>,
        /// Host name that its requests must name.
        #[arg(long, value_name = "NAME")]
        host: Option<String>,
        /// Where its SCIM endpoints stand [default: /ID/scim/v2].
        #[arg(long, value_name = "PATH")]
        base_path: Option<String>,
        /// Identity provider behind the client `default`.
        #[arg(long, value_parser = KINDS)]
        kind: Option<String>,
        /// A setting; VALUE is text, JSON, or @FILE with JSON. May be given several times.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<Setting>,
    },
    /// Lists all tenants.
    List,
    /// Shows a tenant with its settings, clients and tokens.
    Show {
        /// Name of the tenant.
        id: String,
    },
    /// Changes settings of a tenant.
    Update {
        /// Name of the tenant.
        id: String,
        /// Profile to bring it to: the name of one that ships, or a file. What is the tenant's own stays.
        #[arg(long, value_name = "NAME_OR_FILE")]
        profile: Option<String>,
        /// A setting; VALUE is text, JSON, or @FILE with JSON; `null` gives it its default. May be given several times.
        #[arg(long, value_name = "KEY=VALUE", required_unless_present = "profile")]
        set: Vec<Setting>,
    },
    /// Closes a tenant for ever: its tokens end, its history stays.
    Close {
        /// Name of the tenant.
        id: String,
    },
    /// Accepts that the clock stands before the tenant's last event, and records it.
    AcceptClock {
        /// Name of the tenant.
        id: String,
    },
}

impl Command {
    pub(super) fn call(&self) -> Result<Call, Failure> {
        Ok(match self {
            Self::Create { id, profile, host, base_path, kind, set } => {
                let (profile, profile_toml) = profile::asked(profile.as_deref())?;
                let body = object([
                    ("tenant", Some(json!(id))),
                    ("profile", profile),
                    ("profile_toml", profile_toml),
                    ("host", host.as_ref().map(|host| json!(host))),
                    ("base_path", base_path.as_ref().map(|path| json!(path))),
                    ("kind", kind.as_ref().map(|kind| json!(kind))),
                    ("settings", (!set.is_empty()).then(|| settings(set))),
                ]);
                Call::new(Verb::Post, path(&["admin", "v1", "tenants"]), View::Text(created)).with(body)
            }
            Self::List => Call::new(Verb::Get, path(&["admin", "v1", "tenants"]), View::Rows(list)),
            Self::Show { id } => Call::new(Verb::Get, admin(id, &[]), View::Text(shown)),
            Self::Update { id, profile, set } => {
                let (profile, profile_toml) = profile::asked(profile.as_deref())?;
                let body = object([
                    ("profile", profile),
                    ("profile_toml", profile_toml),
                    ("settings", (!set.is_empty()).then(|| settings(set))),
                ]);
                Call::new(Verb::Patch, admin(id, &[]), View::Text(shown)).with(body)
            }
            Self::Close { id } => Call::new(Verb::Delete, admin(id, &[]), View::Text(closed)),
            Self::AcceptClock { id } => {
                Call::new(Verb::Post, admin(id, &["accept-clock"]), View::Text(clock_accepted))
            }
        })
    }
}

/// `KEY=VALUE`: JSON where it is JSON, everything else as text; `KEY=@FILE`: the JSON in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    key: String,
    value: Value,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as initial=invited")?;
        let value = match value.strip_prefix('@') {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
                serde_json::from_str(&text).map_err(|error| format!("{file} is no JSON: {error}"))?
            }
            None => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        };
        Ok(Self { key: key.to_owned(), value })
    }
}

fn settings(set: &[Setting]) -> Value {
    Value::Object(
        set.iter().map(|Setting { key, value }| (key.clone(), value.clone())).collect::<Map<_, _>>(),
    )
}

fn created(answer: &Value) -> String {
    let fields =
        [("tenant", &answer["tenant"]), ("base URL", &answer["base_url"]), ("token", &answer["token"])];
    words::fields(&fields) + token::SHOWN_ONCE
}

fn list(answer: &Value) -> Table {
    Table::of(&answer["tenants"], &["tenant", "base_url", "state", "reason", "mode", "revision", "stream"])
}

fn shown(answer: &Value) -> String {
    let names = ["tenant", "stream", "base_url", "state", "reason", "mode", "revision"];
    let facts = words::fields(&names.map(|name| (name, &answer[name])));
    let profile = match &answer["profile"]["name"] {
        Value::String(name) => {
            let digest = answer["profile"]["sha256"].as_str().unwrap_or_default();
            format!("from the profile {name}, SHA-256 {}\n", digest.get(..12).unwrap_or(digest))
        }
        _ => String::new(),
    };
    let settings = answer["settings"].as_object().into_iter().flatten();
    let settings: Vec<_> = settings.map(|(name, value)| (name.as_str(), value)).collect();
    let settings = words::fields(&settings);
    let clients = client::list(answer).to_text() + &silent(&answer["clients"]);
    let tokens = token::list(answer).to_text() + &ending(&answer["tokens"]);
    format!("{facts}\nSettings\n{profile}{settings}\nClients\n{clients}\nTokens\n{tokens}")
}

/// A line for each client from which nothing has come for too long.
fn silent(clients: &Value) -> String {
    let mut text = String::new();
    for client in clients.as_array().into_iter().flatten().filter(|client| !client["silent_since"].is_null())
    {
        let [name, since] = ["name", "silent_since"].map(|member| words::value(&client[member]));
        text.extend([&name, " is silent: no request since ", &since, "\n"]);
    }
    text
}

/// A line for each token that is about to end.
fn ending(tokens: &Value) -> String {
    let tokens = tokens.as_array().into_iter().flatten();
    let lines = tokens.filter_map(|token| Some((token, token["expires_within_days"].as_u64()?)));
    let line = |(token, days): (&Value, u64)| {
        let [label, client, at] =
            ["label", "client", "expires_at"].map(|member| words::value(&token[member]));
        let whose = if token["client"].is_null() { "an auditor" } else { &client };
        let unit = if days == 1 { "day" } else { "days" };
        format!("{label} of {whose} ends within {days} {unit}, at {at}: issue another one\n")
    };
    lines.map(line).collect()
}

fn closed(answer: &Value) -> String {
    format!("{} is closed\n", words::value(&answer["tenant"]))
}

fn clock_accepted(answer: &Value) -> String {
    format!(
        "{} accepts the clock as of revision {}\n",
        words::value(&answer["tenant"]),
        words::value(&answer["revision"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_client_has_a_line() {
        let since = "2026-11-22T09:31:02.123456Z";
        let clients =
            json!([{"name": "okta", "silent_since": null}, {"name": "entra", "silent_since": since}]);
        assert_eq!(silent(&clients), format!("entra is silent: no request since {since}\n"));
    }

    #[test]
    fn a_token_that_is_about_to_end_has_a_line() {
        let at = "2026-11-28T09:31:02.123456Z";
        let token = |client, days| json!({"label": "mst_abcd", "client": client, "expires_at": at, "expires_within_days": days});
        let tokens = json!([
            token(json!("okta"), json!(7)),
            token(json!("okta"), json!(null)),
            token(json!(null), json!(1)),
        ]);
        insta::assert_snapshot!(ending(&tokens), @r"
        mst_abcd of okta ends within 7 days, at 2026-11-28T09:31:02.123456Z: issue another one
        mst_abcd of an auditor ends within 1 day, at 2026-11-28T09:31:02.123456Z: issue another one
        ");
    }

    #[test]
    fn settings_are_json_or_text_or_the_json_in_a_file() {
        for (text, value) in [
            ("initial=invited", json!("invited")),
            ("host=null", json!(null)),
            ("a=true", json!(true)),
            ("a=12", json!(12)),
            ("a=\"12\"", json!("12")),
            ("a={}", json!({})),
            ("a=[\"b\"]", json!(["b"])),
            ("a={", json!("{")),
            ("a=b=c", json!("b=c")),
            ("a=", json!("")),
        ] {
            assert_eq!(text.parse::<Setting>().unwrap().value, value, "{text}");
        }
        assert!("initial".parse::<Setting>().is_err());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(format!("a=@{manifest}").parse::<Setting>().unwrap_err().contains("no JSON"));
        assert!("a=@/nowhere/schemas.json".parse::<Setting>().unwrap_err().contains("/nowhere/schemas.json"));
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/scim/schemas/group.json");
        assert!(format!("a=@{schema}").parse::<Setting>().unwrap().value.is_object());
    }

    #[test]
    fn creating_sends_what_was_given_only() {
        let command = Command::Create {
            id: "acme".into(),
            profile: Some("zulip".into()),
            host: None,
            base_path: Some("/scim".into()),
            kind: Some("okta".into()),
            set: vec!["initial=invited".parse().unwrap()],
        };
        let call = command.call().unwrap();
        assert_eq!((call.verb, call.path.as_str()), (Verb::Post, "/admin/v1/tenants"));
        let body = json!({
            "tenant": "acme", "profile": "zulip", "base_path": "/scim", "kind": "okta", "settings": { "initial": "invited" }
        });
        assert_eq!(call.body, Some(body));
    }

    #[test]
    fn a_new_tenant_is_shown_with_its_token() {
        let answer = json!({ "tenant": "acme", "base_url": "http://h/acme/scim/v2", "token": "mst_x" });
        insta::assert_snapshot!(created(&answer), @r"
        tenant    acme
        base URL  http://h/acme/scim/v2
        token     mst_x
        The token is shown this once: store it now.
        ");
    }

    #[test]
    fn a_tenant_is_shown_whole() {
        let answer = json!({
            "tenant": "acme", "stream": "0190", "base_url": "http://h/acme/scim/v2", "state": "open",
            "reason": null, "mode": "observe", "revision": 12, "settings": { "initial": "active", "host": null },
            "clients": [{ "id": "c1", "name": "default", "kind": "entra", "domain": "c1", "enabled": true,
                "created_at": "2026-11-22T09:00:00.000000Z" }],
            "tokens": [],
        });
        insta::assert_snapshot!(shown(&answer), @r"
        tenant    acme
        stream    0190
        base_url  http://h/acme/scim/v2
        state     open
        reason    -
        mode      observe
        revision  12

        Settings
        host     -
        initial  active

        Clients
        NAME     KIND   ENABLED  CREATED AT                   DOMAIN  ID
        default  entra  true     2026-11-22T09:00:00.000000Z  c1      c1

        Tokens
        nothing
        ");
    }
}
