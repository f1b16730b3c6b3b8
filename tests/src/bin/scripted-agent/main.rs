//! An agent program that does what its prompt says, for tests.
//!
//! It looks for the last fenced block that begins with ```` ```script ```` in its prompt (standard input, or the
//! argument after `--prompt`) and carries out its lines in the current directory; see `actions.rs` for the commands.
//! Asked to review it carries out the last block that begins with ```` ```review ````, or passes the work; asked to rate
//! its own work it is content, and asked about the books of a run it has nothing to mend.
//! Called as `claude`, or with `--claude`, it prints the event stream of that program; with `--json` one JSON object
//! at the end; otherwise plain text. `--model M` and `--resume SESSION` are taken from the arguments, others ignored.
#![forbid(unsafe_code)]

mod actions;
mod background;
mod conflict;
mod report;
mod script;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use actions::{Agent, Flow};
use report::{Mode, Report};

/// As `sysexits.h` has it: the script is wrong.
const BAD_SCRIPT: u8 = 64;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(role) = args.get(1).filter(|arg| background::is_role(arg)) {
        return background::run(role, &args[2..]);
    }
    let claude =
        args.first().is_some_and(|name| Path::new(name).file_name().is_some_and(|name| name == "claude"));
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let mode = match () {
        () if claude || has("--claude") => Mode::Claude,
        () if has("--json") => Mode::Json,
        () => Mode::Text,
    };
    let mut report = Report::new(mode, value(&args, "--model"), value(&args, "--resume"));
    for (flag, text) in [("--version", report::VERSION), ("--help", report::HELP)] {
        if has(flag) {
            report.line(text);
            return ExitCode::SUCCESS;
        }
    }
    let code = match follow(&args, &mut report) {
        Ok(code) => code,
        Err(problem) => {
            report.error_line(&format!("scripted-agent: {problem}"));
            BAD_SCRIPT
        }
    };
    report.end(code);
    background::linger_if(report.lingers);
    ExitCode::from(code)
}

/// The argument after `flag`.
fn value(args: &[String], flag: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == flag)?;
    args.get(at + 1).cloned()
}

/// Carries out the script; returns the exit code.
fn follow(args: &[String], report: &mut Report) -> Result<u8, String> {
    let prompt = match value(args, "--prompt") {
        Some(prompt) => prompt,
        None => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|error| format!("reading the prompt: {error}"))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    // As a reviewer it does what the task says for reviewers; nothing said, it lets the work pass.
    let lines = if prompt.starts_with("You review") {
        script::find(&prompt, "review").unwrap_or_else(|| vec!["verdict pass fine"])
    } else if prompt.contains("Rate how far") {
        vec![r#"say {"score": 0.9, "explanation": "as asked"}"#]
    } else if prompt.contains("the look at its books found") {
        vec!["tokens 1 1", "say Nothing to mend."]
    } else {
        script::find(&prompt, "script").ok_or("no ```script block in the prompt")?
    };
    report.begin();
    let mut agent = Agent { prompt: &prompt, args, report };
    for line in lines {
        match agent.perform(script::Words::new(line)).map_err(|problem| format!("`{line}`: {problem}"))? {
            Flow::On => {}
            Flow::Exit(code) => return Ok(code),
        }
    }
    Ok(0)
}
