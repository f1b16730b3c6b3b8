//! What the scheduler is told, and what it asks for: two closed lists.

use super::at_end::{EndOrder, EndReport};
use super::train::{VerifyOrder, VerifyReport};
use crate::event::{
    AgentOutcome, AttemptKind, BuiltInGateResult, DriftResult, GateResult, HookResult, RepositoryGuard,
    Request, ReviewRecord, ReviewStarted, StepFinished, StepStarted, Work,
};
use crate::state::{Conflict, CutOff, Moving, Passed, Prepared, Session};
use crate::types::{
    Artifact, AttemptNo, Failure, Oid, PathConflict, ReviewLevel, SessionId, TaskId, TaskIx, Usage,
};

/// Something that happened in the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An engine takes the convoy up: for the first time, or again after an interrupt or a crash.
    Begin {
        /// Whether the convoy was begun before.
        resumed: bool,
    },
    /// An engine takes a convoy that nobody runs up in order to cancel it: nothing new is started.
    BeginToCancel {
        /// Who cancels it.
        actor: String,
    },
    /// Time passed.
    Tick,
    /// A segment of an attempt says something.
    Worker {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: AttemptNo,
        /// What it says.
        report: Report,
    },
    /// The user's branch.
    Publish(PublishReport),
    /// A run of `merge.verify`.
    Verify {
        /// Its number.
        run: u32,
        /// What became of it.
        report: VerifyReport,
    },
    /// The end of the convoy.
    End(EndReport),
    /// A place that was asked for is there: an attempt of this adapter may work. It belongs to the convoy until
    /// [`Action::LeavePlace`].
    Place {
        /// The adapter.
        adapter: String,
    },
    /// Somebody asks for something.
    Request(Request),
    /// A person wants final tasks of an ended convoy to be taken up again. Changes nothing while the convoy
    /// has not ended.
    Retry {
        /// These tasks; empty = every task that is not done.
        tasks: Vec<TaskIx>,
        /// Who asks.
        actor: String,
    },
}

/// What a segment of an attempt says.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The worktree is ready, the agent is about to be called.
    Started(StartedReport),
    /// The agent program runs.
    Spawned {
        /// Process id.
        pid: u32,
        /// When it started, in the system's own unit.
        start_time: u64,
    },
    /// The agent ended, or could not be started.
    AgentEnded(AgentEnd),
    /// The agent is about to be called for a step.
    StepStarted(StepStarted),
    /// A step is over, or was skipped.
    StepFinished(StepFinished),
    /// A hook ended.
    Hook(HookResult),
    /// The tree was taken, or could not be.
    Snapshot(SnapshotReport),
    /// The hooks before the tree is taken were stopped; it is as it was.
    SnapshotStopped,
    /// A gate ended.
    Gate(GateResult),
    /// A gate of the engine has judged the work.
    BuiltInGate(BuiltInGateResult),
    /// Somebody changed the repository while the attempt was at work.
    Guard(RepositoryGuard),
    /// The agent was asked to rate its own work.
    Drift(DriftResult),
    /// Reviewers are about to look at the work.
    ReviewStarted(ReviewStarted),
    /// The review is over, or there is none.
    ReviewVerdict(Box<ReviewRecord>),
    /// All checks are over. `None`: they passed.
    Checked(Option<Failure>),
    /// The checks were stopped before they had an answer.
    CheckStopped,
    /// The landing commit is written, or could not be.
    Prepared(PrepareReport),
    /// The integration ref holds the landing commit, or cannot take it.
    Advanced(AdvanceReport),
}

/// How an agent was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedReport {
    /// The adapter.
    pub adapter: String,
    /// The account that it runs under, where it names one.
    pub account: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The worktree.
    pub worktree: String,
    /// The slot that its files are in, where worktrees are used again.
    pub slot: Option<u32>,
    /// Length of the prompt in bytes.
    pub prompt_bytes: u64,
    /// `fresh`, `continued`, or `fresh: ` and why.
    pub session: String,
}

/// How the agent's part of an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEnd {
    /// How.
    pub outcome: AgentOutcome,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Its session.
    pub session: Option<SessionId>,
    /// What it consumed.
    pub usage: Usage,
    /// How long it ran.
    pub duration_ms: u64,
    /// The end of what it said.
    pub summary: String,
    /// Why the engine ended its processes, when it did.
    pub killed: Option<String>,
}

/// What became of the tree of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotReport {
    /// It is a commit.
    Taken {
        /// The commit.
        work: Work,
        /// The agent had moved HEAD away from the base.
        rebased: bool,
        /// How many files the work changed; `None`: that could not be counted.
        files_changed: Option<u64>,
        /// The artifacts of it that are stored.
        artifacts: Vec<Artifact>,
        /// Why the work is not to be judged: an artifact is missing or invalid.
        unfit: Option<Failure>,
    },
    /// There is no worktree.
    NoWorktree,
    /// It could not be taken; the files are kept.
    Failed(Failure),
}

/// What became of writing a landing commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareReport {
    /// It is written.
    Prepared(Prepared),
    /// It is written, and its tree is to be verified before anything moves there.
    Candidate {
        /// The landing commit.
        prepared: Prepared,
        /// Its tree.
        tree: Oid,
        /// The tree of what it was made on.
        onto_tree: Oid,
    },
    /// The tip already holds the work.
    Nothing,
    /// The work conflicts with the tip.
    Conflict {
        /// Paths in conflict.
        files: Vec<String>,
        /// The tip.
        onto: Oid,
        /// The merged tree with the markers.
        tree: Oid,
        /// What is known of each path.
        conflicts: Vec<PathConflict>,
    },
    /// It failed for another reason.
    Failed(Failure),
}

/// What became of moving the integration ref. There is no failure: as long as nobody knows whether the
/// landing commit is reachable, the engine must stop rather than guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvanceReport {
    /// The landing commit is reachable from it.
    Landed,
    /// It is elsewhere, and does not hold the landing commit.
    Moved {
        /// Where it is.
        tip: Oid,
    },
}

/// What became of moving the user's branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishReport {
    /// The branch already holds the tip.
    UpToDate {
        /// Commit of the branch.
        commit: Oid,
        /// The tip.
        tip: Oid,
    },
    /// The branch can be moved so.
    Planned(Moving),
    /// It moved.
    Done(Moving),
    /// Somebody else moved it meanwhile; nothing was changed.
    Moved {
        /// The tip that waits.
        tip: Oid,
    },
    /// It cannot be moved now; nothing of the user's was touched.
    Blocked {
        /// The tip that waits.
        tip: Oid,
        /// Why, and what the person can do.
        reason: String,
        /// Paths in the way.
        paths: Vec<String>,
    },
}

/// Something that is to be done once the events of the turn are durable. Its result comes back as an
/// [`Input`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make a worktree, run the hooks, call the agent. Answers with `Hook`s, `Started`, `Spawned`, and at last
    /// `AgentEnded`.
    Work(Box<WorkOrder>),
    /// Run the hooks, where asked for, then take the tree of an attempt as a commit. Answers with `Hook`s and at
    /// last `Snapshot` or `SnapshotStopped`.
    Snapshot(Box<SnapshotOrder>),
    /// Judge the work. Answers with `BuiltInGate`s and `Gate`s, `ReviewStarted` and `ReviewVerdict`, and at last
    /// `Checked` or `CheckStopped`.
    Check(Box<CheckOrder>),
    /// Write the landing commit. Answers with `Prepared`.
    Prepare {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: AttemptNo,
        /// The work.
        work: Work,
        /// The tip to land on; with `merge.verify` it may be a landing commit on top of the tip.
        tip: Oid,
    },
    /// Run the commands of `merge.verify`. Answers with [`Input::Verify`].
    Verify(VerifyOrder),
    /// Move the integration ref to the landing commit, or find that it holds it already. Answers with
    /// `Advanced`.
    Advance {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: AttemptNo,
        /// The landing commit.
        prepared: Prepared,
    },
    /// Move the user's branch. Answers with a [`PublishReport`].
    Publish(PublishOrder),
    /// A stage of the end of the convoy. Answers with [`EndReport`]s.
    End(EndOrder),
    /// Ask for a place at an adapter with a limit. Answers with [`Input::Place`], as soon as one is free.
    AskPlace {
        /// The adapter.
        adapter: String,
    },
    /// Give a place back.
    LeavePlace {
        /// The adapter.
        adapter: String,
    },
    /// End the processes of the stage of the end that is under way; it then answers that it was stopped.
    StopEnd {
        /// Whether the convoy can be resumed afterwards.
        resumable: bool,
    },
    /// End the processes of this run of `merge.verify`; it then answers that it was stopped.
    StopVerify {
        /// Its number.
        run: u32,
    },
    /// End the processes of this task's segment in flight; it then answers as if it had ended.
    Stop {
        /// The task.
        task: TaskIx,
        /// Whether the convoy can be resumed afterwards.
        resumable: bool,
    },
}

/// One attempt that is to be worked on.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOrder {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// Why it is made.
    pub kind: AttemptKind,
    /// The role that makes it.
    pub agent: String,
    /// Where its worktree starts.
    pub base: Oid,
    /// The session of the last attempt.
    pub session: Option<Session>,
    /// What failed last.
    pub feedback: Option<Failure>,
    /// The attempt that failed so, where one did.
    pub failed_attempt: Option<AttemptNo>,
    /// The attempt whose agent was cut off, and that no agent went on with.
    pub cut_off: Option<CutOff>,
    /// The conflict that is to be resolved.
    pub conflict: Option<Conflict>,
    /// The artifacts that its prompt gets, as far as they are there.
    pub inputs: Vec<InputArtifact>,
}

/// An artifact that a prompt gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputArtifact {
    /// What stands for it in the prompt.
    pub as_: String,
    /// The task that left it.
    pub from: TaskId,
    /// Its name.
    pub name: String,
    /// The object that holds it.
    pub oid: Oid,
}

/// A tree that is to be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotOrder {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// Where its worktree started.
    pub base: Oid,
    /// Whether the agent succeeded: its work is judged, else only kept.
    pub succeeded: bool,
    /// Whether the task's hooks are run before.
    pub hooks: bool,
    /// The conflict that it resolved.
    pub conflict: Option<Conflict>,
}

/// Work that is to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOrder {
    /// The task.
    pub task: TaskIx,
    /// The attempt.
    pub attempt: AttemptNo,
    /// The work.
    pub work: Work,
    /// What this very tree has passed already.
    pub passed: Passed,
    /// The most thorough review that this very work has passed already.
    pub reviewed: Option<ReviewLevel>,
    /// Tokens that all reviews of the convoy have used so far.
    pub review_tokens: u64,
    /// The artifacts that the agent's prompt got, as far as they are there.
    pub inputs: Vec<InputArtifact>,
    /// The files that it was to leave as artifacts and did not.
    pub missing_files: Vec<String>,
    /// The session that the agent left.
    pub session: Option<Session>,
    /// What the agent said of this very work when it was asked before: its rating and its words.
    pub rated: Option<(f64, String)>,
}

/// What is to be done to the user's branch.
#[derive(Debug, Clone, PartialEq)]
pub enum PublishOrder {
    /// Find out how it can hold the tip.
    Plan {
        /// The integration tip.
        tip: Oid,
        /// Commit of the branch when it was last seen.
        known: Oid,
    },
    /// Move it.
    Move {
        /// How.
        moving: Moving,
        /// Whether an earlier try may have been cut off in between.
        recover: bool,
    },
}

/// An input that belongs to an attempt that is over, and was therefore ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

impl Input {
    /// Shorthand for a worker's report.
    pub fn worker(task: TaskIx, attempt: AttemptNo, report: Report) -> Self {
        Self::Worker { task, attempt, report }
    }
}
