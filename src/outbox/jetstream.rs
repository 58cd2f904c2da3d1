//! The broker as the outbox needs it: one JetStream stream, what it holds of a tenant, and publishing to it.
//!
//! A missing stream is made; one that exists is never altered, whatever it looks like. Everything that publishing
//! is decided by is read from the stream's leader: another replica may be behind.

use std::time::Duration;

use async_nats::jetstream::context::{
    ContextBuilder, CreateStreamErrorKind, GetStreamErrorKind, PublishAckFuture, PublishError,
    PublishErrorKind,
};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RawMessageError, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, header};
use provisioning::{EventId, Revision, StreamId, Timestamp};
use serde::Deserialize;

use super::message::{CONTENT_TYPE, Message, message_id};
use super::trouble::{self, Trouble, unavailable};
use crate::feed::Feed;

/// How long an answer of the broker is awaited: long enough for a stream that elects a new leader.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// For how long the broker knows a message by its `Nats-Msg-Id`.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// What a JetStream stream looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prepared {
    /// When it was made, in nanoseconds: tells a new stream from an old one of the same name.
    pub(super) created: i128,
    /// Its last sequence; also that of messages that are not there any more.
    pub(super) last_sequence: u64,
    /// For how long it knows a message by its `Nats-Msg-Id`.
    pub(super) duplicate_window: Duration,
}

/// A message that the stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Where.
    pub(super) sequence: u64,
    /// Of which tenant's stream and revision it is, if its `Nats-Msg-Id` is one of ours.
    pub(super) about: Option<(StreamId, Revision)>,
    /// The event that its body names.
    pub(super) event: Option<EventId>,
    /// When the broker took it in.
    pub(super) at: Timestamp,
}

impl Held {
    /// The revision, if the message is one of that tenant's stream.
    pub(super) fn revision_of(&self, stream: StreamId) -> Option<Revision> {
        self.about.filter(|(about, _)| *about == stream).map(|(_, revision)| revision)
    }
}

/// What the stream must end with for a message to be taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// Its last sequence.
    pub(super) last_sequence: u64,
    /// The `Nats-Msg-Id` of its last message, if that is one which is still in flight.
    pub(super) last_id: Option<&'a str>,
}

/// Why a message was not, or not surely, taken in.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server or the stream takes in no message of that size.
    TooLarge,
    /// The broker has had a message with this `Nats-Msg-Id` not long ago, whether it still holds it or not.
    Known,
    /// The stream does not end as expected: somebody else published, or a message before this one was lost.
    Outrun(String),
    /// The broker's answer, or that there was none.
    Unclear(String),
}

/// One JetStream stream.
#[derive(Debug, Clone)]
pub(super) struct Broker {
    feed: Feed,
    replicas: usize,
    context: jetstream::Context,
}

impl Broker {
    pub(super) fn new(client: Client, feed: Feed, replicas: usize) -> Self {
        Self {
            feed,
            replicas,
            context: {
                let context = ContextBuilder::new().timeout(ANSWER_WAIT_MAX).ack_timeout(ANSWER_WAIT_MAX);
                context.build(client)
            },
        }
    }

    /// Makes the stream if it is missing and looks whether it is as it must be.
    pub(super) async fn prepare(&self) -> Result<Prepared, Trouble> {
        let found = match self.context.get_stream(self.feed.jetstream_stream()).await {
            Ok(found) => found,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(refused)
                    if refused.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    self.create().await?
                }
                _ => return Err(unavailable(&error)),
            },
        };
        let info = found.cached_info();
        self.check(&info.config)?;
        Ok(Prepared {
            created: info.created.unix_timestamp_nanos(),
            last_sequence: info.state.last_sequence,
            duplicate_window: info.config.duplicate_window,
        })
    }

    async fn create(&self) -> Result<Stream, Trouble> {
        let name = self.feed.jetstream_stream();
        let config = Config {
            name: name.to_owned(),
            subjects: vec![self.feed.subjects().to_owned()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            num_replicas: self.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            ..Config::default()
        };
        let created = self.context.create_stream(config).await.map_err(|error| match error.kind() {
            CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::JetStreamUnavailable => {
                unavailable(&error)
            }
            _ => trouble::stream_refused(self.feed, &error),
        })?;
        tracing::info!(jetstream = name, "JetStream stream {name} made");
        Ok(created)
    }

    fn check(&self, config: &Config) -> Result<(), Trouble> {
        let subjects = self.feed.subjects();
        let wrong = if config.subjects != [subjects] {
            format!("its subjects must be {subjects} alone")
        } else if config.discard != DiscardPolicy::New {
            "its discard policy must be new, lest it drops messages silently".to_owned()
        } else if config.retention != RetentionPolicy::Limits {
            "its retention must be limits, lest it drops messages that one consumer has seen".to_owned()
        } else if config.max_messages_per_subject > 0 {
            "it must not limit messages for each subject, lest it drops older ones silently".to_owned()
        } else if config.subject_transform.is_some() {
            "it must not transform subjects".to_owned()
        } else if config.no_ack {
            "it must acknowledge messages".to_owned()
        } else {
            return Ok(());
        };
        Err(trouble::stream_differs(self.feed, &wrong))
    }

    /// Sends a message, which the broker takes in only behind what is expected. The answer is still to be awaited.
    pub(super) async fn send(
        &self,
        message: Message,
        expected: Expected<'_>,
    ) -> Result<PublishAckFuture, Refusal> {
        let mut publish = PublishMessage::build()
            .message_id(&message.id)
            .expected_stream(self.feed.jetstream_stream())
            .expected_last_sequence(expected.last_sequence)
            .header("Content-Type", CONTENT_TYPE)
            .header("Muster-Subject", message.muster_subject.as_str())
            .payload(message.body.into());
        if let Some(last_id) = expected.last_id {
            publish = publish.expected_last_message_id(last_id);
        }
        self.context.send_publish(message.subject, publish).await.map_err(|error| refusal(&error))
    }

    /// The last message that the stream holds of a tenant, whoever published it.
    pub(super) async fn last_of(&self, tenant: &str) -> Result<Option<Held>, Trouble> {
        let subjects = self.feed.subjects_of(tenant);
        held(self.stream().await?.raw_message_builder().last_by_subject(subjects).send().await)
    }

    /// The first message of a tenant at or behind `sequence`.
    pub(super) async fn next_of(&self, tenant: &str, sequence: u64) -> Result<Option<Held>, Trouble> {
        let subjects = self.feed.subjects_of(tenant);
        held(
            self.stream()
                .await?
                .raw_message_builder()
                .sequence(sequence)
                .next_by_subject(subjects)
                .send()
                .await,
        )
    }

    /// The message with that sequence, whosever it is.
    pub(super) async fn at(&self, sequence: u64) -> Result<Option<Held>, Trouble> {
        held(self.stream().await?.raw_message_builder().sequence(sequence).send().await)
    }

    /// Asks the broker for nothing.
    async fn stream(&self) -> Result<Stream<()>, Trouble> {
        self.context
            .get_stream_no_info(self.feed.jetstream_stream())
            .await
            .map_err(|error| unavailable(&error))
    }
}

/// Awaits the broker's answer to a message: the sequence, if the message was stored now and not earlier.
pub(super) async fn acknowledged(answer: PublishAckFuture) -> Result<u64, Refusal> {
    match answer.await {
        Ok(PublishAck { duplicate: true, .. }) => Err(Refusal::Known),
        Ok(ack) => Ok(ack.sequence),
        Err(error) => Err(refusal(&error)),
    }
}

fn refusal(error: &PublishError) -> Refusal {
    let code = std::error::Error::source(error).and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), code.map(jetstream::Error::error_code)) {
        (PublishErrorKind::MaxPayloadExceeded, _)
        | (PublishErrorKind::Other, Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)) => Refusal::TooLarge,
        (PublishErrorKind::WrongLastSequence | PublishErrorKind::WrongLastMessageId, _) => {
            Refusal::Outrun(error.to_string())
        }
        _ => Refusal::Unclear(error.to_string()),
    }
}

fn held(answer: Result<StreamMessage, RawMessageError>) -> Result<Option<Held>, Trouble> {
    /// The one member of a body that is looked at.
    #[derive(Deserialize)]
    struct Body {
        id: EventId,
    }
    let message = match answer {
        Ok(message) => message,
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(error) => return Err(unavailable(&error)),
    };
    let about = message.headers.get(header::NATS_MESSAGE_ID).and_then(|id| about(id.as_str()));
    let micros = i64::try_from(message.time.unix_timestamp_nanos() / 1_000).unwrap_or_default();
    Ok(Some(Held {
        sequence: message.sequence,
        about,
        event: serde_json::from_slice(&message.payload).ok().map(|Body { id }| id),
        at: Timestamp(micros),
    }))
}

/// The tenant's stream and the revision that a `Nats-Msg-Id` names, if it is one that we make: revisions begin at 1.
fn about(id: &str) -> Option<(StreamId, Revision)> {
    let (stream, revision) = id.split_once(':')?;
    let (stream, revision) = (StreamId::parse(stream)?, Revision(revision.parse().ok()?));
    (revision > Revision::ZERO && message_id(stream, revision) == id).then_some((stream, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_we_make_are_ours() {
        let stream = "01a20297-4dc0-7a01-8000-000000000a01";
        assert_eq!(about(&format!("{stream}:12")), Some((StreamId::parse(stream).unwrap(), Revision(12))));
        for id in ["0", "-1", "+12", "012", "12 ", "", "x", "12:1"] {
            assert_eq!(about(&format!("{stream}:{id}")), None, "{id}");
        }
        assert_eq!(about(stream), None);
    }
}
