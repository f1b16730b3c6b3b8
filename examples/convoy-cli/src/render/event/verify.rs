//! Runs of `merge.verify` in words.

use convoy_core::event::{VerifyOutcome, VerifyResult, VerifyStarted};
use convoy_core::types::TaskId;

use super::{failed, millis, short, some_of};

pub(super) fn begun(run: &VerifyStarted) -> String {
    let ids: Vec<String> = run.tasks.iter().map(TaskId::to_string).collect();
    let tree = short(&run.tree);
    let with = if ids.is_empty() { "by itself".to_owned() } else { format!("with {}", some_of(&ids)) };
    format!("merge.verify judges tree {tree}, the tip {with} (run {})", run.run)
}

pub(super) fn ended(result: &VerifyResult) -> String {
    let (run, after) = (result.run, millis(result.duration_ms));
    match (result.outcome, &result.failure) {
        (VerifyOutcome::Passed, _) => format!("merge.verify passed after {after} (run {run})"),
        (VerifyOutcome::Failed, Some(failure)) => {
            format!("merge.verify failed after {after} (run {run}): {}", failed(failure))
        }
        _ => format!("merge.verify was stopped (run {run})"),
    }
}
