//! A consumer outside our house: reads a JetStream stream from its start, as a customer's program would.
//!
//! It knows NATS and CloudEvents and nothing of Muster's own code.

use async_nats::jetstream::{self, consumer};
use futures_util::StreamExt as _;
use serde_json::Value;

/// What messages of the intruder begin with: nobody expects them to mean anything.
pub(super) const FOREIGN: &str = "foreign";

/// A message as it was delivered.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) sequence: u64,
    pub(super) subject: String,
    /// `Nats-Msg-Id`.
    pub(super) id: String,
    /// `Muster-Subject`.
    pub(super) about: String,
    pub(super) body: Value,
}

impl Heard {
    pub(super) fn tenant(&self) -> &str {
        self.subject.split('.').nth(2).unwrap_or_default()
    }

    pub(super) fn revision(&self) -> u64 {
        self.body["revision"].as_u64().unwrap_or_default()
    }
}

/// Everything that a stream holds but what the intruder left there. Nothing, if the stream is not there.
pub(super) async fn read(context: &jetstream::Context, stream: &str) -> Vec<Heard> {
    let Ok(stream) = context.get_stream(stream).await else { return Vec::new() };
    let mut heard = Vec::new();
    if stream.cached_info().state.messages == 0 {
        return heard;
    }
    let from_the_start = consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(from_the_start).await.expect("a consumer can be made");
    let mut messages = consumer.messages().await.expect("messages are delivered");
    while let Some(message) = messages.next().await {
        let message = message.expect("a message");
        let info = message.info().expect("a message of JetStream");
        let (sequence, pending) = (info.stream_sequence, info.pending);
        if !message.payload.starts_with(FOREIGN.as_bytes()) {
            let headers = message.headers.clone().unwrap_or_default();
            let header = |name: &str| headers.get(name).map(ToString::to_string).unwrap_or_default();
            heard.push(Heard {
                sequence,
                subject: message.subject.to_string(),
                id: header("Nats-Msg-Id"),
                about: header("Muster-Subject"),
                body: serde_json::from_slice(&message.payload).unwrap_or_default(),
            });
        }
        if pending == 0 {
            break;
        }
    }
    heard
}
