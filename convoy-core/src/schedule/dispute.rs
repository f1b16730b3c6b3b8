//! Tasks on which agent and reviewers do not agree.

use super::handle::{Scheduler, Turn};
use crate::event::{Dispute, TaskEvent};
use crate::state::IllegalEvent;
use crate::types::{AttemptNo, Failure, FailureKind, TaskIx, Timestamp, WorkerId};

/// Blocked panels that make a dispute.
pub(super) const DISPUTED_AFTER: u32 = 3;

impl Scheduler {
    /// Whether a failure is the block of a panel that makes the task disputed, whatever retries are left.
    pub(super) fn is_dispute(&self, task: TaskIx, failure: &Failure) -> bool {
        failure.kind == FailureKind::ReviewBlocked
            && self.state.task(task).review.blocked_panels >= DISPUTED_AFTER
    }

    /// Writes the entry of a disputed task, where it is not written yet.
    pub(super) fn write_dispute(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let state = self.state.task(task);
        let dispute_id = dispute_id(WorkerId::of(self.state.convoy(), task, AttemptNo(state.attempts)));
        if state.review.dispute.as_ref().is_some_and(|(id, _)| *id == dispute_id) {
            return Ok(());
        }
        let dispute = Dispute {
            dispute_id,
            agent: self.state.plan().spec_of(task).agent.clone(),
            panel_attempts: state.review.blocked_panels,
            reasons: state.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
        };
        self.emit_task(task, TaskEvent::DisputeOpened(dispute), now, turn)
    }

    /// Closes an open dispute; one that is closed or unknown stays as it is.
    pub(super) fn resolve_dispute(
        &mut self,
        dispute_id: &str,
        actor: &str,
        resolution: &str,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let open = |ix: &TaskIx| {
            let dispute = self.state.task(*ix).review.dispute.as_ref();
            dispute.is_some_and(|(id, open)| *open && id == dispute_id)
        };
        let Some(task) = self.state.plan().indices().find(open) else { return Ok(()) };
        let event = TaskEvent::DisputeResolved {
            dispute_id: dispute_id.to_owned(),
            actor: actor.to_owned(),
            resolution: resolution.to_owned(),
        };
        self.emit_task(task, event, now, turn)
    }
}

fn dispute_id(worker: WorkerId) -> String {
    format!("dispute-{}", worker.as_str().trim_start_matches("convoy-"))
}
