//! The real binary as a process of its own: started, asked, watched from outside, stopped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::http::Connection;

/// How long a process may take to be ready, and to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(1);
/// What `/proc` counts processor time in.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that is killed when nobody needs it any more.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program whose output goes to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log).context("a log file")?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child =
            command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    /// Fails if it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.0.try_wait()? {
            Some(status) => bail!("a server ended with {status}"),
            None => Ok(()),
        }
    }

    /// Asks it to stop and waits.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        // The standard library sends SIGKILL only.
        Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &self.0.id().to_string()]).status()?;
        let began = Instant::now();
        while self.0.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                bail!("a server does not stop");
            }
            std::thread::park_timeout(GLANCE);
        }
        Ok(())
    }

    /// Processor time that it used so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let behind_name = stat.rsplit_once(')').context("/proc/PID/stat")?.1;
        let field =
            |index| behind_name.split_whitespace().nth(index).and_then(|text| text.parse::<f64>().ok());
        let ticks = field(11).zip(field(12)).map(|(user, system)| user + system).context("/proc/PID/stat")?;
        Ok(ticks / TICKS_PER_SECOND * 1e6)
    }

    /// A line of `/proc/PID/status` in bytes: `VmHWM` is the most memory it ever had, `RssAnon` what it has of its own.
    pub(crate) fn memory(&self, line: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
        let kib = found.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kib.context("/proc/PID/status")? * 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// A port that nobody uses.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until something is true of a running server.
pub(crate) fn wait(process: &mut Process, mut until: impl FnMut() -> bool) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while !until() {
        process.check()?;
        if began.elapsed() > PATIENCE {
            bail!("a server is not ready");
        }
        std::thread::park_timeout(GLANCE);
    }
    Ok(began.elapsed())
}

/// A program that cargo built beside this one.
pub(crate) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where this program is")?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!("{} is not there; `make bench` builds it", path.display());
    }
    Ok(path)
}

/// A running Muster.
pub(crate) struct Muster {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    /// From exec to the first 200 of `/readyz`.
    pub(crate) ready_after: Duration,
    operator: String,
}

/// Where a tenant is, and how it lets a client in.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) token: String,
}

impl Muster {
    /// Starts on a data folder and waits until it is ready.
    pub(crate) fn start(data: &Path, nats: Option<SocketAddr>) -> anyhow::Result<Self> {
        Self::start_with(data, nats, None)
    }

    /// Starts with what a configuration file says instead of the defaults.
    pub(crate) fn start_with(
        data: &Path,
        nats: Option<SocketAddr>,
        config: Option<&Path>,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(data)?;
        let address = free_address()?;
        let mut command = Command::new(sibling("muster")?);
        command.arg("serve").arg("--data").arg(data).args(["--listen", &address.to_string()]);
        if let Some(nats) = nats {
            command.args(["--nats", &format!("nats://{nats}")]);
        }
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        let began = Instant::now();
        let mut process = Process::start(command, &data.with_extension("log"))?;
        let probe = request(address, "GET", "/readyz", "", None);
        wait(&mut process, || exchange(address, &probe).is_ok_and(|(status, _)| status == 200))?;
        let ready_after = began.elapsed();
        let operator = fs::read_to_string(data.join("operator.token")).context("the operator's token")?;
        Ok(Self {
            process,
            address,
            data: data.to_owned(),
            ready_after,
            operator: operator.trim().to_owned(),
        })
    }

    /// Sends one request as the operator.
    pub(crate) fn operate(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(Value::to_string);
        let request = request(self.address, method, path, &self.operator, body.as_deref());
        let (status, answer) = exchange(self.address, &request)?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} answered {status}: {answer}");
        }
        Ok(serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// Makes a tenant.
    pub(crate) fn tenant(&self, name: &str) -> anyhow::Result<Tenant> {
        let made = self.operate("POST", "/admin/v1/tenants", Some(&json!({"tenant": name})))?;
        let token = made["token"].as_str().context("a tenant's token")?.to_owned();
        Ok(Tenant { name: name.to_owned(), token })
    }

    /// The sum of a metric's lines that begin so.
    pub(crate) fn metric(&self, begin: &str) -> anyhow::Result<f64> {
        let (_, text) = exchange(self.address, &request(self.address, "GET", "/metrics", "", None))?;
        let values = text.lines().filter(|line| line.starts_with(begin));
        Ok(values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    /// A file of a tenant.
    pub(crate) fn file(&self, tenant: &str, name: &str) -> PathBuf {
        self.data.join("tenants").join(tenant).join(name)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

/// The bytes of a request.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&str>,
) -> Vec<u8> {
    let body = body.unwrap_or_default();
    let access = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let content = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench/1\r\n{access}{content}\r\n{body}"
    )
    .into_bytes()
}

/// One request on a connection of its own.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> anyhow::Result<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address).await?;
        let answer = connection.exchange(request).await?;
        Ok((answer.status, String::from_utf8_lossy(answer.body).into_owned()))
    })
}
