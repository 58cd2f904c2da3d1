//! What the service says about itself while it runs: log lines on stderr, and the registry of its metrics.
//!
//! Neither knows anything about people: no userName, address, token, body or filter value ever reaches a line
//! or a label. Who did what to whom is the audit trail's to say, not the log's.

pub mod metrics;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Log, LogFormat};

pub use metrics::Metrics;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The levels cannot be read.
    #[error("`log.level`: `{level}` is not a list of levels such as info,muster::outbox=debug: {source}")]
    Level {
        /// What was configured.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Somebody has set up logging in this process already.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines to stderr from now on.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let subscriber = subscriber(log, std::io::stderr, std::io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    log_panics();
    Ok(())
}

/// Makes a line of every panic when it happens, whoever catches it. The line says where, not what: the message of
/// a panic may quote a value.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a defect of the service showed at {place}; please report it");
    }));
}

/// A subscriber that writes where it is told to. `colour` counts for text only, and `NO_COLOR` overrides it.
pub fn subscriber<W>(
    log: &Log,
    writer: W,
    colour: bool,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&log.level)
        .map_err(|source| TelemetryError::Level { level: log.level.clone(), source })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match log.format {
        LogFormat::Json => Box::new(lines.json().flatten_event(true).finish()),
        // The layer itself heeds NO_COLOR unless it is told to use colours.
        LogFormat::Text if colour => Box::new(lines.finish()),
        LogFormat::Text => Box::new(lines.with_ansi(false).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        captured(format, level, || {
            tracing::info!(tenant.id = "acme", revision = 7, "appended revision 7");
            tracing::debug!("a decision");
        })
    }

    fn captured(format: LogFormat, level: &str, work: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let log = Log { format, level: level.into() };
        let subscriber = subscriber(&log, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_carry_message_and_dotted_fields() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one line, one object");
        assert_eq!(line["message"], "appended revision 7");
        assert_eq!(line["tenant.id"], "acme");
        assert_eq!(line["revision"], 7);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_panic_is_a_line_at_once_that_says_where_and_quotes_nothing() {
        let text = captured(LogFormat::Json, "info", || {
            log_panics();
            let caught = std::panic::catch_unwind(|| panic!("alice@example.com cannot be shown"));
            drop(std::panic::take_hook());
            assert!(caught.is_err());
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one line, one object");
        assert_eq!(line["level"], "ERROR");
        assert!(line["place"].as_str().unwrap().starts_with("src/telemetry.rs:"), "{line}");
        assert!(!text.contains("alice"), "{text}");
    }

    #[test]
    fn text_lines_have_no_colour_when_piped() {
        let text = logged(LogFormat::Text, "debug");
        assert!(text.contains("appended revision 7") && text.contains("a decision"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn levels_that_cannot_be_read_are_refused() {
        let log = Log { format: LogFormat::Json, level: "muster=loud".into() };
        let error = subscriber(&log, std::io::sink, false).err().expect("`loud` is no level").to_string();
        assert!(error.starts_with("`log.level`: `muster=loud` is not a list of levels"), "{error}");
    }
}
