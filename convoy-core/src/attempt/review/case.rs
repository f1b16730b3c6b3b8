//! Letting reviewers look at work: in a checkout of the base, a few at a time, each into a log of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{ReviewOrder, Reviewed, Subject};
use crate::agent::{Registry, canonical_name};
use crate::attempt::context::Context;
use crate::attempt::host::{self, Code, Ended};
use crate::attempt::log::Log;
use crate::attempt::space::{NoWorktree, Wanted};
use crate::git::{ChangedPath, GitError, Repository};
use crate::review::{
    AgentReviewer, DiffError, DiffSource, DiffText, PANEL, ReviewLog, ReviewReport, ReviewRequest,
    ReviewRunner, Verdict, count,
};
use crate::secret::Redactor;
use crate::spec::ReviewSettings;
use crate::types::{BoxFuture, Oid, ReviewLevel, Usage};

/// The longest that one reviewer may take.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Most bytes that are kept of what reviewers said.
const MAX_TEXT: usize = 16 * 1024;

/// Work that reviewers look at.
pub(super) struct Case<'a> {
    pub(super) context: &'a Context,
    pub(super) order: &'a ReviewOrder,
    pub(super) changes: Vec<ChangedPath>,
    pub(super) cancel: &'a CancellationToken,
}

/// Why reviewers were not asked.
pub(super) enum NotAsked {
    /// They could not be.
    Because(String),
    /// The review was stopped.
    Stopped,
    /// The disk has no room, of which nobody is to blame: the review can be repeated.
    NoRoom(GitError),
}

impl From<NoWorktree> for NotAsked {
    fn from(none: NoWorktree) -> Self {
        match none {
            NoWorktree::Stopped => Self::Stopped,
            NoWorktree::Failed(error) if error.is_disk_full() => Self::NoRoom(error),
            NoWorktree::Failed(error) => {
                Self::Because(format!("the base of the work cannot be checked out: {error}"))
            }
        }
    }
}

/// What all reviewers of a case are given.
struct Desk<'a> {
    checkout: &'a Path,
    /// What was asked for.
    prompt: String,
}

impl Case<'_> {
    /// The reports of all reviewers, each in a checkout of the base.
    pub(super) async fn verdicts(
        &self,
        runner: &dyn ReviewRunner,
        level: ReviewLevel,
    ) -> Result<Vec<ReviewReport>, NotAsked> {
        let (of, inputs) = (self.order.of, &self.order.inputs);
        let unknown = |error| NotAsked::Because(format!("what was asked for: {error}"));
        let prompt = of.prompt(self.context, inputs).await.map_err(unknown)?;
        let checkout = of.checkout(self.context);
        let repository = &self.context.repository;
        // One that a crash left is in an unknown state.
        repository.remove_worktree(&checkout).await.map_err(NoWorktree::from)?;
        let log = of.waiting_log(self.context);
        let wanted = Wanted { path: &checkout, commit: &self.order.base, slot: None, keep: None, log };
        self.context.add_worktree(wanted, self.cancel).await?;
        let reports = self.reports(runner, level, &Desk { checkout: &checkout, prompt }).await;
        // What cannot be removed now is removed at the end of the run.
        drop(repository.remove_worktree(&checkout).await);
        Ok(reports)
    }

    async fn reports(
        &self,
        runner: &dyn ReviewRunner,
        level: ReviewLevel,
        desk: &Desk<'_>,
    ) -> Vec<ReviewReport> {
        if level == ReviewLevel::Panel {
            let (a, b, c) = tokio::join!(
                self.report(runner, level, desk, 1),
                self.report(runner, level, desk, 2),
                self.report(runner, level, desk, 3),
            );
            let all: [_; PANEL] = [a, b, c];
            return all.into();
        }
        vec![self.report(runner, level, desk, 1).await]
    }

    /// What one reviewer says. One that fails comes to no judgement, and what it used is told all the same.
    async fn report(
        &self,
        runner: &dyn ReviewRunner,
        level: ReviewLevel,
        desk: &Desk<'_>,
        member: usize,
    ) -> ReviewReport {
        let mut usage = Usage::default();
        let asked = self.asked(runner, (level, member), desk, &mut usage).await;
        ReviewReport { verdict: asked.unwrap_or_else(Verdict::CouldNot), usage }
    }

    /// Asks one reviewer and adds what that cost; waits until fewer than the most are at work.
    async fn asked(
        &self,
        runner: &dyn ReviewRunner,
        (level, member): (ReviewLevel, usize),
        desk: &Desk<'_>,
        usage: &mut Usage,
    ) -> Result<Verdict, String> {
        let (context, order) = (self.context, self.order);
        let env = order.of.env(context).map_err(|e| e.to_string())?;
        let path = order.of.log(context, member);
        let mut log = Log::open(&path, &context.redactor)
            .map_err(|error| format!("the log of the review cannot be opened: {error}"))?;
        log.heading(&format!("{level} review of {} by {}", order.commit, runner.name()));
        let _slot = tokio::select! {
            slot = context.reviews.slots.acquire() => slot.map_err(|error| error.to_string())?,
            () = self.cancel.cancelled() => return Err("the review was stopped".to_owned()),
        };
        let log = Arc::new(ReviewerLog(Mutex::new(Some(log))));
        let request = ReviewRequest {
            task: order.of.id(context),
            prompt: desk.prompt.clone(),
            level,
            nonce: nonce(),
            base: order.base.clone(),
            commit: order.commit.clone(),
            diff: Arc::new(self.diff()),
            checkout: desk.checkout.to_owned(),
            env,
            timeout: REVIEW_TIMEOUT,
            worker: order.of.worker(context),
            cancel: self.cancel.clone(),
            log: log.clone(),
        };
        let report = match &context.reviewer {
            Some(own) => ask_host(own.clone(), request, context.grace).await,
            None => Ok(runner.review(request).await),
        };
        if let Err(why) | Ok(ReviewReport { verdict: Verdict::CouldNot(why), .. }) = &report {
            log.title(&format!("no judgement: {why}"));
        }
        let report = report?;
        context.reviews.spend(&report.usage);
        usage.add(&report.usage);
        log.finish().map_err(|error| format!("the log of the review cannot be written: {error}"))?;
        Ok(report.verdict)
    }

    fn diff(&self) -> RepositoryDiff {
        RepositoryDiff {
            repository: self.context.repository.clone(),
            base: self.order.base.clone(),
            commit: self.order.commit.clone(),
            paths: self.changes.iter().map(|change| PathBuf::from(self.clean(&change.path))).collect(),
            redactor: self.context.redactor.clone(),
        }
    }

    /// What the reports come to together; what they cost is added.
    pub(super) fn judgement(&self, reviewed: &mut Reviewed, reports: &[ReviewReport]) -> Verdict {
        for report in reports {
            reviewed.usage.add(&report.usage);
        }
        match (reviewed.level, reports) {
            (ReviewLevel::Fast, [report]) => report.verdict.clone(),
            _ => {
                let verdicts: Vec<Verdict> = reports.iter().map(|report| report.verdict.clone()).collect();
                let panel = count(&verdicts);
                reviewed.panel = Some((panel.passes, panel.blocks));
                panel.verdict
            }
        }
    }

    /// Text that may hold anything: redacted, printable, bounded.
    pub(super) fn clean(&self, text: &str) -> String {
        self.context.redactor.clean_bounded(text, MAX_TEXT)
    }
}

/// Who reviews work: the host's own reviewer, or an agent that can be kept from writing.
pub(super) fn reviewer(context: &Context, of: Subject) -> Result<Arc<dyn ReviewRunner>, String> {
    if let Some(reviewer) = &context.reviewer {
        return Ok(reviewer.clone());
    }
    let own = of.adapter(context).or(context.adapter.as_deref());
    let reviewer = review_agent(&context.registry, &context.plan.spec().reviews, own, context.grace)?;
    Ok(Arc::new(reviewer))
}

/// The agent that reviews work whose own agents have the adapter `own`.
///
/// # Errors
/// Why none can, and what the person can change.
pub fn review_agent(
    registry: &Registry,
    settings: &ReviewSettings,
    own: Option<&str>,
    grace: Duration,
) -> Result<AgentReviewer, String> {
    let Some(name) = settings.adapter.as_deref().or(own) else {
        return Err("no agent adapter can review; set `reviewer_adapter`".to_owned());
    };
    let adapter = registry.get(canonical_name(name)).map_err(|error| error.to_string())?;
    let reviewer = AgentReviewer::new(adapter, settings.model.clone(), grace);
    reviewer.can_review()?;
    Ok(reviewer)
}

/// Asks the host's own reviewer, whatever it does: one that ignores its limit or its token is given up, and one that
/// panics came to no judgement.
async fn ask_host(
    own: Arc<dyn ReviewRunner>,
    request: ReviewRequest,
    grace: Duration,
) -> Result<ReviewReport, String> {
    let cancel = request.cancel.clone();
    let code: Code<ReviewRequest, ReviewReport> = Arc::new(move |request| {
        let own = own.clone();
        Box::pin(async move { own.review(request).await })
    });
    // One that keeps to its limit says so itself.
    let limit = request.timeout.saturating_add(grace);
    let call = |stop| ReviewRequest { cancel: stop, ..request };
    match host::ask(code, call, limit, grace, &cancel).await {
        Ended::Answered(report) => Ok(report),
        Ended::Panicked(text) => Err(format!("the code of the reviewer panicked: {text}")),
        Ended::TimedOut => Err(format!("the reviewer was ended by its limit of {} s", limit.as_secs())),
        Ended::Stopped => Err("the review was stopped".to_owned()),
    }
}

/// A word that nobody can guess: 160 random bits.
fn nonce() -> String {
    let part = || ulid::Ulid::generate().random();
    format!("{:020x}{:020x}", part(), part())
}

/// What a reviewer prints, into its log.
struct ReviewerLog(Mutex<Option<Log>>);

impl ReviewerLog {
    fn title(&self, line: &str) {
        if let Some(log) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            log.title(line);
        }
    }

    fn finish(&self) -> std::io::Result<()> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        log.and_then(|log| log.finish().1).map_or(Ok(()), Err)
    }
}

impl ReviewLog for ReviewerLog {
    fn output(&self, chunk: &[u8]) {
        if let Some(log) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            log.push(chunk);
        }
    }
}

/// What differs between two commits as a patch, redacted; at most `max` bytes of it.
pub(in crate::attempt) async fn diff_text(
    repository: &Repository,
    redactor: &Redactor,
    (from, to): (&Oid, &Oid),
    max: usize,
) -> Result<DiffText, GitError> {
    let patch = repository.patch_text(from, to, max).await?;
    let text = String::from_utf8_lossy(&patch.bytes);
    // Characters that would hide something, such as those that turn the direction of text, are shown.
    let text = redactor.clean(&text);
    Ok(DiffText { text, truncated: patch.truncated })
}

/// The changes of a commit, redacted.
struct RepositoryDiff {
    repository: Repository,
    base: Oid,
    commit: Oid,
    paths: Vec<PathBuf>,
    redactor: Redactor,
}

impl DiffSource for RepositoryDiff {
    fn paths(&self) -> BoxFuture<'_, Result<Vec<PathBuf>, DiffError>> {
        let mut paths = self.paths.clone();
        paths.sort_unstable();
        Box::pin(async { Ok(paths) })
    }

    fn text(&self, max_bytes: usize) -> BoxFuture<'_, Result<DiffText, DiffError>> {
        Box::pin(async move {
            let failed =
                |error: GitError| DiffError { message: error.to_string(), source: Some(Box::new(error)) };
            let from = self.repository.diff_base(&self.base, &self.commit).await.map_err(failed)?;
            diff_text(&self.repository, &self.redactor, (&from, &self.commit), max_bytes)
                .await
                .map_err(failed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ConvoyId, TaskId, WorkerId};

    /// A reviewer that says when it is asked to end, and does not.
    struct Endless(tokio::sync::mpsc::UnboundedSender<()>);

    impl ReviewRunner for Endless {
        fn name(&self) -> &str {
            "endless"
        }

        fn review<'a>(&'a self, request: ReviewRequest) -> BoxFuture<'a, ReviewReport> {
            Box::pin(async move {
                request.cancel.cancelled().await;
                let _ = self.0.send(());
                std::future::pending().await
            })
        }
    }

    struct Nothing;

    impl DiffSource for Nothing {
        fn paths(&self) -> BoxFuture<'_, Result<Vec<PathBuf>, DiffError>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn text(&self, _max_bytes: usize) -> BoxFuture<'_, Result<DiffText, DiffError>> {
            Box::pin(async { Ok(DiffText { text: String::new(), truncated: false }) })
        }
    }

    impl ReviewLog for Nothing {
        fn output(&self, _chunk: &[u8]) {}
    }

    #[tokio::test]
    async fn a_reviewer_of_the_host_that_goes_on_after_its_limit_is_asked_to_end_and_given_up() {
        let (told, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let oid = Oid::new("1".repeat(40)).expect("an id");
        let request = ReviewRequest {
            task: TaskId::new("a").expect("an id"),
            prompt: String::new(),
            level: ReviewLevel::Fast,
            nonce: nonce(),
            base: oid.clone(),
            commit: oid,
            diff: Arc::new(Nothing),
            checkout: PathBuf::new(),
            env: std::collections::BTreeMap::new(),
            timeout: Duration::from_millis(1),
            worker: WorkerId::of_end(&ConvoyId::from_parts(1, 1), 1),
            cancel: CancellationToken::new(),
            log: Arc::new(Nothing),
        };
        let said = ask_host(Arc::new(Endless(told)), request, Duration::from_millis(20)).await;
        assert_eq!(said.expect_err("no judgement"), "the reviewer was ended by its limit of 0 s");
        asked.recv().await.expect("it was asked to end");
    }
}
