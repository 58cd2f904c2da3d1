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

/// Opens a stored event.
pub fn recorded(keys: &KeyStore, stored: &StoredEvent) -> Result<Recorded, DecodeError> {
    let header = header(stored)?;
    let revision = header.revision.0;
    let broken = |reason: String| DecodeError::Broken { revision, reason };
    let event = match (&stored.payload, &header.payload) {
        (None, None) => Opened::Event(Event::read(&header, None).map_err(|e| broken(e.to_string()))?),
        (Some(payload), Some(digest)) => match keys.open_payload(header.key, header.id, payload, digest) {
            Ok(OpenedPayload::Bytes(bytes)) => {
                Opened::Event(Event::read(&header, Some(&bytes)).map_err(|e| broken(e.to_string()))?)
            }
            Ok(OpenedPayload::Erased) => Opened::Erased,
            Err(KeyError::Unavailable(reason)) => {
                return Err(DecodeError::Unavailable { revision, reason });
            }
            Err(KeyError::Corrupt(reason)) => return Err(broken(reason)),
        },
        (Some(_), None) | (None, Some(_)) => {
            return Err(broken("header and payload disagree on whether there is a payload".into()));
        }
    };
    Ok(Recorded { header, event })
}
