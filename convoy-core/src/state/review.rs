//! What a task's reviews have come to so far.

use super::judged::Judged;
use super::stage::Stage;
use crate::event::{ReviewRecord, TaskEvent, Work};
use crate::types::{ReviewLevel, ReviewVerdict};

/// What a task's reviews have come to so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskReview {
    /// The newest work that passed, and how thorough that review was.
    pub passed: Option<(Judged, ReviewLevel)>,
    /// Whether the newest work has no judgement and may land all the same.
    pub unreviewed: bool,
    /// Whether the newest work was refused its review, because the tokens for reviews are used up.
    pub refused: bool,
    /// Panels that blocked, since the start or the last retry by a person.
    pub blocked_panels: u32,
    /// The attempt that the last of them judged: one whose review is repeated after a crash counts once.
    pub(super) blocked_in: u32,
    /// The review that is being made.
    pub under_way: Option<ReviewLevel>,
    /// The id of its newest dispute, and whether it is still open.
    pub dispute: Option<(String, bool)>,
}

impl TaskReview {
    /// Forgets everything but the dispute: a person takes the task up again.
    pub(super) fn revive(&mut self) {
        *self = Self { dispute: self.dispute.take(), ..Self::default() };
    }

    /// The most thorough review that this work has passed: the same tree on the same base.
    pub fn passed_by(&self, work: &Work) -> Option<ReviewLevel> {
        self.passed.as_ref().filter(|(judged, _)| judged.is(work)).map(|(_, level)| *level)
    }

    /// Keeps what an event of this attempt says, which is in this stage.
    pub(super) fn note(&mut self, event: &TaskEvent, stage: &Stage, attempt: u32) {
        match event {
            TaskEvent::Snapshot { work: Some(_), .. } | TaskEvent::Accepted { .. } => {
                (self.unreviewed, self.refused) = (false, false);
            }
            TaskEvent::ReviewStarted(started) => self.under_way = Some(started.level),
            TaskEvent::ReviewVerdict(record) => self.verdict(record, stage, attempt),
            TaskEvent::DisputeOpened(dispute) => self.dispute = Some((dispute.dispute_id.clone(), true)),
            TaskEvent::DisputeResolved { dispute_id, .. } => self.dispute = Some((dispute_id.clone(), false)),
            _ => {}
        }
    }

    fn verdict(&mut self, record: &ReviewRecord, stage: &Stage, attempt: u32) {
        self.under_way = None;
        self.unreviewed = record.verdict == ReviewVerdict::Skipped;
        self.refused =
            record.verdict == ReviewVerdict::Block && record.budget_exceeded && !record.budget_downgrade;
        match record.verdict {
            ReviewVerdict::Pass => {
                let judged = Judged::in_stage(stage, record.tree.as_ref());
                self.passed = judged.map(|judged| (judged, record.level));
            }
            // One that could not be held says nothing against the work.
            ReviewVerdict::Block
                if record.level == ReviewLevel::Panel
                    && record.blocks.is_some_and(|blocks| blocks > 0)
                    && self.blocked_in != attempt =>
            {
                self.blocked_panels += 1;
                self.blocked_in = attempt;
            }
            ReviewVerdict::Block | ReviewVerdict::Skipped => {}
        }
    }
}
