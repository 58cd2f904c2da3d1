//! The two JetStream streams that the outbox publishes to, and the NATS subjects in them (`docs/events.md`).
//!
//! Every event goes to [`Feed::Events`], so that a consumer sees contiguous revisions; what ends or restores
//! somebody's access goes to [`Feed::Deprovisioning`] too. Names and subjects are interfaces: they never change.

/// The names of all JetStream streams of the outbox: a new tenant's positions begin at 0 in each of them.
pub const JETSTREAM_STREAMS: [&str; 2] =
    [Feed::Events.jetstream_stream(), Feed::Deprovisioning.jetstream_stream()];

/// One of the JetStream streams of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Every event.
    Events,
    /// What ends or restores somebody's access.
    Deprovisioning,
}

impl Feed {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Events, Self::Deprovisioning];

    /// The name of the JetStream stream.
    pub const fn jetstream_stream(self) -> &'static str {
        match self {
            Self::Events => "MUSTER_EVENTS",
            Self::Deprovisioning => "MUSTER_DEPROVISIONING",
        }
    }

    /// The subject that the JetStream stream takes in.
    pub const fn subjects(self) -> &'static str {
        match self {
            Self::Events => "muster.v1.*.events.>",
            Self::Deprovisioning => "muster.v1.*.deprovisioning.>",
        }
    }

    /// The subject that all messages of a tenant match.
    pub fn subjects_of(self, tenant: &str) -> String {
        self.subjects().replace('*', tenant)
    }

    /// The subject of a message of a tenant: what stands behind the last dot of [`Feed::subjects`].
    pub(crate) fn subject(self, tenant: &str, end: &str) -> String {
        self.subjects().replace('*', tenant).replace('>', end)
    }
}
