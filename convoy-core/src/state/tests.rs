//! Which event may meet which stage, and where it leads.

use std::sync::Arc;

use super::{Conflict, IllegalEvent, Prepared, RunState, Stage, StageKind, allowed};
use crate::event::{
    AgentOutcome, AttemptKind, ConvoyEvent, DeadLetter, EVENT_FORMAT, End, Event, GateResult, HookResult,
    RunOptions, Started, StepFinished, TaskEvent, Work,
};
use crate::plan::check;
use crate::spec::Approve;
use crate::spec::{HookMoment, HookType};
use crate::types::{
    Artifact, ArtifactKind, AttemptNo, ConvoyId, ConvoyStatus, Failure, FailureKind, Oid, StepStatus, TaskId,
    TaskIx, TaskStatus, Timestamp, Totals, Usage,
};

const NOW: Timestamp = Timestamp(5);
const A: TaskIx = TaskIx(0);

fn oid(c: char) -> Oid {
    Oid::new(c.to_string().repeat(40)).expect("valid")
}

fn work() -> Work {
    Work { commit: oid('c'), tree: oid('d'), base: oid('a'), changed: true, kept_ref: "refs/convoy/k".into() }
}

fn failure() -> Failure {
    Failure::new(FailureKind::Error, "it did not work")
}

fn state() -> RunState {
    state_of("name: n\nversion: 1\ntasks:\n  - id: a\n    prompt: p\n")
}

/// The state right after the start of the convoy in this file.
pub(super) fn state_of(text: &str) -> RunState {
    let plan = Arc::new(check(text).plan.expect("a valid file"));
    let started = Started {
        name: "n".into(),
        spec_digest: "0".into(),
        options: RunOptions::default(),
        adapter: None,
        providers: std::collections::BTreeMap::new(),
        adapter_limits: std::collections::BTreeMap::new(),
        branch: "refs/heads/main".into(),
        base: oid('a'),
        integration_ref: "refs/convoy/t/integration".into(),
        inactive: Vec::new(),
        tasks: 1,
        engine_version: "0".into(),
        event_format: EVENT_FORMAT,
    };
    RunState::new(plan, ConvoyId::from_parts(1, 2), Timestamp(1), started)
}

/// Every stage, with each difference in its data that an event asks for.
fn stages() -> Vec<(&'static str, Stage)> {
    let queued = |prepared| Stage::Queued { work: work(), order: 1, aside: None, prepared, lands_with: None };
    let prepared = Prepared { commit: oid('e'), onto: oid('a') };
    vec![
        ("pending", Stage::fresh()),
        ("assigned", Stage::Working { base: oid('a'), started: false }),
        ("started", Stage::Working { base: oid('a'), started: true }),
        ("snapshotting", Stage::Snapshotting { base: oid('a'), outcome: AgentOutcome::Succeeded }),
        ("settling", Stage::Settling { outcome: AgentOutcome::Interrupted }),
        ("checking", Stage::Checking { work: work() }),
        ("queued", queued(None)),
        ("prepared", queued(Some(prepared))),
        ("conflicted", Stage::Conflicted),
        ("asked to run", Stage::AwaitingApproval { work: None, asked_at: NOW }),
        ("asked to land", Stage::AwaitingApproval { work: Some(work()), asked_at: NOW }),
        ("done", Stage::Done),
        ("failed", Stage::Failed { status: TaskStatus::Failed }),
        ("skipped", Stage::Skipped { reason: "r".into(), because: None }),
        ("cancelled", Stage::Cancelled),
    ]
}

fn started_event() -> TaskEvent {
    TaskEvent::Started {
        adapter: "t".into(),
        account: None,
        model: None,
        worktree: "/w".into(),
        slot: None,
        prompt_bytes: 1,
        session: "fresh".into(),
    }
}

fn ended_event() -> TaskEvent {
    TaskEvent::AgentEnded {
        outcome: AgentOutcome::Succeeded,
        exit_code: Some(0),
        session: None,
        usage: Usage::default(),
        duration_ms: 1,
        summary: String::new(),
    }
}

fn artifact(name: &str) -> Artifact {
    Artifact { name: name.into(), kind: ArtifactKind::Summary, size: 1, oid: oid('e'), no_file: false }
}

fn gate_event() -> TaskEvent {
    TaskEvent::Gate(GateResult::new("g", true, Some(0), 1))
}

fn step_event() -> TaskEvent {
    TaskEvent::StepFinished(StepFinished {
        step: "1".into(),
        index: 0,
        status: StepStatus::Failed,
        exit_code: 1,
        retries: 0,
        duration_ms: 1,
        failure: Some(failure()),
    })
}

fn hook_event(passed: bool) -> TaskEvent {
    TaskEvent::Hook(HookResult {
        hook: "h".into(),
        kind: HookType::Guard,
        on: HookMoment::PostTask,
        passed,
        how: "exit code 1".into(),
        exit_code: Some(1),
        duration_ms: 1,
        output: String::new(),
        usage: Usage { output: Some(2), ..Usage::default() },
    })
}

fn retried_event(failure: Option<Failure>) -> TaskEvent {
    let (previous_status, not_before) = (TaskStatus::Failed, NOW);
    TaskEvent::Retried { previous_status, failure, not_before, retries: 1, escalated_to: None }
}

fn failed_event(status: TaskStatus) -> TaskEvent {
    let (reason, failure) = ("error".to_owned(), failure());
    TaskEvent::Failed { status, reason, failure, gate: None, hook: None, exit_code: None, stops: false }
}

fn done_event(commit: Option<Oid>) -> TaskEvent {
    TaskEvent::Done { no_changes: commit.is_none(), commit, exit_code: 0, retries: 0 }
}

fn letter() -> TaskEvent {
    let (dlq_id, agent) = ("dlq-1".to_owned(), "developer".to_owned());
    let (failure_type, error) = ("error".to_owned(), "e".to_owned());
    TaskEvent::DeadLettered(DeadLetter { dlq_id, agent, failure_type, attempts: 1, error })
}

/// Each event with the stages that it may meet and where it leads from there.
fn table() -> Vec<Row> {
    [attempts(), landings(), decisions()].concat()
}

/// An event, and the stages that it may meet with those that it leads to.
type Row = (TaskEvent, Vec<(&'static str, &'static str)>);

fn attempts() -> Vec<Row> {
    let assigned =
        TaskEvent::Assigned { kind: AttemptKind::First, agent: "developer".into(), base: oid('a') };
    let to = |from: &[&'static str], to: &'static str| from.iter().map(|from| (*from, to)).collect();
    let stay = |stages: &[&'static str]| stages.iter().map(|stage| (*stage, *stage)).collect();
    vec![
        (assigned, to(&["pending", "conflicted"], "assigned")),
        (started_event(), to(&["assigned"], "started")),
        (TaskEvent::Spawned { pid: 1, start_time: 1 }, stay(&["assigned", "started"])),
        (ended_event(), to(&["assigned", "started"], "snapshotting")),
        (TaskEvent::Killed { reason: "r".into() }, stay(&["assigned", "started", "snapshotting"])),
        (
            TaskEvent::Snapshot { work: Some(work()), rebased: false, files_changed: None, failure: None },
            to(&["snapshotting"], "checking"),
        ),
        (
            TaskEvent::Snapshot { work: None, rebased: false, files_changed: None, failure: None },
            to(&["snapshotting"], "settling"),
        ),
        (
            TaskEvent::Snapshot {
                work: Some(work()),
                rebased: false,
                files_changed: None,
                failure: Some(failure()),
            },
            to(&["snapshotting"], "settling"),
        ),
        (TaskEvent::ArtifactStored(artifact("x")), stay(&["snapshotting"])),
        (TaskEvent::ArtifactLimitReached { artifact_name: "x".into() }, stay(&["snapshotting"])),
        (
            TaskEvent::WaitingInput {
                missing_artifact: "x".into(),
                from_task: TaskId::new("a").expect("valid"),
            },
            stay(&["pending"]),
        ),
        (gate_event(), stay(&["checking"])),
        (
            TaskEvent::DriftDetected { score: 0.5, threshold: 0.75, explanation: String::new() },
            stay(&["checking"]),
        ),
        (step_event(), stay(&["assigned", "started"])),
        (hook_event(true), stay(&["assigned", "started", "snapshotting", "checking"])),
        (hook_event(false), stay(&["assigned", "started", "snapshotting", "checking"])),
        (TaskEvent::Queued { commit: oid('c') }, to(&["checking", "asked to land"], "queued")),
        (
            TaskEvent::Prepared { commit: oid('e'), onto: oid('a'), lands_with: None },
            to(&["queued"], "prepared"),
        ),
    ]
}

fn landings() -> Vec<Row> {
    let conflict = TaskEvent::Conflict {
        attempt: 1,
        conflicting_files: vec!["f".into()],
        onto: oid('a'),
        tree: oid('b'),
        conflicts: Vec::new(),
    };
    let conflict_failed = TaskEvent::ConflictFailed { attempts: 2, conflicting_files: vec!["f".into()] };
    let parked = TaskEvent::Parked { provider: "p".into(), until: NOW, failure: failure() };
    let unprepared = TaskEvent::Unprepared { commit: oid('e'), tip: oid('f') };
    let to = |from: &[&'static str], to: &'static str| from.iter().map(|from| (*from, to)).collect();
    let stay = |stages: &[&'static str]| stages.iter().map(|stage| (*stage, *stage)).collect();
    vec![
        (unprepared, to(&["prepared"], "queued")),
        (TaskEvent::SetAside { tree: oid('d') }, stay(&["queued"])),
        (TaskEvent::Landed { commit: oid('e') }, stay(&["prepared"])),
        (TaskEvent::Landed { commit: oid('f') }, Vec::new()),
        (conflict, to(&["queued"], "conflicted")),
        (conflict_failed, stay(&["queued", "settling"])),
        (done_event(Some(oid('e'))), to(&["prepared"], "done")),
        (done_event(Some(oid('f'))), Vec::new()),
        (done_event(None), to(&["checking", "queued"], "done")),
        (parked, to(&["settling"], "pending")),
        (retried_event(None), to(&["settling"], "pending")),
        (retried_event(Some(failure())), to(&["settling", "checking", "queued"], "pending")),
        (
            failed_event(TaskStatus::Failed),
            to(&["pending", "settling", "checking", "queued", "asked to run", "asked to land"], "failed"),
        ),
        (failed_event(TaskStatus::Done), Vec::new()),
        (TaskEvent::Skipped { reason: "r".into(), because: None }, to(&WAITING, "skipped")),
        (TaskEvent::Cancelled {}, to(&WAITING, "cancelled")),
    ]
}

fn decisions() -> Vec<Row> {
    let to = |from: &[&'static str], to: &'static str| from.iter().map(|from| (*from, to)).collect();
    let stay = |stages: &[&'static str]| stages.iter().map(|stage| (*stage, *stage)).collect();
    vec![
        (letter(), stay(&["failed"])),
        (asked(Approve::BeforeRun), to(&["pending"], "asked to run")),
        (asked(Approve::BeforeMerge), to(&["checking"], "asked to land")),
        (
            TaskEvent::Approved {
                before: Approve::BeforeRun,
                tree: None,
                actor: "me".into(),
                reason: "".into(),
            },
            vec![("asked to run", "pending"), ("asked to land", "asked to land")],
        ),
        (
            TaskEvent::Rejected {
                before: Approve::BeforeRun,
                tree: None,
                actor: "me".into(),
                reason: "".into(),
            },
            stay(&["asked to run", "asked to land"]),
        ),
        (
            TaskEvent::Accepted { work: work(), actor: "me".into(), reason: "".into() },
            to(&["pending", "conflicted", "asked to run", "asked to land"], "checking"),
        ),
    ]
}

/// Where nobody works on a task, or what worked on it has ended.
const WAITING: [&str; 7] =
    ["pending", "settling", "checking", "queued", "conflicted", "asked to run", "asked to land"];

fn asked(before: Approve) -> TaskEvent {
    TaskEvent::AwaitingApproval { before, commit: None, tree: None, asked_at: NOW }
}

fn of_task(event: TaskEvent) -> Event {
    Event::Task { task: A, id: TaskId::new("a").expect("valid"), attempt: Some(AttemptNo(1)), event }
}

fn in_stage(stage: Stage) -> RunState {
    let mut state = state();
    state.tasks[0].stage = stage;
    state
}

/// The name of a stage, as [`stages`] gives it.
fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::Working { started: true, .. } => "started",
        Stage::Queued { prepared: Some(_), .. } => "prepared",
        Stage::AwaitingApproval { work: Some(_), .. } => "asked to land",
        stage => {
            let all = stages();
            let found = all.iter().find(|(_, other)| other.kind() == stage.kind());
            found.map(|(name, _)| *name).expect("every kind is listed")
        }
    }
}

#[test]
fn every_event_leads_where_the_table_says_and_is_refused_elsewhere() {
    for (event, moves) in table() {
        for (from, stage) in stages() {
            let before = in_stage(stage);
            let mut state = before.clone();
            let result = state.apply(&of_task(event.clone()), NOW);
            match moves.iter().find(|(stage, _)| *stage == from) {
                Some((_, to)) => {
                    assert_eq!(result, Ok(()), "{event:?} while {from}");
                    assert_eq!(name(&state.task(A).stage), *to, "{event:?} while {from}");
                }
                None => {
                    assert!(matches!(result, Err(IllegalEvent::Stage { .. })), "{event:?} while {from}");
                    assert_eq!(state, before, "a refused event changes nothing");
                }
            }
        }
    }
}

#[test]
fn a_kept_conflict_leads_back_to_a_resolution() {
    let files = vec!["f".to_owned()];
    let (onto, tree, paths) = (oid('a'), oid('b'), Vec::new());
    let conflict = Conflict { work: work(), onto, tree, files: files.clone(), paths };
    let again = TaskEvent::Conflict {
        attempt: 2,
        conflicting_files: files,
        onto: oid('a'),
        tree: oid('b'),
        conflicts: Vec::new(),
    };
    let parked = TaskEvent::Parked { provider: "p".into(), until: NOW, failure: failure() };
    for event in [again, retried_event(None), parked] {
        let mut state = in_stage(Stage::Settling { outcome: AgentOutcome::Interrupted });
        state.tasks[0].conflict = Some(conflict.clone());
        assert_eq!(state.apply(&of_task(event), NOW), Ok(()));
        assert_eq!(state.task(A).stage, Stage::Conflicted);
        assert_eq!(state.task(A).conflict.as_ref(), Some(&conflict));
    }
}

#[test]
fn no_event_makes_a_move_that_the_table_of_moves_refuses() {
    for (event, _) in table() {
        for (_, stage) in stages() {
            let from = stage.kind();
            let mut state = in_stage(stage);
            if state.apply(&of_task(event.clone()), NOW).is_ok() {
                let to = state.task(A).stage.kind();
                assert!(from == to || allowed(from, to), "{event:?}: {from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn an_event_of_a_task_that_does_not_exist_is_refused() {
    let id = TaskId::new("z").expect("valid");
    let event = Event::Task { task: TaskIx(1), id, attempt: None, event: TaskEvent::Cancelled {} };
    let mut state = state();
    let error = state.apply(&event, NOW).expect_err("refused");
    assert_eq!(error.to_string(), "task_cancelled names task z, which the spec does not have");
}

#[test]
fn only_a_retry_leaves_the_end_and_only_without_open_tasks_is_it_reached() {
    let actor = || "me".to_owned();
    let end = |state: &RunState| End { status: ConvoyStatus::Failed, totals: state.totals() };
    let mut state = in_stage(Stage::Checking { work: work() });
    let early = Event::Convoy(ConvoyEvent::Failed(end(&state)));
    assert!(state.apply(&early, NOW).is_err(), "a task is open");
    let retried = |task| {
        Event::Convoy(ConvoyEvent::Retried {
            tasks: vec![task],
            actor: actor(),
            adapter_limits: std::collections::BTreeMap::new(),
        })
    };
    assert!(state.apply(&retried(A), NOW).is_err(), "it runs");
    state = in_stage(Stage::Failed { status: TaskStatus::Failed });
    let event = Event::Convoy(ConvoyEvent::Failed(end(&state)));
    assert_eq!(state.apply(&event, NOW), Ok(()));
    assert_eq!((state.finished_at(), state.status()), (Some(NOW), ConvoyStatus::Failed));
    let totals = Totals { total: 1, failed: 1, ..Totals::default() };
    let again = End { status: ConvoyStatus::Failed, totals };
    for event in [
        ConvoyEvent::Started(Box::new(state.started().clone())),
        ConvoyEvent::Paused { actor: actor() },
        ConvoyEvent::Unpaused { actor: actor() },
        ConvoyEvent::CancelRequested { actor: actor() },
        ConvoyEvent::SwarmConcurrency { phase: 1, pending_count: 1, effective_concurrency: 1 },
        ConvoyEvent::Finished(again),
        ConvoyEvent::Failed(again),
        ConvoyEvent::Cancelled(again),
        ConvoyEvent::Retried {
            tasks: vec![TaskIx(7)],
            actor: actor(),
            adapter_limits: std::collections::BTreeMap::new(),
        },
    ] {
        let before = state.clone();
        assert!(state.apply(&Event::Convoy(event.clone()), NOW).is_err(), "{event:?}");
        assert_eq!(state, before);
    }
    assert_eq!(state.apply(&retried(A), NOW), Ok(()));
    assert_eq!(state.task(A).stage.kind(), StageKind::Pending);
    assert_eq!((state.ended(), state.status()), (None, ConvoyStatus::Running));
}

#[test]
fn artifacts_count_once_their_task_is_done_and_those_of_a_failed_attempt_are_gone() {
    let snapshot = TaskEvent::Snapshot {
        work: Some(Work { changed: false, ..work() }),
        rebased: false,
        files_changed: None,
        failure: None,
    };
    let mut state = state();
    let apply = |state: &mut RunState, event: TaskEvent| state.apply(&of_task(event), NOW).expect("legal");
    let work_again = |state: &mut RunState| {
        state.tasks[0].stage = Stage::Snapshotting { base: oid('a'), outcome: AgentOutcome::Succeeded };
    };
    let names = |artifacts: &[Artifact]| artifacts.iter().map(|a| a.name.clone()).collect::<Vec<_>>();
    work_again(&mut state);
    // Taken twice, because of a crash in between.
    for name in ["x", "y", "x"] {
        apply(&mut state, TaskEvent::ArtifactStored(artifact(name)));
    }
    assert_eq!((names(&state.task(A).taken), state.artifacts_held), (vec!["y".into(), "x".into()], 2));
    assert_eq!(state.task(A).artifact("x"), None, "not yet");
    apply(&mut state, snapshot.clone());
    apply(&mut state, done_event(None));
    assert_eq!((names(&state.task(A).artifacts), state.artifacts_held), (vec!["y".into(), "x".into()], 2));
    work_again(&mut state);
    apply(&mut state, TaskEvent::ArtifactStored(artifact("x")));
    apply(&mut state, TaskEvent::ArtifactStored(artifact("z")));
    assert_eq!(state.artifacts_held, 3, "one replaces another");
    apply(&mut state, snapshot.clone());
    apply(&mut state, retried_event(Some(failure())));
    assert_eq!((state.task(A).taken.len(), state.artifacts_held), (0, 2), "a failed attempt leaves nothing");
    work_again(&mut state);
    apply(&mut state, TaskEvent::ArtifactStored(artifact("z")));
    apply(&mut state, snapshot);
    apply(&mut state, done_event(None));
    assert_eq!((names(&state.task(A).artifacts), state.artifacts_held), (vec!["z".into()], 1));
}
