//! The public statuses of convoys and tasks. In the code they are enums; only here they have a text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of a convoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConvoyStatus {
    /// Recorded, nothing started.
    Pending,
    /// Under way; after an interrupt or a crash it stays so, without a live engine.
    Running,
    /// Running agents finish, nothing starts.
    Paused,
    /// Every task is done.
    Done,
    /// A task is not done.
    Failed,
    /// Its gates did not pass on the merged result.
    GateFailed,
    /// A hook at its end failed.
    HookFailed,
    /// Cancelled by a person.
    Cancelled,
}

impl ConvoyStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Paused,
        Self::Done,
        Self::Failed,
        Self::GateFailed,
        Self::HookFailed,
        Self::Cancelled,
    ];

    /// Whether only a retry leaves it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::GateFailed | Self::HookFailed | Self::Cancelled)
    }

    /// The public text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::GateFailed => "gate-failed",
            Self::HookFailed => "hook-failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ConvoyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskStatus {
    /// Waits for its dependencies, a lock, a slot, or the time of a retry.
    Pending,
    /// An attempt is recorded; no process yet.
    Assigned,
    /// The agent works.
    Running,
    /// The work is a commit that is being judged.
    Checking,
    /// The work passed and waits to land.
    Queued,
    /// Waits for a person.
    AwaitingApproval,
    /// Its landing commit is reachable from the integration ref, or it changed nothing.
    Done,
    /// Exhausted.
    Failed,
    /// Exhausted by the time limit.
    TimedOut,
    /// Exhausted by a gate.
    GateFailed,
    /// An artifact that it needs is not there.
    WaitForInput,
    /// Waits until its provider, whose limit it reached, can be asked again.
    Parked,
    /// Ended by a hook that failed.
    HookFailed,
    /// Exhausted by a review that blocks, or that was asked for and cannot be made.
    ReviewBlocked,
    /// Three panels blocked it; a person decides.
    Disputed,
    /// Never ran, because of another task or a stop.
    Skipped,
    /// Ended by a cancel.
    Cancelled,
}

impl TaskStatus {
    /// Every status.
    pub const ALL: [Self; 17] = [
        Self::Pending,
        Self::Assigned,
        Self::Running,
        Self::Checking,
        Self::Queued,
        Self::AwaitingApproval,
        Self::Done,
        Self::Failed,
        Self::TimedOut,
        Self::GateFailed,
        Self::WaitForInput,
        Self::Parked,
        Self::HookFailed,
        Self::ReviewBlocked,
        Self::Disputed,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// Whether only a retry leaves it.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending
            | Self::Assigned
            | Self::Running
            | Self::Checking
            | Self::Queued
            | Self::WaitForInput
            | Self::Parked
            | Self::AwaitingApproval => false,
            Self::Done
            | Self::Failed
            | Self::TimedOut
            | Self::GateFailed
            | Self::HookFailed
            | Self::ReviewBlocked
            | Self::Disputed
            | Self::Skipped
            | Self::Cancelled => true,
        }
    }

    /// The public text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Running => "running",
            Self::Checking => "checking",
            Self::Queued => "queued",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::GateFailed => "gate-failed",
            Self::WaitForInput => "wait-for-input",
            Self::Parked => "parked",
            Self::HookFailed => "hook-failed",
            Self::ReviewBlocked => "review-blocked",
            Self::Disputed => "disputed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many tasks of a convoy have which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All tasks.
    pub total: u32,
    /// Done.
    pub done: u32,
    /// Failed, gate-failed, hook-failed, review-blocked, disputed.
    pub failed: u32,
    /// Skipped.
    pub skipped: u32,
    /// Timed out.
    #[serde(rename = "timedOut")]
    pub timed_out: u32,
    /// Cancelled.
    pub cancelled: u32,
    /// Not final yet.
    pub open: u32,
    /// Of those that are done: how many landed without the review that they were to get.
    #[serde(default)]
    pub unreviewed: u32,
}

impl Totals {
    /// Counts statuses. What they do not tell, whether work was reviewed, is left at 0.
    pub fn of(statuses: impl IntoIterator<Item = TaskStatus>) -> Self {
        let mut totals = Self::default();
        for status in statuses {
            totals.total += 1;
            match status {
                TaskStatus::Done => totals.done += 1,
                TaskStatus::Failed
                | TaskStatus::GateFailed
                | TaskStatus::HookFailed
                | TaskStatus::ReviewBlocked
                | TaskStatus::Disputed => totals.failed += 1,
                TaskStatus::TimedOut => totals.timed_out += 1,
                TaskStatus::Skipped => totals.skipped += 1,
                TaskStatus::Cancelled => totals.cancelled += 1,
                TaskStatus::Pending
                | TaskStatus::Assigned
                | TaskStatus::Running
                | TaskStatus::Checking
                | TaskStatus::WaitForInput
                | TaskStatus::Parked
                | TaskStatus::Queued
                | TaskStatus::AwaitingApproval => totals.open += 1,
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_json_agree() {
        for status in TaskStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("json"), status.as_str());
        }
        for status in ConvoyStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("json"), status.as_str());
        }
        let totals = Totals::of(TaskStatus::ALL);
        assert_eq!((totals.total, totals.open, totals.done), (17, 8, 1));
        assert_eq!(
            totals.total,
            totals.open + totals.done + totals.failed + totals.skipped + totals.timed_out + totals.cancelled
        );
    }
}
