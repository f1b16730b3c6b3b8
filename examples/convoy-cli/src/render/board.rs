//! What a live display shows, kept up to date event by event.

use std::collections::BTreeMap;

use convoy_core::event::{ConvoyEvent, Event, EventRecord, TaskEvent};
use convoy_core::types::{TaskId, TaskIx, TaskStatus, Timestamp, Totals, Usage};

use super::{count, duration, safe_line, table, thousands};

/// Most tasks that get a line of their own.
const ROWS: usize = 12;

/// The tasks that are worked on, and what became of the others.
#[derive(Debug)]
pub(crate) struct Board {
    total: u32,
    began: Timestamp,
    working: BTreeMap<TaskIx, Working>,
    ended: BTreeMap<TaskIx, TaskStatus>,
    usage: Usage,
    paused: bool,
}

#[derive(Debug)]
struct Working {
    id: TaskId,
    stage: &'static str,
    since: Timestamp,
}

impl Board {
    /// The board of a run of this many tasks that began at this time.
    pub(crate) fn new(total: usize, began: Timestamp) -> Self {
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let (working, ended) = (BTreeMap::new(), BTreeMap::new());
        Self { total, began, working, ended, usage: Usage::default(), paused: false }
    }

    /// When the run began.
    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    /// Takes in an event of the convoy. Every event from its first is wanted, in order.
    pub(crate) fn apply(&mut self, record: &EventRecord) {
        match &record.event {
            Event::Task { task, id, event, .. } => self.apply_task(*task, id, event, record.time),
            Event::Convoy(ConvoyEvent::Paused { .. }) => self.paused = true,
            Event::Convoy(ConvoyEvent::Unpaused { .. }) => self.paused = false,
            Event::Convoy(ConvoyEvent::TasksAdded { total, .. }) => self.total = *total,
            Event::Convoy(ConvoyEvent::Retried { tasks, .. }) => {
                self.ended.retain(|task, _| !tasks.contains(task));
            }
            Event::Convoy(_) | Event::Publish(_) => {}
        }
    }

    fn apply_task(&mut self, task: TaskIx, id: &TaskId, event: &TaskEvent, time: Timestamp) {
        if let TaskEvent::AgentEnded { usage, .. } = event {
            self.usage.add(usage);
        }
        if let TaskEvent::ReviewVerdict(review) = event {
            self.usage.add(&review.usage);
        }
        let status = match event {
            TaskEvent::Done { .. } => Some(TaskStatus::Done),
            TaskEvent::Failed { status, .. } => Some(*status),
            TaskEvent::Skipped { .. } => Some(TaskStatus::Skipped),
            TaskEvent::Cancelled {} => Some(TaskStatus::Cancelled),
            _ => None,
        };
        if let Some(status) = status {
            self.ended.insert(task, status);
            self.working.remove(&task);
            return;
        }
        let stage = match event {
            TaskEvent::Assigned { .. } => "prepares",
            TaskEvent::Started { .. } | TaskEvent::Spawned { .. } => "works",
            TaskEvent::AgentEnded { .. } => "is taken in",
            TaskEvent::Snapshot { .. } => "is checked",
            TaskEvent::Queued { .. } | TaskEvent::Prepared { .. } | TaskEvent::Unprepared { .. } => "lands",
            TaskEvent::SetAside { .. } => "is verified again",
            TaskEvent::Conflict { .. } => "has a conflict",
            TaskEvent::Retried { .. } => {
                self.working.remove(&task);
                return;
            }
            TaskEvent::ReviewStarted(_) => "is reviewed",
            _ => return,
        };
        match self.working.get_mut(&task) {
            // A task is timed from the start of its attempt.
            Some(working) => working.stage = stage,
            None => drop(self.working.insert(task, Working { id: id.clone(), stage, since: time })),
        }
    }

    /// A line for each task that is worked on, and the totals.
    pub(crate) fn lines(&self, now: Timestamp) -> Vec<String> {
        let row = |working: &Working| {
            let id = safe_line(working.id.as_str());
            vec![format!("  {id}"), working.stage.to_owned(), duration(now.since(working.since))]
        };
        let rows: Vec<Vec<String>> = self.working.values().take(ROWS).map(row).collect();
        let mut lines = table(&rows);
        if self.working.len() > ROWS {
            lines.push(format!("  … and {} more", self.working.len() - ROWS));
        }
        lines.push(self.totals(now));
        lines
    }

    fn totals(&self, now: Timestamp) -> String {
        let totals = Totals::of(self.ended.values().copied());
        let mut parts = vec![format!("{} of {} done", totals.done, count(self.total, "task"))];
        let numbers = [
            (self.working.len() as u64, "at work"),
            (totals.failed.into(), "failed"),
            (totals.timed_out.into(), "timed out"),
            (totals.skipped.into(), "skipped"),
            (totals.cancelled.into(), "cancelled"),
        ];
        parts.extend(numbers.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        let mut line = format!("{} · {}", parts.join(", "), duration(now.since(self.began)));
        if let Some(tokens) = self.usage.total_tokens() {
            line.push_str(&format!(" · {} tokens", thousands(tokens)));
        }
        if let Some(cost) = self.usage.cost_usd {
            line.push_str(&format!(" · {cost}"));
        }
        if self.paused {
            line.push_str(" · paused");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use convoy_core::event::{AgentOutcome, AttemptKind};
    use convoy_core::types::{Cost, Failure, FailureKind};

    use super::*;
    use crate::testing::{convoy_record, oid, task_record};

    fn assigned() -> TaskEvent {
        TaskEvent::Assigned { kind: AttemptKind::First, agent: "x".into(), base: oid('a') }
    }

    fn started() -> TaskEvent {
        let (adapter, worktree, session) = ("sh".to_owned(), "w".to_owned(), "fresh".to_owned());
        TaskEvent::Started {
            adapter,
            account: None,
            model: None,
            worktree,
            slot: None,
            prompt_bytes: 1,
            session,
        }
    }

    fn done() -> TaskEvent {
        TaskEvent::Done { commit: None, no_changes: true, exit_code: 0, retries: 0 }
    }

    fn failed() -> TaskEvent {
        let failure = Failure::new(FailureKind::Timeout, "slow");
        let status = TaskStatus::TimedOut;
        TaskEvent::Failed {
            status,
            reason: "timeout".into(),
            failure,
            gate: None,
            hook: None,
            exit_code: None,
            stops: false,
        }
    }

    fn ended(tokens: u64) -> TaskEvent {
        let usage = Usage { output: Some(tokens), cost_usd: Some(Cost::from(0.25)), ..Usage::default() };
        TaskEvent::AgentEnded {
            outcome: AgentOutcome::Succeeded,
            exit_code: Some(0),
            session: None,
            usage,
            duration_ms: 1,
            summary: String::new(),
        }
    }

    #[test]
    fn tasks_at_work_have_a_line_with_their_stage_and_time() {
        let mut board = Board::new(4, Timestamp(0));
        let events = [
            ("a", 1_000, assigned()),
            ("bb", 2_000, assigned()),
            ("a", 2_500, started()),
            ("c", 3_000, assigned()),
            ("c", 4_000, done()),
            ("d", 4_000, failed()),
            ("a", 5_000, ended(1_200)),
        ];
        for (task, millis, event) in events {
            board.apply(&task_record(1, task, Some(1), millis, event));
        }
        let wanted = [
            "  a   is taken in  9.0s",
            "  bb  prepares     8.0s",
            "1 of 4 tasks done, 2 at work, 1 timed out · 10.0s · 1,200 tokens · $0.2500",
        ];
        assert_eq!(board.lines(Timestamp(10_000)), wanted);
    }

    #[test]
    fn a_task_that_is_taken_up_again_counts_no_more_and_a_pause_is_said() {
        let mut board = Board::new(2, Timestamp(0));
        board.apply(&task_record(1, "a", Some(1), 0, failed()));
        board.apply(&convoy_record(2, 0, ConvoyEvent::Paused { actor: "x".into() }));
        assert_eq!(board.lines(Timestamp(0)), ["0 of 2 tasks done, 1 timed out · 0.0s · paused"]);
        board.apply(&convoy_record(
            3,
            0,
            ConvoyEvent::Retried {
                tasks: vec![TaskIx(0)],
                actor: "x".into(),
                adapter_limits: BTreeMap::new(),
            },
        ));
        board.apply(&convoy_record(4, 0, ConvoyEvent::Unpaused { actor: "x".into() }));
        assert_eq!(board.lines(Timestamp(0)), ["0 of 2 tasks done · 0.0s"]);
    }

    #[test]
    fn more_tasks_than_fit_are_counted() {
        let mut board = Board::new(20, Timestamp(0));
        for letter in 'a'..='p' {
            board.apply(&task_record(1, &letter.to_string(), Some(1), 0, started()));
        }
        let lines = board.lines(Timestamp(0));
        assert_eq!(lines.len(), ROWS + 2);
        assert_eq!(lines[ROWS], "  … and 4 more");
    }
}
