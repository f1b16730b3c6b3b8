//! The top level, and the mappings that only it has.

use super::adapter::PROFILE;
use super::task::{HOOK, TASK};
use super::{AGENT, COMMANDS, COUNT, DEFAULTS, EMPTY, Kind, Least, NEVER, Section, WHOLE, field};
use crate::spec::rules::Rule;

pub(in crate::spec) static CONVOY: Section = Section {
    name: "convoy",
    doc: "The top level of a convoy file.",
    fields: &[
        field("name", Kind::Text(Rule::Filled), "What people see.").required(),
        field(
            "version",
            Kind::Version,
            "Version of the format; 2 with `depends_on_convoy` is a chain of convoys.",
        )
        .default("1"),
        field("description", Kind::Loose(Rule::Any), "Free text.").ours().nullable(),
        field(
            "concurrency",
            Kind::IntOr(1, 512, &["auto"]),
            "Most agents running at once; `auto`: as many as are ready, at most `defaults.max_swarm_concurrency`.",
        )
        .default("1"),
        field(
            "on_failure",
            Kind::Choice(&["continue", "stop"]),
            "What an exhausted task does to the rest; in a chain: whether later convoys still run.",
        )
        .default("continue"),
        field(
            "adapter",
            Kind::Text(Rule::Any),
            "The agent program. Empty or `auto`: the first one that is available. `claude-code` is `claude`.",
        )
        .nullable(),
        field("adapters", Kind::Map(Rule::AdapterName, &Kind::Record(&PROFILE)), "Your own agent programs.").ours(),
        field(
            "branch",
            Kind::Text(Rule::Branch),
            "The branch that receives the work, created from HEAD when missing. Default: the one HEAD is on.",
        ),
        field("defaults", Kind::Record(&DEFAULTS), "Values for tasks that do not set their own."),
        field(
            "tasks",
            Kind::List(&Kind::Record(&TASK), Least::One),
            "The tasks. Required, except in a chain.",
        ),
        field("gates", COMMANDS, "Shell commands on the merged result at the end; each must exit with 0."),
        field("gate_retries", Kind::Int(0, COUNT), "How often failing `gates` are handed to a fixing task.")
            .default("0"),
        field(
            "hooks",
            Kind::List(&Kind::Record(&HOOK), Least::Zero),
            "Run at the end (`on: post_convoy`); a failing one makes the convoy `hook-failed`.",
        ),
        field("guard", Kind::Record(&GUARD), "Bookkeeping checks at the end of the run."),
        field(
            "depends_on_convoy",
            Kind::List(&Kind::Text(Rule::Inside), Least::Zero),
            "Convoy files that run first, in order, on the same branch (version 2). Relative to the repository.",
        )
        .unbuilt(EMPTY),
        field("watch", Kind::Record(&WATCH), "When the convoy runs again.").unbuilt(NEVER),
        field("budget", Kind::Record(&BUDGET), "Limits of the whole convoy, reviews included.").ours(),
        field("worktree", Kind::Record(&WORKTREE), "How worktrees are prepared.").ours(),
        field("merge", Kind::Record(&MERGE), "How work is landed.").ours(),
        field("locks", Kind::Map(Rule::Name, &Kind::Int(1, COUNT)), "Permits of each lock that tasks take.").ours(),
        field("env", ENV, "Environment of agents, gates and hooks.").ours(),
    ],
};

/// An environment: text, or the name of a variable that the host passes.
pub(super) const ENV: Kind = Kind::Map(Rule::EnvName, &Kind::Or(&Kind::Loose(Rule::Any), &FROM_ENV));

static FROM_ENV: Section = Section {
    name: "from_env",
    doc: "A value that is taken from the environment of whoever runs the convoy.",
    fields: &[field("from_env", Kind::Text(Rule::EnvName), "Name of the variable there.").required().ours()],
};

static GUARD: Section = Section {
    name: "guard",
    doc: "Bookkeeping checks at the end of the run.",
    fields: &[
        field("enabled", Kind::Bool, "Whether they run.").default("true"),
        field("agent", AGENT, "Gets the findings as a last task.").nullable(),
        field(
            "checks",
            Kind::List(&Kind::Text(Rule::GuardCheck), Least::Zero),
            "Chooses among `observability`, `cleanup` and `cost-report`.",
        ),
    ],
};

static WATCH: Section = Section {
    name: "watch",
    doc: "When the convoy runs again; without it: when its file changes.",
    fields: &[
        field("triggers", Kind::List(&Kind::Record(&TRIGGER), Least::Zero), "What starts a cycle."),
        field("clear_scratchpad", Kind::Bool, "Whether a cycle starts with an empty scratchpad.")
            .default("false"),
        field("scratchpad_retention_days", Kind::Int(1, COUNT), "Days after which scratchpad values go."),
    ],
};

static TRIGGER: Section = Section {
    name: "trigger",
    doc: "What starts a cycle of a watched convoy.",
    fields: &[
        field("type", Kind::Choice(&["file-change", "cron", "git-push"]), "What is watched.").required(),
        field("glob", Kind::Text(Rule::Filled), "`file-change`: which files.").default("**/*"),
        field("debounce_ms", Kind::Int(0, MAX_MILLIS), "`file-change`: quiet time before the cycle.")
            .default("500"),
        field("schedule", Kind::Text(Rule::Cron), "`cron`: five fields, local time; required there."),
        field("branch", Kind::Text(Rule::Branch), "`git-push`: only this branch."),
        field("remote", Kind::Text(Rule::Filled), "`git-push`: the remote.").default("origin").ours(),
        field("interval", Kind::Duration { zero: true }, "`git-push`: time between looks.")
            .default("60s")
            .ours(),
    ],
};

/// 24 days.
pub(super) const MAX_MILLIS: i64 = 24 * 24 * 3_600_000;

pub(super) static BUDGET: Section = Section {
    name: "budget",
    doc: "Limits of what agents may consume.",
    fields: &[
        field("tokens", Kind::Int(1, WHOLE), "Most tokens.").ours(),
        field("cost_usd", Kind::Number { positive: true, max: 1e9 }, "Most dollars.").ours(),
        field("wall_time", Kind::Duration { zero: false }, "Longest time.").ours(),
        field("on_exceeded", Kind::Choice(&["stop", "pause"]), "What happens then. `stop`: what was not begun is skipped. `pause`: nothing starts until a person goes on (`convoy unpause`, `convoy resume`), which grants as much again.").default("stop").ours(),
    ],
};

static WORKTREE: Section = Section {
    name: "worktree",
    doc: "How worktrees are prepared.",
    fields: &[
        field("setup", COMMANDS, "Shell commands run once in a new worktree.").ours(),
        field("copy", PATHS, "Untracked files or folders that are copied in, such as `.env`.").ours(),
        field(
            "keep",
            Kind::List(&Kind::Text(Rule::Partition), Least::Zero),
            "Ignored files (paths, folders, globs) that stay in a worktree for the next task of the convoy. Setup is not run again where it made nothing else and what it may depend on is the same. Never in what judges the merged result, nor where git converts files (line ends, filters, encodings), checks out a part, or has submodules: there every task gets a new worktree.",
        )
        .ours(),
        field("sparse", PATHS, "Only these paths are checked out.").ours().unbuilt(EMPTY),
        field(
            "isolation",
            Kind::Choice(&["linked", "separate"]),
            "What worktrees share with the repository. `linked`: all of it, as `git worktree add` makes them. `separate`: its objects, to read; each has a git directory of its own, with HEAD detached, in which no branch, tag, remote, setting or hook of the repository is. What runs there, gates too, names commits by their ids (a base branch's name is not known), and what git writes there does not reach the repository but for the commits that HEAD is on in the end. Settings and hooks of git that `setup` makes are there for the first call of the agent and not for longer. No sandbox: files of the same user can be reached by their paths. Not for partial clones.",
        )
        .default("linked")
        .ours(),
    ],
};

const PATHS: Kind = Kind::List(&Kind::Text(Rule::Inside), Least::Zero);

static MERGE: Section = Section {
    name: "merge",
    doc: "How work is landed.",
    fields: &[
        field("strategy", Kind::Choice(&["merge", "squash", "rebase"]), "The form in which work lands: a merge commit, one commit, or its commits one by one; the files are the same.")
            .default("merge")
            .ours(),
        field(
            "verify",
            COMMANDS,
            "Shell commands that must pass on the merged tree before work lands, each within `gate_timeout` of `defaults`: what has landed passes at every moment. What others commit to `branch` meanwhile is merged in when it is published, unseen.",
        )
        .ours(),
        field("batch", Kind::Int(1, COUNT), "Most pieces of work that are verified together.")
            .default("1")
            .ours(),
    ],
};
