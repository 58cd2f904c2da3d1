//! The command line, as an operator types it: the built binary against a service that runs, or a stopped folder.

mod history;
mod process;
mod requests;
mod set_up;
mod upkeep;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Output};

use serde_json::Value;

/// A process that is ended with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("the process can be ended");
        self.0.wait().expect("the process has ended");
    }
}

/// What a command came to.
#[derive(Debug)]
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Done {
    /// Asserts success and hands on what was printed.
    #[track_caller]
    fn text(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        assert!(!self.stdout.contains('\u{1b}'), "no colour when piped: {}", self.stdout);
        self.stdout
    }

    /// Asserts success and one JSON document.
    #[track_caller]
    fn json(self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not one JSON document ({error}): {text}"))
    }

    /// Asserts a failure that says nothing on stdout.
    #[track_caller]
    fn failed(self, code: i32, stderr: &str) {
        assert_eq!((self.code, self.stdout.as_str(), self.stderr.as_str()), (code, "", stderr));
    }
}

/// The binary, without what the environment of the test might tell it.
fn muster() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    for name in ["MUSTER_DATA", "MUSTER_TOKEN", "MUSTER_MASTER_KEY_FILE", "MUSTER_CONFIG", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command on a data folder; its words are separated by spaces.
async fn run(data: &Path, words: &str) -> Done {
    let mut arguments: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
    arguments.extend(["--data".into(), data.as_os_str().to_owned()]);
    let mut command = muster();
    command.args(arguments);
    finish(command).await
}

/// Runs a command on a thread of its own, because the service that it asks may be served by this one.
async fn finish(mut command: Command) -> Done {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).expect("commands print UTF-8");
    Done { code: status.code().expect("no signal ended it"), stdout: text(stdout), stderr: text(stderr) }
}
