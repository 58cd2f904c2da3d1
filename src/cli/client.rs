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
    /// Switches a client on or off; off, it is refused and loses nothing.
    Update {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Name of the client.
        name: String,
        /// Whether it may work.
        #[arg(long, action = clap::ArgAction::Set)]
        enabled: bool,
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
            Self::Update { tenant, name, enabled } => {
                Call::new(Verb::Patch, admin(tenant, &["clients", name]), View::Text(shown))
                    .with(json!({ "enabled": enabled }))
            }
        }
    }
}

/// The clients in an answer.
pub(super) fn list(answer: &Value) -> Table {
    Table::of(&answer["clients"], &["name", "kind", "enabled", "created_at", "domain", "id"])
}

fn shown(answer: &Value) -> String {
    words::fields(&["id", "name", "kind", "domain", "enabled"].map(|name| (name, &answer[name])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switching_a_client_off_names_it_in_the_path() {
        let command = Command::Update { tenant: "acme".into(), name: "my okta".into(), enabled: false };
        let call = command.call();
        assert_eq!(
            (call.verb, call.path.as_str()),
            (Verb::Patch, "/admin/v1/tenants/acme/clients/my%20okta")
        );
        assert_eq!(call.body, Some(json!({ "enabled": false })));
    }
}
