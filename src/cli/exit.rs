//! How a command ends: its exit code, and what it says if it failed.
//!
//! The codes are a contract with scripts.

use std::fmt;

/// It did what was asked.
pub const OK: u8 = 0;
/// It was refused, or something broke.
pub const FAILURE: u8 = 1;
/// The command, or the configuration, cannot be meant.
pub const USAGE: u8 = 2;
/// What was to be verified does not hold.
pub const VERIFICATION_FAILED: u8 = 3;
/// What was looked at is not as it should be.
pub const FINDINGS: u8 = 4;
/// No service answers, and the command needs one.
pub const NOT_REACHABLE: u8 = 5;

/// Why a command failed: a lower-case fragment that reads after `error:`, and the command that helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The command cannot be meant.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Whether there is nothing to say.
    pub fn is_silent(&self) -> bool {
        self.message.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// Printing failed. A reader that went away, such as `head`, had what it wanted: that is no failure.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(OK, ""),
            _ => Self::new(FAILURE, format!("cannot write the answer: {error}")),
        }
    }
}
