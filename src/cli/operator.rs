//! `muster operator …`: the people who run the service.

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::{Call, Verb, View, path};
use super::table::Table;
use super::token::SHOWN_ONCE;
use super::words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Adds an operator with a token.
    Create {
        /// Name of the operator.
        name: String,
    },
    /// Lists the operators, revoked ones too.
    List,
    /// Ends an operator's token at once.
    Revoke {
        /// Name of the operator.
        name: String,
    },
}

impl Command {
    pub(super) fn call(&self) -> Call {
        let operators = ["admin", "v1", "operators"];
        match self {
            Self::Create { name } => {
                Call::new(Verb::Post, path(&operators), View::Text(created)).with(json!({ "name": name }))
            }
            Self::List => Call::new(Verb::Get, path(&operators), View::Rows(list)),
            Self::Revoke { name } => {
                Call::new(Verb::Delete, path(&[&operators[..], &[name]].concat()), View::Text(revoked))
            }
        }
    }
}

fn created(answer: &Value) -> String {
    words::fields(&["id", "name", "token"].map(|name| (name, &answer[name]))) + SHOWN_ONCE
}

fn list(answer: &Value) -> Table {
    Table::of(&answer["operators"], &["name", "created_at", "revoked_at", "id"])
}

fn revoked(answer: &Value) -> String {
    format!("operator {} is revoked\n", words::value(&answer["id"]))
}
