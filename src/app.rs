//! The composition root: builds the house from its configuration, and shuts it down in order.
//!
//! Shutting down: not ready, stop accepting, finish what runs, stop followers and outbox, exit. Only this file
//! knows which log backend, which clock and which source of ids run.

use std::convert::Infallible;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use fs4::fs_std::FileExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};

use crate::as_of::Orders;
use crate::clock::{Clock, IdSource, RandomIds, SystemClock};
use crate::config::Config;
use crate::directories::Directories;
use crate::directory::{Shared, make_private_folder};
use crate::event_log::LogSource;
use crate::event_log::sqlite::SqliteLogs;
use crate::expiry;
use crate::http::rates::Rates;
use crate::http::{self, House};
use crate::index::Index;
use crate::outbox::Outbox;
use crate::randomness::{Randomness, SystemRandomness};
use crate::request_log::{self, RequestLog};
use crate::room::{self, Reserve};
use crate::sealing::{MasterKey, TextSeal};
use crate::silence::Silence;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How long tasks may take to stop after the last request was answered.
const TASKS_PATIENCE: Duration = Duration::from_secs(4);

/// How long closing all files may take then.
const FILES_PATIENCE: Duration = Duration::from_secs(2);

/// The lock of a data folder: held by the process that serves it, its text is the URL it listens on.
#[derive(Debug)]
pub struct DataLock {
    file: fs::File,
}

impl DataLock {
    /// Takes the lock; fails if another process holds it.
    pub fn take(data: &Path) -> anyhow::Result<Self> {
        make_private_folder(data)
            .with_context(|| format!("data folder {} cannot be made", data.display()))?;
        let path = data.join("lock");
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("{} cannot be opened", path.display()))?;
        if !file.try_lock_exclusive().with_context(|| format!("{} cannot be locked", path.display()))? {
            bail!(
                "data folder {} is in use by another process; one process serves one folder",
                data.display()
            );
        }
        let mut lock = Self { file };
        if lock.file.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            lock.blank().with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(lock)
    }

    /// Nobody is told where an earlier process listened; and the block that the text will need is taken, so that a
    /// disk which becomes full meanwhile does not matter.
    fn blank(&mut self) -> std::io::Result<()> {
        self.write("\n")
    }

    /// Writes where the service listens, and the certificate that it shows.
    fn tell(&mut self, url: &str, certificate: Option<&Path>) -> std::io::Result<()> {
        match certificate {
            Some(path) => self.write(&format!("{url}\n{}\n", path.canonicalize()?.display())),
            None => self.write(&format!("{url}\n")),
        }
    }

    /// In place: a file that is emptied first may find no room again.
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)?;
        self.file.sync_all()
    }
}

/// What the house takes from the operating system, so that tests can put their own in its place.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn IdSource>,
    /// Gives random bytes for keys, salts, nonces and tokens.
    pub randomness: Arc<dyn Randomness>,
    /// Opens the tenants' logs.
    pub logs: Arc<dyn LogSource>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds::default()),
            randomness: Arc::new(SystemRandomness),
            logs: Arc::new(SqliteLogs),
        }
    }
}

/// Opens the tenants of a data folder.
pub async fn open_directories(
    data: &Path,
    master_key_file: Option<&Path>,
    tasks: Arc<Tasks>,
    sources: Sources,
) -> anyhow::Result<Arc<Directories>> {
    let keys = data.join("keys");
    make_private_folder(&keys).with_context(|| format!("{} cannot be made", keys.display()))?;
    let master = match master_key_file {
        Some(path) => MasterKey::load(path),
        None => MasterKey::load_or_create(&keys.join("master.key"), sources.randomness.as_ref()),
    }
    .context("master key")?;
    let shared = Arc::new(Shared {
        clock: sources.clock,
        ids: sources.ids,
        randomness: sources.randomness,
        logs: sources.logs,
        master,
        index: Index::default(),
        tasks,
        known: Arc::default(),
        writers: Semaphore::new(writer_threads()),
        metrics: Arc::new(Metrics::new()),
    });
    Ok(Directories::open(shared, data.to_owned()).await?)
}

/// How many tenants write at the same time: writers mostly wait for the disk.
fn writer_threads() -> usize {
    const WRITERS_PER_CORE: usize = 8;
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get) * WRITERS_PER_CORE
}

/// How many searches run at the same time: half of the cores, so that none of them delays a point read for long.
fn search_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Serves until SIGTERM or SIGINT, then stops in order.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        // Unhandled, it ends the process: beyond a limit of its size (`ulimit -f`) a file is as good as full.
        let _too_large = signal(SignalKind::from_raw(libc::SIGXFSZ)).context("SIGXFSZ")?;
        let data = config.data.clone();
        let service =
            Service::start(config, Sources::default()).await.map_err(|error| match room::missing(&data) {
                Some(why) => error.context(format!("{why}, and start again")),
                None => error,
            })?;
        let told_to_stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        service.serve(told_to_stop).await
    })
}

/// A service that runs.
pub struct Service {
    house: Arc<House>,
    server: actix_web::dev::Server,
    tasks: Arc<Tasks>,
    url: String,
    /// Ends when nobody holds the house any more.
    files_closed: oneshot::Receiver<Infallible>,
    /// Held as long as the folder is served.
    lock: DataLock,
}

impl Service {
    /// Takes the data folder, opens every tenant, starts the outbox and listens. The server answers while
    /// somebody awaits it or [`Service::serve`].
    pub async fn start(mut config: Config, sources: Sources) -> anyhow::Result<Self> {
        let mut lock = DataLock::take(&config.data)?;
        let tls = config.tls().map(|(cert, key)| tls_config(cert, key)).transpose()?;
        let tasks = Arc::new(Tasks::new(tokio::runtime::Handle::current())?);
        let data = config.data.clone();
        let reserve = tasks.block(move || Reserve::at_start(&data)).await;
        lock.blank().context("lock file")?;
        let master_key_file = config.master_key_file.as_deref();
        let directories =
            open_directories(&config.data, master_key_file, Arc::clone(&tasks), sources).await?;
        let metrics = Arc::clone(&directories.shared().metrics);
        let outbox = config.nats.as_ref().map(|servers| {
            let (outbox, handle) = Outbox::new(servers, &config.outbox, Arc::clone(&directories));
            tasks.spawn(outbox.run(tasks.stopping()));
            handle
        });
        let clock = Arc::clone(&directories.shared().clock);
        let silence = Arc::new(Silence::new(&config.silence, clock.now()));
        tasks.spawn(Arc::clone(&silence).watch(Arc::clone(&directories), tasks.stopping()));
        tasks.spawn(expiry::watch(Arc::clone(&directories), tasks.stopping()));
        tasks.spawn(reserve.watch(Arc::clone(&tasks)));
        let (request_log, writer) = RequestLog::prepare(&config.request_log, clock, Arc::clone(&metrics));
        request_log.start(writer).context("writer of the request log")?;
        let request_log = Arc::new(request_log);
        let pruning = request_log::prune_regularly(
            Arc::clone(&directories),
            Arc::downgrade(&request_log),
            tasks.stopping(),
        );
        tasks.spawn(pruning);
        let listener = TcpListener::bind(config.listen)
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        config.listen = listener.local_addr().context("address of the listener")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", config.listen);
        let certificate = config.tls().map(|(cert, _)| cert.to_owned());
        let (closed, files_closed) = oneshot::channel();
        let ready = AtomicBool::new(true);
        let searches = Arc::new(Semaphore::new(search_threads()));
        let orders = Orders::new(config.limits.sorted_resources_max);
        let seal = TextSeal::new(&directories.shared().master);
        let house = Arc::new(House {
            directories,
            config,
            outbox,
            request_log,
            silence,
            metrics,
            searches,
            orders,
            seal,
            rates: Rates::default(),
            ready,
            closed,
        });
        let server = http::server(Arc::clone(&house), listener, tls).context("HTTP server")?;
        lock.tell(&format!("{scheme}://{}", reachable(house.config.listen)), certificate.as_deref())
            .context("lock file")?;
        tracing::info!(url, "muster listens on {url}");
        Ok(Self { house, server, tasks, url, files_closed, lock })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What handlers work with.
    pub fn house(&self) -> &Arc<House> {
        &self.house
    }

    /// Serves until `stop` completes, then stops in order.
    pub async fn serve(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            ended = &mut self.server => ended.context("HTTP server")?,
            () = stop => {}
        }
        self.stop().await
    }

    async fn stop(self) -> anyhow::Result<()> {
        let Self { house, server, tasks, files_closed, lock, .. } = self;
        house.ready.store(false, Ordering::Release);
        tracing::info!("muster stops: no new connections, running requests are finished");
        let handle = server.handle();
        let (ended, ()) = tokio::join!(server, handle.stop(true));
        ended.context("HTTP server")?;
        tasks.shut_down(TASKS_PATIENCE).await;
        let log = Arc::clone(&house.request_log);
        if tokio::time::timeout(FILES_PATIENCE, tokio::task::spawn_blocking(move || log.stop()))
            .await
            .is_err()
        {
            tracing::warn!("the request log is still being written; what it lacks is lost");
        }
        // The server's threads let go of the house a moment after it has ended. Files that are closed are whole:
        // nothing of them lies in a write-ahead log.
        drop(house);
        if tokio::time::timeout(FILES_PATIENCE, files_closed).await.is_err() {
            tracing::warn!("files are still in use; what they lack is in their write-ahead logs");
        }
        drop(lock);
        tracing::info!("muster has stopped");
        Ok(())
    }
}

/// The address by which commands on the same machine reach a listener: one on all addresses is on loopback too.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let loopback = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(loopback, listen.port())
}

fn tls_config(cert: &Path, key: &Path) -> anyhow::Result<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("certificate {} cannot be read", cert.display()))?;
    let key =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("key {} cannot be read", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .context("certificate and key do not fit")
}
