//! Convoys and events to store.

use crate::event::{
    AgentOutcome, AttemptKind, BuiltInGateResult, ConvoyEvent, DeadLetter, DriftResult, EVENT_FORMAT, End,
    Event, GateResult, HookResult, PublishEvent, RepositoryGuard, RunOptions, Started, StepFinished,
    StepStarted, TaskEvent, VerifyOutcome, VerifyResult, VerifyStarted, Work,
};
use crate::spec::{HookMoment, HookType};
use crate::store::{Batch, Holder, NewConvoy};
use crate::types::{
    AdapterLimit, Artifact, ArtifactKind, AttemptNo, BreakerState, ConflictKind, ConvoyId, ConvoyStatus,
    Cost, Failure, FailureKind, GateLevel, Measure, Oid, PathConflict, PathVersion, SessionId, StepStatus,
    TaskId, TaskIx, TaskStatus, Timestamp, Totals, Usage,
};

/// The convoy of this number.
pub fn convoy_id(n: u64) -> ConvoyId {
    ConvoyId::from_parts(n, 7)
}

/// An object id made of one hexadecimal digit.
pub fn oid(digit: char) -> Oid {
    Oid::new(digit.to_string().repeat(40)).expect("a hexadecimal digit")
}

/// An engine in a process of this number.
pub fn holder(engine: &str, pid: u32) -> Holder {
    Holder { engine: engine.to_owned(), pid, start_time: u64::MAX - 1, boot: "boot".to_owned() }
}

/// A convoy of three tasks, held by engine `a`.
pub fn new_convoy(n: u64) -> NewConvoy {
    NewConvoy {
        id: convoy_id(n),
        name: format!("convoy {n}"),
        spec_text: format!("name: convoy {n}\n"),
        event_format: EVENT_FORMAT,
        created_at: Timestamp(1_000 + i64::try_from(n).unwrap_or(0)),
        holder: holder("a", 1),
        first: started(),
    }
}

/// These events, decided at this time.
pub fn batch(millis: i64, events: Vec<Event>) -> Batch {
    Batch { time: Some(Timestamp(millis)), events, consumed: Vec::new() }
}

/// The first event.
pub fn started() -> Event {
    Event::Convoy(ConvoyEvent::Started(Box::new(Started {
        name: "n".into(),
        spec_digest: "d".into(),
        options: RunOptions::default(),
        adapter: Some("claude".into()),
        providers: std::collections::BTreeMap::new(),
        adapter_limits: std::collections::BTreeMap::new(),
        branch: "refs/heads/main".into(),
        base: oid('0'),
        integration_ref: "refs/convoy/x/integration".into(),
        inactive: vec!["defaults.review".into()],
        tasks: 3,
        engine_version: "0".into(),
        event_format: EVENT_FORMAT,
    })))
}

/// The last event.
pub fn end(status: ConvoyStatus) -> Event {
    Event::Convoy(ConvoyEvent::Finished(End { status, totals: Totals::default() }))
}

/// An event of the first attempt of task `t<n>`.
pub fn task(n: u32, event: TaskEvent) -> Event {
    let id = TaskId::new(format!("t{n}")).expect("a valid id");
    Event::Task { task: TaskIx(n), id, attempt: Some(AttemptNo(1)), event }
}

/// The task's work has landed as this commit.
pub fn landed(n: u32, commit: char) -> Event {
    task(n, TaskEvent::Landed { commit: oid(commit) })
}

/// The task is done with this commit.
pub fn done(n: u32, commit: char) -> Event {
    task(n, TaskEvent::Done { commit: Some(oid(commit)), no_changes: false, exit_code: 0, retries: 1 })
}

/// The task is exhausted.
pub fn failed(n: u32) -> Event {
    let failure = Failure::new(FailureKind::Gate("npm test".into()), "red");
    let event = TaskEvent::Failed {
        status: TaskStatus::GateFailed,
        reason: "gate-failed".into(),
        failure,
        gate: Some("npm test".into()),
        hook: None,
        exit_code: Some(1),
        stops: false,
    };
    task(n, event)
}

/// The branch is about to move.
pub fn publish_started(tip: char) -> Event {
    Event::Publish(PublishEvent::Started {
        from: oid('0'),
        to: oid('f'),
        tip: oid(tip),
        checkout: None,
        lock: None,
    })
}

/// The branch is not moved, because somebody else moved it.
pub fn publish_voided(tip: char) -> Event {
    Event::Publish(PublishEvent::Voided { tip: oid(tip) })
}

/// The integration ref is elsewhere.
pub fn unprepared(n: u32, tip: char) -> Event {
    task(n, TaskEvent::Unprepared { commit: oid('d'), tip: oid(tip) })
}

/// The branch has moved.
pub fn published(tip: char) -> Event {
    let branch = "refs/heads/main".to_owned();
    Event::Publish(PublishEvent::Published { branch, commit: oid('f'), tip: oid(tip) })
}

/// The branch cannot move.
pub fn publish_blocked(tip: char) -> Event {
    Event::Publish(PublishEvent::Blocked {
        branch: "refs/heads/main".into(),
        reason: "a file is in the way".into(),
        paths: vec!["ä b".into()],
        tip: oid(tip),
    })
}

/// The life of one attempt of task `t<n>`, without its end.
pub fn attempt(n: u32) -> Vec<Event> {
    let usage =
        Usage { input: Some(10), output: Some(3), cost_usd: Some(Cost::from(0.25)), ..Usage::default() };
    let work = Work {
        commit: oid('b'),
        tree: oid('c'),
        base: oid('0'),
        changed: true,
        kept_ref: "refs/convoy/x/0-t0/1".into(),
    };
    let events = vec![
        TaskEvent::Assigned { kind: AttemptKind::First, agent: "developer".into(), base: oid('0') },
        TaskEvent::Started {
            adapter: "claude".into(),
            account: Some("work".into()),
            model: Some("m".into()),
            worktree: "/w".into(),
            slot: Some(2),
            prompt_bytes: 9,
            session: "fresh".into(),
        },
        TaskEvent::Spawned { pid: 4, start_time: 5 },
        TaskEvent::AgentEnded {
            outcome: AgentOutcome::Succeeded,
            exit_code: Some(0),
            session: SessionId::new("s").ok(),
            usage,
            duration_ms: 6,
            summary: "said".into(),
        },
        TaskEvent::Snapshot { work: Some(work), rebased: false, files_changed: Some(3), failure: None },
        TaskEvent::Gate(GateResult {
            output: "ok".into(),
            tree: Some(oid('c')),
            changed_files: vec!["lock".into()],
            reused: true,
            ..GateResult::new("npm test", true, Some(0), 7)
        }),
        TaskEvent::BuiltInGate(BuiltInGateResult {
            gate: "blast_radius".into(),
            level: Some(GateLevel::Warn),
            passed: true,
            output: "much".into(),
            tree: Some(oid('c')),
            reused: false,
        }),
        TaskEvent::Queued { commit: oid('b') },
        TaskEvent::Prepared { commit: oid('d'), onto: oid('0'), lands_with: None },
    ];
    events.into_iter().map(|event| task(n, event)).collect()
}

/// An event of every kind.
pub fn every_kind() -> Vec<Event> {
    let actor = || "me".to_owned();
    let end = End { status: ConvoyStatus::Failed, totals: Totals { total: 3, ..Totals::default() } };
    let mut events = attempt(0);
    events.push(task(
        0,
        TaskEvent::Guard(RepositoryGuard {
            level: GateLevel::Block,
            changes: vec!["setting core.bare".into()],
        }),
    ));
    events.extend([landed(0, 'd'), done(0, 'd'), publish_started('d'), published('d')]);
    events.extend([publish_voided('d'), publish_blocked('d')]);
    events.extend([
        Event::Convoy(ConvoyEvent::Resumed { original_created_at: Timestamp(5), adapter_limits: limits() }),
        Event::Convoy(ConvoyEvent::Paused { actor: actor() }),
        Event::Convoy(ConvoyEvent::Unpaused { actor: actor() }),
        Event::Convoy(ConvoyEvent::CancelRequested { actor: actor() }),
        Event::Convoy(ConvoyEvent::Interrupted { reason: "the host ends".into() }),
        Event::Convoy(ConvoyEvent::Retried {
            tasks: vec![TaskIx(1)],
            actor: actor(),
            adapter_limits: std::collections::BTreeMap::new(),
        }),
        Event::Convoy(ConvoyEvent::BudgetExceeded {
            scope: "task".into(),
            task: TaskId::new("日本").ok(),
            measure: Measure::CostUsd,
            limit: 1.5,
            used: 1.75,
            at_least: true,
        }),
        Event::Convoy(ConvoyEvent::BreakerTripped { agent: actor(), state: BreakerState::Open }),
        Event::Convoy(ConvoyEvent::BreakerHalfOpen { agent: actor(), state: BreakerState::HalfOpen }),
        Event::Convoy(ConvoyEvent::BreakerClosed { agent: actor(), state: BreakerState::Closed }),
        Event::Convoy(ConvoyEvent::SwarmConcurrency { phase: 1, pending_count: 2, effective_concurrency: 2 }),
    ]);
    events.extend(said_at_the_end());
    events.extend([
        Event::Convoy(ConvoyEvent::Failed(end)),
        Event::Convoy(ConvoyEvent::Cancelled(end)),
        Event::Convoy(ConvoyEvent::Finished(end)),
    ]);
    let others = said_on_the_way().into_iter().chain(every_other_kind_of_task_event());
    events.extend(others.map(|event| task(1, event)));
    events.push(failed(1));
    events
}

/// What `merge.verify`, gates and hooks of the convoy say, and its guard.
fn said_at_the_end() -> Vec<Event> {
    let id = |text: &str| TaskId::new(text).expect("a valid id");
    vec![
        Event::Convoy(ConvoyEvent::VerifyStarted(VerifyStarted {
            run: 1,
            tasks: vec![id("t1"), id("t 2")],
            commit: oid('c'),
            tree: oid('d'),
            onto: oid('0'),
        })),
        Event::Convoy(ConvoyEvent::VerifyResult(Box::new(VerifyResult {
            run: 1,
            tree: oid('d'),
            outcome: VerifyOutcome::Failed,
            failure: Some(Failure::new(FailureKind::Verify("npm test".into()), "red")),
            duration_ms: 7,
            changed_files: vec!["lock".into()],
        }))),
        Event::Convoy(ConvoyEvent::GatesStarted { round: 1, commit: oid('d') }),
        Event::Convoy(ConvoyEvent::Gate {
            gate: "npm test".into(),
            passed: false,
            exit_code: Some(1),
            duration_ms: 7,
            output: "red".into(),
            changed_files: vec!["lock".into()],
            round: 1,
            commit: oid('d'),
        }),
        Event::Convoy(ConvoyEvent::GatesFinished { round: 1, commit: oid('d'), passed: false }),
        Event::Convoy(ConvoyEvent::Guard { passed: false, warnings: vec!["a process is left".into()] }),
        Event::Convoy(ConvoyEvent::HookStarted { hook: "tell".into(), index: 0, commit: oid('d') }),
        Event::Convoy(ConvoyEvent::HookPassed {
            hook: "tell".into(),
            index: 0,
            duration_ms: 7,
            output: "told".into(),
            usage: Usage { output: Some(3), ..Usage::default() },
        }),
        Event::Convoy(ConvoyEvent::HookFailed {
            hook: "deploy".into(),
            index: 1,
            error: "exit code 1".into(),
            exit_code: Some(1),
            duration_ms: 7,
            output: "red".into(),
            usage: Usage::default(),
        }),
    ]
}

/// What steps and hooks say.
fn said_on_the_way() -> Vec<TaskEvent> {
    let (score, threshold, explanation) = (0.25, 0.5, "日本".to_owned());
    vec![
        TaskEvent::DriftChecked(DriftResult {
            checked: false,
            asked: true,
            score: None,
            threshold,
            explanation: String::new(),
            drifted: false,
            reason: Some("the agent left no session".into()),
            duration_ms: 0,
            usage: Usage::default(),
        }),
        TaskEvent::DriftDetected { score, threshold, explanation },
        TaskEvent::StepStarted(StepStarted {
            step: "one".into(),
            index: 0,
            of: 2,
            retry: 1,
            session: "continued".into(),
            failure: Some(Failure::new(FailureKind::Error, "no")),
        }),
        TaskEvent::StepFinished(StepFinished {
            step: "one".into(),
            index: 0,
            status: StepStatus::Skipped,
            exit_code: 0,
            retries: 0,
            duration_ms: 0,
            failure: None,
        }),
        TaskEvent::Hook(HookResult {
            hook: "make check".into(),
            kind: HookType::Guard,
            on: HookMoment::PostTask,
            passed: true,
            how: "exit code 0".into(),
            exit_code: Some(0),
            duration_ms: 8,
            output: "ok".into(),
            usage: Usage { output: Some(5), ..Usage::default() },
        }),
    ]
}

fn every_other_kind_of_task_event() -> Vec<TaskEvent> {
    let failure = Failure::new(FailureKind::Timeout, "too slow");
    let outcome = AgentOutcome::Failed { failure: failure.clone() };
    vec![
        TaskEvent::SetAside { tree: oid('d') },
        TaskEvent::Prepared { commit: oid('d'), onto: oid('0'), lands_with: Some(oid('e')) },
        TaskEvent::AgentEnded {
            outcome,
            exit_code: None,
            session: None,
            usage: Usage::default(),
            duration_ms: 0,
            summary: String::new(),
        },
        TaskEvent::Killed { reason: "timeout".into() },
        TaskEvent::Snapshot {
            work: None,
            rebased: true,
            files_changed: None,
            failure: Some(Failure::new(FailureKind::Artifact, "there is no plan")),
        },
        TaskEvent::ArtifactStored(Artifact {
            name: "plan".into(),
            kind: ArtifactKind::File,
            size: 8,
            oid: oid('e'),
            no_file: true,
        }),
        TaskEvent::ArtifactLimitReached { artifact_name: "plan".into() },
        TaskEvent::WaitingInput {
            missing_artifact: "plan".into(),
            from_task: TaskId::new("t0").expect("valid"),
        },
    ]
    .into_iter()
    .chain(what_came_of_it(failure))
    .collect()
}

fn what_came_of_it(failure: Failure) -> Vec<TaskEvent> {
    vec![
        TaskEvent::Unprepared { commit: oid('d'), tip: oid('e') },
        TaskEvent::Conflict {
            attempt: 1,
            conflicting_files: vec!["日本".into()],
            onto: oid('d'),
            tree: oid('e'),
            conflicts: vec![PathConflict {
                path: "日本".into(),
                kind: ConflictKind::ModifyDelete,
                base: Some(PathVersion { mode: "100644".into(), oid: oid('f') }),
                ours: None,
                theirs: Some(PathVersion { mode: "100755".into(), oid: oid('1') }),
            }],
        },
        TaskEvent::ConflictFailed { attempts: 2, conflicting_files: vec!["日本".into()] },
        TaskEvent::Retried {
            previous_status: TaskStatus::TimedOut,
            failure: Some(failure),
            not_before: Timestamp(77),
            retries: 1,
            escalated_to: Some("expert".into()),
        },
        TaskEvent::BreakerFallback {
            original_agent: "developer".into(),
            fallback_agent: "expert".into(),
            state: BreakerState::Open,
        },
        TaskEvent::BreakerBlocked { agent: "developer".into(), state: BreakerState::Open },
        TaskEvent::Parked {
            provider: "claude/work".into(),
            until: Timestamp(99),
            failure: Failure { retry_at: Some(Timestamp(98)), ..Failure::new(FailureKind::RateLimit, "no") },
        },
        TaskEvent::Skipped { reason: "t0 failed".into(), because: Some(TaskIx(0)) },
        TaskEvent::Cancelled {},
        TaskEvent::DeadLettered(DeadLetter {
            dlq_id: "dlq-1".into(),
            agent: "developer".into(),
            failure_type: "timeout".into(),
            attempts: 2,
            error: "too slow".into(),
        }),
        TaskEvent::DeadLetterResolved {
            dlq_id: "dlq-1".into(),
            actor: "me".into(),
            resolution: "by hand".into(),
        },
    ]
}

fn limits() -> std::collections::BTreeMap<String, AdapterLimit> {
    let limit = AdapterLimit::max_concurrent(2).stagger(std::time::Duration::from_secs(3));
    [("claude".to_owned(), limit)].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventRecord;
    use crate::event::schema::{mistakes, mistakes_of_line};

    #[test]
    fn every_sample_is_as_its_schema_says_also_as_a_line_of_the_record() {
        for (seq, event) in (1..).zip(every_kind().into_iter().chain([started()])) {
            assert_eq!(mistakes(&event), [""; 0], "{event:?}");
            let line = EventRecord { seq, time: Timestamp(5), convoy: convoy_id(1), event }.to_flat_json();
            assert_eq!(mistakes_of_line(&line), [""; 0], "{line:#}");
        }
    }
}
