//! What people decide about one task: approve, reject, skip, accept.

use super::handle::{Scheduler, Turn};
use super::input::Action;
use crate::event::{ConvoyEvent, Event, TaskEvent, Work};
use crate::spec::Approve;
use crate::state::{IllegalEvent, Stage};
use crate::types::{Failure, FailureKind, Oid, TaskId, TaskIx, Timestamp};

/// What a person wants of a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    Approve { tree: Option<Oid> },
    Reject,
    Skip,
    Accept { work: Box<Work> },
}

/// Who wants it, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Person {
    pub(super) actor: String,
    pub(super) reason: String,
    /// What the person knows the answer by.
    pub(super) request_id: Option<String>,
}

impl Wish {
    fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject => "reject",
            Self::Skip => "skip",
            Self::Accept { .. } => "accept",
        }
    }
}

impl Scheduler {
    /// Does what a person wants of a task, or says why not.
    pub(super) fn wish(
        &mut self,
        id: TaskId,
        wish: Wish,
        person: Person,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let why_not = match self.state.plan().find(&id) {
            None => "the convoy has no such task; its status lists them".to_owned(),
            Some(_) if self.state.ended().is_some() => {
                "the convoy has ended; a retry takes tasks up again".to_owned()
            }
            Some(_) if self.state.is_cancelling() => "the convoy was cancelled".to_owned(),
            Some(task) => match self.granted(task, &wish, &person, now, turn)? {
                Ok(()) => return Ok(()),
                Err(why_not) => why_not,
            },
        };
        let request = wish.name().to_owned();
        let Person { actor, request_id, .. } = person;
        let event =
            ConvoyEvent::RequestRefused { request, task: Some(id), reason: why_not, actor, request_id };
        self.emit(Event::Convoy(event), now, turn)
    }

    /// The inner result says why it is not possible.
    fn granted(
        &mut self,
        task: TaskIx,
        wish: &Wish,
        person: &Person,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Result<(), String>, IllegalEvent> {
        let stage = self.state.task(task).stage.clone();
        match (wish, stage) {
            (Wish::Approve { tree }, Stage::AwaitingApproval { work, .. }) => {
                self.approve(task, tree.as_ref(), work, person, now, turn)
            }
            (Wish::Reject, Stage::AwaitingApproval { work, .. }) => {
                self.reject(task, work, person, now, turn).map(Ok)
            }
            (Wish::Approve { .. } | Wish::Reject, stage) => {
                Ok(Err(format!("it does not wait for approval: it is {}", stage.status())))
            }
            (Wish::Skip, stage) => self.skip_wish(task, &stage, person, now, turn),
            (Wish::Accept { .. }, _) if self.state.unmet(task).next().is_some() => {
                Ok(Err("the tasks that it depends on are not done".to_owned()))
            }
            (
                Wish::Accept { work },
                Stage::Pending { .. } | Stage::Conflicted | Stage::AwaitingApproval { .. },
            ) => {
                let Person { actor, reason, .. } = person.clone();
                let event = TaskEvent::Accepted { work: Work::clone(work), actor, reason };
                self.emit_task(task, event, now, turn).map(Ok)
            }
            (Wish::Accept { .. }, stage) => {
                Ok(Err(format!("its work cannot be replaced while it is {}", stage.status())))
            }
        }
    }

    fn approve(
        &mut self,
        task: TaskIx,
        seen: Option<&Oid>,
        work: Option<Work>,
        person: &Person,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Result<(), String>, IllegalEvent> {
        let tree = work.as_ref().map(|work| work.tree.clone());
        if let (Some(seen), true) = (seen, seen != tree.as_ref()) {
            return Ok(Err(match tree {
                Some(tree) => format!("it waits with tree {tree}, not {seen}; look at it again"),
                None => format!("it waits to be run and has no tree yet, so not {seen}"),
            }));
        }
        let Person { actor, reason, .. } = person.clone();
        let before = moment(work.as_ref());
        self.emit_task(task, TaskEvent::Approved { before, tree, actor, reason }, now, turn)?;
        if let Some(work) = work {
            self.emit_task(task, TaskEvent::Queued { commit: work.commit }, now, turn)?;
        }
        Ok(Ok(()))
    }

    fn reject(
        &mut self,
        task: TaskIx,
        work: Option<Work>,
        person: &Person,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let Person { actor, reason, .. } = person.clone();
        let (before, tree) = (moment(work.as_ref()), work.map(|work| work.tree));
        let message = match reason.as_str() {
            "" => format!("{actor} refused it"),
            reason => format!("{actor} refused it: {reason}"),
        };
        self.emit_task(task, TaskEvent::Rejected { before, tree, actor, reason }, now, turn)?;
        self.failed(task, Failure::new(FailureKind::ApprovalRefused, message), now, turn)
    }

    fn skip_wish(
        &mut self,
        task: TaskIx,
        stage: &Stage,
        person: &Person,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Result<(), String>, IllegalEvent> {
        let Person { actor, reason, .. } = person.clone();
        let reason = match reason.as_str() {
            "" => format!("{actor} skipped it"),
            reason => format!("{actor} skipped it: {reason}"),
        };
        let prepares = self.queues.landing == Some(task);
        let lands = prepares && !self.state.verifies() || stage.target().is_some();
        if stage.kind().is_final() || lands {
            let status = stage.status();
            return Ok(Err(format!("it cannot be skipped any more: it is {status}")));
        }
        self.emit_task(task, TaskEvent::SkipRequested { actor, reason }, now, turn)?;
        if stage.kind().holds_slot() || self.queues.checking.contains(&task) {
            // What works on it ends first. While the engine ends, it was told to end already.
            if !self.state.is_interrupting() {
                turn.actions.push(Action::Stop { task, resumable: false });
            }
            return Ok(Ok(()));
        }
        if prepares {
            // It is being merged onto others in memory: its end follows.
            return Ok(Ok(()));
        }
        self.end_early(task, now, turn).map(|_| Ok(()))
    }

    /// Ends a task that nobody works on any more, because the convoy was cancelled or a person wants it
    /// skipped. Whether it did.
    pub(super) fn end_early(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, IllegalEvent> {
        if self.state.is_cancelling() {
            self.emit_task(task, TaskEvent::Cancelled {}, now, turn)?;
            return Ok(true);
        }
        let Some(reason) = self.state.task(task).skip.clone() else { return Ok(false) };
        self.emit_task(task, TaskEvent::Skipped { reason, because: None }, now, turn)?;
        self.skip_dependants(task, now, turn)?;
        Ok(true)
    }

    /// Whether a person let this work land.
    pub(super) fn is_approved(&self, task: TaskIx, work: &Work) -> bool {
        self.state.task(task).approved.as_ref().is_some_and(|judged| judged.is(work))
    }

    /// Whether a person must look at this work before it lands. An approval holds for what the
    /// person saw only: this tree on this base.
    pub(super) fn needs_approval(&self, task: TaskIx, work: &Work) -> bool {
        let asks = self.state.plan().spec_of(task).approve == Some(Approve::BeforeMerge);
        asks && !self.is_approved(task, work)
    }

    /// Asks a person.
    pub(super) fn ask_approval(
        &mut self,
        task: TaskIx,
        work: Option<&Work>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let event = TaskEvent::AwaitingApproval {
            before: moment(work),
            commit: work.map(|work| work.commit.clone()),
            tree: work.map(|work| work.tree.clone()),
            asked_at: now,
        };
        self.emit_task(task, event, now, turn)
    }
}

fn moment(work: Option<&Work>) -> Approve {
    match work {
        Some(_) => Approve::BeforeMerge,
        None => Approve::BeforeRun,
    }
}
