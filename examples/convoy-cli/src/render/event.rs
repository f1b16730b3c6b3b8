//! Events as lines.

mod verify;

use convoy_core::event::{
    AgentOutcome, AttemptKind, BuiltInGateResult, ConvoyEvent, DriftResult, Event, EventRecord, GateResult,
    PublishEvent, ReviewRecord, TaskEvent, TaskSource, VerifyOutcome,
};
use convoy_core::spec::Approve;
use convoy_core::types::{
    Failure, GateLevel, Oid, ReviewLevel, ReviewVerdict, StepStatus, TaskStatus, Timestamp,
};

use super::{count, duration, safe_line, short_branch, some_of};

/// The event in words, whatever it is.
pub(crate) fn describe(record: &EventRecord) -> String {
    match &record.event {
        Event::Convoy(event) => convoy(event),
        Event::Publish(event) => publish(event),
        Event::Task { id, .. } => {
            format!("{}: {}", safe_line(id.as_str()), describe_task(record).unwrap_or_default())
        }
    }
}

/// The same without the task, for a reader who knows which; `None` for an event that concerns none.
pub(super) fn describe_task(record: &EventRecord) -> Option<String> {
    match &record.event {
        Event::Task { event, attempt, .. } => {
            Some(task(event, attempt.map_or(0, |attempt| attempt.0), record.time))
        }
        // The work of an attempt may be in it.
        Event::Convoy(event @ (ConvoyEvent::VerifyStarted(_) | ConvoyEvent::VerifyResult(_))) => {
            Some(convoy(event))
        }
        Event::Convoy(_) | Event::Publish(_) => None,
    }
}

/// The event in words if a person who watches wants to know of it.
pub(crate) fn notable(record: &EventRecord) -> Option<String> {
    let wanted = match &record.event {
        Event::Convoy(event) => is_notable(event),
        // That it is published is said at the end; it happens many times on the way there.
        Event::Publish(event) => matches!(event, PublishEvent::Blocked { .. }),
        Event::Task { event, .. } => match event {
            TaskEvent::Started { .. }
            | TaskEvent::Killed { .. }
            | TaskEvent::Conflict { .. }
            | TaskEvent::SetAside { .. }
            | TaskEvent::ConflictFailed { .. }
            | TaskEvent::Done { .. }
            | TaskEvent::Retried { .. }
            | TaskEvent::Failed { .. }
            | TaskEvent::Parked { .. }
            | TaskEvent::BreakerFallback { .. }
            | TaskEvent::WaitingInput { .. }
            | TaskEvent::ArtifactLimitReached { .. }
            | TaskEvent::Skipped { .. }
            | TaskEvent::AwaitingApproval { .. }
            | TaskEvent::Approved { .. }
            | TaskEvent::Rejected { .. }
            | TaskEvent::Accepted { .. }
            | TaskEvent::Cancelled {}
            | TaskEvent::DeadLettered(_)
            | TaskEvent::DeadLetterResolved { .. }
            | TaskEvent::DisputeOpened(_)
            | TaskEvent::DisputeResolved { .. } => true,
            TaskEvent::ReviewVerdict(review) => review.level != ReviewLevel::AutoPass,
            TaskEvent::Gate(result) => !result.passed || !result.changed_files.is_empty(),
            TaskEvent::Guard(_) => true,
            TaskEvent::BuiltInGate(result) => result.level.is_some() || !result.passed,
            TaskEvent::Hook(hook) => !hook.passed,
            TaskEvent::DriftChecked(drift) => !drift.checked,
            TaskEvent::DriftDetected { .. } => true,
            TaskEvent::StepStarted(step) => step.of > 1,
            TaskEvent::StepFinished(step) => step.status != StepStatus::Passed,
            TaskEvent::Snapshot { rebased, .. } => *rebased,
            _ => false,
        },
    };
    wanted.then(|| describe(record))
}

fn is_notable(event: &ConvoyEvent) -> bool {
    match event {
        ConvoyEvent::Resumed { .. }
        | ConvoyEvent::Paused { .. }
        | ConvoyEvent::Unpaused { .. }
        | ConvoyEvent::CancelRequested { .. }
        | ConvoyEvent::Interrupted { .. }
        | ConvoyEvent::BudgetExceeded { .. }
        | ConvoyEvent::BreakerTripped { .. }
        | ConvoyEvent::BreakerClosed { .. }
        | ConvoyEvent::Retried { .. }
        | ConvoyEvent::TasksAdded { .. }
        | ConvoyEvent::InjectionRefused { .. }
        | ConvoyEvent::RequestRefused { .. }
        | ConvoyEvent::GatesStarted { .. }
        | ConvoyEvent::HookPassed { .. }
        | ConvoyEvent::HookFailed { .. } => true,
        ConvoyEvent::Gate { passed, changed_files, .. } => !passed || !changed_files.is_empty(),
        ConvoyEvent::VerifyResult(result) => result.outcome == VerifyOutcome::Failed,
        ConvoyEvent::Guard { passed, .. } => !passed,
        ConvoyEvent::GatesFinished { passed, .. } => *passed,
        // The first and the last line of a run say it.
        _ => false,
    }
}

fn short(commit: &Oid) -> &str {
    commit.as_str().get(..10).unwrap_or_default()
}

fn convoy(event: &ConvoyEvent) -> String {
    match event {
        ConvoyEvent::Started(started) => format!(
            "started: {}, {} onto {}",
            safe_line(&started.name),
            count(started.tasks, "task"),
            short_branch(&started.branch)
        ),
        ConvoyEvent::Resumed { .. } => "resumed".to_owned(),
        ConvoyEvent::Paused { actor } if actor == "budget" => {
            "paused, since a budget is used up: running agents finish, nothing starts; `convoy unpause` (or `convoy \
             resume`, when no engine runs it) goes on with as much again"
                .to_owned()
        }
        ConvoyEvent::Paused { actor } => {
            let actor = safe_line(actor);
            format!("paused by {actor}: running agents finish, nothing starts; `convoy unpause` goes on")
        }
        ConvoyEvent::Unpaused { actor } => format!("unpaused by {}", safe_line(actor)),
        ConvoyEvent::CancelRequested { actor } => {
            format!("cancelled by {}: running agents are being ended", safe_line(actor))
        }
        ConvoyEvent::Interrupted { reason } => format!("interrupted: {}", safe_line(reason)),
        ConvoyEvent::Retried { tasks, actor, .. } => {
            let number = u64::try_from(tasks.len()).unwrap_or(u64::MAX);
            format!("{} taken up again by {}", count(number, "task"), safe_line(actor))
        }
        ConvoyEvent::SwarmConcurrency { effective_concurrency, pending_count, .. } => {
            format!("up to {}, {pending_count} open", count(*effective_concurrency, "agent"))
        }
        ConvoyEvent::BudgetExceeded { task, measure, limit, used, at_least, .. } => {
            let least = if *at_least { "at least " } else { "" };
            let whose = task.as_ref().map(|task| format!(" of task {}", safe_line(task.as_str())));
            format!("the budget{} is used up: {least}{used} of {limit} {measure}", whose.unwrap_or_default())
        }
        ConvoyEvent::BreakerTripped { agent, .. } => {
            format!("agent {} failed too often in a row and is rested", safe_line(agent))
        }
        ConvoyEvent::BreakerHalfOpen { agent, .. } => {
            format!("one task tries whether agent {} works again", safe_line(agent))
        }
        ConvoyEvent::BreakerClosed { agent, .. } => format!("agent {} works again", safe_line(agent)),
        ConvoyEvent::TasksAdded { .. }
        | ConvoyEvent::InjectionRefused { .. }
        | ConvoyEvent::RequestRefused { .. }
        | ConvoyEvent::VerifyStarted(_)
        | ConvoyEvent::VerifyResult(_)
        | ConvoyEvent::GatesStarted { .. }
        | ConvoyEvent::Gate { .. }
        | ConvoyEvent::GatesFinished { .. }
        | ConvoyEvent::Guard { .. }
        | ConvoyEvent::HookStarted { .. }
        | ConvoyEvent::HookPassed { .. }
        | ConvoyEvent::HookFailed { .. } => at_the_end(event),
        ConvoyEvent::Finished(_) => "ended: every task is done".to_owned(),
        ConvoyEvent::Failed(end) => {
            format!("ended {}: {} of {} done", end.status, end.totals.done, count(end.totals.total, "task"))
        }
        ConvoyEvent::Cancelled(_) => "ended: cancelled".to_owned(),
        other => other.type_name().to_owned(),
    }
}

fn gate(result: &GateResult) -> String {
    let how = match (result.passed, result.exit_code) {
        (true, _) if result.reused => "had passed these very files before".to_owned(),
        (true, _) => format!("passed after {}", millis(result.duration_ms)),
        (false, Some(code)) => format!("failed with exit code {code} after {}", millis(result.duration_ms)),
        (false, None) => format!("failed after {}", millis(result.duration_ms)),
    };
    let edits = match result.changed_files.as_slice() {
        [] => String::new(),
        files => format!("; its changes were undone: {}", some_of(files)),
    };
    format!("gate {} {how}{edits}", safe_line(&result.gate))
}

fn built_in_gate(result: &BuiltInGateResult) -> String {
    let how = match result.level {
        Some(GateLevel::Warn) => "warns",
        Some(_) => "blocks",
        None if result.reused => "had passed these very files before",
        None if result.passed => "passed",
        None => "failed",
    };
    let what =
        if result.output.is_empty() { String::new() } else { format!(": {}", safe_line(&result.output)) };
    format!("{} {how}{what}", safe_line(&result.gate))
}

fn at_the_end(event: &ConvoyEvent) -> String {
    match event {
        ConvoyEvent::TasksAdded { tasks, source, actor, .. } => {
            let ids: Vec<String> = tasks.iter().map(|task| task.id.to_string()).collect();
            let why = match source {
                TaskSource::GateFix => "to mend what the gates found".to_owned(),
                TaskSource::Guard => "to look into what the guard found".to_owned(),
                _ => format!("by {}", safe_line(actor)),
            };
            format!("added {}, {why}", some_of(&ids))
        }
        ConvoyEvent::InjectionRefused { reason, actor, .. } => {
            format!("tasks of {} were not added: {}", safe_line(actor), safe_line(reason))
        }
        ConvoyEvent::RequestRefused { request, task, reason, actor, .. } => {
            let task =
                task.as_ref().map(|task| format!("{}: ", safe_line(task.as_str()))).unwrap_or_default();
            let (request, actor) = (safe_line(request), safe_line(actor));
            format!("{task}{request}, asked by {actor}, is refused: {}", safe_line(reason))
        }
        ConvoyEvent::VerifyStarted(run) => verify::begun(run),
        ConvoyEvent::VerifyResult(result) => verify::ended(result),
        ConvoyEvent::GatesStarted { round, commit } => {
            format!("the gates of the convoy judge {} (round {round})", short(commit))
        }
        ConvoyEvent::Gate { gate, passed, exit_code, duration_ms, changed_files, .. } => {
            let said = GateResult::new(gate.clone(), *passed, *exit_code, *duration_ms);
            let said = GateResult { changed_files: changed_files.clone(), ..said };
            format!("the convoy's {}", self::gate(&said))
        }
        ConvoyEvent::GatesFinished { passed: true, .. } => "the gates of the convoy passed".to_owned(),
        ConvoyEvent::GatesFinished { .. } => "the gates of the convoy failed".to_owned(),
        ConvoyEvent::Guard { passed: true, .. } => "the guard found nothing".to_owned(),
        ConvoyEvent::Guard { warnings, .. } => format!("the guard found: {}", some_of(warnings)),
        ConvoyEvent::HookStarted { hook, .. } => format!("hook {} begins", safe_line(hook)),
        ConvoyEvent::HookPassed { hook, duration_ms, .. } => {
            format!("hook {} passed after {}", safe_line(hook), millis(*duration_ms))
        }
        ConvoyEvent::HookFailed { hook, error, duration_ms, .. } => {
            format!("hook {} failed after {}: {}", safe_line(hook), millis(*duration_ms), safe_line(error))
        }
        other => other.type_name().to_owned(),
    }
}

fn publish(event: &PublishEvent) -> String {
    match event {
        PublishEvent::Published { branch, commit, .. } => {
            format!("published to {} at {}", short_branch(branch), short(commit))
        }
        PublishEvent::Blocked { branch, reason, paths, .. } => {
            let paths = if paths.is_empty() { String::new() } else { format!(": {}", some_of(paths)) };
            format!("not published to {}: {}{paths}", short_branch(branch), safe_line(reason))
        }
        PublishEvent::Started { from, to, .. } => {
            format!("moving the branch from {} to {}", short(from), short(to))
        }
        PublishEvent::Voided { .. } => "the branch was moved by somebody else; looking again".to_owned(),
        other => other.type_name().to_owned(),
    }
}

fn task(event: &TaskEvent, attempt: u32, time: Timestamp) -> String {
    match event {
        TaskEvent::Assigned { kind, agent, .. } => {
            let why = match kind {
                AttemptKind::First => "",
                AttemptKind::Retry => ", a retry",
                AttemptKind::Repeat => ", repeats one that was interrupted",
                AttemptKind::Resolve => ", to resolve a conflict",
                _ => ", again",
            };
            format!("attempt {attempt} for {}{why}", safe_line(agent))
        }
        TaskEvent::Started { adapter, model, .. } => {
            let model = model.as_ref().map(|model| format!(" {}", safe_line(model))).unwrap_or_default();
            let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            format!("started ({}{model}{again})", safe_line(adapter))
        }
        TaskEvent::Spawned { pid, .. } => format!("the agent runs as process {pid}"),
        TaskEvent::AgentEnded { outcome, duration_ms, .. } => {
            let how = match outcome {
                AgentOutcome::Succeeded => "finished".to_owned(),
                AgentOutcome::Failed { failure } => format!("failed ({})", failed(failure)),
                AgentOutcome::Interrupted => "was interrupted".to_owned(),
                AgentOutcome::Cancelled => "was cancelled".to_owned(),
                _ => "ended".to_owned(),
            };
            format!("the agent {how} after {}", millis(*duration_ms))
        }
        TaskEvent::StepStarted(step) => {
            let again = if step.retry > 0 { format!(", retry {}", step.retry) } else { String::new() };
            let number = u64::from(step.index) + 1;
            format!("step {} ({number} of {}{again})", safe_line(&step.step), step.of)
        }
        TaskEvent::StepFinished(step) => {
            let how = match (step.status, &step.failure) {
                (StepStatus::Passed, _) => "passed".to_owned(),
                (StepStatus::Skipped, _) => "is skipped".to_owned(),
                (StepStatus::Failed, None) => "failed".to_owned(),
                (StepStatus::Failed, Some(failure)) => format!("failed ({})", failed(failure)),
            };
            format!("step {} {how}", safe_line(&step.step))
        }
        TaskEvent::Hook(hook) => {
            let how =
                if hook.passed { "passed".to_owned() } else { format!("failed: {}", safe_line(&hook.how)) };
            format!("hook {} {how} after {}", safe_line(&hook.hook), millis(hook.duration_ms))
        }
        TaskEvent::Killed { reason } => format!("the agent was ended: {}", safe_line(reason)),
        _ => after_work(event, time),
    }
}

fn after_work(event: &TaskEvent, time: Timestamp) -> String {
    match event {
        TaskEvent::ArtifactStored(artifact) => {
            let size = count(artifact.size, "byte");
            format!("left artifact {} ({}, {size})", safe_line(&artifact.name), artifact.kind)
        }
        TaskEvent::ArtifactLimitReached { artifact_name } => {
            format!("artifact {} is not kept: the convoy holds as many as it may", safe_line(artifact_name))
        }
        TaskEvent::WaitingInput { missing_artifact, from_task } => {
            let (name, from) = (safe_line(missing_artifact), safe_line(from_task.as_str()));
            format!("needs artifact {name} of {from}, which is not there")
        }
        TaskEvent::Snapshot { work, rebased, .. } => match work {
            Some(_) if *rebased => {
                "the agent moved away from where it began: what it changed became one commit there".to_owned()
            }
            Some(work) if work.changed => format!("its work is commit {}", short(&work.commit)),
            Some(_) => "it changed nothing".to_owned(),
            None => "there is no work to take".to_owned(),
        },
        TaskEvent::Gate(result) => gate(result),
        TaskEvent::BuiltInGate(result) => built_in_gate(result),
        TaskEvent::Guard(found) => {
            let what = some_of(&found.changes);
            match found.level {
                GateLevel::Warn => format!("meanwhile somebody changed the repository: {what}"),
                _ => format!("somebody changed the repository, which no task may do: {what}"),
            }
        }
        TaskEvent::DriftChecked(drift) => rating(drift),
        TaskEvent::DriftDetected { score, threshold, explanation } => {
            format!("the agent rates its work {score}, less than {threshold}: {}", safe_line(explanation))
        }
        TaskEvent::ReviewStarted(review) => {
            let by = safe_line(&review.reviewer);
            format!("{} review by {by} ({})", review.level, safe_line(&review.reason))
        }
        TaskEvent::ReviewVerdict(review) => verdict(review),
        TaskEvent::Queued { .. } => "passed its checks, waits to land".to_owned(),
        TaskEvent::Prepared { commit, .. } => format!("landing as {}", short(commit)),
        TaskEvent::SetAside { .. } => "fails alone in merge.verify; all others go first".to_owned(),
        TaskEvent::Unprepared { .. } => "the tip moved; landing again".to_owned(),
        TaskEvent::Landed { commit } => format!("landed as {}", short(commit)),
        TaskEvent::Conflict { conflicting_files, .. } => {
            format!(
                "conflicts with what landed meanwhile in {}; an agent resolves it",
                some_of(conflicting_files)
            )
        }
        TaskEvent::ConflictFailed { conflicting_files, attempts } => {
            let tries = count(*attempts, "conflict");
            format!("the conflict in {} stays unresolved after {tries}", some_of(conflicting_files))
        }
        _ => end(event, time),
    }
}

fn rating(drift: &DriftResult) -> String {
    match drift.score {
        Some(score) => format!("the agent rates its work {score}"),
        None => {
            format!(
                "the agent's work was not rated: {}",
                safe_line(drift.reason.as_deref().unwrap_or_default())
            )
        }
    }
}

fn end(event: &TaskEvent, time: Timestamp) -> String {
    match event {
        TaskEvent::Done { commit: Some(commit), .. } => format!("done, landed as {}", short(commit)),
        TaskEvent::Done { commit: None, .. } => "done, nothing changed".to_owned(),
        TaskEvent::Retried { failure, not_before, retries, escalated_to, .. } => {
            let wait = not_before.since(time);
            let wait = if wait.is_zero() { String::new() } else { format!(" in {}", duration(wait)) };
            match failure {
                Some(failure) if let Some(other) = escalated_to => {
                    format!("failed ({}); {} gets the last try{wait}", failed(failure), safe_line(other))
                }
                Some(failure) => format!("failed ({}); retry {retries}{wait}", failed(failure)),
                None => format!("was interrupted; starts again{wait}"),
            }
        }
        TaskEvent::Failed { status, failure, stops, .. } => {
            let stops = if *stops { "; it stops the convoy" } else { "" };
            format!("{status} ({}){stops}", failed_as(*status, failure))
        }
        TaskEvent::BreakerFallback { original_agent, fallback_agent, .. } => {
            format!("{} takes it, since {} is rested", safe_line(fallback_agent), safe_line(original_agent))
        }
        TaskEvent::BreakerBlocked { agent, .. } => format!("agent {} is rested", safe_line(agent)),
        TaskEvent::Parked { provider, until, failure } => {
            format!("parked until {until}, provider {} ({})", safe_line(provider), failed(failure))
        }
        TaskEvent::Skipped { reason, .. } => format!("skipped: {}", safe_line(reason)),
        TaskEvent::AwaitingApproval { before, .. } => {
            let what = match before {
                Approve::BeforeRun => "runs",
                Approve::BeforeMerge => "lands",
            };
            format!("waits for approval before it {what}; `convoy approve` or `convoy reject` it")
        }
        TaskEvent::Approved { actor, reason, .. } => with_reason("approved", actor, reason),
        TaskEvent::Rejected { actor, reason, .. } => with_reason("refused", actor, reason),
        TaskEvent::Accepted { actor, reason, .. } => with_reason("a commit of its own given", actor, reason),
        TaskEvent::Cancelled {} => "cancelled; its work is kept".to_owned(),
        TaskEvent::DeadLettered(letter) => format!("kept as dead letter {}", safe_line(&letter.dlq_id)),
        TaskEvent::DeadLetterResolved { dlq_id, actor, resolution } => format!(
            "dead letter {} closed by {}: {}",
            safe_line(dlq_id),
            safe_line(actor),
            safe_line(resolution)
        ),
        TaskEvent::DisputeOpened(dispute) => {
            let panels = count(dispute.panel_attempts, "panel");
            format!("disputed after {panels}: {}", safe_line(&dispute.dispute_id))
        }
        TaskEvent::DisputeResolved { dispute_id, actor, resolution } => {
            format!("{} closed by {}: {}", safe_line(dispute_id), safe_line(actor), safe_line(resolution))
        }
        other => other.type_name().to_owned(),
    }
}

fn verdict(review: &ReviewRecord) -> String {
    let what = match (review.verdict, review.level) {
        (ReviewVerdict::Pass, ReviewLevel::AutoPass) => "needs no review".to_owned(),
        (ReviewVerdict::Pass, level) => format!("passed its {level} review"),
        (ReviewVerdict::Block, level) => format!("blocked by its {level} review"),
        (ReviewVerdict::Skipped, _) => "not reviewed".to_owned(),
    };
    let votes = match (review.passes, review.blocks) {
        (Some(passes), Some(blocks)) => format!(" ({passes} for it, {blocks} against)"),
        _ => String::new(),
    };
    let reason = safe_line(&review.reason);
    if reason.is_empty() { format!("{what}{votes}") } else { format!("{what}{votes}: {reason}") }
}

fn millis(millis: u64) -> String {
    duration(std::time::Duration::from_millis(millis))
}

/// The same after the status, which it does not repeat.
pub(super) fn failed_as(status: TaskStatus, failure: &Failure) -> String {
    let whole = failed(failure);
    let rest = whole.strip_prefix(status.as_str()).and_then(|rest| rest.strip_prefix(": "));
    rest.map(str::to_owned).unwrap_or(whole)
}

/// `timeout: the agent ran longer than 5m`.
pub(super) fn failed(failure: &Failure) -> String {
    let (kind, message) = (safe_line(&failure.kind.to_string()), safe_line(&failure.message));
    // A message that names its gate says all of it.
    let whole = |text: &str| message.contains(&format!("`{text}` of merge.verify"));
    if kind.strip_prefix("verify:").or(kind.strip_prefix("verify-tip:")).is_some_and(whole) {
        return message;
    }
    match kind.strip_prefix("gate:") {
        Some(gate) if message.contains(&format!("gate `{gate}`")) => message,
        _ => format!("{kind}: {message}"),
    }
}

#[cfg(test)]
mod tests;

/// What a person decided, and why.
fn with_reason(what: &str, actor: &str, reason: &str) -> String {
    match reason {
        "" => format!("{what} by {}", safe_line(actor)),
        reason => format!("{what} by {}: {}", safe_line(actor), safe_line(reason)),
    }
}
