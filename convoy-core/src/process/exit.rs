//! How a program ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// How a program ended of itself or was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// What the program itself ended with.
    pub status: Status,
    /// Why it was stopped; `None` when it ended of itself.
    pub stopped: Option<Stopped>,
    /// Whether `KILL` was needed, for it or for something it left behind.
    pub killed: bool,
    /// How many processes it left behind when it ended of itself. They have been ended.
    pub left_behind: usize,
    /// From its start until nothing of it was left.
    pub elapsed: Duration,
}

impl Exit {
    /// Ended of itself with code 0.
    pub fn success(&self) -> bool {
        self.stopped.is_none() && self.status == Status::Code(0)
    }
}

/// What a program ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The exit code.
    Code(i32),
    /// The number of the signal that ended it.
    Signal(i32),
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            // Only a stopped or continued process has neither, and those are never waited for.
            (None, None) => Self::Signal(0),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Why a program was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It ran longer than [`Limits::deadline`](super::Limits::deadline).
    Deadline,
    /// It was silent for longer than [`Limits::idle`](super::Limits::idle).
    Idle,
    /// The caller cancelled.
    Cancelled,
    /// It said that it was finished, but did not exit in the time [`Next::EndWithin`](super::Next) gave.
    AfterEnd,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "ran into its time limit",
            Self::Idle => "printed nothing for too long",
            Self::Cancelled => "was cancelled",
            Self::AfterEnd => "did not exit after its last message",
        })
    }
}
