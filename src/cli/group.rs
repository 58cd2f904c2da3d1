//! `muster group …`: groups made by hand, where an identity provider only links to existing ones.

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::{Call, Verb, View, admin};
use super::words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates an empty group.
    Create {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Display name of the group.
        name: String,
    },
}

impl Command {
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Create { tenant, name } => {
                Call::new(Verb::Post, admin(tenant, &["groups"]), View::Text(shown))
                    .with(json!({ "displayName": name }))
            }
        }
    }
}

fn shown(answer: &Value) -> String {
    words::fields(&["id", "displayName"].map(|name| (name, &answer[name])))
}
