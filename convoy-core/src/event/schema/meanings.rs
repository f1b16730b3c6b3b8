//! When an event of each type comes, for people.

/// Every type of event with what has happened when it comes, in the order of [`EVENTS`](super::table::EVENTS).
pub(super) const MEANINGS: &[(&str, &str)] = &[
    ("convoy_started", "The convoy is recorded; always its first event."),
    ("convoy_resumed", "An engine has taken up a convoy that had not ended. It ends a pause, too."),
    (
        "convoy_paused",
        "Agents that run finish, and nothing starts. Somebody asked for it, or a budget with `on_exceeded: pause` is used up.",
    ),
    ("convoy_unpaused", "Somebody ended the pause."),
    ("convoy_cancel_requested", "Nothing starts any more, and agents are being ended."),
    ("convoy_interrupted", "The run stops before the convoy has ended; it can be resumed."),
    (
        "convoy_retried",
        "A convoy that had ended is taken up again. `tasks`: the indices of those that are tried again; their dead letters are closed by it.",
    ),
    ("tasks_added", "Tasks were added while the convoy runs."),
    ("file_injection_received", "A file with tasks to be added was read."),
    (
        "injection_refused",
        "Tasks that somebody wanted to add were refused; `reason` says why. `request_id` as in `request_refused`.",
    ),
    (
        "request_refused",
        "A request of a person cannot be granted; `reason` says why. `request_id` is the number that the engine gave it.",
    ),
    ("swarm_concurrency_update", "With `concurrency: auto`: how many agents may run now."),
    (
        "budget_exceeded",
        "A limit of a budget is reached. `at_least`: somebody did not say what he used, so it may be more.",
    ),
    ("circuit_breaker_tripped", "So many tasks of this agent were given up that no more are started."),
    ("circuit_breaker_half_open", "The agent has rested; one task is tried."),
    ("circuit_breaker_closed", "The agent works again."),
    (
        "verify_started",
        "`merge.verify` runs on a merged tree: the integration ref with the work of `tasks` on top, in the order of their landing commits. No tasks: the ref by itself, before anybody is blamed.",
    ),
    (
        "verify_result",
        "It ended. Only to a tree that `passed` does the integration ref move; `stopped` says nothing of the tree.",
    ),
    ("convoy_gates_started", "Every task is over, and the gates of the convoy run on the merged result."),
    ("convoy_gate_result", "One of them ended."),
    ("convoy_gates_finished", "All of them ended. A red round may be followed by a task that mends it."),
    ("post_convoy_hook_started", "A hook of the convoy runs."),
    ("post_convoy_hook_passed", "It passed."),
    ("post_convoy_hook_failed", "It failed; the convoy ends as `hook-failed`."),
    (
        "convoy_guard",
        "The engine has looked at its own bookkeeping at the end. `passed` is false when something is odd (tokens that nobody reported, a process that is left): `warnings` says what. It changes no status.",
    ),
    (
        "convoy_finished",
        "The end: `status` is `done`. Another convoy event can follow only after a retry, or when it is published later.",
    ),
    ("convoy_failed", "The end: `status` is `failed`, `gate-failed` or `hook-failed`."),
    ("convoy_cancelled", "The end: `status` is `cancelled`."),
    (
        "task_assigned",
        "An attempt at a task begins. `kind`: `first`, `retry` (after a failure), `repeat` (it was interrupted), `resolve` (of a merge conflict).",
    ),
    (
        "task_started",
        "Its agent is about to be called; the worktree is there. What the agent prints may be seen before this is stored.",
    ),
    ("worker_spawned", "A process of the agent was started."),
    ("task_agent_ended", "The agent ended. That it `succeeded` says nothing of the checks."),
    ("step_started", "A step of the task begins."),
    ("step_finished", "A step ended."),
    ("hook_result", "A hook of the task ended."),
    ("worker_killed", "The processes of the agent were ended: stopped, out of time, idle."),
    ("artifact_stored", "The task left an artifact."),
    ("artifact_limit_reached", "The task wanted to leave more artifacts than are kept."),
    ("task_waiting_input", "The task waits for an artifact that will never come, and fails."),
    ("task_snapshot", "What the agent made is a commit, kept under `refs/convoy/`; or that failed."),
    ("gate_result", "A gate of the task ended. `reused`: this very work was judged before."),
    ("built_in_gate_result", "A gate of the engine ended. With `level: warn` a failure is only told."),
    (
        "repository_guard",
        "While the agent or a gate ran, somebody changed the repository itself. `warn`: a branch or tag moved, which people may do; nothing follows. `block`: settings, hooks or kept work were changed; the attempt fails.",
    ),
    ("drift_check_result", "The agent has rated its own work, or could not be asked (`reason`)."),
    ("drift_detected", "That rating is below the threshold; the task is tried once more."),
    ("review_started", "Reviewers look at the work."),
    (
        "review_verdict",
        "The review is over. `block` also where a review that was asked for could not be made: then it has `could_not`, and `reason` says why. `skipped`: the work lands and is counted as not reviewed.",
    ),
    ("merge_queued", "The work has passed every check and waits to land."),
    (
        "merge_prepared",
        "Its landing commit is written. It has not landed yet. `lands_with`: the landing commit of the last of those that the integration ref moves to together.",
    ),
    (
        "merge_set_aside",
        "`merge.verify` failed with this work alone: what else waits goes first, and then it is tried again.",
    ),
    (
        "merge_unprepared",
        "It did not land, because the integration ref was moved or the commit was lost; it is prepared again.",
    ),
    ("merge_done", "It landed: the integration ref reaches its landing commit."),
    (
        "merge_conflict_detected",
        "The work conflicts with what landed before; the agent is asked to resolve it, and all checks run again.",
    ),
    ("merge_conflict_failed", "The conflict was not resolved; the task fails."),
    ("task_done", "The task is done. `no_changes`: there was nothing to land."),
    (
        "task_retried",
        "The attempt failed, or was cut off by a crash or an interrupt (then without `failure`), and another follows, not before `not_before`. `previous_status` is what the task would be without it.",
    ),
    (
        "task_parked",
        "The provider of the agent has no room until a time (rate limit, quota, overload); no retry is used up.",
    ),
    ("circuit_breaker_fallback", "Another agent takes the task, since its own rests."),
    ("circuit_breaker_blocked", "The task is skipped, since its agent rests and nobody takes its place."),
    ("task_failed", "The task failed for good, with this `status`. `stops`: what was not begun is skipped."),
    (
        "task_awaiting_approval",
        "The task waits for a person: before its agent runs, or before its work lands (`commit` and `tree` are that work).",
    ),
    ("task_approved", "A person let it go on."),
    ("task_rejected", "A person refused it; it fails."),
    ("task_skip_requested", "A person wants it skipped; what works on it is being ended."),
    (
        "task_accepted",
        "A commit of a person is the work of the task; it is checked and landed like an agent's.",
    ),
    ("task_skipped", "The task is not done. `because`: the index of the task that it depends on."),
    ("task_cancelled", "The task was open when the convoy was cancelled."),
    ("dlq_entry_created", "The task was given up; a dead letter is kept for a person."),
    ("dlq_entry_resolved", "The dead letter is closed."),
    ("dispute_opened", "Agent and reviewers do not agree; that is kept for a person."),
    ("dispute_resolved", "The dispute is closed."),
    ("branch_publish_started", "The user's branch is about to take what landed."),
    ("branch_publish_voided", "The branch moved in that moment; it is looked at again."),
    ("branch_published", "The branch holds what landed."),
    (
        "publish_blocked",
        "The branch cannot take it: `reason`, and the `paths` in the way. What landed stays on the integration ref, and can be published later.",
    ),
];

/// Status of a convoy with what it means.
pub(super) const CONVOY_STATUS: &[(&str, &str)] = &[
    ("pending", "Recorded, and not begun."),
    (
        "running",
        "It has not ended. Also when nobody runs it, after a crash or an interrupt: ask whether it is running.",
    ),
    ("paused", "Nothing starts."),
    ("done", "Every task is done, and gates and hooks passed. Final."),
    ("failed", "A task is not done. Final."),
    ("gate-failed", "The gates of the convoy failed. Final."),
    ("hook-failed", "A hook at the end failed. Final."),
    ("cancelled", "Somebody cancelled it. Final."),
];

/// Status of a task with what it means.
pub(super) const TASK_STATUS: &[(&str, &str)] = &[
    ("pending", "It waits for its turn, for what it depends on, or for its next try."),
    ("assigned", "An attempt is recorded; its worktree is being made."),
    ("running", "Its agent works."),
    ("checking", "Gates and reviewers look at its work."),
    ("queued", "Its work waits to land."),
    ("awaiting-approval", "It waits for a person."),
    ("wait-for-input", "It waits for an artifact."),
    ("parked", "It waits for its provider."),
    ("done", "Its work landed, or there was nothing to land. Final."),
    ("failed", "It was given up. Final."),
    ("timed-out", "Given up: out of time. Final."),
    ("gate-failed", "Given up: a gate failed. Final."),
    ("hook-failed", "A hook failed. Final."),
    ("review-blocked", "Given up: a review blocks its work, or could not be made. Final."),
    ("disputed", "Agent and reviewers do not agree. Final."),
    ("skipped", "It was not done, because of another task, a budget or a person. Final."),
    ("cancelled", "The convoy was cancelled. Final."),
];
