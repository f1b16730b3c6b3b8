//! The data of each type of event, written out by hand.

/// Every type of event with the fields of its data: `name: type`, `name?` where it may be absent. Beside these, events of
/// a task have `task_index`, and `attempt_no` where they belong to an attempt.
///
/// Types: `text`, `bool`, `count` (a whole number from 0), `int`, `number`, `oid`, `time`, `texts`, `counts`, the words
/// that there are (`a|b`), or a name of [`RECORDS`], with `[]` a list of such; `tasks` and `concurrency` are as in a convoy file.
pub(super) const EVENTS: &[(&str, &str)] = &[
    (
        "convoy_started",
        "name: text, spec_digest: text, options: options, adapter?: text, providers: providers, adapter_limits?: limits, branch: text, base: oid, \
         integration_ref: text, inactive: texts, tasks: count, engine_version: text, event_format: count",
    ),
    ("convoy_resumed", "original_created_at: time, adapter_limits?: limits"),
    ("convoy_paused", "actor: text"),
    ("convoy_unpaused", "actor: text"),
    ("convoy_cancel_requested", "actor: text"),
    ("convoy_interrupted", "reason: text"),
    ("convoy_retried", "tasks: counts, actor: text, adapter_limits?: limits"),
    (
        "tasks_added",
        "tasks: tasks, source: injected|gate-fix|guard, actor: text, idempotency_key?: text, total: count",
    ),
    ("file_injection_received", "task_count: count, source: text"),
    (
        "injection_refused",
        "reason: text, source: text, actor: text, idempotency_key?: text, request_id?: text",
    ),
    ("request_refused", "request: text, task?: text, reason: text, actor: text, request_id?: text"),
    ("swarm_concurrency_update", "phase: count, pending_count: count, effective_concurrency: count"),
    (
        "budget_exceeded",
        "scope: text, task?: text, measure: tokens|cost_usd|wall_time, limit: number, used: number, at_least: bool",
    ),
    ("circuit_breaker_tripped", "agent: text, state: open|half-open|closed"),
    ("circuit_breaker_half_open", "agent: text, state: open|half-open|closed"),
    ("circuit_breaker_closed", "agent: text, state: open|half-open|closed"),
    ("verify_started", "run: count, tasks: texts, commit: oid, tree: oid, onto: oid"),
    (
        "verify_result",
        "run: count, tree: oid, outcome: passed|failed|stopped, failure?: failure, duration_ms: count, changed_files?: texts",
    ),
    ("convoy_gates_started", "round: count, commit: oid"),
    (
        "convoy_gate_result",
        "gate: text, passed: bool, exit_code?: int, duration_ms: count, output: text, changed_files?: texts, \
         round: count, commit: oid",
    ),
    ("convoy_gates_finished", "round: count, commit: oid, passed: bool"),
    ("post_convoy_hook_started", "hook: text, index: count, commit: oid"),
    ("post_convoy_hook_passed", "hook: text, index: count, duration_ms: count, output: text, usage: usage"),
    (
        "post_convoy_hook_failed",
        "hook: text, index: count, error: text, exit_code?: int, duration_ms: count, output: text, usage: usage",
    ),
    ("convoy_guard", "passed: bool, warnings: texts"),
    ("convoy_finished", "status: convoy_status, totals: totals"),
    ("convoy_failed", "status: convoy_status, totals: totals"),
    ("convoy_cancelled", "status: convoy_status, totals: totals"),
    ("task_assigned", "kind: first|retry|repeat|resolve, agent: text, base: oid"),
    (
        "task_started",
        "adapter: text, account?: text, model?: text, worktree: text, slot?: count, prompt_bytes: count, \
         session: text",
    ),
    ("worker_spawned", "pid: count, start_time: count"),
    (
        "task_agent_ended",
        "result: agent_outcome, exit_code?: int, session?: text, usage: usage, duration_ms: count, summary: text",
    ),
    ("step_started", "step: text, index: count, of: count, retry: count, session: text, failure?: failure"),
    (
        "step_finished",
        "step: text, index: count, status: passed|failed|skipped, exit_code: int, retries: count, duration_ms: count, \
         failure?: failure",
    ),
    (
        "hook_result",
        "hook: text, hook_type: command|validate|guard|agent|review|host, on: pre_task|post_task|post_convoy, \
         passed: bool, how: text, exit_code?: int, duration_ms: count, output: text, usage?: usage",
    ),
    ("worker_killed", "reason: text"),
    (
        "artifact_stored",
        "name: text, artifact_type: file|summary|json, size: count, oid: oid, no_file?: bool",
    ),
    ("artifact_limit_reached", "artifact_name: text"),
    ("task_waiting_input", "missing_artifact: text, from_task: text"),
    ("task_snapshot", "work?: work, rebased: bool, files_changed?: count, failure?: failure"),
    (
        "gate_result",
        "gate: text, passed: bool, exit_code?: int, duration_ms: count, output: text, tree?: oid, changed_files?: texts, \
         reused?: bool, host?: bool",
    ),
    (
        "built_in_gate_result",
        "gate: text, level?: warn|block, passed: bool, output: text, tree?: oid, reused?: bool",
    ),
    ("repository_guard", "level: warn|block, changes: texts"),
    (
        "drift_check_result",
        "checked: bool, asked: bool, score?: number, threshold: number, explanation: text, drifted: bool, reason?: text, \
         duration_ms: count, usage?: usage",
    ),
    ("drift_detected", "score: number, threshold: number, explanation: text"),
    ("review_started", "level: auto-pass|fast|panel, reviewer: text, model?: text, reason: text"),
    (
        "review_verdict",
        "level: auto-pass|fast|panel, verdict: pass|block|skipped, tokens?: count, usage: usage, model?: text, \
         feedback_length: count, passes?: count, blocks?: count, budget_exceeded?: bool, budget_downgrade?: bool, \
         budget_skip?: bool, could_not?: bool, tree?: oid, reused?: bool, reason: text",
    ),
    ("merge_queued", "commit: oid"),
    ("merge_prepared", "commit: oid, onto: oid, lands_with?: oid"),
    ("merge_set_aside", "tree: oid"),
    ("merge_unprepared", "commit: oid, tip: oid"),
    ("merge_done", "commit: oid"),
    (
        "merge_conflict_detected",
        "attempt: count, conflicting_files: texts, onto: oid, tree: oid, conflicts?: path_conflict[]",
    ),
    ("merge_conflict_failed", "attempts: count, conflicting_files: texts"),
    ("task_done", "commit?: oid, no_changes: bool, exit_code: int, retries: count"),
    (
        "task_retried",
        "previous_status: task_status, failure?: failure, not_before: time, retries: count, escalated_to?: text",
    ),
    ("task_parked", "provider: text, until: time, failure: failure"),
    ("circuit_breaker_fallback", "original_agent: text, fallback_agent: text, state: open|half-open|closed"),
    ("circuit_breaker_blocked", "agent: text, state: open|half-open|closed"),
    (
        "task_failed",
        "status: task_status, reason: text, failure: failure, gate?: text, hook?: text, exit_code?: int, stops: bool",
    ),
    ("task_awaiting_approval", "before: before_run|before_merge, commit?: oid, tree?: oid, asked_at: time"),
    ("task_approved", "before: before_run|before_merge, tree?: oid, actor: text, reason?: text"),
    ("task_rejected", "before: before_run|before_merge, tree?: oid, actor: text, reason?: text"),
    ("task_skip_requested", "actor: text, reason: text"),
    ("task_accepted", "work: work, actor: text, reason?: text"),
    ("task_skipped", "reason: text, because?: count"),
    ("task_cancelled", ""),
    ("dlq_entry_created", "dlq_id: text, agent: text, failure_type: text, attempts: count, error: text"),
    ("dlq_entry_resolved", "dlq_id: text, actor: text, resolution: text"),
    ("dispute_opened", "dispute_id: text, agent: text, panel_attempts: count, reasons: text"),
    ("dispute_resolved", "dispute_id: text, actor: text, resolution: text"),
    ("branch_publish_started", "from: oid, to: oid, tip: oid, checkout?: text, lock?: text"),
    ("branch_publish_voided", "tip: oid"),
    ("branch_published", "branch: text, commit: oid, tip: oid"),
    ("publish_blocked", "branch: text, reason: text, paths: texts, tip: oid"),
];

/// What stands inside the data of several types.
pub(super) const RECORDS: &[(&str, &str)] = &[
    (
        "options",
        "concurrency?: concurrency, adapter?: text, branch?: text, max_injected?: count, inject_file?: bool",
    ),
    (
        "totals",
        "total: count, done: count, failed: count, skipped: count, timedOut: count, cancelled: count, open: count, \
         unreviewed: count",
    ),
    ("failure", "failure_type: text, message: text, exit_code?: int, output_tail?: text, retry_at?: time"),
    ("agent_outcome", "outcome: failed|interrupted|cancelled|succeeded, failure?: failure"),
    ("usage", "input?: count, cached_input?: count, cache_write?: count, output?: count, cost_usd?: number"),
    (
        "path_conflict",
        "path: text, kind: file-directory|rename-rename|rename-delete|rename-collision|modify-delete|directory-rename|\
         submodule|mode|binary|add-add|content|other, base?: version, ours?: version, theirs?: version",
    ),
    ("version", "mode: text, oid: oid"),
    ("work", "commit: oid, tree: oid, base: oid, changed: bool, kept_ref: text"),
];

/// Words that several types share.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("convoy_status", "pending|running|paused|done|failed|gate-failed|hook-failed|cancelled"),
    (
        "task_status",
        "pending|assigned|running|checking|queued|awaiting-approval|done|failed|timed-out|gate-failed|wait-for-input|parked|\
         hook-failed|review-blocked|disputed|skipped|cancelled",
    ),
];
