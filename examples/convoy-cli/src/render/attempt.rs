//! One attempt for people: what became of it, how it was judged, what was asked, said and changed.

use convoy_core::engine::{AttemptOutcome, AttemptView, KeptText};
use convoy_core::event::{AttemptKind, Event, EventRecord, TaskEvent};

use super::event::{describe_task, failed};
use super::status::quoted;
use super::{count, safe, safe_line, thousands};

/// `show` for people.
pub(crate) fn attempt_lines(view: &AttemptView) -> Vec<String> {
    let mut lines = head(view);
    lines.extend(section("what happened"));
    lines.extend(view.events.iter().filter_map(happened));
    let verdicts: Vec<String> = view.events.iter().filter_map(verdict).flatten().collect();
    if !verdicts.is_empty() {
        lines.extend(section("verdicts"));
        lines.extend(verdicts);
    }
    for path in &view.other_logs {
        lines.push(format!("more of it: {}", quoted(&path.to_string_lossy())));
    }
    let gone = view.logs_removed.as_deref().map(safe_line);
    let missing = |why| gone.as_deref().unwrap_or(why);
    lines.extend(text("prompt, as it was sent", view.prompt.as_ref(), missing("nothing was sent"), false));
    lines.extend(text("log of the agent", view.log.as_ref(), missing("the agent printed nothing"), true));
    lines.extend(diff(view));
    lines
}

fn section(title: &str) -> [String; 2] {
    [String::new(), format!("=== {title}")]
}

fn head(view: &AttemptView) -> Vec<String> {
    let task = safe_line(view.task.as_str());
    let mut lines =
        vec![format!("task {task}, attempt {} of {}, of {}", view.attempt, view.attempts, view.convoy_id)];
    lines.extend(made_by(view));
    lines.push(format!("outcome: {}", outcome(view)));
    if let Some(tokens) = view.usage.total_tokens() {
        lines.push(format!("tokens: {}", thousands(tokens)));
    }
    if let Some(cost) = view.usage.cost_usd {
        lines.push(format!("cost: {cost}"));
    }
    if let Some(work) = &view.work {
        let files =
            view.files_changed.map_or_else(String::new, |n| format!(", {} changed", count(n, "file")));
        lines.push(format!("work: {}{files}, kept as {}", work.commit, safe_line(&work.kept_ref)));
    }
    if let Some(commit) = &view.landed_as {
        lines.push(format!("landed as: {commit}"));
    }
    if let Some(words) = &view.checkout {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        lines.push(format!("check it out: {}", words.join(" ")));
    }
    lines
}

/// Who made it, and how.
fn made_by(view: &AttemptView) -> Option<String> {
    let mut made = None;
    for record in &view.events {
        let Event::Task { event, .. } = &record.event else { continue };
        match event {
            TaskEvent::Assigned { agent, kind, .. } => {
                let why = match kind {
                    AttemptKind::First => "",
                    AttemptKind::Retry => ", a retry",
                    AttemptKind::Repeat => ", repeats one that was interrupted",
                    AttemptKind::Resolve => ", to resolve a conflict",
                    _ => ", again",
                };
                made = Some(format!("made by: {}{why}", safe_line(agent)));
            }
            TaskEvent::Started { adapter, model, session, .. } => {
                let model = model.as_ref().map_or_else(String::new, |model| format!(" {}", safe_line(model)));
                let (adapter, session) = (safe_line(adapter), safe_line(session));
                made = made.map(|made| format!("{made} ({adapter}{model}, session {session})"));
            }
            TaskEvent::Accepted { actor, .. } => made = Some(format!("given by: {}", safe_line(actor))),
            _ => {}
        }
    }
    made
}

fn outcome(view: &AttemptView) -> String {
    let why = view.failure.as_ref().map_or_else(String::new, |failure| format!(" ({})", failed(failure)));
    match &view.outcome {
        AttemptOutcome::Open => format!("open, the task is {}", view.task_status),
        AttemptOutcome::Done => "done".to_owned(),
        AttemptOutcome::Failed { status, retried: true } => format!("{status}{why}; another attempt follows"),
        AttemptOutcome::Failed { status, retried: false } => format!("{status}{why}"),
        AttemptOutcome::Interrupted => "interrupted, and repeated".to_owned(),
        AttemptOutcome::Parked { until } => format!("parked until {until}{why}"),
        AttemptOutcome::Conflict => {
            "conflicts with what landed meanwhile; the next attempt resolves it".to_owned()
        }
        AttemptOutcome::Skipped { reason } => format!("skipped: {}", safe_line(reason)),
        AttemptOutcome::Cancelled => "cancelled".to_owned(),
        _ => "see below".to_owned(),
    }
}

fn happened(record: &EventRecord) -> Option<String> {
    Some(format!("{}  {}", record.time, describe_task(record)?))
}

/// A verdict with what was said for it.
fn verdict(record: &EventRecord) -> Option<Vec<String>> {
    let Event::Task { event, .. } = &record.event else { return None };
    let said = match event {
        TaskEvent::Gate(gate) => &gate.output,
        TaskEvent::BuiltInGate(gate) => &gate.output,
        TaskEvent::Hook(hook) => &hook.output,
        TaskEvent::ReviewVerdict(review) => &review.reason,
        TaskEvent::Guard(_) | TaskEvent::Approved { .. } | TaskEvent::Rejected { .. } => "",
        _ => return None,
    };
    let mut lines = vec![describe_task(record)?];
    // What is one line is said already.
    if lines[0].ends_with(&safe_line(said)) && said.trim().lines().count() < 2 {
        return Some(lines);
    }
    lines.extend(safe(said.trim_end()).lines().map(|line| format!("    {line}")));
    Some(lines)
}

/// A text of a file, or what its absence means. `end`: what is left out stood before it.
fn text(title: &str, kept: Option<&KeptText>, none: &str, end: bool) -> Vec<String> {
    let mut lines = section(title).to_vec();
    let Some(KeptText { path, text, omitted }) = kept else {
        lines.push(none.to_owned());
        return lines;
    };
    if let Some(last) = lines.last_mut() {
        last.push_str(&format!(" ({})", safe_line(&path.to_string_lossy())));
    }
    let left_out = format!("[{} left out, they are in the file]", count(*omitted, "byte"));
    if *omitted > 0 && end {
        lines.push(left_out.clone());
    }
    lines.extend(safe(text.trim_end()).lines().map(str::to_owned));
    if *omitted > 0 && !end {
        lines.push(left_out);
    }
    lines
}

fn diff(view: &AttemptView) -> Vec<String> {
    let mut lines = section("diff").to_vec();
    match (&view.diff, &view.diff_missing) {
        (Some(diff), _) if diff.text.is_empty() && !diff.truncated => {
            lines.push("nothing changed".to_owned())
        }
        (Some(diff), _) => {
            lines.extend(safe(diff.text.trim_end()).lines().map(str::to_owned));
            if diff.truncated {
                lines.push("[the rest is left out; check the work out to see it]".to_owned());
            }
        }
        (None, Some(why)) => {
            lines.push(format!("the repository does not have the work any more: {}", safe_line(why)))
        }
        (None, None) => lines.push("there is no work".to_owned()),
    }
    lines
}
