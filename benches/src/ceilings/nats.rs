//! A nats-server of our own, and bare publishing to it with as many messages in flight as the outbox has.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::jetstream;

use crate::server::{Process, free_address, wait};

/// As many as the outbox has in flight.
const IN_FLIGHT: usize = 256;

/// A running server, on a store that outlives it.
pub(crate) struct Broker {
    process: Option<Process>,
    pub(crate) address: SocketAddr,
    folder: PathBuf,
}

impl Broker {
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut broker = Self { process: None, address: free_address()?, folder: folder.to_owned() };
        broker.resume()?;
        Ok(broker)
    }

    /// Starts it again on the same store.
    pub(crate) fn resume(&mut self) -> anyhow::Result<()> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(".tools").join("nats-server");
        if !tools.is_file() {
            bail!("{} is not there; `make tools` fetches it", tools.display());
        }
        let mut command = Command::new(tools);
        command.args(["--jetstream", "--addr", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.arg("--store_dir").arg(self.folder.join("nats"));
        let mut process = Process::start(command, &self.folder.join("nats.log"))?;
        wait(&mut process, || std::net::TcpStream::connect(self.address).is_ok())?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it; its store stays.
    pub(crate) fn pause(&mut self) -> anyhow::Result<()> {
        self.process.take().map_or(Ok(()), Process::stop)
    }
}

/// Publishes messages of a size for a while; answers how many were acknowledged a second.
pub(crate) fn publish_per_second(broker: &Broker, bytes: usize, time: Duration) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = async_nats::connect(broker.address.to_string()).await.context("connecting to NATS")?;
        let context = jetstream::new(client);
        let stream = jetstream::stream::Config {
            name: "BENCH".to_owned(),
            subjects: vec!["bench.>".to_owned()],
            ..jetstream::stream::Config::default()
        };
        context.get_or_create_stream(stream).await.context("making a JetStream stream")?;
        let message = async_nats::jetstream::message::PublishMessage::build;
        let payload = vec![b'x'; bytes];
        let began = Instant::now();
        let (mut sent, mut acknowledged) = (0_u64, 0_u64);
        let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
        while began.elapsed() < time {
            if in_flight.len() >= IN_FLIGHT {
                let oldest: jetstream::context::PublishAckFuture =
                    in_flight.pop_front().context("a message")?;
                oldest.await.context("an acknowledgement")?;
                acknowledged += 1;
            }
            let message =
                message().payload(payload.clone().into()).message_id(format!("{:p}:{sent}", &began));
            in_flight.push_back(context.send_publish("bench.events", message).await.context("publishing")?);
            sent += 1;
        }
        let rate = acknowledged as f64 / began.elapsed().as_secs_f64();
        for rest in in_flight {
            rest.await.context("an acknowledgement")?;
        }
        context.delete_stream("BENCH").await.context("deleting a JetStream stream")?;
        Ok(rate)
    })
}
