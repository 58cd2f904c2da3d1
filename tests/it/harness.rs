//! The house as tests see it: a real service on a free loopback port, over real files in a folder that vanishes.
//!
//! [`TestService`] runs in this process, so that tests can put a clock and ids of their own in; whatever they
//! ask of it goes over HTTP. [`Nats`] is a real nats-server. A [`Tenant`] knows its base URL and token and
//! speaks SCIM.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use muster::app::{Service, Sources};
use muster::config::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Larger than the largest answer: a group with 100,000 members.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A service that runs.
pub(crate) struct TestService {
    pub(crate) url: String,
    pub(crate) config: Config,
    sources: Sources,
    running: Option<Running>,
    folder: Arc<TempDir>,
}

struct Running {
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
    house: Weak<muster::http::House>,
}

/// A tenant of it.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) base_url: String,
    pub(crate) token: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Asserts the status and hands on the body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Asserts an error with that status, `scimType` and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, scim_type: Option<&str>, code: &str) {
        assert_eq!(
            (self.status, self.body["scimType"].as_str(), self.header("muster-error-code")),
            (status, scim_type, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.body["status"], json!(status.to_string()), "{}", self.text);
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", self.text);
    }
}

impl TestService {
    /// A service on a new folder.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| (), Sources::default()).await
    }

    /// A service on a new folder, with a changed configuration and sources of its own.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config), sources: Sources) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder can be made"));
        let mut config = Config {
            data: folder.path().join("data"),
            listen: "127.0.0.1:0".parse().expect("an address"),
            ..Config::default()
        };
        change(&mut config);
        let mut service = Self { url: String::new(), config, sources, running: None, folder };
        service.resume().await;
        service
    }

    /// Starts again on the same folder.
    pub(crate) async fn resume(&mut self) {
        assert!(self.running.is_none(), "the service runs already");
        let service =
            Service::start(self.config.clone(), self.sources.clone()).await.expect("the service starts");
        self.url = service.url().to_owned();
        let house = Arc::downgrade(service.house());
        let (stop, stopped) = oneshot::channel();
        let served = Handle::current().spawn(service.serve(async move { drop(stopped.await) }));
        self.running = Some(Running { stop, served, house });
    }

    /// Stops in order, as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        let Running { stop, served, .. } = self.running.take().expect("the service runs");
        stop.send(()).expect("the service waits to be stopped");
        served.await.expect("the service does not panic").expect("the service stops in order");
    }

    /// Stops, lets a test do something to the folder, and starts again.
    pub(crate) async fn restarted(&mut self, between: impl FnOnce(&Path)) {
        self.stop().await;
        between(&self.config.data);
        self.resume().await;
    }

    /// Stops, and starts again with a changed configuration.
    pub(crate) async fn reconfigured(&mut self, change: impl FnOnce(&mut Config)) {
        self.stop().await;
        change(&mut self.config);
        self.resume().await;
    }

    /// What handlers work with: for looking inside where HTTP shows nothing.
    pub(crate) fn house(&self) -> Arc<muster::http::House> {
        let running = self.running.as_ref().expect("the service runs");
        running.house.upgrade().expect("the house stands while the service runs")
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.config.data
    }

    /// A folder that vanishes with the service.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of a tenant.
    pub(crate) fn tenant_folder(&self, tenant: &str) -> PathBuf {
        self.config.data.join("tenants").join(tenant)
    }

    /// The operator's token.
    pub(crate) fn operator_token(&self) -> String {
        let text = std::fs::read_to_string(self.config.data.join("operator.token"))
            .expect("the token file is there");
        text.trim().to_owned()
    }

    /// Makes a tenant whose client is of that kind.
    pub(crate) async fn create_tenant(&self, name: &str, kind: &str) -> Tenant {
        self.create_tenant_with(name, json!({"kind": kind})).await
    }

    /// Makes a tenant with more to say.
    pub(crate) async fn create_tenant_with(&self, name: &str, mut body: Value) -> Tenant {
        body["tenant"] = json!(name);
        let made = self.admin("POST", "/admin/v1/tenants", Some(body)).await.expect(201);
        let text = |key: &str| made[key].as_str().expect("the answer is complete").to_owned();
        Tenant { name: name.to_owned(), base_url: text("base_url"), token: text("token") }
    }

    /// A request of the operator.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let authorization = format!("Bearer {}", self.operator_token());
        let headers = vec![("Authorization".to_owned(), authorization)];
        send(method, &format!("{}{path}", self.url), headers, body.map(|body| body.to_string().into_bytes()))
            .await
    }
}

impl Tenant {
    /// A SCIM request below the base URL.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send_with(method, path, &[], body.map(|body| body.to_string().into_bytes())).await
    }

    /// A SCIM request with headers and a body of any bytes.
    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let mut all = vec![("Authorization".to_owned(), format!("Bearer {}", self.token))];
        if body.is_some() {
            all.push(("Content-Type".to_owned(), "application/scim+json".to_owned()));
        }
        for (name, value) in headers {
            all.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        send(method, &format!("{}{path}", self.base_url), all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(body)).await
    }

    /// PATCH with these operations.
    pub(crate) async fn patch(&self, path: &str, operations: Value) -> Answer {
        let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]);
        self.send("PATCH", path, Some(json!({"schemas": schemas, "Operations": operations}))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// Makes a user and answers its id.
    pub(crate) async fn user(&self, user_name: &str) -> String {
        let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
        let made =
            self.post("/Users", json!({"schemas": schemas, "userName": user_name, "active": true})).await;
        id_of(&made.expect(201))
    }

    /// Makes a group with these members and answers its id.
    pub(crate) async fn group(&self, display_name: &str, members: &[&str]) -> String {
        let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]);
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"schemas": schemas, "displayName": display_name, "members": members});
        id_of(&self.post("/Groups", body).await.expect(201))
    }
}

/// The id of a resource.
#[track_caller]
pub(crate) fn id_of(resource: &Value) -> String {
    resource["id"].as_str().expect("a resource has an id").to_owned()
}

/// Sends one request on a thread of its own (the client blocks).
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
) -> Answer {
    let (method, url) = (method.to_owned(), url.to_owned());
    tokio::task::spawn_blocking(move || send_now(&method, &url, &headers, body))
        .await
        .expect("the client does not panic")
}

fn send_now(method: &str, url: &str, headers: &[(String, String)], body: Option<Vec<u8>>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut answer = match body {
        Some(body) => agent.run(request.body(body).expect("a request")),
        None => agent.run(request.body(()).expect("a request")),
    }
    .unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let headers = answer.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let headers: Vec<_> = headers.collect();
    let text =
        answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().expect("an answer's body");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: answer.status().as_u16(), headers, body, text }
}

/// A real nats-server with JetStream on a free loopback port; ended with the value.
pub(crate) struct Nats {
    child: Option<Child>,
    pub(crate) port: u16,
    store: PathBuf,
    /// Lines that go into its configuration file.
    pub(crate) settings: String,
    /// Lines of its `jetstream` block.
    pub(crate) jetstream: String,
    _folder: TempDir,
}

impl Nats {
    /// A server on an empty store.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// A server with more lines in its configuration.
    pub(crate) async fn start_with(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let port = free_port();
        let store = folder.path().join("store");
        let mut nats = Self {
            child: None,
            port,
            store,
            settings: settings.to_owned(),
            jetstream: String::new(),
            _folder: folder,
        };
        nats.resume().await;
        nats
    }

    /// Where it keeps its streams.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        assert!(sent.expect("there is a kill command").success());
    }

    /// Lets none of its files become longer than that, as if its disk were full.
    pub(crate) fn limit_files(&self, bytes: u64) {
        let child = self.child.as_ref().expect("the server runs");
        let pid = child.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(limited.expect("there is prlimit, of util-linux").success());
    }

    /// The URL for `--nats`.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be ended");
            child.wait().expect("the server has ended");
        }
    }

    /// Starts it again on the same store and port.
    pub(crate) async fn resume(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let config = self.store.with_extension("conf");
        let text = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{\nstore_dir: \"{}\"\n{}\n}}\n{}\n",
            self.port,
            self.store.display(),
            self.jetstream,
            self.settings
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/nats-server");
        let child = Command::new(&program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} cannot be started ({error}); run `make tools`", program.display())
            });
        self.child = Some(child);
        let address = format!("127.0.0.1:{}", self.port);
        let began = std::time::Instant::now();
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "nats-server does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A client's connection.
    pub(crate) async fn connect(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.expect("nats-server can be reached")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Asks until the answer is `Some`, or gives up naming what it waited for.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "gave up waiting for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
