//! `inject.yml`: tasks for a convoy that runs.

use super::task::IDS;
use super::{AGENT, COUNT, Kind, Least, Section, field};
use crate::spec::rules::Rule;

/// The longest time limit in milliseconds: 24 days.
const MOST_MILLIS: i64 = 24 * 24 * 60 * 60 * 1000;

pub(in crate::spec) static INJECTION: Section = Section {
    name: "inject.yml",
    doc: "Tasks for a convoy that runs: given by `convoy inject FILE`, or as `inject/<convoy>/inject.yml` in the state \
          directory of a run with `--inject-file`. All of them are added, or none. An unknown key is an error.",
    fields: &[field("tasks", Kind::List(&Kind::Record(&INJECTED_TASK), Least::One), "The tasks.").required()],
};

pub(in crate::spec) static INJECTED_TASK: Section = Section {
    name: "injected task",
    doc: "One task of `inject.yml`. Everything else it has from `defaults` of the convoy.",
    fields: &[
        field("id", Kind::Text(Rule::Name), "Unique within the convoy.").required(),
        field("prompt", Kind::Text(Rule::Filled), "What the agent is asked.").required(),
        field("agent", AGENT, "The role: frames the prompt (\"You are a …\").").nullable(),
        field(
            "files",
            Kind::List(&Kind::Text(Rule::Partition), Least::Zero),
            "The task's partition. It must not overlap with that of a task that is not finished, unless it depends on it.",
        ),
        field("timeout_ms", Kind::Int(1, MOST_MILLIS), "Limit of the agent's running time, in milliseconds."),
        field("max_retries", Kind::Int(0, COUNT), "Retries after the first attempt."),
        field("depends_on", IDS, "Tasks that must be done first.").ours(),
    ],
};
