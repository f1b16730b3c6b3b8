//! What people decide about a task.

use super::judged::Judged;
use super::stage::{Stage, TaskState};
use crate::event::TaskEvent;
use crate::spec::Approve;

/// The stage that an event leads to, as for the other events: `None` when it cannot happen in this stage,
/// `Some(None)` when the task stays where it is.
pub(super) fn next_stage(task: &TaskState, event: &TaskEvent) -> Option<Option<Stage>> {
    match (event, &task.stage) {
        (TaskEvent::AwaitingApproval { before, asked_at, .. }, stage) => {
            let work = match (before, stage) {
                (Approve::BeforeRun, Stage::Pending { .. }) => None,
                (Approve::BeforeMerge, Stage::Checking { work }) => Some(work.clone()),
                _ => return None,
            };
            Some(Some(Stage::AwaitingApproval { work, asked_at: *asked_at }))
        }
        (TaskEvent::Approved { .. }, Stage::AwaitingApproval { work: None, .. }) => {
            Some(Some(Stage::Pending { not_before: None, repeats: false, parked: false, lacks_input: false }))
        }
        // Its place in the queue comes with `merge_queued`, what a refusal leads to with `task_failed`.
        (TaskEvent::Approved { .. } | TaskEvent::Rejected { .. }, Stage::AwaitingApproval { .. }) => {
            Some(None)
        }
        (
            TaskEvent::Accepted { work, .. },
            Stage::Pending { .. } | Stage::Conflicted | Stage::AwaitingApproval { .. },
        ) => Some(Some(Stage::Checking { work: work.clone() })),
        _ => None,
    }
}

/// Keeps what such an event says beside the stage.
pub(super) fn note(task: &mut TaskState, event: &TaskEvent) {
    match event {
        TaskEvent::Approved { before: Approve::BeforeRun, .. } => task.run_approved = true,
        TaskEvent::Approved { before: Approve::BeforeMerge, tree, .. } => {
            task.approved = Judged::in_stage(&task.stage, tree.as_ref());
        }
        TaskEvent::SkipRequested { reason, .. } => task.skip = Some(reason.clone()),
        // An attempt without an agent: what the last one left is not continued. Whoever gives a task its work
        // also lets agents resolve its conflicts and mend it.
        TaskEvent::Accepted { .. } => {
            task.attempts += 1;
            task.run_approved = true;
            (task.session, task.cut_off, task.conflict, task.exit_code) = (None, None, None, None);
            // Nor does it count for, or leave, what an agent did before.
            (task.agent, task.files_changed) = (None, None);
            task.taken.clear();
            task.rated = None;
            (task.ended, task.gate_results) = (task.ended + 1, 0);
        }
        _ => {}
    }
}
