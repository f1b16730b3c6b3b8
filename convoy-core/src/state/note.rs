//! What an event says of a task beside its stage.

use super::people;
use super::stage::{Conflict, CutOff, Session, Stage, TaskState};
use crate::event::{AgentOutcome, TaskEvent};
use crate::types::{FailureKind, SessionId};

/// Keeps what the newest attempt leaves for the next one once its agent ended: its session, and whether it was cut
/// off. One that got no session of its own leaves none to be continued.
fn note_end(task: &mut TaskState, outcome: &AgentOutcome, id: Option<SessionId>) {
    let limited =
        matches!(outcome, AgentOutcome::Failed { failure } if failure.kind == FailureKind::RateLimit);
    task.perhaps_cut_off = None;
    if id.is_none() && limited && task.session.is_some() {
        // Its provider did not let it begin, and all is as before it; or it went on with the session that is kept and
        // was cut off, which shows in its files.
        task.perhaps_cut_off = task.attempt();
        return;
    }
    task.session = match (id, &task.agent, &task.adapter) {
        (Some(id), Some(agent), Some((adapter, account))) => {
            let (agent, adapter, account) = (agent.clone(), adapter.clone(), account.clone());
            Some(Session { id, agent, adapter, account, slot: task.slot })
        }
        _ => None,
    };
    let cut_off = limited || matches!(outcome, AgentOutcome::Interrupted | AgentOutcome::Cancelled);
    task.cut_off =
        task.attempt().filter(|_| cut_off).map(|attempt| CutOff { attempt, work: None, lost: None });
}

/// Keeps what an event says of a task beside its stage. `before` is the stage that it met.
pub(super) fn note(task: &mut TaskState, before: &Stage, event: &TaskEvent) {
    match event {
        TaskEvent::Assigned { agent, .. } => {
            task.attempts += 1;
            task.agent = Some(agent.clone());
            task.rated = None;
        }
        TaskEvent::Started { adapter, account, slot, .. } => {
            task.slot = *slot;
            task.started += 1;
            task.adapter = Some((adapter.clone(), account.clone()));
        }
        TaskEvent::AgentEnded { outcome, exit_code, session, usage, .. } => {
            task.count(before, outcome, usage);
            task.exit_code = *exit_code;
            // One that did not get as far as its agent leaves what the one before left.
            let called = matches!(before, Stage::Working { started: true, .. });
            if called || *outcome == AgentOutcome::Succeeded {
                note_end(task, outcome, session.clone());
            }
        }
        TaskEvent::ReviewVerdict(record) => task.usage.add(&record.usage),
        TaskEvent::Hook(hook) => task.usage.add(&hook.usage),
        TaskEvent::DriftChecked(drift) => {
            task.usage.add(&drift.usage);
            task.rated = drift.score.map(|score| (score, drift.explanation.clone()));
        }
        TaskEvent::Snapshot { work, files_changed, failure, .. } => {
            task.files_changed = *files_changed;
            task.gate_results = 0;
            let newest = task.attempt();
            let worked = failure.is_some() || work.as_ref().is_some_and(|work| work.changed);
            if let Some(attempt) = task.perhaps_cut_off.take().filter(|of| worked && Some(*of) == newest) {
                task.cut_off = Some(CutOff { attempt, work: None, lost: None });
            }
            if let Some(cut) = task.cut_off.as_mut().filter(|cut| Some(cut.attempt) == newest) {
                cut.work.clone_from(work);
                cut.lost = failure.as_ref().map(|failure| failure.message.clone());
            }
            // A resolution is judged like any other work; the next conflict is a new one.
            if matches!(task.stage, Stage::Checking { .. }) {
                task.conflict = None;
            }
        }
        TaskEvent::Conflict { attempt, conflicting_files, onto, tree, conflicts } => {
            task.conflicts = *attempt;
            if let Stage::Queued { work, .. } = before {
                task.conflict = Some(Conflict {
                    work: work.clone(),
                    onto: onto.clone(),
                    tree: tree.clone(),
                    files: conflicting_files.clone(),
                    paths: conflicts.clone(),
                });
            }
        }
        _ => note_result(task, before, event),
    }
}

/// The part of [`note`] that concerns what came of an attempt.
fn note_result(task: &mut TaskState, before: &Stage, event: &TaskEvent) {
    match event {
        TaskEvent::ArtifactStored(artifact) => {
            task.taken.retain(|other| other.name != artifact.name);
            task.taken.push(artifact.clone());
        }
        TaskEvent::Landed { commit } => task.commit = Some(commit.clone()),
        TaskEvent::Done { commit, no_changes, .. } => {
            task.artifacts = std::mem::take(&mut task.taken);
            if commit.is_some() {
                task.commit.clone_from(commit);
            }
            task.no_changes = *no_changes;
            (task.failure, task.failed_attempt) = (None, None);
        }
        TaskEvent::Retried { failure, retries, escalated_to, .. } => {
            task.retries = *retries;
            task.escalated |= escalated_to.is_some();
            if let Some(failure) = failure {
                task.failure = Some(failure.clone());
                task.failed_attempt = task.attempt();
                task.drifted |= failure.kind == FailureKind::Drift;
                task.conflict = None;
                task.taken.clear();
            }
        }
        TaskEvent::Cancelled {} | TaskEvent::Skipped { .. } => task.taken.clear(),
        TaskEvent::Failed { failure, .. } => {
            task.failure = Some(failure.clone());
            task.failed_attempt = task.attempt().filter(|_| !matches!(before, Stage::Pending { .. }));
            task.conflict = None;
            task.taken.clear();
            task.letter_due = true;
        }
        TaskEvent::Gate(result) => {
            task.gate_results += 1;
            if let Stage::Checking { work } = &task.stage {
                task.verdicts.note_command(work, result);
            }
        }
        TaskEvent::BuiltInGate(result) => {
            if let Stage::Checking { work } = &task.stage {
                task.verdicts.note_built_in(work, result);
            }
        }
        TaskEvent::DeadLettered(letter) => {
            task.letter_due = false;
            task.dead_letter = Some((letter.dlq_id.clone(), true));
        }
        TaskEvent::DeadLetterResolved { dlq_id, .. } => task.dead_letter = Some((dlq_id.clone(), false)),
        _ => people::note(task, event),
    }
}
