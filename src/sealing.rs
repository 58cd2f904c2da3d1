//! Data keys and sealed payloads (`docs/events.md`, section "Payload").
//!
//! Each subject has a data key, drawn from a pool that was made durable ahead of use. Keys lie in `keys.db`
//! wrapped by the tenant key, which is derived (HKDF-SHA-256) from the master key and the tenant's stored
//! random salt. Destroying a key makes salt and value of every payload under it unreadable for ever; the
//! digest in the header stays. Nothing here knows what a payload means.

mod error;
mod key_store;
mod master_key;
mod payload;
mod secret;
mod side_file;
mod text_seal;

pub use error::KeyError;
pub use key_store::{KeyStore, POOL_HIGH, POOL_LOW};
pub use master_key::MasterKey;
pub use payload::{OpenedPayload, SealedPayload};
pub use side_file::{Fingerprint, Fingerprints, SideFileKey};
pub use text_seal::TextSeal;
