//! Tasks that are added while the convoy runs.

use super::handle::{Scheduler, Turn};
use crate::event::{ConvoyEvent, Event, TaskSource};
use crate::spec::Task;
use crate::state::IllegalEvent;
use crate::types::{TaskIx, Timestamp};

/// Tasks that may be injected into one convoy unless its options say otherwise: whoever can inject could
/// otherwise make it run for ever.
pub const MOST_INJECTED: u32 = 10;

/// Most bytes of the tasks of one request as JSON: they are stored as one event.
const MOST_BYTES: usize = 64 * 1024;

/// A request to add tasks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Injection {
    pub(super) tasks: Vec<Task>,
    pub(super) origin: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) actor: String,
    /// What the actor knows the answer by.
    pub(super) request_id: Option<String>,
}

impl Scheduler {
    /// Adds the tasks of a request, or says why not. All of them or none.
    pub(super) fn inject(
        &mut self,
        injection: Injection,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let Injection { tasks, origin, idempotency_key, actor, request_id } = injection;
        if idempotency_key.as_ref().is_some_and(|key| self.state.has_idempotency_key(key)) {
            return Ok(());
        }
        if let Some(reason) = self.refusal(&tasks) {
            let event =
                ConvoyEvent::InjectionRefused { reason, source: origin, actor, idempotency_key, request_id };
            return self.emit(Event::Convoy(event), now, turn);
        }
        let task_count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let event = ConvoyEvent::InjectionReceived { task_count, source: origin };
        self.emit(Event::Convoy(event), now, turn)?;
        self.add_tasks(tasks, TaskSource::Injected, actor, idempotency_key, now, turn)
    }

    /// Why tasks cannot be injected now.
    fn refusal(&self, tasks: &[Task]) -> Option<String> {
        let state = &self.state;
        let why = if state.ended().is_some() {
            "the convoy has ended; start another one"
        } else if state.is_cancelling() {
            "the convoy was cancelled"
        } else if state.stopped_by().is_some() {
            "a task that failed stops the convoy"
        } else if state.ending().hook.is_some() || state.ending().hooks > 0 || state.ending().guard.is_some()
        {
            "the hooks at the end of the convoy have begun, or its books are closed; start another one"
        } else if tasks.is_empty() {
            "there are no tasks in it"
        } else {
            let limit = self.refusal_by_limit(tasks.len()).or_else(|| refusal_by_size(tasks));
            return limit.or_else(|| self.refusal_by_plan(tasks));
        };
        Some(why.to_owned())
    }

    fn refusal_by_limit(&self, more: usize) -> Option<String> {
        let (had, most) = (self.state.injected(), self.state.started().options.max_injected);
        let most = most.unwrap_or(MOST_INJECTED);
        let fits = u32::try_from(more).is_ok_and(|more| had.saturating_add(more) <= most);
        (!fits).then(|| {
            format!("at most {most} tasks may be injected into one convoy, and {had} were; raise the limit of the run")
        })
    }

    fn refusal_by_plan(&self, tasks: &[Task]) -> Option<String> {
        let plan = match self.state.plan().extended(tasks.to_vec()) {
            Ok(plan) => plan,
            Err(problems) => {
                let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return Some(list.join("; "));
            }
        };
        let known = self.state.plan().len();
        let lives = |ix: &TaskIx| ix.index() >= known || !self.state.task(*ix).stage.kind().is_final();
        plan.indices().skip(known).find_map(|ix| {
            let other = plan.task(ix).overlaps.iter().copied().find(lives)?;
            let (id, other) = (plan.id(ix), plan.id(other));
            Some(format!(
                "the `files` of task {id} overlap with those of task {other}, which is not finished; make \
                 {id} depend on it, or give it other files"
            ))
        })
    }

    /// Adds tasks that fit: at the end of the list, so that every position stays what it is.
    pub(super) fn add_tasks(
        &mut self,
        tasks: Vec<Task>,
        source: TaskSource,
        actor: String,
        idempotency_key: Option<String>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), IllegalEvent> {
        let known = self.state.plan().len();
        let total = u32::try_from(known + tasks.len()).unwrap_or(u32::MAX);
        let event = ConvoyEvent::TasksAdded { tasks, source, actor, idempotency_key, total };
        self.emit(Event::Convoy(event), now, turn)?;
        // Longest paths, and with them the order of what is ready, have changed.
        self.queues = self.queues.rebuilt(&self.state);
        for ix in self.state.plan().indices().skip(known) {
            self.skip_hopeless(ix, now, turn)?;
        }
        Ok(())
    }
}

fn refusal_by_size(tasks: &[Task]) -> Option<String> {
    let size = serde_json::to_vec(tasks).map_or(0, |json| json.len());
    (size > MOST_BYTES).then(|| {
        format!(
            "the tasks have {size} bytes, at most {MOST_BYTES} (64 KiB) are taken at once; give them in parts"
        )
    })
}
