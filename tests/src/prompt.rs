//! Prompts and adapters for the scripted agent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A prompt with a script, one command per line, as one line of YAML: `prompt: {prompt}`.
pub fn prompt(script: &str) -> String {
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // JSON is YAML; its escapes keep quotes and newlines whole.
    serde_json::Value::String(format!("Do this.\n\n```script\n{}\n```\n", lines.join("\n"))).to_string()
}

/// The `adapters:` section with one profile `scripted` that runs the scripted agent at `program`, with sessions,
/// models and usage.
pub fn adapter(program: &str) -> String {
    let program = serde_json::Value::String(program.to_owned());
    format!(
        "adapters:\n  scripted:\n    command: [{program}, --json]\n    resume: [{program}, --json, --resume, \"{{{{session}}}}\"]\n    \
         model: [--model, \"{{{{model}}}}\"]\n    output: json\n    fields: {{result: /result, session: /session_id, error: /is_error, \
         terminal: /type=result, input_tokens: /usage/in, output_tokens: /usage/out, cost_usd: /cost, usage: final}}\n"
    )
}

/// Makes a folder in which the scripted agent is called `claude`; it then answers as that program does. Put it first
/// in `PATH`.
///
/// # Errors
/// When the folder or the link cannot be made.
pub fn claude_on_path(folder: &Path, program: &str) -> io::Result<PathBuf> {
    let bin = folder.join("claude-bin");
    fs::create_dir_all(&bin)?;
    std::os::unix::fs::symlink(program, bin.join("claude"))?;
    Ok(bin)
}
