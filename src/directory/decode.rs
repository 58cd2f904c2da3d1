//! From stored bytes to a recorded event: header, payload, digest.

use provisioning::{Event, Header, Opened, Recorded};

use crate::event_log::StoredEvent;
use crate::sealing::{KeyError, KeyStore, OpenedPayload};

/// Why a stored event cannot be taken in. Whoever meets one halts the tenant: nothing is skipped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The key store failed; trying again may help.
    #[error("revision {revision}: {reason}")]
    Unavailable {
        /// Where.
        revision: u64,
        /// What failed.
        reason: String,
    },
    /// The event is of an unknown type, malformed, in the wrong place, or its payload does not fit.
    #[error("revision {revision}: {reason}")]
    Broken {
        /// Where.
        revision: u64,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a stored event's header and checks that it stands where it says.
pub fn header(stored: &StoredEvent) -> Result<Header, DecodeError> {
    let broken = |reason: String| DecodeError::Broken { revision: stored.revision.0, reason };
    let header = Header::from_bytes(&stored.header).map_err(|error| broken(error.to_string()))?;
    if header.revision != stored.revision {
        return Err(broken(format!("the header says revision {}", header.revision)));
    }
    Ok(header)
}

/// Opens a stored event's payload and checks its digest; `None` if the event has none.
pub fn payload(
    keys: &KeyStore,
    stored: &StoredEvent,
    header: &Header,
) -> Result<Option<OpenedPayload>, DecodeError> {
    let revision = stored.revision.0;
    let broken = |reason: String| DecodeError::Broken { revision, reason };
    match (&stored.payload, &header.payload) {
        (None, None) => Ok(None),
        (Some(payload), Some(digest)) => {
            keys.open_payload(header.key, header.id, payload, digest).map(Some).map_err(|error| match error {
                KeyError::Unavailable(reason) => DecodeError::Unavailable { revision, reason },
                KeyError::Corrupt(reason) => broken(reason),
            })
        }
        (Some(_), None) | (None, Some(_)) => {
            Err(broken("header and payload disagree on whether there is a payload".into()))
        }
    }
}

/// Opens a stored event of the stream that the keys belong to.
pub fn recorded(keys: &KeyStore, stored: &StoredEvent) -> Result<Recorded, DecodeError> {
    opened(keys, stored, header(stored)?)
}

/// The same with its header, which was read already.
pub fn opened(keys: &KeyStore, stored: &StoredEvent, header: Header) -> Result<Recorded, DecodeError> {
    let broken = |reason: String| DecodeError::Broken { revision: header.revision.0, reason };
    if header.stream != keys.stream() {
        return Err(broken(format!("the header says stream {}", header.stream)));
    }
    let bytes = match payload(keys, stored, &header)? {
        None => None,
        Some(OpenedPayload::Bytes(bytes)) => Some(bytes),
        Some(OpenedPayload::Erased) => return Ok(Recorded { header, event: Opened::Erased }),
    };
    let event = Event::read(&header, bytes.as_deref()).map_err(|error| broken(error.to_string()))?;
    Ok(Recorded { header, event: Opened::Event(event) })
}
