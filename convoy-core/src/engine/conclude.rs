//! What follows the loop of a run: worktrees that nobody needs, the files that are derived from the store.

use std::sync::{Arc, Mutex, PoisonError};

use super::git_open_error;
use super::host::Parts;
use super::run::{Ended, Finish, Live, Outcome};
use super::stored::load_from;
use crate::attempt::{Context, clean_up};
use crate::error::{Error, ErrorKind};
use crate::state::{ConvoyView, RunState, view};
use crate::store::{ExportError, NdjsonExport, PeopleFiles, RunRecord};
use crate::types::ConvoyId;

/// The folder of the text files, below the state directory.
const LOGS: &str = "logs";

/// Brings the text files up to date whenever the run has recorded something, until it has ended.
pub(super) async fn keep_text_files(parts: &Parts, live: &Live, people: &SharedFiles) {
    let mut reached = live.watch();
    loop {
        // What cannot be written now is written later, or told at the end of the run.
        drop(sync_events(parts).await);
        drop(sync_people(parts, people).await);
        tokio::select! {
            () = live.ended() => return,
            changed = reached.changed() => if changed.is_err() { return },
        }
    }
}

async fn on_files<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // Cancelled only when the engine's runtime goes, which waits for every run.
    tokio::task::spawn_blocking(work).await.ok()
}

async fn sync_events(parts: &Parts) -> Option<ExportError> {
    let (store, logs) = (parts.store.clone(), parts.state_dir.join(LOGS));
    on_files(move || NdjsonExport::new(logs).sync(&*store).err()).await.flatten()
}

/// The files for people, with what is known to stand in them.
pub(super) type SharedFiles = Arc<Mutex<PeopleFiles>>;

/// The files for people, for one run of a convoy.
pub(super) fn people_files(parts: &Parts, convoy: &ConvoyId) -> SharedFiles {
    Arc::new(Mutex::new(PeopleFiles::new(&parts.state_dir, convoy.clone())))
}

async fn sync_people(parts: &Parts, people: &SharedFiles) -> Option<ExportError> {
    let (store, people) = (parts.store.clone(), people.clone());
    let sync = move || {
        // After a panic the files are looked at again by the next run.
        people.lock().unwrap_or_else(PoisonError::into_inner).sync(&*store).err()
    };
    on_files(sync).await.flatten()
}

/// Concludes a run and says how it ended. `trouble`: what went wrong beside it.
pub(super) async fn conclude(
    parts: &Parts,
    context: &Context,
    ended: Result<RunState, Error>,
    trouble: Option<String>,
    people: &SharedFiles,
) -> Finish {
    let told = |error: &Error| (error.kind(), error.chain());
    let mut warnings: Vec<String> = trouble.into_iter().collect();
    warnings.extend(sync_events(parts).await.map(|error| error.to_string()));
    warnings.extend(sync_people(parts, people).await.map(|error| error.to_string()));
    let state = ended.as_ref().map_err(told)?;
    if state.ended().is_some() {
        // The convoy has ended; a folder that cannot be deleted changes nothing of that.
        let context = Context { plan: state.plan().clone(), ..Context::clone(context) };
        warnings.extend(clean_up(&context).await.err().map(|error| git_open_error(error).chain()));
        let appended = match append_record(parts, state).await {
            // Another engine may prune a convoy as soon as it has ended.
            Err(error) if error.kind() == ErrorKind::NotFound => Some(error.chain()),
            appended => appended.map_err(|error| told(&error))?,
        };
        warnings.extend(appended);
    }
    let ended = if state.ended().is_some() { Ended::Finished } else { Ended::Interrupted };
    let view = view(state);
    warnings.extend(unpublished(&view).filter(|_| state.ended().is_some()));
    Ok(Outcome { ended, view, warnings, file_warnings: Vec::new() })
}

/// Says that the user's branch has not got what landed, and what to do about it.
fn unpublished(view: &ConvoyView) -> Option<String> {
    let ConvoyView { branch, integration_ref, .. } = view;
    let why = view.publish_blocked.as_deref().unwrap_or("the branch was not moved");
    let paths = view.paths_in_the_way.iter().flatten().take(10).map(String::as_str).collect::<Vec<_>>();
    let paths = if paths.is_empty() { String::new() } else { format!(" ({})", paths.join(", ")) };
    let text = || {
        format!(
            "branch {branch} has not got what landed: {why}{paths}. It is kept at {integration_ref}; publish again"
        )
    };
    (!view.published).then(text)
}

/// Appends the line of this run to `convoys.ndjson`. Returns what kept it from being written.
async fn append_record(parts: &Parts, state: &RunState) -> Result<Option<String>, Error> {
    let (_, stored) = load_from(&*parts.store, state.convoy()).await?;
    let Some(record) = RunRecord::of(&stored, state.plan(), state.agent_calls()) else { return Ok(None) };
    let logs = parts.state_dir.join(LOGS);
    let failed = on_files(move || NdjsonExport::new(logs).append_run(&record).err()).await.flatten();
    Ok(failed.map(|error| error.to_string()))
}
