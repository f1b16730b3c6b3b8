//! The stages of a task and the table of allowed moves.

use super::budget::{AgentCalls, Spending};
use super::judged::Judged;
use super::review::TaskReview;
use super::verdicts::Verdicts;
use crate::event::{AgentOutcome, Work};
use crate::types::{
    Artifact, AttemptNo, Failure, Oid, PathConflict, SessionId, TaskIx, TaskStatus, Timestamp, Usage,
};

/// Where a task is.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Waits for dependencies, locks, a slot or a time.
    Pending {
        /// Not before this time.
        not_before: Option<Timestamp>,
        /// Whether this repeats an attempt that the engine's end interrupted. It counts as under way: an
        /// exhausted task that stops the convoy does not skip it.
        repeats: bool,
        /// Whether it waits because its provider's limit was reached.
        parked: bool,
        /// Whether an artifact that it needs was found missing: it waits for the task that leaves it, or is about
        /// to fail.
        lacks_input: bool,
    },
    /// An attempt is recorded; holds a slot and its locks.
    Working {
        /// Where its worktree starts.
        base: Oid,
        /// Whether the agent was about to be called.
        started: bool,
    },
    /// The agent ended; its tree is being taken as a commit. Still holds slot and locks.
    Snapshotting {
        /// Where its worktree started.
        base: Oid,
        /// How the agent ended.
        outcome: AgentOutcome,
    },
    /// The tree of an attempt without success is kept; what follows is about to be decided.
    Settling {
        /// How the agent ended.
        outcome: AgentOutcome,
    },
    /// The work is being judged.
    Checking {
        /// The work.
        work: Work,
    },
    /// The work passed and waits to land.
    Queued {
        /// The work.
        work: Work,
        /// Position in the queue: lower lands earlier.
        order: u64,
        /// Where it failed alone in `merge.verify`: the newest position by then. It waits for those up to there.
        aside: Option<u64>,
        /// The landing commit, once it is written.
        prepared: Option<Prepared>,
        /// The commit that the integration ref moves to, where that is not `prepared` itself: the landing commit of
        /// the last of those that land together.
        lands_with: Option<Oid>,
    },
    /// The work conflicts with the tip and waits for a slot to be resolved.
    Conflicted,
    /// Waits for a person.
    AwaitingApproval {
        /// The work that waits to land; absent before the first attempt.
        work: Option<Work>,
        /// When the person was asked.
        asked_at: Timestamp,
    },
    /// It is finished.
    Done,
    /// It is exhausted.
    Failed {
        /// `failed`, `timed-out`, `gate-failed`, `hook-failed`, `review-blocked` or `disputed`.
        status: TaskStatus,
    },
    /// It never runs.
    Skipped {
        /// Why.
        reason: String,
        /// The task that is the cause.
        because: Option<TaskIx>,
    },
    /// It was ended by a cancel.
    Cancelled,
}

/// A written landing commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The commit.
    pub commit: Oid,
    /// The tip that it was made for.
    pub onto: Oid,
}

/// A conflict of a task's work with the tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The work.
    pub work: Work,
    /// The tip that it conflicts with.
    pub onto: Oid,
    /// The merged tree with the markers.
    pub tree: Oid,
    /// Paths in conflict.
    pub files: Vec<String>,
    /// What is known of each.
    pub paths: Vec<PathConflict>,
}

/// A session that an attempt left. It is bound to whoever had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The agent program's id of it.
    pub id: SessionId,
    /// The role.
    pub agent: String,
    /// The adapter.
    pub adapter: String,
    /// The account of the adapter, where it names one.
    pub account: Option<String>,
    /// The slot of worktrees that it was had in, where these are used again.
    pub slot: Option<u32>,
}

/// An attempt whose agent was cut off: the engine ended, somebody cancelled or skipped its task, or a limit of its
/// provider was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// The attempt.
    pub attempt: AttemptNo,
    /// What it had made, once that is kept.
    pub work: Option<Work>,
    /// Why that could not be kept as a commit.
    pub lost: Option<String>,
}

/// A stage without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as the stages")]
pub enum StageKind {
    Pending,
    Working,
    Snapshotting,
    Settling,
    Checking,
    Queued,
    Conflicted,
    AwaitingApproval,
    Done,
    Failed,
    Skipped,
    Cancelled,
}

impl StageKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Working,
        Self::Snapshotting,
        Self::Settling,
        Self::Checking,
        Self::Queued,
        Self::Conflicted,
        Self::AwaitingApproval,
        Self::Done,
        Self::Failed,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// Whether only a retry leaves it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Skipped | Self::Cancelled)
    }

    /// Whether it holds a slot and the task's locks.
    pub fn holds_slot(self) -> bool {
        matches!(self, Self::Working | Self::Snapshotting)
    }
}

/// Whether a task may move from one stage to the other. A retry by a person (any final stage to
/// `Pending`) is part of the table; staying in a stage is not a move.
pub fn allowed(from: StageKind, to: StageKind) -> bool {
    use StageKind as K;
    let next: &[K] = match from {
        K::Pending => &[K::Working, K::AwaitingApproval, K::Checking, K::Failed, K::Skipped, K::Cancelled],
        K::Working => &[K::Snapshotting],
        K::Snapshotting => &[K::Checking, K::Settling],
        K::Settling => &[K::Pending, K::Conflicted, K::Failed, K::Skipped, K::Cancelled],
        K::Checking => {
            &[K::Queued, K::AwaitingApproval, K::Pending, K::Done, K::Failed, K::Skipped, K::Cancelled]
        }
        K::Queued => &[K::Done, K::Conflicted, K::Pending, K::Failed, K::Skipped, K::Cancelled],
        K::Conflicted => &[K::Working, K::Checking, K::Skipped, K::Cancelled],
        K::AwaitingApproval => &[K::Pending, K::Checking, K::Queued, K::Failed, K::Skipped, K::Cancelled],
        K::Done | K::Failed | K::Skipped | K::Cancelled => &[K::Pending],
    };
    next.contains(&to)
}

impl Stage {
    /// Passed, and not about to land.
    pub(super) fn queued(work: &Work, order: u64, aside: Option<u64>) -> Self {
        Self::Queued { work: work.clone(), order, aside, prepared: None, lands_with: None }
    }

    /// The commit that the integration ref is to move to with this task's work.
    pub fn target(&self) -> Option<&Oid> {
        match self {
            Self::Queued { prepared: Some(prepared), lands_with, .. } => {
                Some(lands_with.as_ref().unwrap_or(&prepared.commit))
            }
            _ => None,
        }
    }

    /// Nothing was begun, and nothing but dependencies, locks and slots is waited for.
    pub(super) fn fresh() -> Self {
        Self::Pending { not_before: None, repeats: false, parked: false, lacks_input: false }
    }

    /// The stage without its data.
    pub fn kind(&self) -> StageKind {
        match self {
            Self::Pending { .. } => StageKind::Pending,
            Self::Working { .. } => StageKind::Working,
            Self::Snapshotting { .. } => StageKind::Snapshotting,
            Self::Settling { .. } => StageKind::Settling,
            Self::Checking { .. } => StageKind::Checking,
            Self::Queued { .. } => StageKind::Queued,
            Self::Conflicted => StageKind::Conflicted,
            Self::AwaitingApproval { .. } => StageKind::AwaitingApproval,
            Self::Done => StageKind::Done,
            Self::Failed { .. } => StageKind::Failed,
            Self::Skipped { .. } => StageKind::Skipped,
            Self::Cancelled => StageKind::Cancelled,
        }
    }

    /// The public status.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Pending { parked: true, .. } => TaskStatus::Parked,
            Self::Pending { lacks_input: true, .. } => TaskStatus::WaitForInput,
            Self::Pending { .. } => TaskStatus::Pending,
            Self::Working { started: false, .. } => TaskStatus::Assigned,
            Self::Working { started: true, .. } | Self::Snapshotting { .. } | Self::Settling { .. } => {
                TaskStatus::Running
            }
            Self::Checking { .. } => TaskStatus::Checking,
            Self::Queued { .. } | Self::Conflicted => TaskStatus::Queued,
            Self::AwaitingApproval { .. } => TaskStatus::AwaitingApproval,
            Self::Done => TaskStatus::Done,
            Self::Failed { status } => *status,
            Self::Skipped { .. } => TaskStatus::Skipped,
            Self::Cancelled => TaskStatus::Cancelled,
        }
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskState {
    /// Where it is.
    pub stage: Stage,
    /// Attempts recorded; also the number of the newest one.
    pub attempts: u32,
    /// Attempts for which an agent was about to be called.
    pub started: u32,
    /// Attempts of which the agent's end is recorded.
    pub ended: u32,
    /// Calls of agents that told how many tokens they consumed.
    pub metered: u32,
    /// Those that came to their own end and did not.
    pub unmetered: u32,
    /// Results of gates that are recorded for the newest work.
    pub gate_results: u32,
    /// Retries used since the start or the last retry by a person.
    pub retries: u32,
    /// Conflicts met since the same moment.
    pub conflicts: u32,
    /// The conflict that is to be resolved.
    pub conflict: Option<Conflict>,
    /// What failed last: feedback for the next attempt, reason when exhausted.
    pub failure: Option<Failure>,
    /// The attempt that failed so, where one did.
    pub failed_attempt: Option<AttemptNo>,
    /// The attempt that was cut off, until an agent goes on with it or begins anew.
    pub cut_off: Option<CutOff>,
    /// The attempt that was cut off if there is work of it, which its snapshot will say.
    pub(super) perhaps_cut_off: Option<AttemptNo>,
    /// Whether the last try was given to the role of `escalate_to`.
    pub escalated: bool,
    /// What it used of its own budget; absent without one, and before its first attempt.
    pub(super) spending: Option<Box<Spending>>,
    /// Whether it was tried again because its agent rated its work too low.
    pub drifted: bool,
    /// What its agent said of the newest attempt's work: its rating and its words.
    pub rated: Option<(f64, String)>,
    /// The role that made the newest attempt.
    pub agent: Option<String>,
    /// The adapter and the account that the newest attempt was made with.
    pub adapter: Option<(String, Option<String>)>,
    /// The slot of the newest worktree that an agent worked in, where worktrees are used again.
    pub slot: Option<u32>,
    /// The agent's session, to be continued by the next attempt.
    pub session: Option<Session>,
    /// Exit code of the newest agent.
    pub exit_code: Option<i32>,
    /// What all attempts consumed.
    pub usage: Usage,
    /// How many calls of agents that is the sum of, and how many said nothing.
    pub calls: AgentCalls,
    /// The newest landing commit.
    pub commit: Option<Oid>,
    /// The artifacts of the attempt that is under way; they count once the task is done.
    pub taken: Vec<Artifact>,
    /// The artifacts that other tasks get.
    pub artifacts: Vec<Artifact>,
    /// Whether it is done without a change.
    pub no_changes: bool,
    /// How many files its newest work changed, where that is known.
    pub files_changed: Option<u64>,
    /// What its work has passed already.
    pub verdicts: Verdicts,
    /// The id of its newest dead letter, and whether it is still open.
    pub dead_letter: Option<(String, bool)>,
    /// Whether it was given up and no dead letter has been written for that.
    pub letter_due: bool,
    /// What its reviews have come to.
    pub review: TaskReview,
    /// Whether a person let it run.
    pub run_approved: bool,
    /// The work that a person let land.
    pub approved: Option<Judged>,
    /// Why a person wants it skipped, while what works on it ends.
    pub skip: Option<String>,
}

impl TaskState {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::fresh(),
            attempts: 0,
            started: 0,
            ended: 0,
            metered: 0,
            unmetered: 0,
            gate_results: 0,
            retries: 0,
            conflicts: 0,
            conflict: None,
            failure: None,
            failed_attempt: None,
            cut_off: None,
            perhaps_cut_off: None,
            escalated: false,
            spending: None,
            drifted: false,
            rated: None,
            agent: None,
            adapter: None,
            slot: None,
            session: None,
            exit_code: None,
            usage: Usage::default(),
            calls: AgentCalls::default(),
            commit: None,
            taken: Vec::new(),
            artifacts: Vec::new(),
            no_changes: false,
            files_changed: None,
            verdicts: Verdicts::default(),
            dead_letter: None,
            letter_due: false,
            review: TaskReview::default(),
            run_approved: false,
            approved: None,
            skip: None,
        }
    }

    /// The artifact with this name that other tasks get.
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name == name)
    }

    /// Whether one of this name is stored, whoever may get it.
    pub(super) fn holds_artifact(&self, name: &str) -> bool {
        self.artifacts.iter().chain(&self.taken).any(|artifact| artifact.name == name)
    }

    /// How many artifacts are stored; one that is to replace another counts once.
    pub(super) fn artifacts_held(&self) -> u32 {
        let new = self.taken.iter().filter(|taken| self.artifact(&taken.name).is_none()).count();
        u32::try_from(self.artifacts.len() + new).unwrap_or(u32::MAX)
    }

    /// Counts an agent's end. One that was cut off could not say what it consumed.
    pub(super) fn count(&mut self, before: &Stage, outcome: &AgentOutcome, usage: &Usage) {
        self.usage.add(usage);
        self.ended += 1;
        let called = matches!(before, Stage::Working { started: true, .. });
        let finished = matches!(outcome, AgentOutcome::Succeeded | AgentOutcome::Failed { .. });
        match usage.total_tokens() {
            Some(_) => self.metered += 1,
            None => self.unmetered += u32::from(called && finished),
        }
    }

    /// The newest attempt, or `None` when there was none.
    pub fn attempt(&self) -> Option<AttemptNo> {
        (self.attempts > 0).then_some(AttemptNo(self.attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stage_is_a_dead_end_and_none_moves_to_itself() {
        for from in StageKind::ALL {
            assert!(StageKind::ALL.into_iter().any(|to| allowed(from, to)), "{from:?}");
            assert!(!allowed(from, from), "{from:?}");
        }
    }

    #[test]
    fn final_stages_are_left_only_towards_pending() {
        for from in StageKind::ALL.into_iter().filter(|k| k.is_final()) {
            for to in StageKind::ALL {
                assert_eq!(allowed(from, to), to == StageKind::Pending, "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn work_is_done_only_after_its_checks() {
        for from in StageKind::ALL {
            let may = matches!(from, StageKind::Checking | StageKind::Queued);
            assert_eq!(allowed(from, StageKind::Done), may, "{from:?}");
        }
    }
}
