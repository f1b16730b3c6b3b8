//! Built-in gates, browser test, review heuristics, MCP servers.

use super::{COUNT, Kind, Least, SWITCH, Section, field};
use crate::spec::rules::Rule;

/// `true`, `false` or `auto`.
const AUTO: Kind = Kind::BoolOr(&["auto"], None);
const COUNT_FROM_1: Kind = Kind::Int(1, COUNT);
const NAMES: Kind = Kind::List(&Kind::Text(Rule::Filled), Least::Zero);

pub(super) static BUILT_IN_GATES: Section = Section {
    name: "built_in_gates",
    doc: "Checks that the engine brings. `auto` runs where it applies and says where it does not.",
    fields: &[
        field("secret_scan", AUTO, "No secrets in the diff.").default("true"),
        field("partition", Kind::BoolOr(&["warn"], None), "Nothing outside `files` was changed.")
            .default("warn")
            .ours(),
        field(
            "no_op",
            AUTO,
            "Something was changed; `auto`: missing file outputs fail, unchanged `files` warn.",
        )
        .default("auto")
        .ours(),
        field(
            "blast_radius",
            Kind::Or(&AUTO, &BLAST_RADIUS),
            "The diff is small: warns from 200 lines or 5 files, blocks from 500 or 10.",
        )
        .default("false"),
        field("dependency_audit", AUTO, "Dependencies have no known holes.").default("false"),
        field(
            "regression_test",
            Kind::BoolOr(&["auto"], Some(Rule::Filled)),
            "The project's tests pass; may be the command that runs them.",
        )
        .default("false"),
        field("browser_test", AUTO, "The pages of `browser_test` work.").default("false").unbuilt(SWITCH),
        field(
            "gate_timeout",
            Kind::Seconds,
            "Limit of each program that they run. Default: the task's `gate_timeout`.",
        ),
    ],
};

static BLAST_RADIUS: Section = Section {
    name: "blast_radius",
    doc: "How large a diff may be.",
    fields: &[
        field("warn_lines", COUNT_FROM_1, "Changed lines from which it warns.").default("200").ours(),
        field("warn_files", COUNT_FROM_1, "Changed files from which it warns.").default("5").ours(),
        field("block_lines", COUNT_FROM_1, "Changed lines from which it blocks.").default("500").ours(),
        field("block_files", COUNT_FROM_1, "Changed files from which it blocks.").default("10").ours(),
    ],
};

pub(super) static BROWSER_TEST: Section = Section {
    name: "browser_test",
    doc: "Pages that are looked at in a browser. Only pages of this machine, whatever they redirect to.",
    fields: &[
        field("urls", Kind::List(&Kind::Text(Rule::Loopback), Least::One), "The pages.").required(),
        field("check_console_errors", Kind::Bool, "Errors on the console fail."),
        field(
            "visual_diff_threshold",
            Kind::Number { positive: false, max: 1.0 },
            "Share of pixels that may differ from the baseline.",
        ),
        field("a11y", Kind::Bool, "Accessibility is audited."),
        field(
            "severity_threshold",
            Kind::Choice(&["critical", "serious", "moderate", "minor"]),
            "Least severity of an accessibility finding that fails.",
        )
        .default("serious"),
        field(
            "baselines_dir",
            Kind::Text(Rule::Filled),
            "Where baselines are. Default: the state directory.",
        ),
    ],
};

pub(super) static REVIEW_HEURISTICS: Section = Section {
    name: "review_heuristics",
    doc: "Which review `auto` chooses: panel path, panel agent, auto-pass agent, small diff, else fast.",
    fields: &[
        field(
            "panel_paths",
            NAMES,
            "Paths (prefix, or after a `/`) whose change is reviewed by a panel. Always among them is what steers agents \
             or runs on other machines: `CLAUDE.md`, `AGENTS.md`, `.claude/`, `.cursor/`, `.mcp.json`, `.github/workflows/`.",
        )
        .default("[auth/, security/, migrations/, rls/]"),
        field("panel_agents", NAMES, "Agents whose work is reviewed by a panel.")
            .default("[security-expert, database-engineer]"),
        field("auto_pass_agents", NAMES, "Agents whose work passes without review.")
            .default("[documentation-writer, copywriter]"),
        field("auto_pass_max_lines", COUNT_FROM_1, "Changed lines up to which a diff passes.").default("10"),
        field("auto_pass_max_files", COUNT_FROM_1, "Changed files up to which a diff passes.").default("2"),
    ],
};

pub(super) static MCP_SERVER: Section = Section {
    name: "mcp_server",
    doc: "An MCP server that agents may use.",
    fields: &[
        field("name", Kind::Text(Rule::Filled), "Its name.").required(),
        field("type", Kind::Text(Rule::Filled), "Its type.").required(),
        field("local", Kind::Bool, "Whether it runs on this machine."),
        field("command", Kind::Text(Rule::Filled), "The program that is the server."),
        field("args", Kind::List(&Kind::Text(Rule::Any), Least::Zero), "Its arguments."),
        field("url", Kind::Text(Rule::Filled), "Where the server is."),
        field("config", Kind::Json, "Further settings, passed on as they are."),
    ],
};

pub(super) static CIRCUIT_BREAKER: Section = Section {
    name: "circuit_breaker",
    doc: "When an agent that keeps failing gets no more tasks; without it there is no breaker.",
    fields: &[
        field("threshold", COUNT_FROM_1, "Exhausted tasks in a row that open it.").default("3"),
        field("cooldown_ms", Kind::Int(0, super::convoy::MAX_MILLIS), "Time until one task probes the agent again. A task whose turn comes before that goes to `fallback_agent`; it is skipped when there is none, or that one rests, too.")
            .default("300000"),
        field("fallback_agent", Kind::Text(Rule::Filled), "Takes the tasks meanwhile."),
    ],
};
