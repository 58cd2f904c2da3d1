//! The real binary as a process of its own, which can be killed, and a client that does not mind.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, free_port};

/// How often a starting service is asked whether it is ready.
const ASKED_EVERY: Duration = Duration::from_millis(1);

/// A folder that is served again and again, always at the same address.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    port: u16,
    /// Limits that a shell sets before it becomes the service: `ulimit -f 4096`.
    pub(crate) limits: Option<String>,
    /// More arguments of `serve`.
    pub(crate) arguments: Vec<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            port: free_port(),
            limits: None,
            arguments: Vec::new(),
        }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the service wrote to stderr, over all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Starts the service without waiting for it.
    pub(crate) fn spawn(&self) -> Running {
        let binary = env!("CARGO_BIN_EXE_muster");
        let mut command = match &self.limits {
            None => Command::new(binary),
            Some(limits) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), binary]);
                shell
            }
        };
        let stderr = File::options().create(true).append(true).open(self.folder.path().join("stderr"));
        command
            .args(["serve", "--log-level", "warn", "--listen", &format!("127.0.0.1:{}", self.port), "--data"])
            .arg(self.data())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr.expect("the log can be written"))
            .process_group(0);
        let began = Instant::now();
        let child = command.spawn().expect("the binary was built with the tests");
        let url = format!("http://127.0.0.1:{}", self.port);
        Running { child, url, began, ready_after: Duration::ZERO }
    }

    /// Starts the service and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self) -> Running {
        let mut running = self.spawn();
        if let Err(status) = running.wait_until_ready() {
            panic!("the service does not start ({status}):\n{}", self.log());
        }
        running
    }

    /// The operator's token.
    pub(crate) fn operator(&self) -> String {
        let text = fs::read_to_string(self.data().join("operator.token")).expect("the token file is there");
        text.trim().to_owned()
    }
}

/// A service that runs, until it is killed or dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
    began: Instant,
    /// From exec to the first 200 of `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// `Err` if the process ends instead.
    pub(crate) fn wait_until_ready(&mut self) -> Result<(), ExitStatus> {
        let probe = Client::new(&self.url, "");
        loop {
            if probe.send("GET", "/readyz", None, &[]).is_some_and(|answer| answer.status == 200) {
                self.ready_after = self.began.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Err(status);
            }
            assert!(self.began.elapsed() < PATIENCE, "the service is not ready");
            thread::park_timeout(ASKED_EVERY);
        }
    }

    /// Takes the limit of the size of files away (`ulimit -S -f` in [`Place::limits`]), as if a disk had room again.
    pub(crate) fn lift_limits(&self) {
        let pid = self.child.id().to_string();
        let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
        assert!(lifted.expect("there is prlimit, of util-linux").success());
    }

    /// Stops in order, as SIGTERM does.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("there is a kill command").success());
        let ended = self.child.wait().expect("a child can be waited for");
        assert!(ended.success(), "{ended}");
    }

    /// How it ended by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Either fails only if the process has ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// An answer that came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The stable code of a failure, in SCIM's header or in the body of the other interfaces.
    pub(crate) code: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

/// A client with a kept connection, to whom a dead service is nothing special. Blocks.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Client {
    pub(crate) fn new(base: &str, token: &str) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        Self { agent, base: base.to_owned(), token: token.to_owned() }
    }

    /// `None` if no whole answer came: then nobody knows what happened.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Option<Reply> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/scim+json");
                self.agent.run(request.body(body.to_string()).expect("a request"))
            }
            None => self.agent.run(request.body(()).expect("a request")),
        };
        let mut answer = answer.ok()?;
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string().ok()?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let code = header("muster-error-code").or_else(|| body["error"]["code"].as_str().map(str::to_owned));
        Some(Reply { status: answer.status().as_u16(), code, retry_after: header("retry-after"), body })
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let reply = self.send("GET", path, None, &[]).expect("the service answers");
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    }

    /// Makes a tenant.
    #[track_caller]
    pub(crate) fn create_tenant(&self, name: &str) -> Client {
        self.create_tenant_with(name, &json!({}))
    }

    /// Makes a tenant with these settings.
    #[track_caller]
    pub(crate) fn create_tenant_with(&self, name: &str, settings: &Value) -> Client {
        let body = json!({"tenant": name, "settings": settings});
        let reply = self.send("POST", "/admin/v1/tenants", Some(&body), &[]);
        let reply = reply.expect("the service answers");
        assert_eq!(reply.status, 201, "{}", reply.body);
        let text = |key: &str| reply.body[key].as_str().expect("the answer is complete").to_owned();
        Client::new(&text("base_url"), &text("token"))
    }
}
