//! Why nothing goes out: every reason with its code and its sentence (`docs/errors.md`).
//!
//! A sentence that a person has to act on ends in what to do, with the exact command where there is one. None
//! names anything but tenants, revisions, JetStream streams and what NATS says.

use std::fmt;
use std::time::Duration;

use provisioning::Revision;
use serde::Serialize;

use crate::feed::Feed;

/// Whether messages go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// They do, as soon as there are any.
    Live,
    /// Not now; goes on when what it waits for is there.
    Waiting,
    /// A person has to do something.
    Halted,
    /// Nothing is to go out: the tenant observes.
    Observing,
}

/// Why nothing goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Anything but `Live`.
    pub(super) state: State,
    /// Stable code.
    pub(super) code: &'static str,
    /// One sentence; never a personal value.
    pub(super) detail: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

fn waiting(code: &'static str, detail: impl Into<String>) -> Trouble {
    Trouble { state: State::Waiting, code, detail: detail.into() }
}

fn halted(code: &'static str, detail: impl Into<String>) -> Trouble {
    Trouble { state: State::Halted, code, detail: detail.into() }
}

/// Nothing was asked of the broker yet.
pub(super) fn beginning() -> Trouble {
    waiting("outbox_beginning", "the broker has not been asked about this tenant yet")
}

/// The tenant is not to be published.
pub(super) fn observing(tenant: &str) -> Trouble {
    Trouble {
        state: State::Observing,
        code: "tenant_observes",
        detail: format!(
            "nothing of this tenant is published until `muster tenant update {tenant} --set mode=live`; see `muster \
             observe report --tenant {tenant}` first"
        ),
    }
}

/// There is no connection.
pub(super) fn not_connected(complaint: Option<String>) -> Trouble {
    let why = complaint.map_or_else(String::new, |complaint| format!(" ({complaint})"));
    waiting("nats_unavailable", format!("NATS cannot be reached{why}"))
}

/// A defect has ended the publisher.
pub(super) fn panicked(feed: Feed) -> Trouble {
    let name = feed.jetstream_stream();
    halted(
        "publisher_panicked",
        format!(
            "a defect of the service has ended publishing to {name}: restart it, and report the log's line"
        ),
    )
}

/// There is a connection, and no good answer.
pub(super) fn unavailable(error: &dyn std::error::Error) -> Trouble {
    waiting("nats_unavailable", format!("NATS does not answer as it should ({error}); it is tried again"))
}

/// The configuration cannot be used.
pub(super) fn misconfigured(key: &str, error: &std::io::Error) -> Trouble {
    halted("nats_misconfigured", format!("`{key}` cannot be used ({error}): mend the configuration"))
}

/// The JetStream stream is missing and cannot be made.
pub(super) fn stream_refused(feed: Feed, error: &dyn std::error::Error) -> Trouble {
    let name = feed.jetstream_stream();
    halted(
        "jetstream_stream_refused",
        format!("NATS refuses to make the JetStream stream {name} ({error}): mend that, or make the stream"),
    )
}

/// The JetStream stream is not as it must be.
pub(super) fn stream_differs(feed: Feed, wrong: &str) -> Trouble {
    let name = feed.jetstream_stream();
    halted(
        "jetstream_stream_differs",
        format!(
            "the JetStream stream {name} exists and {wrong}: alter it, or remove it and let Muster make it"
        ),
    )
}

/// A message was not taken in, or not as predicted.
pub(super) fn refused(feed: Feed, reason: &str) -> Trouble {
    let name = feed.jetstream_stream();
    waiting(
        "jetstream_refused",
        format!("{name} did not take in a message as expected ({reason}); it is tried again"),
    )
}

/// The directory answers nothing any more.
pub(super) fn tenant_halted(reason: String) -> Trouble {
    halted("tenant_halted", reason)
}

/// The tenant's log, history or operations file cannot be read now.
pub(super) fn files_unreadable(reason: String) -> Trouble {
    waiting("outbox_files_unreadable", reason)
}

/// The broker does not forget a message that it does not hold any more.
pub(super) fn message_known(feed: Feed, revision: Revision, duplicate_window: Duration) -> Trouble {
    let name = feed.jetstream_stream();
    waiting(
        "outbox_message_known",
        format!(
            "{name} had a message of revision {revision} not long ago and takes in none until it forgets that: its \
             duplicate_window is {duplicate_window:?}"
        ),
    )
}

/// A message does not fit.
pub(super) fn message_too_large(feed: Feed, tenant: &str, revision: Revision) -> Trouble {
    let name = feed.jetstream_stream();
    waiting(
        "outbox_message_too_large",
        format!(
            "the message of revision {revision} is larger than NATS allows, and is tried again: raise max_payload of \
             the server or max_msg_size of {name}, or leave it out for ever with `muster outbox resume --tenant \
             {tenant} --from {revision}`"
        ),
    )
}

/// What was published is not in the log.
pub(super) fn ahead_of_log(feed: Feed, tenant: &str, revision: Revision, head: Revision) -> Trouble {
    let name = feed.jetstream_stream();
    halted(
        "outbox_ahead_of_log",
        format!(
            "revision {revision} was published to {name}, and the log, which ends at {head}, does not have that \
             event: put back the newer log, or go on with `muster outbox resume --tenant {tenant} --from \
             REVISION|head|start`"
        ),
    )
}

/// Nobody knows where to go on.
pub(super) fn position_unknown(feed: Feed, tenant: &str) -> Trouble {
    let name = feed.jetstream_stream();
    waiting(
        "outbox_position_unknown",
        format!(
            "neither operations.db nor the broker knows how far publishing to {name} had come: say so with \
             `muster outbox resume --tenant {tenant} --from REVISION|head|start`"
        ),
    )
}
