//! `docs/events.md`: every example is read with the service's own types, and written again as the same bytes.

use muster::outbox::message::{self, Fact, Message};
use provisioning::event::stored::Protection;
use provisioning::{Event, EventType, Header};
use sha2::{Digest as _, Sha256};

use super::pages::{Block, Page};

/// The salt of every example.
const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn page() -> Page {
    Page::read("docs/events.md")
}

/// The example of a type: its header and its payload, if the type has one.
#[track_caller]
fn example(event_type: EventType) -> (Header, Event) {
    let name = event_type.as_str();
    let blocks = Page::blocks(&page().section(name));
    let of = |info: &str| blocks.iter().find(|block| block.info == info).map(|block| block.text.as_bytes());
    let bytes = of("json header").unwrap_or_else(|| panic!("{name} has no example of a header"));
    let header = Header::from_bytes(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(String::from_utf8(header.to_bytes()).unwrap(), String::from_utf8_lossy(bytes), "{name}");
    let payload = of("json payload");
    let event = Event::read(&header, payload).unwrap_or_else(|error| panic!("{name}: {error}"));
    let written = event.payload();
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(text(written.as_deref()), text(payload), "{name}");
    let digest = payload.map(|payload| {
        let digest = Sha256::new().chain_update(SALT).chain_update(payload).finalize();
        format!("sha256:{}", hex::encode(digest))
    });
    assert_eq!(header.payload, digest, "{name}");
    (header, event)
}

#[test]
fn every_event_type_has_a_catalogue_entry_that_is_what_would_be_stored() {
    let headings = page().headings(3);
    for event_type in EventType::ALL {
        let name = event_type.as_str();
        assert!(headings.iter().any(|heading| heading == name), "{name} has no heading");
        let (header, event) = example(*event_type);
        assert_eq!((header.event_type, event.event_type()), (*event_type, *event_type));
        assert_eq!(header.key.is_some(), event_type.protection() == Protection::Sealed, "{name}");
        assert_eq!(header.active.is_some(), event_type.family() == "user", "{name}");
    }
    let unknown = headings.iter().filter(|heading| heading.contains('.'));
    let unknown: Vec<_> = unknown.filter(|heading| EventType::parse(heading).is_none()).collect();
    assert!(unknown.is_empty(), "no such event types: {unknown:?}");
}

#[test]
fn the_catalogue_says_how_each_payload_is_protected() {
    let rows = page().table_after("## Catalogue");
    assert_eq!(rows.len(), EventType::ALL.len());
    for row in rows {
        let name = row[0].split('`').nth(1).unwrap_or_default().to_owned();
        let event_type = EventType::parse(&name).unwrap_or_else(|| panic!("{name} is no event type"));
        let said = match event_type.protection() {
            Protection::Plain => "plain",
            Protection::Sealed => "sealed",
            Protection::None => "none",
        };
        assert!(row[2].starts_with(said), "{name} is {said}, the catalogue says {}", row[2]);
    }
}

#[test]
fn every_message_in_the_examples_is_what_would_be_published() {
    let blocks = Page::blocks(page().text());
    let messages: Vec<(&Block, &str)> =
        blocks.iter().filter_map(|block| Some((block, block.info.strip_prefix("json message ")?))).collect();
    assert!(messages.len() >= 6, "{} examples of messages only", messages.len());
    for (block, about) in messages {
        let message = published(about);
        assert_eq!(String::from_utf8(message.body).unwrap(), block.text, "{about}");
        let headers = format!(
            "subject: {}\nNats-Msg-Id: {}\nContent-Type: {}\nMuster-Subject: {}",
            message.subject,
            message.id,
            message::CONTENT_TYPE,
            message.muster_subject
        );
        let shown = blocks.iter().find(|block| block.info == format!("text headers {about}"));
        assert_eq!(shown.map(|block| block.text.as_str()), Some(headers.as_str()), "{about}");
    }
}

/// The message about an example's event, named `<JetStream stream> <type>`.
fn published(about: &str) -> Message {
    let (stream, name) = about.split_once(' ').expect("a stream and a type");
    let (header, event) = example(EventType::parse(name).expect("an event type"));
    match stream {
        "MUSTER_EVENTS" => message::event("acme", &header),
        "MUSTER_DEPROVISIONING" => {
            let members = match event {
                Event::GroupMembersAdded(members) | Event::GroupMembersRemoved(members) => members.members,
                _ => Vec::new(),
            };
            let nobody_regained = |_: &Fact| Ok::<_, std::convert::Infallible>(Vec::new());
            let messages = message::deprovisioning("acme", &[Fact { header, members }], nobody_regained);
            let mut messages = messages.expect("asking about nobody does not fail");
            assert_eq!(messages.len(), 1, "{about}");
            messages.remove(0)
        }
        other => panic!("{other} is no JetStream stream of ours"),
    }
}
