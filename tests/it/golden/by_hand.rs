//! The stored bytes of a stream, checked against the words of the event format with nothing of the service's:
//! primitives of cryptography, SQLite and a JSON parser.

use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use muster::directory::Directory;
use provisioning::Revision;
use rusqlite::{Connection, OpenFlags};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The fields of a header in the order of section 2.
const FIELDS: [&str; 18] = [
    "v",
    "stream",
    "revision",
    "id",
    "type",
    "format",
    "subject",
    "attributes",
    "active",
    "received_at",
    "recorded_at",
    "actor",
    "via",
    "request",
    "txn",
    "cause",
    "key",
    "payload",
];

/// Types whose payload is plain (section 3).
const PLAIN: [&str; 6] = [
    "group.members_added",
    "group.members_removed",
    "client.silent",
    "client.heard",
    "deprovisioning.published",
    "clock.adjusted",
];

/// Types without a payload.
const WITHOUT: [&str; 3] = ["token.revoked", "tenant.closed", "operator.revoked"];

/// Every event of a stream: header, digest, seal and Merkle root.
pub(super) fn check_stream(folder: &Path, data: &Path, directory: &Directory) {
    let keys = Keys::open(folder, data);
    let log = read_only(&folder.join("log.db"));
    let mut leaves = Vec::new();
    for (event, revision) in super::events(directory).iter().zip(1_u64..) {
        let row: (String, String, Option<Vec<u8>>, Vec<u8>) = log
            .query_row(
                "SELECT id, header, payload, hashes FROM events WHERE revision = ?1",
                [revision.cast_signed()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .unwrap();
        let header: Value = serde_json::from_str(&row.1).unwrap();
        assert_eq!((row.1.as_bytes(), &row.2), (event.header.as_slice(), &event.payload));
        assert_eq!((&header["id"], &header["revision"]), (&json!(row.0), &json!(revision)));
        check_header(&row.1, &header);
        check_payload(&keys, &header, row.2.as_deref());
        leaves.push(Sha256::digest([&[0], row.1.as_bytes()].concat()).into());
        assert_eq!(row.3[..32], leaves[leaves.len() - 1], "the leaf lies beside the event");
        assert_eq!(directory.log().root_at(Revision(revision)).unwrap(), tree_head(&leaves));
    }
}

/// RFC 6962 section 2.1, over hashes of leaves.
fn tree_head(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::digest([&[1], &tree_head(left)[..], &tree_head(right)].concat()).into()
        }
    }
}

/// Sections 1 and 2: fields, order, spelling, no white space.
fn check_header(text: &str, header: &Value) {
    let Order(fields) = serde_json::from_str(text).unwrap();
    assert_eq!(fields, FIELDS);
    let part = |name: &str| text.split_once(&format!("\"{name}\":")).unwrap().1;
    assert!(part("actor").starts_with("{\"kind\":\"") && part("txn").starts_with("{\"id\":\""), "{text}");
    assert_eq!(text.len(), header.to_string().len(), "the same members in another order: {text}");
    assert_eq!((&header["v"], &header["format"]), (&json!(1), &json!(1)));
    for time in ["received_at", "recorded_at"].iter().filter_map(|name| header[name].as_str()) {
        assert_eq!((time.len(), &time[19..20], &time[26..]), (27, ".", "Z"), "{time}");
    }
    let event_type = header["type"].as_str().unwrap();
    assert_eq!(header["active"].is_null(), !event_type.starts_with("user."), "{text}");
    assert_eq!(header["received_at"].is_null(), header["via"] == "system", "{text}");
    let attributes: Vec<&str> =
        header["attributes"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(attributes.is_sorted(), "{attributes:?}");
}

/// Section 3.
fn check_payload(keys: &Keys, header: &Value, stored: Option<&[u8]>) {
    let event_type = header["type"].as_str().unwrap();
    let Some(stored) = stored else {
        assert!(WITHOUT.contains(&event_type), "{event_type}");
        assert_eq!((&header["key"], &header["payload"]), (&Value::Null, &Value::Null));
        return;
    };
    let salted = match stored[0] {
        0 => stored[1..].to_vec(),
        _ => keys.open_payload(header, stored),
    };
    assert_eq!(stored[0] == 0, PLAIN.contains(&event_type), "{event_type}");
    assert_eq!(stored[0] == 0, header["key"].is_null());
    assert_eq!(header["payload"], format!("sha256:{}", hex::encode(Sha256::digest(&salted))));
    let payload: Value = serde_json::from_slice(&salted[16..]).unwrap();
    assert!(payload.is_object(), "a payload is an object with named members");
    assert_eq!(payload.to_string().len(), salted.len() - 16, "no white space");
}

/// The data keys of a stream, unwrapped from `keys.db` with the master key's file.
struct Keys {
    file: Connection,
    stream: [u8; 16],
    tenant_key: [u8; 32],
}

impl Keys {
    fn open(folder: &Path, data: &Path) -> Self {
        let file = read_only(&folder.join("keys.db"));
        let (stream, salt): (String, Vec<u8>) = file
            .query_row("SELECT stream, salt FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let stream = *uuid::Uuid::parse_str(&stream).unwrap().as_bytes();
        let master = std::fs::read_to_string(data.join("keys/master.key")).unwrap();
        let mut tenant_key = [0; 32];
        Hkdf::<Sha256>::new(Some(&salt), &hex::decode(master.trim()).unwrap())
            .expand(&[&b"muster tenant key v1"[..], &stream].concat(), &mut tenant_key)
            .unwrap();
        Self { file, stream, tenant_key }
    }

    /// Salt and payload of a sealed event.
    fn open_payload(&self, header: &Value, stored: &[u8]) -> Vec<u8> {
        assert_eq!(stored[0], 1);
        let number = header["key"].as_u64().unwrap();
        let wrapped: Vec<u8> = self
            .file
            .query_row("SELECT wrapped FROM keys WHERE number = ?1", [number.cast_signed()], |row| row.get(0))
            .unwrap();
        let bound_to = [&b"muster data key v1"[..], &self.stream, &number.to_be_bytes()].concat();
        let key: [u8; 32] = decrypt(&self.tenant_key, &wrapped, &bound_to).try_into().unwrap();
        let event = uuid::Uuid::parse_str(header["id"].as_str().unwrap()).unwrap();
        decrypt(&key, &stored[1..], event.as_bytes())
    }
}

fn decrypt(key: &[u8; 32], encrypted: &[u8], associated: &[u8]) -> Vec<u8> {
    let (nonce, sealed) = encrypted.split_first_chunk::<24>().unwrap();
    XChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: associated })
        .expect("the bytes open under this key")
}

fn read_only(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The names of an object's members in the order in which they stand.
struct Order(Vec<String>);

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Order;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Order, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Order(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
