//! Exit codes, and errors on their way to one.

use std::fmt;
use std::process::ExitCode;

use convoy_core::engine::Ended;
use convoy_core::error::{Error, ErrorKind};
use convoy_core::state::ConvoyView;
use convoy_core::types::ConvoyStatus;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As asked.
    Success,
    /// The convoy ended, and a task is not done.
    NotDone,
    /// The call or the spec is wrong.
    Usage,
    /// The engine failed.
    Engine,
    /// Another engine runs the convoy.
    Busy,
    /// Everything is done, but not on the branch.
    Unpublished,
    /// A signal ended it.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::NotDone => 1,
            Self::Usage => 2,
            Self::Engine => 3,
            Self::Busy => 4,
            Self::Unpublished => 5,
            Self::Interrupted => 130,
        }
    }

    /// What a run that ended this way exits with.
    pub(crate) fn of_run(ended: Ended, view: &ConvoyView) -> Self {
        match (ended, view.status) {
            (Ended::Interrupted, _) => Self::Interrupted,
            (Ended::Finished, ConvoyStatus::Done) if view.published => Self::Success,
            (Ended::Finished, ConvoyStatus::Done) => Self::Unpublished,
            (Ended::Finished, _) => Self::NotDone,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Name of the kind, for programs.
    pub(crate) kind: &'static str,
    /// What the person must know and do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, kind: "invalid_argument", message: message.into() }
    }

    pub(crate) fn spec(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, kind: "invalid_spec", message: message.into() }
    }

    /// Something of the machine failed.
    pub(crate) fn io(doing: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self { exit: Exit::Engine, kind: "io", message: format!("cannot {doing}: {error}") }
    }
}

impl Failure {
    /// Whether the person wanted it to end at once.
    pub(crate) fn is_killed(&self) -> bool {
        self.kind == KILLED
    }
}

/// Kind of what a second signal leads to.
pub(crate) const KILLED: &str = "killed";

impl Failure {
    /// A failure before anything was started: what the person called for is not there (no repository, no commit, no
    /// such program).
    pub(crate) fn before(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Repository | ErrorKind::Agent => Exit::Usage,
            kind => class(kind).0,
        };
        Self { exit, ..Self::from(error) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (exit, kind) = class(error.kind());
        let mut message = error.chain();
        if error.kind() == ErrorKind::Busy {
            message.push_str(
                "; `convoy status` shows how far it is, `convoy pause` and `convoy cancel` reach it there",
            );
        }
        Self { exit, kind, message }
    }
}

fn class(kind: ErrorKind) -> (Exit, &'static str) {
    match kind {
        ErrorKind::InvalidArgument => (Exit::Usage, "invalid_argument"),
        ErrorKind::InvalidSpec => (Exit::Usage, "invalid_spec"),
        ErrorKind::Unsupported => (Exit::Usage, "unsupported"),
        ErrorKind::NotFound => (Exit::Usage, "not_found"),
        ErrorKind::NothingToResume => (Exit::Usage, "nothing_to_resume"),
        ErrorKind::State => (Exit::Usage, "state"),
        ErrorKind::Busy => (Exit::Busy, "busy"),
        ErrorKind::Repository => (Exit::Engine, "repository"),
        ErrorKind::Agent => (Exit::Engine, "agent"),
        ErrorKind::Store => (Exit::Engine, "store"),
        ErrorKind::Closed => (Exit::Engine, "closed"),
        ErrorKind::Internal => (Exit::Engine, "internal"),
        _ => (Exit::Engine, "unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::view;

    #[test]
    fn a_run_exits_by_its_end() {
        let cases = [
            (Ended::Finished, ConvoyStatus::Done, true, 0),
            (Ended::Finished, ConvoyStatus::Done, false, 5),
            (Ended::Finished, ConvoyStatus::Failed, true, 1),
            (Ended::Finished, ConvoyStatus::Failed, false, 1),
            (Ended::Finished, ConvoyStatus::GateFailed, true, 1),
            (Ended::Finished, ConvoyStatus::HookFailed, true, 1),
            (Ended::Finished, ConvoyStatus::Cancelled, true, 1),
            (Ended::Interrupted, ConvoyStatus::Running, false, 130),
            (Ended::Interrupted, ConvoyStatus::Paused, false, 130),
            (Ended::Interrupted, ConvoyStatus::Done, false, 130),
        ];
        for (ended, status, published, code) in cases {
            let view = ConvoyView { status, published, ..view(&[]) };
            assert_eq!(Exit::of_run(ended, &view).code(), code, "{ended:?} {status} {published}");
        }
    }

    #[test]
    fn what_is_not_there_before_anything_was_started_is_bad_usage() {
        let cases =
            [(ErrorKind::Repository, 2), (ErrorKind::Agent, 2), (ErrorKind::Store, 3), (ErrorKind::Busy, 4)];
        for (kind, code) in cases {
            assert_eq!(Failure::before(Error::new(kind, "why")).exit.code(), code, "{kind:?}");
        }
    }

    #[test]
    fn an_error_exits_by_its_kind_and_the_kind_has_its_own_name() {
        let cases = [
            (ErrorKind::InvalidArgument, 2),
            (ErrorKind::InvalidSpec, 2),
            (ErrorKind::Unsupported, 2),
            (ErrorKind::NotFound, 2),
            (ErrorKind::NothingToResume, 2),
            (ErrorKind::State, 2),
            (ErrorKind::Repository, 3),
            (ErrorKind::Agent, 3),
            (ErrorKind::Store, 3),
            (ErrorKind::Closed, 3),
            (ErrorKind::Internal, 3),
            (ErrorKind::Busy, 4),
        ];
        for (kind, code) in cases {
            let failure = Failure::from(Error::new(kind, "why").because(std::io::Error::other("root")));
            assert_eq!(failure.exit.code(), code, "{kind:?}");
            let more = if kind == ErrorKind::Busy { "; `convoy status` shows how far it is" } else { "" };
            assert!(failure.message.starts_with(&format!("why: root{more}")), "{}", failure.message);
            assert_eq!(serde_json::to_value(kind).expect("json"), failure.kind);
        }
    }
}
