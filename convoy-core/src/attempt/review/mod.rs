//! Reviewing the work of an attempt. What a review leads to is decided elsewhere.

mod case;
mod subject;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(super) use self::case::diff_text;
pub use self::case::review_agent;
use self::case::{Case, NotAsked, reviewer};
pub use self::subject::Subject;
use super::context::Context;
use super::inputs::PromptInput;
use crate::git::{Change, ChangedPath, GitError};
use crate::review::{ChangeSize, Choice, Grant, Verdict, choose, grant};
use crate::spec::Task;
use crate::types::{Failure, FailureKind, Oid, ReviewLevel, ReviewVerdict, Usage};

/// What the reviews of one convoy share: how many reviewers work at once, and what they have used.
#[derive(Debug, Clone)]
pub struct Reviews {
    slots: Arc<Semaphore>,
    /// Tokens of reviews that are over, also of those whose end is not recorded yet.
    spent: Arc<AtomicU64>,
}

impl Reviews {
    /// With so many reviewers at once, after reviews that have used so many tokens.
    pub fn new(most: u32, spent: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { slots: Arc::new(Semaphore::new(most)), spent: Arc::new(AtomicU64::new(spent)) }
    }

    /// What is spent, where the record says `recorded`.
    fn spent(&self, recorded: u64) -> u64 {
        self.spent.fetch_max(recorded, Ordering::SeqCst).max(recorded)
    }

    fn spend(&self, usage: &Usage) {
        self.spent.fetch_add(usage.total_tokens().unwrap_or(0), Ordering::SeqCst);
    }
}

/// Work whose review is due: its gates have passed.
#[derive(Debug, Clone)]
pub struct ReviewOrder {
    /// Whose it is.
    pub of: Subject,
    /// Where the work began.
    pub base: Oid,
    /// The commit of the work.
    pub commit: Oid,
    /// The artifacts that the agent's prompt got.
    pub inputs: Vec<PromptInput>,
    /// The most thorough review that this very tree, on this base, has passed.
    pub passed: Option<ReviewLevel>,
    /// Tokens of all reviews of the convoy, as the record has it.
    pub spent: u64,
}

/// What is told of a review while it goes on.
#[derive(Debug, Clone)]
pub enum ReviewNote {
    /// Reviewers are about to look.
    Started {
        /// How thorough it is.
        level: ReviewLevel,
        /// Who reviews.
        reviewer: String,
        /// Their model.
        model: Option<String>,
        /// Why it has this level.
        reason: String,
    },
    /// It is over, or there is none.
    Ended(Reviewed),
}

/// What a review came to. Its text is redacted and bounded.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// How thorough it was, or would have been.
    pub level: ReviewLevel,
    /// The judgement.
    pub verdict: ReviewVerdict,
    /// What the reviewers consumed.
    pub usage: Usage,
    /// Their model.
    pub model: Option<String>,
    /// Whether there is no judgement, because none could be made.
    pub could_not: bool,
    /// Members of a panel that passed and that blocked the work.
    pub panel: Option<(u32, u32)>,
    /// What the budget made of it, when it was used up.
    pub budget: Option<Grant>,
    /// Whether it is the verdict of an earlier review of the same tree.
    pub reused: bool,
    /// What the reviewers said, or why there is no judgement.
    pub text: String,
}

/// How the review stage of a check ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewEnd {
    /// Nothing keeps the work from landing.
    Passed,
    /// It must not land.
    Blocked(Failure),
    /// It was stopped before there was a verdict.
    Stopped,
}

/// Reviews the work of a task as that says, and tells how that goes.
///
/// # Errors
/// When git cannot say what the work changed, or the disk has no room for what reviewers look at; the review can be repeated.
pub async fn review(
    context: &Context,
    task: &Task,
    order: &ReviewOrder,
    cancel: &CancellationToken,
    note: &mut (dyn FnMut(ReviewNote) + Send),
) -> Result<ReviewEnd, GitError> {
    let changes = context.repository.changed_paths(&order.base, &order.commit).await?;
    if changes.is_empty() {
        return Ok(ReviewEnd::Passed);
    }
    let heuristics = &context.plan.spec().reviews.heuristics;
    let Some(choice) = choose(task.review, &task.agent, &size(&changes), heuristics) else {
        return Ok(ReviewEnd::Passed);
    };
    let case = Case { context, order, changes, cancel };
    Stage { case, note, skips: true }.held(choice).await
}

/// Has one reviewer look at work, whatever its task says; a review that cannot be made blocks, also one that the
/// budget leaves nothing for: a hook has no work of its own that could be counted as unreviewed. For hooks. Work
/// without a change passes, and nothing is told of it.
///
/// # Errors
/// As [`review`].
pub async fn one_fast_review(
    context: &Context,
    order: &ReviewOrder,
    cancel: &CancellationToken,
    note: &mut (dyn FnMut(ReviewNote) + Send),
) -> Result<ReviewEnd, GitError> {
    let changes = context.repository.changed_paths(&order.base, &order.commit).await?;
    if changes.is_empty() {
        return Ok(ReviewEnd::Passed);
    }
    let reason = "a hook asks for it".to_owned();
    let choice = Choice { level: ReviewLevel::Fast, reason, may_skip: false };
    let case = Case { context, order, changes, cancel };
    Stage { case, note, skips: false }.held(choice).await
}

fn size(changes: &[ChangedPath]) -> ChangeSize {
    let mut size = ChangeSize { lines: Some(0), ..ChangeSize::default() };
    for change in changes {
        size.paths.push(change.path.clone());
        if let Change::Renamed { from } = &change.change {
            size.paths.push(from.clone());
        }
        size.files = size.files.saturating_add(1);
        size.lines = size.lines.zip(change.lines).map(|(all, (added, deleted))| all + added + deleted);
    }
    size
}

/// One review under way.
struct Stage<'a> {
    case: Case<'a>,
    note: &'a mut (dyn FnMut(ReviewNote) + Send),
    /// Whether the budget may leave work unreviewed, which is counted then.
    skips: bool,
}

impl Stage<'_> {
    /// Makes the review that was chosen, as far as an earlier verdict and the budget leave it to be made.
    async fn held(self, choice: Choice) -> Result<ReviewEnd, GitError> {
        let mut reviewed = self.nothing_yet(choice.level);
        if choice.level == ReviewLevel::AutoPass {
            reviewed.text = choice.reason;
            return Ok(self.end(reviewed, true));
        }
        if let Some(level) = self.case.order.passed.filter(|level| *level >= choice.level) {
            (reviewed.level, reviewed.reused) = (level, true);
            reviewed.text = "this very work has passed a review before".to_owned();
            return Ok(self.end(reviewed, true));
        }
        let settings = &self.case.context.plan.spec().reviews;
        let spent = self.case.context.reviews.spent(self.case.order.spent);
        let granted = grant(choice.level, spent, settings.budget, settings.on_budget_exceeded);
        reviewed.budget = (granted != Grant::Granted).then_some(granted);
        if let Grant::Skipped | Grant::Refused = granted {
            let budget = settings.budget.unwrap_or(0);
            reviewed.text = format!("reviews have used {spent} of {budget} tokens (`review_budget`)");
            reviewed.verdict = ReviewVerdict::Skipped;
            let may_land = self.skips && granted == Grant::Skipped;
            return Ok(self.end(reviewed, may_land));
        }
        if granted == Grant::Downgraded {
            reviewed.level = ReviewLevel::Fast;
        }
        self.look(reviewed, choice).await
    }

    fn nothing_yet(&self, level: ReviewLevel) -> Reviewed {
        Reviewed {
            level,
            verdict: ReviewVerdict::Pass,
            usage: Usage::default(),
            model: None,
            could_not: false,
            panel: None,
            budget: None,
            reused: false,
            text: String::new(),
        }
    }

    /// Lets reviewers look.
    async fn look(self, mut reviewed: Reviewed, choice: Choice) -> Result<ReviewEnd, GitError> {
        let runner = match reviewer(self.case.context, self.case.order.of) {
            Ok(runner) => runner,
            Err(reason) => return Ok(self.could_not(reviewed, reason, choice.may_skip)),
        };
        reviewed.model = runner.model().map(str::to_owned);
        let (reviewer, reason) = (self.case.clean(runner.name()), self.case.clean(&choice.reason));
        let model = reviewed.model.clone();
        (self.note)(ReviewNote::Started { level: reviewed.level, reviewer, model, reason });
        let verdict = match self.case.verdicts(&*runner, reviewed.level).await {
            Ok(reports) => self.case.judgement(&mut reviewed, &reports),
            Err(NotAsked::Because(reason)) => Verdict::CouldNot(reason),
            Err(NotAsked::Stopped) => return Ok(ReviewEnd::Stopped),
            Err(NotAsked::NoRoom(error)) => return Err(error),
        };
        Ok(match verdict {
            Verdict::Pass(text) => {
                reviewed.text = text;
                self.end(reviewed, true)
            }
            Verdict::Block(text) => {
                (reviewed.verdict, reviewed.text) = (ReviewVerdict::Block, text);
                self.end(reviewed, false)
            }
            Verdict::CouldNot(_) if self.case.cancel.is_cancelled() => ReviewEnd::Stopped,
            Verdict::CouldNot(reason) => self.could_not(reviewed, reason, choice.may_skip),
        })
    }

    fn could_not(self, mut reviewed: Reviewed, reason: String, may_skip: bool) -> ReviewEnd {
        (reviewed.verdict, reviewed.could_not, reviewed.text) = (ReviewVerdict::Skipped, true, reason);
        self.end(reviewed, may_skip)
    }

    /// Tells the verdict. Work without one lands only if it `may_land`.
    fn end(self, mut reviewed: Reviewed, may_land: bool) -> ReviewEnd {
        reviewed.text = self.case.clean(&reviewed.text);
        let text = &reviewed.text;
        let end = match (reviewed.verdict, may_land) {
            (ReviewVerdict::Pass, _) | (ReviewVerdict::Skipped, true) => ReviewEnd::Passed,
            (ReviewVerdict::Block, _) => {
                blocked(format!("the {} review blocks the work: {text}", reviewed.level))
            }
            (ReviewVerdict::Skipped, false) => {
                let message = format!("the {} review could not be made: {text}", reviewed.level);
                reviewed.verdict = ReviewVerdict::Block;
                blocked(message)
            }
        };
        (self.note)(ReviewNote::Ended(reviewed));
        end
    }
}

fn blocked(message: String) -> ReviewEnd {
    ReviewEnd::Blocked(Failure::new(FailureKind::ReviewBlocked, message))
}
