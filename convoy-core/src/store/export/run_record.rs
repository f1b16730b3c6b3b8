//! The file of ended convoys.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::lines::Lines;
use super::{ExportError, NdjsonExport};
use crate::event::{ConvoyEvent, Event, TaskEvent};
use crate::plan::Plan;
use crate::state::AgentCalls;
use crate::store::StoredConvoy;
use crate::store::project::{Key, Row, Table, Tables, created, project, status_of};
use crate::types::{ConvoyId, ConvoyStatus, Cost, TaskId, TaskIx, TaskStatus, Timestamp, Totals, Usage};

/// What became of one run of a convoy: a line of `convoys.ndjson`. A number that nobody reported is
/// absent, never 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// The convoy.
    pub id: ConvoyId,
    /// The spec's name.
    pub name: String,
    /// How it ended.
    pub status: ConvoyStatus,
    /// Full name of the user's branch.
    pub branch: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// From its beginning to its end, with everything in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_sec: Option<f64>,
    /// What became of its tasks.
    pub summary: Totals,
    /// Its tasks, in file order.
    pub tasks: Vec<RunTask>,
    /// How many events it has.
    pub events_count: u64,
    /// Tokens of all attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Money for all attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_cost_usd: Option<Cost>,
    /// How many calls of agents there were, and how many are missing in these sums.
    pub agent_calls: AgentCalls,
}

/// What became of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunTask {
    /// Its id.
    pub id: TaskId,
    /// Its phase, from 1.
    pub phase: u32,
    /// Its role.
    pub agent: String,
    /// The adapter that ran it, or would have.
    pub adapter: Option<String>,
    /// Its status.
    pub status: TaskStatus,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was final.
    pub finished_at: Option<Timestamp>,
    /// Retries used.
    pub retries: u64,
    /// How many files its newest work changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
    /// Input tokens of all its attempts, reviews, hooks and ratings, cached ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Output tokens of all its attempts, reviews, hooks and ratings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// All tokens of all its attempts, reviews, hooks and ratings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
}

impl RunRecord {
    /// Reads the record off the events; `calls` is what the state that they make counts. `None` when the convoy has not
    /// ended.
    pub fn of(convoy: &StoredConvoy, plan: &Plan, calls: AgentCalls) -> Option<Self> {
        let mut tables = Tables::default();
        let first = convoy.events.first()?.seq;
        tables.apply(created(&convoy.id, &plan.spec().name, convoy.created_at, first));
        convoy.events.iter().flat_map(project).for_each(|change| tables.apply(change));
        let key = || vec![Key::from(convoy.id.as_str())];
        let (_, row) = tables.rows(Table::Convoys, key()).next()?;
        let line = tables.summaries().ok()?.into_iter().next()?;
        let finished_at = line.finished_at?;
        let started_at = time(row, "started_at");
        let mut spent = Usage::default();
        let beside = usage_beside_attempts(convoy);
        let tasks = plan.indices().map(|ix| {
            let beside = beside.get(&ix).copied().unwrap_or_default();
            let (task, usage) = run_task(&tables, &convoy.id, plan, ix, row.text("adapter"), beside);
            spent.add(&usage);
            task
        });
        let tasks = tasks.collect();
        for record in &convoy.events {
            if let Event::Convoy(
                ConvoyEvent::HookPassed { usage, .. } | ConvoyEvent::HookFailed { usage, .. },
            ) = &record.event
            {
                spent.add(usage);
            }
        }
        Some(Self {
            id: line.id,
            name: line.name,
            status: line.status,
            branch: line.branch_ref,
            created_at: line.created_at,
            started_at,
            finished_at,
            duration_sec: started_at.map(|start| finished_at.since(start).as_secs_f64()),
            summary: line.totals,
            tasks,
            events_count: convoy.events.len() as u64,
            total_tokens: spent.total_tokens(),
            total_cost_usd: spent.cost_usd,
            agent_calls: calls,
        })
    }
}

fn run_task(
    tables: &Tables,
    convoy: &ConvoyId,
    plan: &Plan,
    ix: TaskIx,
    default_adapter: Option<&str>,
    beside: Usage,
) -> (RunTask, Usage) {
    let key = vec![Key::from(convoy.as_str()), Key::from(ix.0)];
    let mut usage = beside;
    for (_, attempt) in tables.rows(Table::Attempts, key.clone()) {
        usage.add(&Usage {
            input: attempt.int("input_tokens"),
            cached_input: attempt.int("cached_input_tokens"),
            cache_write: attempt.int("cache_write_tokens"),
            output: attempt.int("output_tokens"),
            cost_usd: attempt.real("cost_usd").map(Cost::from),
        });
    }
    let nothing = Row::default();
    let row = tables.rows(Table::Tasks, key).next().map_or(&nothing, |(_, row)| row);
    let spec = plan.spec_of(ix);
    let adapter = row.text("adapter").or(spec.adapter.as_deref()).or(default_adapter);
    let input = Usage { output: None, ..usage };
    let task = RunTask {
        id: plan.id(ix).clone(),
        phase: plan.task(ix).phase,
        agent: row.text("agent").unwrap_or(&spec.agent).to_owned(),
        adapter: adapter.map(str::to_owned),
        status: row.text("status").and_then(status_of).unwrap_or(TaskStatus::Pending),
        started_at: time(row, "started_at"),
        finished_at: time(row, "finished_at"),
        retries: row.int("retries").unwrap_or(0),
        files_changed: row.int("files_changed"),
        prompt_tokens: input.total_tokens(),
        completion_tokens: usage.output,
        total_tokens: usage.total_tokens(),
    };
    (task, usage)
}

/// What the reviews, hooks and ratings of each task consumed, which no attempt counts.
fn usage_beside_attempts(convoy: &StoredConvoy) -> BTreeMap<TaskIx, Usage> {
    let mut spent: BTreeMap<TaskIx, Usage> = BTreeMap::new();
    for record in &convoy.events {
        let Event::Task { task, event, .. } = &record.event else { continue };
        let usage = match event {
            TaskEvent::ReviewVerdict(review) => &review.usage,
            TaskEvent::Hook(hook) => &hook.usage,
            TaskEvent::DriftChecked(drift) => &drift.usage,
            _ => continue,
        };
        spent.entry(*task).or_default().add(usage);
    }
    spent
}

fn time(row: &Row, column: &str) -> Option<Timestamp> {
    row.text(column).and_then(|text| Timestamp::parse(text).ok())
}

impl NdjsonExport {
    /// Appends the record to `convoys.ndjson`, unless the file has a line for this end of this convoy:
    /// calling it again, after a crash for example, does no harm. A torn end is cut off first. Whether
    /// it was appended.
    ///
    /// # Errors
    /// [`ExportError`]; the file is whole then.
    pub fn append_run(&self, record: &RunRecord) -> Result<bool, ExportError> {
        let mut lines = Lines::open(self.runs_path())?;
        lines.mend(|_| Some(()))?;
        let json = |source| ExportError::Json { path: self.runs_path(), source };
        let mut text = serde_json::to_string(record).map_err(json)?;
        text.push('\n');
        let (id, end) = (Value::from(record.id.as_str()), Value::from(record.finished_at.to_string()));
        let same = |line: &Value| line.get("id") == Some(&id) && line.get("finished_at") == Some(&end);
        if lines.any(record.id.as_str(), same)? {
            return Ok(false);
        }
        lines.append(text.as_bytes())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::event::{ConvoyEvent, Event, EventRecord};
    use crate::store::conformance::samples;

    const SPEC: &str = "name: n\ntasks:\n  - {id: t0, prompt: p}\n  - {id: t1, prompt: p, depends_on: [t0]}\n  - {id: t2, prompt: p, agent: tester, adapter: codex}\n";

    fn plan() -> Plan {
        let decoded = crate::spec::decode(SPEC);
        let spec = decoded.spec.unwrap_or_else(|| panic!("{:?}", decoded.problems));
        crate::plan::plan(Arc::new(spec)).expect("a plan")
    }

    fn convoy(events: Vec<Event>) -> StoredConvoy {
        let id = samples::convoy_id(1);
        let record = |(seq, event): (u64, Event)| EventRecord {
            seq,
            time: Timestamp(i64::try_from(seq * 1500).expect("small")),
            convoy: id.clone(),
            event,
        };
        let events = (1..).zip(events).map(record).collect();
        StoredConvoy { id: id.clone(), spec_text: SPEC.into(), created_at: Timestamp(1000), events }
    }

    fn run() -> Vec<Event> {
        let mut events = vec![samples::started()];
        events.extend(samples::attempt(0));
        events.extend([samples::landed(0, 'd'), samples::done(0, 'd'), samples::failed(1)]);
        events.push(samples::end(ConvoyStatus::Failed));
        events
    }

    #[test]
    fn a_record_says_what_is_known_and_nothing_else() {
        let record = RunRecord::of(&convoy(run()), &plan(), AgentCalls::default()).expect("it has ended");
        let json = serde_json::to_value(&record).expect("json");
        let id = samples::convoy_id(1);
        assert_eq!(
            json,
            json!({
                "id": id.as_str(), "name": "n", "status": "failed", "branch": "refs/heads/main",
                "created_at": "1970-01-01T00:00:01.000Z", "started_at": "1970-01-01T00:00:01.500Z",
                "finished_at": "1970-01-01T00:00:21.000Z", "duration_sec": 19.5,
                "summary": {
                    "total": 3, "done": 1, "failed": 1, "skipped": 0, "timedOut": 0, "cancelled": 0, "open": 1,
                    "unreviewed": 0,
                },
                "tasks": [
                    {
                        "id": "t0", "phase": 1, "agent": "developer", "adapter": "claude", "status": "done",
                        "started_at": "1970-01-01T00:00:04.500Z", "finished_at": "1970-01-01T00:00:18.000Z",
                        "retries": 1, "files_changed": 3, "prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13,
                    },
                    {
                        "id": "t1", "phase": 2, "agent": "developer", "adapter": "claude",
                        "status": "gate-failed", "started_at": null,
                        "finished_at": "1970-01-01T00:00:19.500Z", "retries": 0,
                    },
                    {
                        "id": "t2", "phase": 1, "agent": "tester", "adapter": "codex", "status": "pending",
                        "started_at": null, "finished_at": null, "retries": 0,
                    },
                ],
                "events_count": 14, "total_tokens": 13, "total_cost_usd": 0.25,
                "agent_calls": {"total": 0, "without_tokens": 0, "without_cost": 0},
            })
        );
        let running: Vec<Event> = run().into_iter().take(5).collect();
        assert_eq!(RunRecord::of(&convoy(running), &plan(), AgentCalls::default()), None);
    }

    #[test]
    fn what_hooks_and_ratings_of_a_task_consumed_counts() {
        let output = |tokens| Usage { output: Some(tokens), ..Usage::default() };
        let mut beside: Vec<TaskEvent> = samples::every_kind()
            .into_iter()
            .filter_map(|event| match event {
                Event::Task { event: event @ (TaskEvent::Hook(_) | TaskEvent::DriftChecked(_)), .. } => {
                    Some(event)
                }
                _ => None,
            })
            .collect();
        for event in &mut beside {
            match event {
                TaskEvent::Hook(hook) => hook.usage = output(100),
                TaskEvent::DriftChecked(drift) => drift.usage = output(1000),
                _ => {}
            }
        }
        let count =
            |hook: bool| beside.iter().filter(|e| matches!(e, TaskEvent::Hook(_)) == hook).count() as u64;
        let more = 100 * count(true) + 1000 * count(false);
        assert!(count(true) > 0 && count(false) > 0);
        let before = RunRecord::of(&convoy(run()), &plan(), AgentCalls::default()).expect("it has ended");
        let mut events = run();
        let at = events.len() - 1;
        events.splice(at..at, beside.into_iter().map(|event| samples::task(0, event)));
        let after = RunRecord::of(&convoy(events), &plan(), AgentCalls::default()).expect("it has ended");
        let with = |tokens: Option<u64>| tokens.map(|tokens| tokens + more);
        assert_eq!(after.total_tokens, with(before.total_tokens));
        assert_eq!(after.tasks[0].total_tokens, with(before.tasks[0].total_tokens));
    }

    #[test]
    fn each_end_of_a_run_has_one_line_also_after_a_torn_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let export = NdjsonExport::new(folder.path());
        let first = RunRecord::of(&convoy(run()), &plan(), AgentCalls::default()).expect("it has ended");
        let mut again = run();
        let retried = ConvoyEvent::Retried {
            tasks: vec![TaskIx(1)],
            actor: "me".into(),
            adapter_limits: BTreeMap::new(),
        };
        again.extend([Event::Convoy(retried), samples::done(1, 'e'), samples::end(ConvoyStatus::Done)]);
        let second =
            RunRecord::of(&convoy(again), &plan(), AgentCalls::default()).expect("it has ended again");

        assert!(export.append_run(&first).expect("written"));
        assert!(!export.append_run(&first).expect("is there"));
        assert!(export.append_run(&second).expect("written"));
        let path = export.runs_path();
        let whole = fs::read_to_string(&path).expect("reads");
        let start = whole.lines().next().map_or(0, str::len) + 1;
        assert_eq!(whole.lines().count(), 2);
        for len in start..=whole.len() {
            fs::remove_file(&path).expect("removed");
            fs::write(&path, &whole[..len]).expect("writes");
            export.append_run(&second).expect("written");
            export.append_run(&first).expect("is there");
            assert!(fs::read_to_string(&path).expect("reads") == whole, "torn at {len}");
        }
    }
}
