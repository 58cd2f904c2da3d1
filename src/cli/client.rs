//! `muster client …`: the connections of identity providers.

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::{Call, Verb, View, admin, object};
use super::table::Table;
use super::words;

/// The identity providers that have a kind of their own, and `generic` for the rest.
pub(super) const KINDS: [&str; 4] = ["generic", "okta", "entra", "onelogin"];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Adds a client; it gets no token yet.
    Create {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Name of the client.
        name: String,
        /// Identity provider behind it.
        #[arg(long, value_parser = KINDS)]
        kind: Option<String>,
        /// Client whose external ids it takes over.
        #[arg(long, value_name = "CLIENT")]
        replaces: Option<String>,
    },
    /// Lists the clients of a tenant.
    List {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// Switches a client on or off (off, it is refused and loses nothing), or bounds its requests.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Update {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Name of the client.
        name: String,
        /// Whether it may work.
        #[arg(long, group = "change")]
        enabled: Option<bool>,
        /// How many requests a second it may make, a whole number; `off` for any number.
        #[arg(long, value_name = "N", group = "change", value_parser = rate)]
        requests_per_second: Option<Rate>,
    },
}

impl Command {
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Create { tenant, name, kind, replaces } => {
                let body = object([
                    ("name", Some(json!(name))),
                    ("kind", kind.as_ref().map(|kind| json!(kind))),
                    ("replaces", replaces.as_ref().map(|client| json!(client))),
                ]);
                Call::new(Verb::Post, admin(tenant, &["clients"]), View::Text(shown)).with(body)
            }
            Self::List { tenant } => Call::new(Verb::Get, admin(tenant, &["clients"]), View::Rows(list)),
            Self::Update { tenant, name, enabled, requests_per_second } => {
                let body = object([
                    ("enabled", enabled.map(|enabled| json!(enabled))),
                    ("requests_per_second", requests_per_second.map(|Rate(rate)| json!(rate))),
                ]);
                Call::new(Verb::Patch, admin(tenant, &["clients", name]), View::Text(shown)).with(body)
            }
        }
    }
}

/// How many requests a second, or any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate(Option<u32>);

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "off" => Ok(Rate(None)),
        number => {
            number.parse().map(|rate| Rate(Some(rate))).map_err(|_| "it is a whole number, or off".to_owned())
        }
    }
}

/// The clients in an answer.
pub(super) fn list(answer: &Value) -> Table {
    Table::of(&answer["clients"], &["name", "kind", "enabled", "created_at", "domain", "id"])
}

fn shown(answer: &Value) -> String {
    words::fields(
        &["id", "name", "kind", "domain", "enabled", "requests_per_second"].map(|name| (name, &answer[name])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switching_a_client_off_names_it_in_the_path() {
        let command = Command::Update {
            tenant: "acme".into(),
            name: "my okta".into(),
            enabled: Some(false),
            requests_per_second: None,
        };
        let call = command.call();
        assert_eq!(
            (call.verb, call.path.as_str()),
            (Verb::Patch, "/admin/v1/tenants/acme/clients/my%20okta")
        );
        assert_eq!(call.body, Some(json!({ "enabled": false })));
    }

    #[test]
    fn a_bound_is_a_number_or_off() {
        assert_eq!((rate("25"), rate("off")), (Ok(Rate(Some(25))), Ok(Rate(None))));
        assert!(rate("-1").is_err() && rate("many").is_err());
    }
}
