//! The two servers of the demo: started, watched, asked and stopped.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::free_port;

/// How long a server may take to answer, and to stop.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a condition is looked at again.
const GLANCE: Duration = Duration::from_millis(100);

/// Both servers. Dropped without [`Servers::stop`], they are killed.
pub(crate) struct Servers {
    processes: Vec<Process>,
    muster: Muster,
}

struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// Where Muster is, and how it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Muster {
    binary: PathBuf,
    data: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
    pub(crate) nats_url: String,
}

impl Servers {
    /// Starts both; neither needs to be up yet when this returns.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // This runs as target/<profile>/examples/demo.
        let example = std::env::current_exe().context("where this program is")?;
        let profile = example.ancestors().nth(2).context("this is not run by cargo")?;
        let target = profile.parent().context("this is not run by cargo")?;
        let folder = target.join("demo").join(std::process::id().to_string());
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let nats_address = format!("127.0.0.1:{}", free_port()?);
        let listen = format!("127.0.0.1:{}", free_port()?);
        let muster = Muster {
            binary: profile.join("muster"),
            data: folder.join("data"),
            url: format!("http://{listen}"),
            nats_url: format!("nats://{nats_address}"),
            folder,
        };
        let mut servers = Self { processes: Vec::new(), muster };
        let mut nats = Command::new(root.join(".tools/nats-server"));
        nats.args(["--jetstream", "--addr", "127.0.0.1", "--port"]).arg(port_of(&nats_address));
        nats.arg("--store_dir").arg(servers.muster.folder.join("nats"));
        servers.spawn("nats-server", nats)?;
        let mut serve = Command::new(&servers.muster.binary);
        serve.arg("serve").arg("--data").arg(&servers.muster.data).args(["--listen", &listen]);
        serve.args(["--nats", &servers.muster.nats_url]);
        servers.spawn("muster", serve)?;
        Ok(servers)
    }

    /// Each in a process group of its own, so that Ctrl-C reaches this program alone, which stops them in order.
    fn spawn(&mut self, name: &'static str, mut command: Command) -> anyhow::Result<()> {
        let log = self.muster.folder.join(name).with_extension("log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| {
            format!("cannot start {} (make demo fetches and builds it)", command.get_program().display())
        })?;
        self.processes.push(Process { name, child, log });
        Ok(())
    }

    pub(crate) fn muster(&self) -> Muster {
        self.muster.clone()
    }

    /// Returns as soon as a server ends, which none should.
    pub(crate) async fn watch(&mut self) -> anyhow::Result<()> {
        loop {
            for Process { name, child, log } in &mut self.processes {
                if let Some(status) = child.try_wait()? {
                    bail!("{name} ended with {status}; its last words are in {}", log.display());
                }
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Stops both, Muster first, so that it can still publish.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        while let Some(mut process) = self.processes.pop() {
            process.stop().await?;
        }
        Ok(())
    }
}

impl Process {
    async fn stop(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // The standard library sends SIGKILL only; `kill` is in every shell. A second Ctrl-C must not reach that.
        let pid = self.child.id().to_string();
        Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid]).process_group(0).status()?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} did not stop within {} s and was killed", self.name, PATIENCE.as_secs());
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Nobody can be told any more; a child that is gone already needs nothing.
            drop(self.child.kill().and_then(|()| self.child.wait()));
        }
    }
}

impl Muster {
    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let url = format!("{}/readyz", self.url);
        while let Err(error) = tokio::task::block_in_place(|| ureq::get(&url).call()) {
            if began.elapsed() > PATIENCE {
                bail!("muster is not ready after {} s: {error}", PATIENCE.as_secs());
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    /// Runs one of its commands and gives back the JSON that it prints.
    pub(crate) fn command(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--output", "json", "--data"]).arg(&self.data);
        let done = tokio::task::block_in_place(|| command.output())?;
        if !done.status.success() {
            bail!("muster {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        serde_json::from_slice(&done.stdout)
            .with_context(|| format!("muster {} did not print JSON", arguments.join(" ")))
    }

    /// A command as it can be typed.
    pub(crate) fn command_line(&self, arguments: &str) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let short = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
        format!("{} {arguments} --data {}", short(&self.binary), short(&self.data))
    }
}

fn port_of(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}
