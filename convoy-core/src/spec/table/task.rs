//! `tasks[]`, and the mappings below a task.

use super::checks::{BROWSER_TEST, BUILT_IN_GATES};
use super::convoy::{BUDGET, ENV};
use super::defaults::{ON_EXHAUSTED, RETRY, REVIEW, TIMEOUT};
use super::{AGENT, COMMANDS, COUNT, Kind, Least, NEVER, SWITCH, Section, WHOLE, field};
use crate::spec::rules::Rule;

pub(super) const IDS: Kind = Kind::List(&Kind::Text(Rule::Name), Least::Zero);

pub(in crate::spec) static TASK: Section = Section {
    name: "task",
    doc: "One task. What it does not set comes from `defaults`.",
    fields: &[
        field("id", Kind::Text(Rule::Name), "Unique within the convoy.").required(),
        field(
            "prompt",
            Kind::Text(Rule::Filled),
            "What the agent is asked. `{{input.NAME}}` and `{{scratchpad.KEY}}` are replaced, in one pass.",
        )
        .required(),
        field("agent", AGENT, "The role: frames the prompt (\"You are a …\").").nullable(),
        field("adapter", Kind::Text(Rule::Any), "The agent program.").nullable(),
        field("model", Kind::Text(Rule::Filled), "The model, in the agent program's words."),
        field("timeout", TIMEOUT, "Limit of the agent's running time."),
        field("max_retries", Kind::Int(0, COUNT), "Retries after the first attempt."),
        field("gates", COMMANDS, "Shell commands that judge the work; each must exit with 0."),
        field(
            "host_gates",
            IDS,
            "Code of the program that embeds the engine which judges the work, by name.",
        )
        .ours(),
        field(
            "host_prompts",
            IDS,
            "Code of the program that embeds the engine which adds to the prompt, by name.",
        )
        .ours(),
        field("gate_timeout", Kind::Seconds, "Limit of each gate and each setup command, in seconds.").ours(),
        field("review", REVIEW, "Who reviews the work."),
        field("detect_drift", Kind::Bool, "The agent rates its own work, in its session."),
        field("built_in_gates", Kind::Record(&BUILT_IN_GATES), "Checks that the engine brings."),
        field("browser_test", Kind::Record(&BROWSER_TEST), "Pages for the gate `browser_test`.")
            .unbuilt(NEVER),
        field(
            "on_exhausted",
            ON_EXHAUSTED,
            "Without retries left: dead letter, skip dependants, or stop all.",
        )
        .ours(),
        field(
            "escalate_to",
            Kind::Text(Rule::Filled),
            "The role that gets one last try without retries left.",
        )
        .ours(),
        field("env", ENV, "Environment on top of the convoy's.").ours(),
        field("retry", Kind::Record(&RETRY), "How retries are spaced.").ours(),
        field("budget", Kind::Record(&BUDGET), "Limits of all attempts of this task.").ours(),
        field("description", Kind::Loose(Rule::Any), "Shown to people. Default: the id.").nullable(),
        field("depends_on", IDS, "Tasks that must be done first."),
        field(
            "files",
            Kind::List(&Kind::Text(Rule::Partition), Least::Zero),
            "The task's partition, told to the agent. A directory covers all below it; `*` and `?` are globs.",
        ),
        field("priority", Kind::Int(-WHOLE, WHOLE), "Higher starts earlier.").default("0").ours(),
        field("locks", IDS, "One permit of each while it works.").ours(),
        field("approve", Kind::Choice(&["before_run", "before_merge"]), "Waits for a person.").ours(),
        field(
            "steps",
            Kind::List(&Kind::Record(&STEP), Least::Zero),
            "Run in order in one worktree and, where the adapter can, one session; the task's prompt leads the first.",
        ),
        field(
            "on_step_failure",
            Kind::Choice(&["stop", "continue"]),
            "Whether steps after one that failed for good still run; the last one that ran then decides.",
        )
        .default("stop")
        .ours(),
        field(
            "hooks",
            Kind::List(&Kind::Record(&HOOK), Least::Zero),
            "Run before or after the task's agent, in its worktree; what they edit is part of the work. A hook that a crash \
             cut off runs again.",
        ),
        field("outputs", Kind::List(&Kind::Record(&OUTPUT), Least::Zero), "Artifacts for other tasks."),
        field(
            "inputs",
            Kind::List(&Kind::Record(&INPUT), Least::Zero),
            "Artifacts of other tasks, available as `{{input.AS}}`; implies `depends_on`.",
        ),
        field("persistent", Kind::Bool, "The agent's last three summaries lead its prompt.")
            .default("false")
            .unbuilt(SWITCH),
        field("cache", Kind::Bool, "The result may be reused by a later run.")
            .default("true")
            .ours()
            .unbuilt(SWITCH),
    ],
};

static STEP: Section = Section {
    name: "step",
    doc: "One step of a task.",
    fields: &[
        field("id", Kind::Text(Rule::Name), "Its name for `if.step`."),
        field("prompt", Kind::Text(Rule::Filled), "What the agent is asked.").required(),
        field(
            "gates",
            COMMANDS,
            "Shell commands that judge the step, inside its retries, in the worktree as it stands.",
        ),
        field("max_retries", Kind::Int(0, COUNT), "Retries of the step. Default: the task's."),
        field("if", Kind::Record(&CONDITION), "When the step runs; otherwise it is skipped."),
    ],
};

static CONDITION: Section = Section {
    name: "if",
    doc: "When a step runs: all that is written must hold.",
    fields: &[
        field("step", Kind::Text(Rule::Name), "The step that `exitCode` is about."),
        field("exitCode", Kind::Record(&EXIT_CODE), "Its exit code."),
        field("fileExists", Kind::Record(&FILE_EXISTS), "A file that must be there."),
    ],
};

const CODE: Kind = Kind::Int(i32::MIN as i64, i32::MAX as i64);

static EXIT_CODE: Section = Section {
    name: "exitCode",
    doc: "What an exit code must be.",
    fields: &[
        field("eq", CODE, "Equal."),
        field("ne", CODE, "Not equal."),
        field("gt", CODE, "Greater."),
        field("lt", CODE, "Less."),
    ],
};

static FILE_EXISTS: Section = Section {
    name: "fileExists",
    doc: "A file that must be there.",
    fields: &[field("path", Kind::Text(Rule::Inside), "The file.").required()],
};

pub(super) static HOOK: Section = Section {
    name: "hook",
    doc: "Something that runs around a task, or at the end of the convoy.",
    fields: &[
        field(
            "type",
            Kind::Choice(&["command", "validate", "guard", "agent", "review", "host"]),
            "`command`, `validate`, `guard`: a shell command; `agent`: a prompt; `review`: one fast review, of the work (`post_task`), of what was merged before (`pre_task`), of the merged result (`post_convoy`); `host` (new): code \
             of the program that embeds the engine, by `name`.",
        )
        .required(),
        field("name", Kind::Loose(Rule::Filled), "`agent`: the role; `host`: the name of the code; otherwise shown to people."),
        field("prompt", Kind::Text(Rule::Filled), "`agent`: what it is asked."),
        field("command", Kind::Text(Rule::Filled), "The shell command."),
        field(
            "on",
            Kind::Choice(&["pre_task", "post_task", "post_convoy"]),
            "When. Default: `post_task` in a task, `post_convoy` at the top level.",
        ),
    ],
};

static OUTPUT: Section = Section {
    name: "output",
    doc: "An artifact that a task leaves for others.",
    fields: &[
        field("name", Kind::Text(Rule::Filled), "Its name.").required(),
        field(
            "type",
            Kind::Choice(&["file", "summary", "json"]),
            "A file; the end of what the agent said; or the JSON that it printed.",
        )
        .required(),
        field("path", Kind::Text(Rule::Inside), "`file`: where it is. Default: the name.").ours(),
        field("description", Kind::Loose(Rule::Any), "Told to the agent.").nullable(),
    ],
};

static INPUT: Section = Section {
    name: "input",
    doc: "An artifact of another task.",
    fields: &[
        field("from", Kind::Text(Rule::Name), "The task.").required(),
        field("name", Kind::Text(Rule::Filled), "The artifact.").required(),
        field("as", Kind::Text(Rule::Placeholder), "Its name in the prompt. Default: `name`."),
    ],
};
