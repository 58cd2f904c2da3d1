//! Conformance suites by others, run against the real binary: what strangers hold SCIM to be.
//!
//! `make tools` installs them into `.tools/suites` (`tools/suites.txt` pins them); how each is run, and where it is
//! excused from what, stands in `tests/suites/`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::crash::process::{Client, Place, Running};

/// A service with a tenant of its own for a suite.
struct Ground {
    place: Place,
    running: Running,
    base_url: String,
    token: String,
}

impl Ground {
    fn prepare() -> Self {
        let place = Place::new();
        let running = place.start();
        let operator = Client::new(&running.url, &place.operator());
        let tenant = json!({"tenant": "acme"});
        let made = operator.send("POST", "/admin/v1/tenants", Some(&tenant), &[]).expect("an answer").body;
        let text = |key: &str| made[key].as_str().expect("the answer is complete").to_owned();
        Self { base_url: text("base_url"), token: text("token"), place, running }
    }

    /// Runs a script of `tests/suites` with these arguments, and asserts that it is content and the service alive.
    #[track_caller]
    fn run(mut self, script: &str, arguments: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join(".tools/suites");
        assert!(packages.is_dir(), "{} is missing: run `make tools`", packages.display());
        let done = Command::new("python3")
            .args(["-S", "-s"])
            .arg(root.join("tests/suites").join(script))
            .args(arguments)
            .env("PYTHONPATH", &packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MUSTER_TOKEN", &self.token)
            .env("MUSTER_OPERATOR_TOKEN", self.place.operator())
            .stdin(Stdio::null())
            .output()
            .expect("python3 can be run");
        let [stdout, stderr] =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(done.status.success(), "{script} is not content:\n{stdout}\n{stderr}");
        self.running.wait_until_ready().expect("the service still runs");
        let log = self.place.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// How long schemathesis asks, in seconds.
const ASKING_SECONDS: &str = "120";

#[test]
fn schemathesis_finds_no_breach_of_the_document_in_the_scim_interface() {
    let ground = Ground::prepare();
    let url = ground.running.url.clone();
    ground.run("run_schemathesis.py", &["scim", ASKING_SECONDS, &url]);
}

#[test]
fn schemathesis_finds_no_breach_of_the_document_in_the_admin_and_audit_interfaces() {
    let ground = Ground::prepare();
    let url = ground.running.url.clone();
    ground.run("run_schemathesis.py", &["operators", ASKING_SECONDS, &url]);
}

#[test]
fn scim2_tester_reports_no_failure() {
    let ground = Ground::prepare();
    let base_url = ground.base_url.clone();
    ground.run("run_scim2_tester.py", &[&base_url]);
}
