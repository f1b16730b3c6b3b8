//! A finite sequence of choices; once it is used up every choice is the first, harmless one, so that
//! every run comes to its end.

use std::time::Duration;

use super::build::START;
use crate::types::{Failure, FailureKind, Timestamp};

#[derive(Debug)]
pub(super) struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    /// A number below `n`; 0 when `n` is 0 or nothing is left.
    pub(super) fn pick(&mut self, n: usize) -> usize {
        if n < 2 {
            return 0;
        }
        usize::from(self.bytes.next().copied().unwrap_or(0)) % n
    }

    /// True in about one of `n` cases, never when nothing is left.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.pick(n) == n - 1
    }

    /// Whether every further choice is the first one.
    pub(super) fn are_used_up(&self) -> bool {
        self.bytes.len() == 0
    }

    /// Something that goes wrong while an agent works.
    pub(super) fn agent_failure(&mut self) -> Failure {
        let kinds = [
            FailureKind::Error,
            FailureKind::Timeout,
            FailureKind::Refused,
            FailureKind::TurnLimit,
            FailureKind::NeedsInput,
            FailureKind::Idle,
            FailureKind::Worktree,
            FailureKind::RateLimit,
            FailureKind::SecretInPrompt,
            FailureKind::RateLimit,
            FailureKind::NotInstalled,
            FailureKind::Auth,
            FailureKind::Contract,
            FailureKind::Hook("make".into()),
        ];
        let kind = kinds[self.pick(kinds.len())].clone();
        let times = [None, Some(Timestamp(0)), Some(START.plus(Duration::from_secs(5000)))];
        let retry_at = times[self.pick(times.len())].filter(|_| kind == FailureKind::RateLimit);
        Failure { exit_code: Some(1), retry_at, ..Failure::new(kind, "the agent did not do it") }
    }
}
