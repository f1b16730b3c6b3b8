//! The user's own agent programs.

use super::convoy::ENV;
use super::{Kind, Least, Section, field};
use crate::spec::rules::Rule;

const ARGUMENTS: Kind = Kind::List(&Kind::Text(Rule::Any), Least::One);
const POINTER: Kind = Kind::Text(Rule::Pointer);

pub(super) static PROFILE: Section = Section {
    name: "adapter",
    doc: "An agent program. Arguments go to it as they are, never through a shell.",
    fields: &[
        field("command", ARGUMENTS, "Program and arguments; `{{prompt}}` in one of them with `prompt: arg`.")
            .required()
            .ours(),
        field("prompt", Kind::Choice(&["stdin", "arg"]), "How the prompt reaches it.")
            .default("stdin")
            .ours(),
        field("resume", ARGUMENTS, "Program and arguments that continue a session, with `{{session}}`.")
            .ours(),
        field("model", ARGUMENTS, "Arguments added when a model is set, with `{{model}}`.").ours(),
        field("read_only", ARGUMENTS, "Arguments for a run that may only read; without it it cannot review.")
            .ours(),
        field("mcp_config", ARGUMENTS, "Arguments that name an MCP configuration file, with `{{file}}`.")
            .ours(),
        field("output", Kind::Choice(&["text", "json", "jsonl"]), "What it prints on standard output.")
            .default("text")
            .ours(),
        field("fields", Kind::Record(&FIELDS), "Where facts stand in its JSON.").ours(),
        field("env", ENV, "Environment for this program.").ours(),
        field("account", Kind::Text(Rule::Name), "The account it runs under.").ours(),
        field("probe", ARGUMENTS, "Program and arguments that exit with 0 when it is installed.").ours(),
    ],
};

static FIELDS: Section = Section {
    name: "fields",
    doc: "Where facts stand in an agent program's JSON.",
    fields: &[
        field("result", POINTER, "The final text.").ours(),
        field("session", POINTER, "The session id.").ours(),
        field("error", POINTER, "True, or a text that is not empty, when the run failed.").ours(),
        field("terminal", Kind::Text(Rule::Terminal), "Which document ends the run.").ours(),
        field("input_tokens", POINTER, "Input tokens.").ours(),
        field("output_tokens", POINTER, "Output tokens.").ours(),
        field("cost_usd", POINTER, "Dollars.").ours(),
        field(
            "usage",
            Kind::Choice(&["final", "running", "sum"]),
            "How numbers of several documents combine: the last counts, each is the total so far, or parts.",
        )
        .default("final")
        .ours(),
    ],
};
