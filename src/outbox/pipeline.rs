//! Messages in flight: each says with which sequence and with which message it expects the JetStream stream to end.
//!
//! A message that is lost makes the broker refuse all behind it, so that order holds without waiting for each
//! answer. The sequence alone would not do: a message of somebody else in the place of a lost one would make all
//! behind it fit again, and the lost one would stay out for ever (docs/decisions/0014). Every answer is awaited, in
//! the order of sending, and must name the predicted sequence; after anything else the caller sends nothing more
//! until [`Pipeline::next`] has nothing left, or the connection is another one ([`Pipeline::abandon`]).

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use provisioning::{Revision, StreamId};

use super::jetstream::{Broker, Expected, Refusal, acknowledged};
use super::message::Message;

/// How many messages may be unanswered at a time.
const IN_FLIGHT_MAX: usize = 256;

/// What became of a message, or of a stretch of the log that had none.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whose it was.
    pub(super) stream: StreamId,
    /// Needs nothing more, unless the outcome is a failure.
    pub(super) revision: Revision,
    pub(super) outcome: Outcome,
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing had to be sent.
    Passed,
    /// Stored as predicted.
    Stored(u64),
    /// Not stored, or not surely, or not where it should be.
    Failed(Refusal),
    /// Sent behind one that failed. Whatever became of it, only the broker can tell.
    Void,
}

/// What is in flight.
pub(super) struct Pipeline {
    broker: Broker,
    answers: FuturesOrdered<BoxFuture<'static, Answer>>,
    /// A message has failed since the beginning.
    broken: bool,
    /// The last sequence that the broker has told of.
    confirmed: u64,
    /// The last sequence when everything in flight is stored.
    predicted: u64,
    /// The `Nats-Msg-Id` of the message that was sent last.
    last_id: String,
}

impl Pipeline {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            broker,
            answers: FuturesOrdered::new(),
            broken: false,
            confirmed: 0,
            predicted: 0,
            last_id: String::new(),
        }
    }

    /// Begins behind the last sequence of the JetStream stream. Nothing is in flight.
    pub(super) fn begin(&mut self, last_sequence: u64) {
        self.broken = false;
        self.confirmed = last_sequence;
        self.predicted = last_sequence;
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    pub(super) fn is_full(&self) -> bool {
        self.answers.len() >= IN_FLIGHT_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, stream: StreamId, message: Message) -> Result<(), Refusal> {
        let (revision, id) = (message.revision, message.id.clone());
        let in_flight = self.predicted > self.confirmed;
        let expected =
            Expected { last_sequence: self.predicted, last_id: in_flight.then_some(self.last_id.as_str()) };
        let answer = self.broker.send(message, expected).await?;
        self.last_id = id;
        self.predicted += 1;
        let predicted = self.predicted;
        self.answers.push_back(Box::pin(async move {
            let outcome = match acknowledged(answer).await {
                Ok(sequence) if sequence == predicted => Outcome::Stored(sequence),
                Ok(sequence) => {
                    Outcome::Failed(Refusal::Unclear(format!("stored as {sequence} instead of {predicted}")))
                }
                Err(refusal) => Outcome::Failed(refusal),
            };
            Answer { stream, revision, outcome }
        }));
        Ok(())
    }

    /// Notes that everything up to a revision has been sent: what is behind the last message had none.
    pub(super) fn pass(&mut self, stream: StreamId, revision: Revision) {
        self.answers
            .push_back(Box::pin(async move { Answer { stream, revision, outcome: Outcome::Passed } }));
    }

    /// The next answer, in the order of sending; `None` when nothing is in flight.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        let mut answer = self.answers.next().await?;
        if self.broken {
            answer.outcome = Outcome::Void;
        }
        match answer.outcome {
            Outcome::Stored(sequence) => self.confirmed = sequence,
            Outcome::Failed(_) => self.broken = true,
            Outcome::Passed | Outcome::Void => {}
        }
        Some(answer)
    }

    /// Awaits no answer any more. A message that is on its way still does no harm: it says what it expects.
    pub(super) fn abandon(&mut self) {
        self.answers = FuturesOrdered::new();
    }
}
