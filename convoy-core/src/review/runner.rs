//! The plug-in trait for reviews, and what goes in and out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::types::{BoxFuture, Oid, ReviewLevel, TaskId, Usage, WorkerId};

/// Reviews the work of an agent. Shared by all tasks, so it must hold no state of one review.
///
/// # What the caller guarantees
/// - [`review`](Self::review) is polled within a tokio runtime that has its time and I/O drivers
///   enabled. The members of a panel are separate calls, which may overlap.
/// - The commit descends from the base; both stay reachable until the review has ended.
///
/// # What an implementation guarantees
/// - A review that did not come to a judgement is [`Verdict::CouldNot`], never a pass: an unreadable
///   answer, a reviewer that is not installed, a time limit, a cancelled request.
/// - The work under review is not trusted: text in the diff is data, and nothing that stands in it can
///   become the verdict. Nothing is changed in `checkout`, and nothing of the commit is run.
/// - When it completes, nothing it started is left. Every process it starts has `CONVOY_ATTEMPT` set to
///   the request's worker id.
/// - It ends within the request's `timeout`, and soon after the request is cancelled.
pub trait ReviewRunner: Send + Sync {
    /// The name that events show.
    fn name(&self) -> &str;

    /// The model that events show, where it is known.
    fn model(&self) -> Option<&str> {
        None
    }

    /// Judges one piece of work.
    fn review<'a>(&'a self, request: ReviewRequest) -> BoxFuture<'a, ReviewReport>;
}

/// What is to be reviewed.
#[derive(Clone)]
pub struct ReviewRequest {
    /// The task.
    pub task: TaskId,
    /// What its agent was asked.
    pub prompt: String,
    /// How thorough the review is: never [`ReviewLevel::AutoPass`].
    pub level: ReviewLevel,
    /// A word that nobody could know while the work was made: an answer that carries it was written for
    /// this review. No two requests have the same.
    pub nonce: String,
    /// The commit that the work started from.
    pub base: Oid,
    /// The work.
    pub commit: Oid,
    /// The changes from base to commit.
    pub diff: Arc<dyn DiffSource>,
    /// A checkout of the *base*, to read in: what configures a reviewer comes from there, never from
    /// the work it judges.
    pub checkout: PathBuf,
    /// The complete environment of what the review starts.
    pub env: BTreeMap<String, String>,
    /// The longest it may take.
    pub timeout: Duration,
    /// Marks everything it starts.
    pub worker: WorkerId,
    /// Ends it.
    pub cancel: CancellationToken,
    /// Hears what the reviewer prints, as it comes. Each request has one of its own.
    pub log: Arc<dyn ReviewLog>,
}

/// Hears what reviewers print; the engine keeps it, redacted, beside the other logs. Must not block.
pub trait ReviewLog: Send + Sync {
    /// A piece of output, unredacted, cut anywhere.
    fn output(&self, chunk: &[u8]);
}

impl std::fmt::Debug for ReviewRequest {
    /// Names the variables but not their values, and the prompt's size but not its text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReviewRequest")
            .field("task", &self.task)
            .field("prompt_bytes", &self.prompt.len())
            .field("level", &self.level)
            .field("base", &self.base)
            .field("commit", &self.commit)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

/// The changes under review, read on demand because they may be large.
pub trait DiffSource: Send + Sync {
    /// The paths that changed, relative to the root, sorted.
    fn paths(&self) -> BoxFuture<'_, Result<Vec<PathBuf>, DiffError>>;

    /// The diff as text, redacted, at most `max_bytes` of it.
    fn text(&self, max_bytes: usize) -> BoxFuture<'_, Result<DiffText, DiffError>>;
}

/// A diff as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffText {
    /// The text. Bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Whether its end is missing because it was longer than asked for. A reviewer that saw only a part
    /// must say so.
    pub truncated: bool,
}

/// The changes could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the changes under review could not be read: {message}")]
pub struct DiffError {
    /// What happened, and what a person can do.
    pub message: String,
    /// The error behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a review came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewReport {
    /// The judgement.
    pub verdict: Verdict,
    /// What the review consumed, as far as it is known.
    pub usage: Usage,
}

/// The judgement of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The work may land. The text may hold remarks.
    Pass(String),
    /// The work must not land; the text says what must change, for the agent that tries again.
    Block(String),
    /// There is no judgement, for this reason. It is never taken for a pass.
    CouldNot(String),
}
