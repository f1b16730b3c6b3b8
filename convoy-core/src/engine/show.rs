//! One attempt at a task, whole: what was asked, what was said, what was done, how it was judged.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::accept::redactor_for;
use super::git_open_error;
use super::host::Parts;
use super::stored::{Loaded, load_from};
use crate::attempt::Dirs;
use crate::error::{Error, ErrorKind};
use crate::event::{ConvoyEvent, Event, EventRecord, TaskEvent, Work};
use crate::git::GitError;
use crate::secret::Redactor;
use crate::store::StoredConvoy;
use crate::types::{
    AttemptNo, ConvoyId, Failure, Oid, TaskId, TaskIx, TaskStatus, Timestamp, Usage, WorkerId,
};

/// Most bytes of a prompt, from its start.
const MOST_PROMPT: u64 = 1024 * 1024;
/// Most bytes of a log, from its end.
const MOST_LOG: u64 = 256 * 1024;
/// Most bytes of a diff, from its start.
const MOST_DIFF: usize = 1024 * 1024;

/// One attempt at a task, as people see it. Texts that come from agents, gates or files are free of secrets and of
/// characters that could drive a terminal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptView {
    /// The convoy.
    pub convoy_id: ConvoyId,
    /// The task.
    pub task: TaskId,
    /// The attempt, from 1.
    pub attempt: AttemptNo,
    /// How many attempts there are.
    pub attempts: u32,
    /// Its id, which the programs of the attempt carry as `CONVOY_ATTEMPT`.
    pub worker_id: WorkerId,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: AttemptOutcome,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The status of the task now.
    pub task_status: TaskStatus,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What its agent consumed.
    #[serde(skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// Its work as a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// How many files the work changed; absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
    /// The commit that the work landed as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landed_as: Option<Oid>,
    /// The command, word by word, that checks the work out into a folder of its own. Absent where there is no work,
    /// or the repository no longer has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkout: Option<Vec<String>>,
    /// The prompt as it was sent, its steps one after the other. Absent when nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<KeptText>,
    /// The end of what the agent printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<KeptText>,
    /// Why there is no log and no prompt although there were: all logs together were over their quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs_removed: Option<String>,
    /// The files with what setup and gates, and the reviewers, printed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_logs: Vec<PathBuf>,
    /// What the work changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<DiffView>,
    /// Why there is no diff although there is work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff_missing: Option<String>,
    /// Everything that is recorded of it, the verdicts among it: `gate_result`, `built_in_gate_result`,
    /// `hook_result`, `review_verdict` and others.
    #[serde(serialize_with = "flat")]
    pub events: Vec<EventRecord>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// It is not over.
    Open,
    /// Its work has landed, or there was nothing to land.
    Done,
    /// It failed.
    Failed {
        /// How.
        status: TaskStatus,
        /// Another attempt followed, or was to follow.
        retried: bool,
    },
    /// The engine's end interrupted it, and it is repeated.
    Interrupted,
    /// The limit of its provider cut it off.
    Parked {
        /// It is tried again at this time.
        until: Timestamp,
    },
    /// Its work conflicts with what landed meanwhile; the next attempt resolves that.
    Conflict,
    /// It was skipped.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It was cancelled.
    Cancelled,
}

/// A text from a file of the logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptText {
    /// The file, which has the whole text.
    pub path: PathBuf,
    /// The text.
    pub text: String,
    /// Bytes that are left out.
    pub omitted: u64,
}

/// What a commit changed, as a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffView {
    /// The patch.
    pub text: String,
    /// Whether its end is left out.
    pub truncated: bool,
}

fn flat<S: Serializer>(events: &[EventRecord], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(events.iter().map(EventRecord::to_flat_json))
}

/// A task of a stored convoy, and an attempt of it.
pub(super) struct Found {
    pub(super) loaded: Loaded,
    pub(super) stored: StoredConvoy,
    pub(super) task: TaskIx,
    pub(super) attempt: AttemptNo,
    pub(super) newest: AttemptNo,
}

/// The attempt that is meant: the newest when none is named.
pub(super) async fn find(
    parts: &Parts,
    convoy: &ConvoyId,
    task: &TaskId,
    attempt: Option<AttemptNo>,
) -> Result<Found, Error> {
    let (loaded, stored) = load_from(&*parts.store, convoy).await?;
    let plan = loaded.state.plan();
    let missing = |what: String| Error::new(ErrorKind::NotFound, what);
    let ix = plan.find(task).ok_or_else(|| missing(format!("convoy {convoy} has no task {task}")))?;
    let newest = loaded.state.task(ix).attempt();
    let newest = newest.ok_or_else(|| missing(format!("task {task} has not been started")))?;
    let attempt = attempt.unwrap_or(newest);
    if attempt.0 == 0 || attempt > newest {
        return Err(missing(format!("task {task} has attempts 1 to {newest}, not {attempt}")));
    }
    Ok(Found { loaded, stored, task: ix, attempt, newest })
}

/// The events of an attempt, and those of the runs of `merge.verify` that its work was in.
fn events_of(all: Vec<EventRecord>, ix: TaskIx, id: &TaskId, attempt: AttemptNo) -> Vec<EventRecord> {
    let (mut now, mut runs) = (None, BTreeSet::new());
    let mut of = |record: &EventRecord| match &record.event {
        Event::Task { task, attempt: number, .. } if *task == ix => {
            now = number.or(now);
            *number == Some(attempt)
        }
        Event::Convoy(ConvoyEvent::VerifyStarted(run)) => {
            now == Some(attempt) && run.tasks.contains(id) && runs.insert(run.run)
        }
        Event::Convoy(ConvoyEvent::VerifyResult(result)) => runs.contains(&result.run),
        Event::Task { .. } | Event::Convoy(_) | Event::Publish(_) => false,
    };
    all.into_iter().filter(|record| of(record)).collect()
}

/// Everything that is known of an attempt.
pub(super) async fn show(
    parts: &Parts,
    convoy: &ConvoyId,
    task: &TaskId,
    attempt: Option<AttemptNo>,
) -> Result<AttemptView, Error> {
    let Found { loaded, stored, task: ix, attempt, newest } = find(parts, convoy, task, attempt).await?;
    let state = loaded.state;
    let plan = state.plan().clone();
    let redactor = redactor_for(parts, &plan);
    let events = events_of(stored.events, ix, task, attempt);
    let began_at = events.first().map_or(state.created_at(), |record| record.time);
    let mut view = AttemptView {
        convoy_id: convoy.clone(),
        task: task.clone(),
        attempt,
        attempts: newest.0,
        worker_id: WorkerId::of(convoy, ix, attempt),
        outcome: AttemptOutcome::Open,
        failure: None,
        task_status: state.task(ix).stage.status(),
        began_at,
        ended_at: None,
        usage: Usage::default(),
        work: None,
        files_changed: None,
        landed_as: None,
        checkout: None,
        prompt: None,
        log: None,
        logs_removed: None,
        other_logs: Vec::new(),
        diff: None,
        diff_missing: None,
        events: Vec::new(),
    };
    events.iter().for_each(|record| view.note(record));
    view.events = events;
    if let Some(work) = view.work.clone() {
        match diff(parts, &work, &redactor).await {
            Ok(diff) => {
                view.diff = Some(diff);
                view.checkout = checkout(parts, convoy, &plan.dir_name(ix), attempt, &work.commit);
            }
            Err(error) => view.diff_missing = Some(git_open_error(error).chain()),
        }
    }
    let dirs = Dirs::new(&parts.state_dir, convoy.clone());
    let (prompt, log) = (dirs.prompt(&plan, ix, attempt), dirs.agent_log(&plan, ix, attempt));
    let reviews = (1..=3).map(|n| dirs.review_log(&plan, ix, attempt, n));
    view.other_logs = std::iter::once(dirs.check_log(&plan, ix, attempt)).chain(reviews).collect();
    view.other_logs.retain(|path| path.exists());
    let reading = tokio::task::spawn_blocking(move || {
        let prompt = start_of(&prompt, MOST_PROMPT, &redactor)?;
        Ok::<_, Error>((prompt, end_of(&log, MOST_LOG, &redactor)?))
    });
    let gone = |error| Error::new(ErrorKind::Internal, "a log could not be read").because(error);
    (view.prompt, view.log) = reading.await.map_err(gone)??;
    if view.prompt.is_none() && view.log.is_none() {
        let note = start_of(&dirs.logs_removed(), MOST_PROMPT, &redactor_for(parts, &plan))?;
        view.logs_removed = note.map(|note| note.text.trim_end().to_owned());
    }
    Ok(view)
}

impl AttemptView {
    /// Takes what an event of the attempt tells. Only the first end counts: what a person does with the task later,
    /// before its next attempt, is not of this one.
    fn note(&mut self, record: &EventRecord) {
        let Event::Task { event, .. } = &record.event else { return };
        match event {
            TaskEvent::AgentEnded { usage, .. } => self.usage.add(usage),
            TaskEvent::Snapshot { work, files_changed, .. } => {
                self.work.clone_from(work);
                self.files_changed = *files_changed;
            }
            TaskEvent::Accepted { work, .. } => self.work = Some(work.clone()),
            TaskEvent::Landed { commit } => self.landed_as = Some(commit.clone()),
            _ => {}
        }
        let (outcome, failure) = match event {
            TaskEvent::Done { .. } => (AttemptOutcome::Done, None),
            TaskEvent::Failed { status, failure, .. } => {
                (AttemptOutcome::Failed { status: *status, retried: false }, Some(failure))
            }
            TaskEvent::Retried { failure: None, .. } => (AttemptOutcome::Interrupted, None),
            TaskEvent::Retried { previous_status, failure, .. } => {
                (AttemptOutcome::Failed { status: *previous_status, retried: true }, failure.as_ref())
            }
            TaskEvent::Parked { until, failure, .. } => {
                (AttemptOutcome::Parked { until: *until }, Some(failure))
            }
            TaskEvent::Conflict { .. } => (AttemptOutcome::Conflict, None),
            TaskEvent::Skipped { reason, .. } => (AttemptOutcome::Skipped { reason: reason.clone() }, None),
            TaskEvent::Cancelled {} => (AttemptOutcome::Cancelled, None),
            _ => return,
        };
        if self.ended_at.is_none() {
            (self.outcome, self.failure, self.ended_at) = (outcome, failure.cloned(), Some(record.time));
        }
    }
}

/// What the work changed since it left the history of its base.
async fn diff(parts: &Parts, work: &Work, redactor: &Redactor) -> Result<DiffView, GitError> {
    let from = parts.repository.diff_base(&work.base, &work.commit).await?;
    let patch = parts.repository.patch_text(&from, &work.commit, MOST_DIFF).await?;
    let whole = if patch.truncated { whole_lines_before(&patch.bytes) } else { &patch.bytes };
    Ok(DiffView { text: clean(whole, redactor), truncated: patch.truncated })
}

/// Checks a commit out beside the repository, in a folder that nothing else has.
fn checkout(
    parts: &Parts,
    convoy: &ConvoyId,
    dir_name: &str,
    attempt: AttemptNo,
    commit: &Oid,
) -> Option<Vec<String>> {
    let git_dir = parts.repository.common_dir();
    let repository = parts.repository.main_worktree().unwrap_or(git_dir);
    let name = repository.file_name()?.to_str()?;
    let short =
        convoy.as_str().char_indices().nth_back(5).map_or(convoy.as_str(), |(at, _)| &convoy.as_str()[at..]);
    let folder = repository.parent()?.join(format!("{name}-{short}-{dir_name}-{attempt}"));
    let words = ["git", "-C", repository.to_str()?, "worktree", "add", "--detach", folder.to_str()?];
    Some(words.into_iter().chain([commit.as_str()]).map(str::to_owned).collect())
}

/// The beginning of a file; `None` when there is none.
fn start_of(path: &Path, most: u64, redactor: &Redactor) -> Result<Option<KeptText>, Error> {
    kept(path, redactor, |file, size| {
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        if size > most {
            bytes.truncate(whole_lines_before(&bytes).len());
        }
        Ok(bytes)
    })
}

/// The end of a file; `None` when there is none.
fn end_of(path: &Path, most: u64, redactor: &Redactor) -> Result<Option<KeptText>, Error> {
    kept(path, redactor, |mut file, size| {
        let from = size.saturating_sub(most);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if from > 0 {
            bytes.drain(..line);
        }
        Ok(bytes)
    })
}

fn kept(
    path: &Path,
    redactor: &Redactor,
    read: impl FnOnce(File, u64) -> io::Result<Vec<u8>>,
) -> Result<Option<KeptText>, Error> {
    let failed =
        |error| Error::new(ErrorKind::Store, format!("cannot read {}", path.display())).because(error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size = file.metadata().map_err(failed)?.len();
    let bytes = read(file, size).map_err(failed)?;
    let omitted = size.saturating_sub(bytes.len() as u64);
    Ok(Some(KeptText { path: path.to_owned(), text: clean(&bytes, redactor), omitted }))
}

/// Without the line that was cut at the end, where a part of a secret would not be known as one.
fn whole_lines_before(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &bytes[..end]
}

fn clean(bytes: &[u8], redactor: &Redactor) -> String {
    redactor.clean(&String::from_utf8_lossy(bytes))
}
