//! `muster outbox …`: how far publishing to NATS is, and how it goes on where it had to ask.

use std::str::FromStr;

use clap::Subcommand;
use serde_json::{Value, json};

use super::call::{Call, Verb, View, admin, path};
use super::table::Table;
use super::words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows how far each tenant's events have reached the broker.
    Status,
    /// Lets a tenant's publishing go on from a revision.
    Resume {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Revision after which to publish, `start` for all events, or `head` for new ones only.
        #[arg(long, value_name = "REVISION|head|start")]
        from: Place,
    },
}

impl Command {
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Status => Call::new(Verb::Get, path(&["admin", "v1", "outbox"]), View::Rows(status)),
            Self::Resume { tenant, from } => {
                Call::new(Verb::Post, admin(tenant, &["outbox", "resume"]), View::Text(resumed))
                    .with(json!({ "from": from.0 }))
            }
        }
    }
}

/// Where publishing goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place(Value);

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "head" | "start" => Ok(Self(json!(text))),
            _ => text
                .parse::<u64>()
                .map(|revision| Self(json!(revision)))
                .map_err(|_| "expected a revision, `head` or `start`"),
        }
    }
}

fn status(answer: &Value) -> Table {
    let rows = answer["tenants"].as_array().into_iter().flatten().flat_map(|tenant| {
        tenant["streams"].as_array().into_iter().flatten().map(|stream| {
            let mut row = stream.clone();
            row["tenant"] = tenant["tenant"].clone();
            row
        })
    });
    let nats = match (&answer["nats"]["configured"], &answer["nats"]["connected"]) {
        (Value::Bool(false), _) => "no NATS server is configured",
        (_, Value::Bool(true)) => "NATS is connected",
        _ => "NATS is not connected",
    };
    let columns = &["tenant", "stream", "revision", "sequence", "lag_events", "state", "reason"];
    Table::of(&rows.collect(), columns).summary(nats.to_owned())
}

fn resumed(answer: &Value) -> String {
    let tenant = words::value(&answer["tenant"]);
    if tenant == words::ABSENT {
        "publishing goes on\n".to_owned()
    } else {
        format!("publishing of {tenant} goes on\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_of_every_tenant_has_a_row() {
        let answer = json!({
            "nats": { "configured": true, "connected": true },
            "tenants": [{ "tenant": "acme", "streams": [
                { "stream": "MUSTER_EVENTS", "revision": 12, "sequence": 30, "lag_events": 0, "state": "live",
                  "reason": null },
                { "stream": "MUSTER_DEPROVISIONING", "revision": 9, "sequence": 2, "lag_events": 3,
                  "state": "waiting", "reason": "the broker is away" },
            ] }],
        });
        insta::assert_snapshot!(status(&answer).to_text(), @r"
        TENANT  STREAM                 REVISION  SEQUENCE  LAG EVENTS  STATE    REASON
        acme    MUSTER_EVENTS          12        30        0           live     -
        acme    MUSTER_DEPROVISIONING  9         2         3           waiting  the broker is away

        NATS is connected
        ");
    }

    #[test]
    fn publishing_goes_on_from_a_revision_or_an_end() {
        assert_eq!("head".parse(), Ok(Place(json!("head"))));
        assert_eq!("42".parse(), Ok(Place(json!(42))));
        assert!("-1".parse::<Place>().is_err());
        assert!("tail".parse::<Place>().is_err());
    }
}
