//! Checks between the fields of one mapping: what is valid by itself and still makes no sense.

use std::collections::HashSet;

use super::artifact::templates;
use super::problem::{Path, Problem, Problems, Shown};
use super::value::Record;

/// Checks between the keys of the top level.
pub(super) fn top_level(record: &Record, problems: &mut Problems) {
    if record.slot("version").is_none() {
        let message = match record.slot("defaults") {
            Some(_) => "is missing and taken as 1; opencastle 0.27 ignored `defaults` in such a file",
            None => "is missing and taken as 1; opencastle 0.27 ran such a file without worktrees",
        };
        problems.push(Problem::warning(record.pos, "version", message).with_hint("write `version: 1`"));
    }
    if let (Some(slot), Some(1) | None) = (record.slot("depends_on_convoy"), record.int("version")) {
        let message = "has no effect in version 1";
        problems.push(
            Problem::warning(slot.key_pos, "depends_on_convoy", message).with_hint("write `version: 2`"),
        );
    }
    hooks(record, &Path::Root, &["post_convoy"], problems);
    if let Some(merge) = record.record("merge") {
        batch(merge, problems);
    }
    if let Some(watch) = record.record("watch") {
        triggers(watch, problems);
    }
}

/// Checks between the keys of a task.
pub(super) fn task(record: &Record, path: &Path<'_>, problems: &mut Problems) {
    hooks(record, path, &["pre_task", "post_task"], problems);
    steps(record, path, problems);
    templates(record, path, problems);
}

/// Without commands nothing is verified, alone or together.
fn batch(merge: &Record, problems: &mut Problems) {
    let verifies = merge.texts("verify").is_some_and(|commands| !commands.is_empty());
    if let (Some(slot), false) = (merge.slot("batch"), verifies || merge.int("batch") == Some(1)) {
        let path = Path::Key(&Path::Root, "merge");
        let message = "has no effect without `verify`";
        problems.push(Problem::warning(slot.key_pos, Path::Key(&path, "batch"), message));
    }
}

fn hooks(record: &Record, path: &Path<'_>, levels: &[&str], problems: &mut Problems) {
    let list = Path::Key(path, "hooks");
    for (index, hook) in record.records("hooks") {
        let here = Path::Index(&list, index);
        if let (Some(slot), Some(on)) = (hook.slot("on"), hook.text("on"))
            && !levels.contains(&on)
        {
            let message =
                format!("`{on}` never happens at this level; here there is `{}`", levels.join("`, `"));
            problems.push(Problem::warning(slot.pos, Path::Key(&here, "on"), message));
        }
        let needs = match hook.text("type") {
            Some("command" | "validate" | "guard") => "command",
            Some("agent") => "prompt",
            Some("host") => "name",
            _ => continue,
        };
        if hook.slot(needs).is_none() {
            let message = format!("has no `{needs}` and does nothing");
            problems.push(Problem::warning(hook.pos, here, message));
        }
    }
}

fn triggers(watch: &Record, problems: &mut Problems) {
    let watch_path = Path::Key(&Path::Root, "watch");
    let list = Path::Key(&watch_path, "triggers");
    for (index, trigger) in watch.records("triggers") {
        let here = Path::Index(&list, index);
        let kind = trigger.text("type").unwrap_or_default();
        let used: &[&str] = match kind {
            "file-change" => &["glob", "debounce_ms"],
            "cron" => &["schedule"],
            "git-push" => &["branch", "remote", "interval"],
            _ => continue,
        };
        if kind == "cron" && trigger.slot("schedule").is_none() {
            problems.push(Problem::error(
                trigger.pos,
                Path::Key(&here, "schedule"),
                "is required and missing",
            ));
        }
        for slot in trigger.slots.iter().filter(|slot| slot.field.key != "type") {
            if !used.contains(&slot.field.key) {
                let message = format!("has no effect on a trigger of type `{kind}`");
                problems.push(Problem::warning(slot.key_pos, Path::Key(&here, slot.field.key), message));
            }
        }
    }
}

fn steps(record: &Record, path: &Path<'_>, problems: &mut Problems) {
    let list = Path::Key(path, "steps");
    let mut ids = HashSet::new();
    for (index, step) in record.records("steps") {
        let here = Path::Index(&list, index);
        let condition = step.record("if");
        if let (Some(slot), Some(of)) =
            (condition.and_then(|c| c.slot("step")), condition.and_then(|c| c.text("step")))
            && !ids.contains(of)
        {
            let if_path = Path::Key(&here, "if");
            let message = format!("there is no earlier step {}: the step is always skipped", Shown(of));
            problems.push(Problem::warning(slot.pos, Path::Key(&if_path, "step"), message));
        }
        if let Some(condition) = condition
            && condition.text("step").is_none_or(|of| ids.contains(of))
        {
            about_nothing(condition, &here, problems);
        }
        if let (Some(slot), Some(id)) = (step.slot("id"), step.text("id"))
            && !ids.insert(id)
        {
            let message = format!("an earlier step has the id {} too", Shown(id));
            problems.push(Problem::warning(slot.pos, Path::Key(&here, "id"), message));
        }
    }
}

/// An exit code of no step, and a step of which nothing is asked.
fn about_nothing(condition: &Record, step: &Path<'_>, problems: &mut Problems) {
    let here = Path::Key(step, "if");
    match (condition.slot("step"), condition.slot("exitCode")) {
        (None, Some(_)) => {
            let problem =
                Problem::error(condition.pos, Path::Key(&here, "step"), "is missing beside `exitCode`");
            problems.push(problem.with_hint("name the earlier step whose exit code is meant"));
        }
        (Some(slot), None) => {
            let message = "has no effect without `exitCode`";
            problems.push(Problem::warning(slot.key_pos, Path::Key(&here, "step"), message));
        }
        (None, None) | (Some(_), Some(_)) => {}
    }
}
