//! Every event in words, and which of them are shown.

use std::collections::BTreeMap;

use convoy_core::event::{
    BuiltInGateResult, DeadLetter, End, GateResult, HookResult, RepositoryGuard, ReviewRecord, VerifyResult,
    VerifyStarted, Work,
};
use convoy_core::spec::{HookMoment, HookType, decode};
use convoy_core::types::{
    Artifact, ArtifactKind, ConvoyStatus, FailureKind, GateLevel, ReviewLevel, ReviewVerdict, TaskId, TaskIx,
    TaskStatus, Totals, Usage,
};

use super::*;
use crate::testing::{convoy_record, oid, publish_record, started, task_record};

fn failure() -> Failure {
    Failure::new(FailureKind::Gate("sh \u{1b}[31mtest.sh".into()), "exit code 3\nmore")
}

/// The event of an attempt (0 = of none), whether it is shown, and its words.
type Case = (TaskEvent, u32, bool, &'static str);

fn agent_cases() -> Vec<Case> {
    let ended = |outcome| TaskEvent::AgentEnded {
        outcome,
        exit_code: None,
        session: None,
        usage: Usage::default(),
        duration_ms: 61_000,
        summary: String::new(),
    };
    let start = |model: Option<&str>| TaskEvent::Started {
        adapter: "claude".into(),
        account: None,
        model: model.map(str::to_owned),
        worktree: "w".into(),
        slot: None,
        prompt_bytes: 1,
        session: "fresh".into(),
    };
    let assigned = |kind| TaskEvent::Assigned { kind, agent: "developer".into(), base: oid('a') };
    vec![
        (assigned(AttemptKind::First), 1, false, "a: attempt 1 for developer"),
        (assigned(AttemptKind::Resolve), 2, false, "a: attempt 2 for developer, to resolve a conflict"),
        (start(None), 1, true, "a: started (claude)"),
        (start(Some("opus")), 2, true, "a: started (claude opus, attempt 2)"),
        (
            TaskEvent::ArtifactStored(Artifact {
                name: "pl\u{7}an".into(),
                kind: ArtifactKind::Json,
                size: 1200,
                oid: oid('e'),
                no_file: false,
            }),
            1,
            false,
            "a: left artifact pl\u{fffd}an (json, 1,200 bytes)",
        ),
        (
            TaskEvent::ArtifactLimitReached { artifact_name: "plan".into() },
            1,
            true,
            "a: artifact plan is not kept: the convoy holds as many as it may",
        ),
        (
            TaskEvent::WaitingInput {
                missing_artifact: "plan".into(),
                from_task: convoy_core::types::TaskId::new("b").expect("valid"),
            },
            0,
            true,
            "a: needs artifact plan of b, which is not there",
        ),
        (TaskEvent::Spawned { pid: 7, start_time: 1 }, 1, false, "a: the agent runs as process 7"),
        (ended(AgentOutcome::Succeeded), 1, false, "a: the agent finished after 1m 01s"),
        (
            ended(AgentOutcome::Failed { failure: failure() }),
            1,
            false,
            "a: the agent failed (gate:sh test.sh: exit code 3 …) after 1m 01s",
        ),
        (TaskEvent::Killed { reason: "timeout".into() }, 1, true, "a: the agent was ended: timeout"),
    ]
}

fn review(level: ReviewLevel, verdict: ReviewVerdict, votes: Option<(u32, u32)>) -> TaskEvent {
    TaskEvent::ReviewVerdict(Box::new(ReviewRecord {
        level,
        verdict,
        tokens: None,
        usage: Usage::default(),
        model: None,
        could_not: false,
        feedback_length: 0,
        passes: votes.map(|votes| votes.0),
        blocks: votes.map(|votes| votes.1),
        budget_exceeded: false,
        budget_downgrade: false,
        budget_skip: false,
        tree: None,
        reused: false,
        reason: "small\nchange".into(),
    }))
}

fn check_cases() -> Vec<Case> {
    let work = Work { commit: oid('b'), tree: oid('c'), base: oid('a'), changed: true, kept_ref: "r".into() };
    let gate = |passed| TaskEvent::Gate(GateResult::new("sh test.sh", passed, (!passed).then_some(3), 1500));
    let guard = |level| TaskEvent::Guard(RepositoryGuard { level, changes: vec!["hooks/x".to_owned()] });
    let built_in = |level, passed| {
        TaskEvent::BuiltInGate(BuiltInGateResult {
            gate: "partition".into(),
            level,
            passed,
            output: if passed && level.is_none() { String::new() } else { "b.txt\nc.txt".into() },
            tree: None,
            reused: false,
        })
    };
    vec![
        (
            TaskEvent::Snapshot {
                work: Some(work.clone()),
                rebased: false,
                files_changed: None,
                failure: None,
            },
            1,
            false,
            "a: its work is commit bbbbbbbbbb",
        ),
        (
            TaskEvent::Snapshot { work: Some(work), rebased: true, files_changed: None, failure: None },
            1,
            true,
            "a: the agent moved away from where it began: what it changed became one commit there",
        ),
        (gate(true), 1, false, "a: gate sh test.sh passed after 1.5s"),
        (gate(false), 1, true, "a: gate sh test.sh failed with exit code 3 after 1.5s"),
        (guard(GateLevel::Warn), 1, true, "a: meanwhile somebody changed the repository: hooks/x"),
        (
            guard(GateLevel::Block),
            1,
            true,
            "a: somebody changed the repository, which no task may do: hooks/x",
        ),
        (built_in(None, true), 1, false, "a: partition passed"),
        (built_in(Some(GateLevel::Warn), true), 1, true, "a: partition warns: b.txt …"),
        (built_in(Some(GateLevel::Block), false), 1, true, "a: partition blocks: b.txt …"),
    ]
}

fn judged_cases() -> Vec<Case> {
    let hook = |passed| {
        TaskEvent::Hook(HookResult {
            hook: "make\nx".into(),
            kind: HookType::Guard,
            on: HookMoment::PreTask,
            passed,
            how: "exit code 3".into(),
            exit_code: (!passed).then_some(3),
            duration_ms: 1500,
            output: String::new(),
            usage: Usage::default(),
        })
    };
    vec![
        (review(ReviewLevel::AutoPass, ReviewVerdict::Pass, None), 1, false, "a: needs no review: small …"),
        (review(ReviewLevel::Fast, ReviewVerdict::Skipped, None), 1, true, "a: not reviewed: small …"),
        (review(ReviewLevel::Fast, ReviewVerdict::Pass, None), 1, true, "a: passed its fast review: small …"),
        (
            review(ReviewLevel::Panel, ReviewVerdict::Block, Some((1, 2))),
            1,
            true,
            "a: blocked by its panel review (1 for it, 2 against): small …",
        ),
        (hook(true), 1, false, "a: hook make … passed after 1.5s"),
        (hook(false), 1, true, "a: hook make … failed: exit code 3 after 1.5s"),
        (TaskEvent::Queued { commit: oid('b') }, 1, false, "a: passed its checks, waits to land"),
        (TaskEvent::Landed { commit: oid('b') }, 1, false, "a: landed as bbbbbbbbbb"),
        (
            TaskEvent::Conflict {
                attempt: 1,
                conflicting_files: vec!["f\u{7}.txt".into()],
                onto: oid('a'),
                tree: oid('b'),
                conflicts: Vec::new(),
            },
            1,
            true,
            "a: conflicts with what landed meanwhile in f\u{fffd}.txt; an agent resolves it",
        ),
    ]
}

fn end_cases() -> Vec<Case> {
    let done = |commit: Option<Oid>| TaskEvent::Done {
        no_changes: commit.is_none(),
        commit,
        exit_code: 0,
        retries: 0,
    };
    let retried = |failure, not_before| TaskEvent::Retried {
        previous_status: TaskStatus::GateFailed,
        failure,
        not_before: Timestamp(not_before),
        retries: 1,
        escalated_to: None,
    };
    let failed = |stops| TaskEvent::Failed {
        status: TaskStatus::GateFailed,
        reason: "gate-failed".into(),
        failure: failure(),
        gate: None,
        hook: None,
        exit_code: None,
        stops,
    };
    let letter = DeadLetter {
        dlq_id: "d1".into(),
        agent: "x".into(),
        failure_type: "error".into(),
        attempts: 2,
        error: "e".into(),
    };
    vec![
        (done(Some(oid('c'))), 1, true, "a: done, landed as cccccccccc"),
        (done(None), 1, true, "a: done, nothing changed"),
        (retried(Some(failure()), 0), 1, true, "a: failed (gate:sh test.sh: exit code 3 …); retry 1"),
        (
            retried(Some(failure()), 6_000),
            1,
            true,
            "a: failed (gate:sh test.sh: exit code 3 …); retry 1 in 5.0s",
        ),
        (retried(None, 0), 1, true, "a: was interrupted; starts again"),
        (failed(false), 2, true, "a: gate-failed (gate:sh test.sh: exit code 3 …)"),
        (failed(true), 2, true, "a: gate-failed (gate:sh test.sh: exit code 3 …); it stops the convoy"),
        (
            TaskEvent::Skipped { reason: "b failed".into(), because: Some(TaskIx(1)) },
            0,
            true,
            "a: skipped: b failed",
        ),
        (TaskEvent::Cancelled {}, 1, true, "a: cancelled; its work is kept"),
        (TaskEvent::DeadLettered(letter), 2, true, "a: kept as dead letter d1"),
    ]
}

#[test]
fn task_events_read_well_and_the_notable_ones_are_shown() {
    for (event, attempt, shown, text) in [agent_cases(), check_cases(), judged_cases(), end_cases()].concat()
    {
        let record = task_record(1, "a", (attempt > 0).then_some(attempt), 1_000, event);
        assert_eq!(describe(&record), text);
        assert_eq!(notable(&record).is_some(), shown, "{text}");
    }
}

#[test]
fn convoy_events_read_well_and_the_notable_ones_are_shown() {
    let end = End {
        status: ConvoyStatus::Failed,
        totals: Totals { total: 8, done: 7, failed: 1, ..Totals::default() },
    };
    let ann = || "ann".to_owned();
    let cases = [
        (ConvoyEvent::Started(Box::new(started(8))), false, "started: demo, 8 tasks onto main"),
        (
            ConvoyEvent::Resumed { original_created_at: Timestamp(0), adapter_limits: BTreeMap::new() },
            true,
            "resumed",
        ),
        (
            ConvoyEvent::Paused { actor: ann() },
            true,
            "paused by ann: running agents finish, nothing starts; `convoy unpause` goes on",
        ),
        (
            ConvoyEvent::Paused { actor: "budget".into() },
            true,
            "paused, since a budget is used up: running agents finish, nothing starts; `convoy unpause` (or `convoy \
             resume`, when no engine runs it) goes on with as much again",
        ),
        (ConvoyEvent::Unpaused { actor: ann() }, true, "unpaused by ann"),
        (
            ConvoyEvent::RequestRefused {
                request: "skip".into(),
                task: Some(crate::testing::id("a")),
                reason: "it is done".into(),
                actor: ann(),
                request_id: None,
            },
            true,
            "a: skip, asked by ann, is refused: it is done",
        ),
        (
            ConvoyEvent::CancelRequested { actor: ann() },
            true,
            "cancelled by ann: running agents are being ended",
        ),
        (ConvoyEvent::Interrupted { reason: "Ctrl-C".into() }, true, "interrupted: Ctrl-C"),
        (
            ConvoyEvent::Retried { tasks: vec![TaskIx(1)], actor: ann(), adapter_limits: BTreeMap::new() },
            true,
            "1 task taken up again by ann",
        ),
        (
            ConvoyEvent::SwarmConcurrency { phase: 1, pending_count: 5, effective_concurrency: 3 },
            false,
            "up to 3 agents, 5 open",
        ),
        (ConvoyEvent::Finished(end), false, "ended: every task is done"),
        (ConvoyEvent::Failed(end), false, "ended failed: 7 of 8 tasks done"),
    ];
    for (event, shown, text) in cases.into_iter().chain(verifies()).chain(end_stages()) {
        let record = convoy_record(1, 0, event);
        assert_eq!(describe(&record), text);
        assert_eq!(notable(&record).is_some(), shown, "{text}");
    }
}

#[test]
fn branch_events_read_well_and_the_notable_ones_are_shown() {
    let branch = || "refs/heads/main".to_owned();
    let cases = [
        (
            PublishEvent::Published { branch: branch(), commit: oid('b'), tip: oid('c') },
            false,
            "published to main at bbbbbbbbbb",
        ),
        (
            PublishEvent::Blocked {
                branch: branch(),
                reason: "local changes".into(),
                paths: vec!["a".into(), "b".into()],
                tip: oid('c'),
            },
            true,
            "not published to main: local changes: a, b",
        ),
        (
            PublishEvent::Blocked {
                branch: branch(),
                reason: "it was deleted".into(),
                paths: vec![],
                tip: oid('c'),
            },
            true,
            "not published to main: it was deleted",
        ),
        (
            PublishEvent::Voided { tip: oid('c') },
            false,
            "the branch was moved by somebody else; looking again",
        ),
    ];
    for (event, shown, text) in cases {
        let record = publish_record(1, 0, event);
        assert_eq!(describe(&record), text);
        assert_eq!(notable(&record).is_some(), shown, "{text}");
    }
}

fn gate_of_convoy(passed: bool) -> ConvoyEvent {
    ConvoyEvent::Gate {
        gate: "npm test".into(),
        passed,
        exit_code: Some(i32::from(!passed)),
        duration_ms: 1_500,
        output: String::new(),
        changed_files: Vec::new(),
        round: 2,
        commit: oid('b'),
    }
}

fn verify_result(outcome: VerifyOutcome) -> ConvoyEvent {
    let message = "`npm test` of merge.verify did not pass: exit code 1";
    let failure = || Failure::new(FailureKind::Verify("npm test".into()), message);
    ConvoyEvent::VerifyResult(Box::new(VerifyResult {
        run: 3,
        tree: oid('c'),
        outcome,
        failure: (outcome == VerifyOutcome::Failed).then(failure),
        duration_ms: 1_500,
        changed_files: Vec::new(),
    }))
}

/// Events of `merge.verify`, likewise.
fn verifies() -> Vec<(ConvoyEvent, bool, &'static str)> {
    vec![
        (
            ConvoyEvent::VerifyStarted(VerifyStarted {
                run: 4,
                tasks: Vec::new(),
                commit: oid('a'),
                tree: oid('d'),
                onto: oid('a'),
            }),
            false,
            "merge.verify judges tree dddddddddd, the tip by itself (run 4)",
        ),
        (
            ConvoyEvent::VerifyStarted(VerifyStarted {
                run: 3,
                tasks: vec![TaskId::new("x").expect("valid"), TaskId::new("y").expect("valid")],
                commit: oid('b'),
                tree: oid('c'),
                onto: oid('a'),
            }),
            false,
            "merge.verify judges tree cccccccccc, the tip with x, y (run 3)",
        ),
        (verify_result(VerifyOutcome::Passed), false, "merge.verify passed after 1.5s (run 3)"),
        (
            verify_result(VerifyOutcome::Failed),
            true,
            "merge.verify failed after 1.5s (run 3): `npm test` of merge.verify did not pass: exit code 1",
        ),
        (verify_result(VerifyOutcome::Stopped), false, "merge.verify was stopped (run 3)"),
    ]
}

/// Events of the end of a convoy, whether they are shown, and their words.
fn end_stages() -> Vec<(ConvoyEvent, bool, &'static str)> {
    let added = "name: n\nversion: 1\ntasks: [{id: x, prompt: p}]\n";
    let usage = Usage::default();
    let (hook, duration_ms, output) = (|| "tell".to_owned(), 1_500, String::new);
    vec![
        (
            ConvoyEvent::TasksAdded {
                tasks: decode(added).spec.expect("valid").tasks,
                source: TaskSource::Injected,
                actor: "ann".into(),
                idempotency_key: None,
                total: 1,
            },
            true,
            "added x, by ann",
        ),
        (
            ConvoyEvent::GatesStarted { round: 2, commit: oid('b') },
            true,
            "the gates of the convoy judge bbbbbbbbbb (round 2)",
        ),
        (gate_of_convoy(true), false, "the convoy's gate npm test passed after 1.5s"),
        (gate_of_convoy(false), true, "the convoy's gate npm test failed with exit code 1 after 1.5s"),
        (
            ConvoyEvent::GatesFinished { round: 2, commit: oid('b'), passed: true },
            true,
            "the gates of the convoy passed",
        ),
        (
            ConvoyEvent::GatesFinished { round: 2, commit: oid('b'), passed: false },
            false,
            "the gates of the convoy failed",
        ),
        (ConvoyEvent::HookStarted { hook: hook(), index: 0, commit: oid('b') }, false, "hook tell begins"),
        (
            ConvoyEvent::HookPassed { hook: hook(), index: 0, duration_ms, output: output(), usage },
            true,
            "hook tell passed after 1.5s",
        ),
        (
            ConvoyEvent::HookFailed {
                hook: hook(),
                index: 0,
                error: "exit code 3".into(),
                exit_code: Some(3),
                duration_ms,
                output: output(),
                usage,
            },
            true,
            "hook tell failed after 1.5s: exit code 3",
        ),
        (ConvoyEvent::Guard { passed: true, warnings: Vec::new() }, false, "the guard found nothing"),
        (
            ConvoyEvent::Guard { passed: false, warnings: vec!["a".into(), "b".into()] },
            true,
            "the guard found: a, b",
        ),
    ]
}
