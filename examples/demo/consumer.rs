//! A system downstream of Muster: a JetStream consumer that prints what it is told.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::{Config, Stream};
use futures_util::StreamExt as _;
use serde_json::Value;

/// Where Muster says that somebody lost access, or regained it.
const STREAM: &str = "MUSTER_DEPROVISIONING";
/// How long Muster may take to connect and to make the stream.
const PATIENCE: Duration = Duration::from_secs(15);

/// The messages about one tenant.
pub(crate) struct Messages(Stream);

/// Subscribes as any consumer would: by subject, from the beginning.
pub(crate) async fn subscribe(nats_url: &str, tenant: &str) -> anyhow::Result<Messages> {
    let client = async_nats::connect(nats_url).await.context("cannot connect to NATS")?;
    let context = jetstream::new(client);
    let began = Instant::now();
    let stream = loop {
        match context.get_stream(STREAM).await {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > PATIENCE => bail!("there is no stream {STREAM}: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let filter_subject = format!("muster.v1.{tenant}.deprovisioning.>");
    println!("A consumer of {STREAM} listens to {filter_subject}.");
    let consumer = stream.create_consumer(Config { filter_subject, ..Config::default() }).await?;
    Ok(Messages(consumer.messages().await?))
}

impl Messages {
    /// Prints and acknowledges each message as it comes.
    pub(crate) async fn print(&mut self) -> anyhow::Result<()> {
        while let Some(message) = self.0.next().await {
            let message = message.context("the subscription broke")?;
            println!("{}", described(&message.subject, &message.payload));
            message.ack().await.map_err(anyhow::Error::from_boxed)?;
        }
        bail!("the subscription ended")
    }
}

/// The subject, and what a consumer would act on.
fn described(subject: &str, payload: &[u8]) -> String {
    let event: Value = serde_json::from_slice(payload).unwrap_or_default();
    let data = &event["data"];
    let facts = [
        ("reason", &data["reason"]),
        ("was_active", &data["was_active"]),
        ("groups", &data["groups"]),
        ("members", &data["members"]),
        ("revision", &event["revision"]),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_null());
    let facts: Vec<String> = facts.map(|(name, value)| format!("{name} {value}")).collect();
    format!(
        "     >> NATS {subject}\n        {}\n        {}",
        event["type"].as_str().unwrap_or("without a type"),
        facts.join(", ")
    )
}
