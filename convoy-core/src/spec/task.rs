//! Checked tasks to [`Task`]s.

use std::collections::HashSet;

use super::convoy::{Defaults, Maker, adapter_name, budget, on_exhausted, retry};
use super::cross;
use super::hook::{HookMoment, hooks};
use super::model::{Approve, Task};
use super::places::{ListField, Place, Places, TaskPlaces};
use super::problem::{Path, Pos, Problem, Shown};
use super::review;
use super::rules::normalise;
use super::step::{on_step_failure, steps};
use super::table::TASK;
use super::value::Record;
use crate::types::TaskId;

impl Maker {
    pub(super) fn tasks(
        &mut self,
        record: &Record,
        defaults: &Defaults,
        adapter: Option<&str>,
    ) -> (Vec<Task>, Places) {
        let mut tasks = Vec::new();
        let mut places = Places::default();
        for (index, task) in record.records("tasks") {
            let (task, place) = self.task(index, task, defaults, adapter);
            tasks.extend(task);
            places.tasks.push(place);
        }
        (tasks, places)
    }

    /// The task that a mapping without any key would be.
    pub(super) fn task_of_nothing(&mut self, pos: Pos, defaults: &Defaults) -> Option<Task> {
        // What is wrong with it would be wrong with no line of the file.
        let problems = std::mem::take(&mut self.problems);
        let unsupported = std::mem::take(&mut self.unsupported);
        let (task, _) = self.task(0, &Record { section: &TASK, pos, slots: Vec::new() }, defaults, None);
        (self.problems, self.unsupported) = (problems, unsupported);
        let nothing = TaskId::new("convoy").ok()?;
        task.map(|task| Task { description: nothing.to_string(), id: nothing, ..task })
    }

    fn task(
        &mut self,
        index: usize,
        record: &Record,
        defaults: &Defaults,
        adapter: Option<&str>,
    ) -> (Option<Task>, TaskPlaces) {
        let tasks = Path::Key(&Path::Root, "tasks");
        let path = Path::Index(&tasks, index);
        cross::task(record, &path, &mut self.problems);
        if let (Some(slot), Some("auto"), Some(adapter)) =
            (record.slot("adapter"), record.text("adapter"), adapter)
        {
            let message = format!("`auto` means the convoy's adapter here, {}", Shown(adapter));
            self.problems.push(Problem::warning(slot.pos, Path::Key(&path, "adapter"), message));
        }
        let id = record.text("id").and_then(|id| TaskId::new(id).ok());
        let (depends_on, depends_on_places) = self.depends_on(record, &path);
        let (files, files_places) = files(record);
        let (locks, locks_places) = self.names(record, "locks", ListField::Locks, &path);
        let outputs = self.outputs(record, &path);
        let (inputs, inputs_places) = self.inputs(record, &path);
        let places = TaskPlaces {
            index,
            id: id.as_ref().and(record.slot("id")).map(|slot| slot.pos),
            depends_on: depends_on_places,
            files: files_places,
            locks: locks_places,
            inputs: inputs_places,
        };
        // A stand-in that no depends_on is likely to name; the spec is refused anyway.
        let id = id.or_else(|| TaskId::new(format!("tasks[{index}]")).ok());
        let gate_timeout = record.duration("gate_timeout").unwrap_or(defaults.gate_timeout);
        let max_retries = record.count("max_retries").unwrap_or(defaults.max_retries);
        let task = id.map(|id| Task {
            prompt: record.text("prompt").unwrap_or_default().to_owned(),
            agent: record.text("agent").filter(|a| !a.is_empty()).unwrap_or(&defaults.agent).to_owned(),
            adapter: record.text("adapter").and_then(adapter_name).or_else(|| defaults.adapter.clone()),
            model: own(record, "model", &defaults.model),
            timeout: record.duration("timeout").unwrap_or(defaults.timeout),
            max_retries,
            retry: retry(record.record("retry"), defaults.retry),
            on_exhausted: on_exhausted(record).unwrap_or(defaults.on_exhausted),
            escalate_to: own(record, "escalate_to", &defaults.escalate_to),
            gates: record.texts("gates").unwrap_or_else(|| defaults.gates.clone()),
            host_gates: record.texts("host_gates").unwrap_or_else(|| defaults.host_gates.clone()),
            host_prompts: record.texts("host_prompts").unwrap_or_else(|| defaults.host_prompts.clone()),
            gate_timeout,
            built_in_gates: defaults.built_in_gates.of_task(record.record("built_in_gates"), gate_timeout),
            review: review::mode(record).unwrap_or(defaults.review),
            description: record.text("description").filter(|d| !d.is_empty()).unwrap_or(id.as_str()).into(),
            depends_on,
            files,
            outputs,
            inputs,
            priority: record.int("priority").unwrap_or(0),
            locks,
            env: self.env(record.map("env"), &Path::Key(&path, "env")),
            detect_drift: record.bool("detect_drift").unwrap_or(defaults.detect_drift),
            steps: steps(record, max_retries),
            on_step_failure: on_step_failure(record),
            hooks: hooks(record, &[HookMoment::PostTask, HookMoment::PreTask]),
            approve: approve(record),
            budget: record.record("budget").map(budget),
            id,
        });
        (task, places)
    }

    /// Written dependencies, then those that inputs imply, each once.
    fn depends_on(&mut self, record: &Record, path: &Path<'_>) -> (Vec<TaskId>, Vec<Place>) {
        let (names, mut places) = self.names(record, "depends_on", ListField::DependsOn, path);
        let mut ids: Vec<TaskId> = names.iter().filter_map(|name| TaskId::new(name).ok()).collect();
        for (index, input) in record.records("inputs") {
            let from = input.text("from").and_then(|from| TaskId::new(from).ok());
            if let (Some(from), Some(slot)) = (from, input.slot("from"))
                && !ids.contains(&from)
            {
                ids.push(from);
                places.push(Place { pos: slot.pos, field: ListField::Input, index });
            }
        }
        (ids, places)
    }

    /// A list of names, each once; a repeated one is said.
    fn names(
        &mut self,
        record: &Record,
        key: &str,
        field: ListField,
        path: &Path<'_>,
    ) -> (Vec<String>, Vec<Place>) {
        let (mut names, mut places, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for item in record.list(key).unwrap_or_default() {
            let Some(name) = item.text() else { continue };
            if seen.insert(name) {
                names.push(name.to_owned());
                places.push(Place { pos: item.pos, field, index: item.index });
            } else {
                let list = Path::Key(path, key);
                let message = format!("{} is already in the list", Shown(name));
                self.problems.push(Problem::warning(item.pos, Path::Index(&list, item.index), message));
            }
        }
        (names, places)
    }
}

/// A text of the task itself, or the default.
fn own(record: &Record, key: &str, default: &Option<String>) -> Option<String> {
    record.text(key).map(str::to_owned).or_else(|| default.clone())
}

fn approve(record: &Record) -> Option<Approve> {
    record.text("approve").map(|moment| match moment {
        "before_merge" => Approve::BeforeMerge,
        _ => Approve::BeforeRun,
    })
}

/// The partition in one form; `.` is the whole repository.
pub(super) fn files(record: &Record) -> (Vec<String>, Vec<Place>) {
    let (mut files, mut places, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for item in record.list("files").unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let normal = normalise(text);
        let path = if normal.is_empty() { ".".to_owned() } else { normal };
        if seen.insert(path.clone()) {
            files.push(path);
            places.push(Place { pos: item.pos, field: ListField::Files, index: item.index });
        }
    }
    (files, places)
}
