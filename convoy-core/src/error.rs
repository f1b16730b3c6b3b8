//! The one public error. Its kinds are the status codes of the C interface.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

/// What a person must do about an [`Error`], as a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is wrong: correct the call.
    InvalidArgument,
    /// The spec has errors: correct the file.
    InvalidSpec,
    /// The spec, the platform or the builder asks for something that this version does not have.
    Unsupported,
    /// The repository cannot be used as it is.
    Repository,
    /// No such convoy or task.
    NotFound,
    /// Nothing is unfinished.
    NothingToResume,
    /// Another engine runs the convoy.
    Busy,
    /// The convoy is not in a state where this is possible.
    State,
    /// No agent program can be used.
    Agent,
    /// The store failed: disk full, no permission, damaged, or of another program.
    Store,
    /// The engine is shut down.
    Closed,
    /// A fault of this library.
    Internal,
}

/// What went wrong: a kind, a message that says what to do, details, and the cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    details: Option<serde_json::Value>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: None, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with details for programs.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Details for programs: for [`ErrorKind::InvalidSpec`] the list of problems.
    pub fn details(&self) -> Option<&serde_json::Value> {
        self.details.as_ref()
    }

    /// The message and, after colons, the messages of its causes: what a host prints, once.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_names_every_cause_once() {
        let io = std::io::Error::other("disk full");
        let error = Error::new(ErrorKind::Store, "the store failed").because(io);
        assert_eq!(error.chain(), "the store failed: disk full");
        assert_eq!(error.to_string(), "the store failed");
        assert_eq!(error.kind(), ErrorKind::Store);
    }
}
