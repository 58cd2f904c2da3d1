//! Events for the tests of what the directory keeps in memory.

use provisioning::recorded::{Actor, Txn, Via};
use provisioning::{
    EventId, EventType, Header, Opened, Recorded, Revision, StreamId, Subject, Timestamp, TxnId,
};
use uuid::Uuid;

/// An event about a subject; nothing else of it matters.
pub(super) fn recorded(revision: u64, subject: Subject) -> Recorded {
    let header = Header {
        v: Header::FORMAT,
        stream: StreamId(Uuid::nil()),
        revision: Revision(revision),
        id: EventId(Uuid::nil()),
        event_type: EventType::UserUpdated,
        format: 1,
        subject,
        attributes: Vec::new(),
        active: None,
        received_at: None,
        recorded_at: Timestamp(0),
        actor: Actor::SYSTEM,
        via: Via::System,
        request: None,
        txn: Txn { id: TxnId(Uuid::nil()), n: 1, of: 1 },
        cause: None,
        key: None,
        payload: None,
    };
    Recorded { header, event: Opened::Erased }
}
