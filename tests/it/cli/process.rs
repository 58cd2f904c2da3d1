//! The process itself: usage, configuration, signals, TLS.

use std::process::{Child, Command, Stdio};

use super::{Done, finish, muster, run};
use crate::harness::{PATIENCE, eventually};

/// `muster serve` as a process of its own; killed with the value.
struct Serving {
    child: Child,
    folder: tempfile::TempDir,
}

impl Serving {
    async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = muster();
        command.arg("serve").arg("--data").arg(folder.path().join("data"));
        command.args(["--listen", "127.0.0.1:0"]).args(more).stderr(Stdio::null());
        let serving = Self { child: command.spawn().unwrap(), folder };
        let data = serving.data();
        eventually("the service to listen", || {
            let data = data.clone();
            async move { (run(&data, "tenant list").await.code == 0).then_some(()) }
        })
        .await;
        serving
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Sends a signal and waits for the exit code.
    async fn signalled(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("sh").args(["-c", "kill -$1 $2", "sh", signal, &pid]).status().unwrap().success()
        );
        let ended = tokio::task::spawn_blocking(move || self.child.wait());
        tokio::time::timeout(PATIENCE, ended).await.expect("the service stops").unwrap().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.child.try_wait().expect("the process can be asked").is_none() {
            self.child.kill().expect("the process can be ended");
            self.child.wait().expect("the process has ended");
        }
    }
}

async fn told(words: &[&str]) -> Done {
    let mut command = muster();
    command.args(words);
    finish(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_a_usage_error() {
    for words in [
        &["tenants"][..],
        &["tenant", "create"],
        &["tenant", "create", "acme", "--kind", "ping", "--data", "d"],
        &["access", "--tenant", "acme", "--at", "yesterday", "--data", "d"],
        &["token", "issue", "--tenant", "acme", "--expires-in", "soon", "--data", "d"],
        &["tenant", "list"],
        &["tenant", "list", "--url", "http://127.0.0.1:1"],
        &["serve"],
        &["serve", "--data", "d", "--url", "http://127.0.0.1:1"],
        &["serve", "--data", "d", "--tls-cert", "c.pem"],
        &["serve", "--data", "d", "--log-level", "muster=loud"],
        &["serve", "--data", "d", "--public-url", "scim.example.com"],
    ] {
        let done = told(words).await;
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{words:?}: {}", done.stderr);
        assert!(done.stderr.starts_with("error: "), "{words:?}: {}", done.stderr);
    }
    let version = told(&["--version"]).await.text();
    assert_eq!(version, concat!("muster ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_in_the_configuration_names_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("muster.toml");
    std::fs::write(&config, "[limits]\nuser_body_byte_max = 10\n").unwrap();
    let done =
        told(&["serve", "--data", folder.path().to_str().unwrap(), "--config", config.to_str().unwrap()])
            .await;
    done.failed(
        2,
        "error: unknown key `limits.user_body_byte_max` in the configuration file: \
         did you mean `limits.user_body_bytes_max`?\n",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_not_reachable() {
    let mut command = muster();
    command.args(["tenant", "list", "--url", "http://127.0.0.1:1"]).env("MUSTER_TOKEN", "mst_x");
    let done = finish(command).await;
    assert_eq!((done.code, done.stdout.as_str()), (5, ""));
    assert!(done.stderr.starts_with("error: no service answers at http://127.0.0.1:1: "), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_end_the_service_with_success() {
    for signal in ["TERM", "INT"] {
        assert_eq!(Serving::start(&[]).await.signalled(signal).await, Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_does_not_get_the_folder() {
    let serving = Serving::start(&[]).await;
    let data = serving.data();
    let done = run(&data, "serve --listen 127.0.0.1:0 --log-level off").await;
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_the_service_of_a_folder_is_known_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (cert, key) in [("cert.pem", "key.pem"), ("other-cert.pem", "other-key.pem")] {
        let made = rcgen::generate_simple_self_signed(["scim.example.com".to_owned()]).unwrap();
        std::fs::write(file(cert), made.cert.pem()).unwrap();
        std::fs::write(file(key), made.signing_key.serialize_pem()).unwrap();
    }
    let serving = Serving::start(&["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]).await;
    let data = serving.data();
    let made = run(&data, "tenant create acme --output json").await.json();
    assert!(made["base_url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{made}");

    // Another certificate for the same name: the token must not be sent.
    let lock = data.join("lock");
    let url = std::fs::read_to_string(&lock).unwrap().lines().next().unwrap().to_owned();
    std::fs::write(&lock, format!("{url}\n{}\n", file("other-cert.pem"))).unwrap();
    let refused = run(&data, "tenant list").await;
    assert_eq!((refused.code, refused.stdout.as_str()), (5, ""), "{}", refused.stderr);
}
