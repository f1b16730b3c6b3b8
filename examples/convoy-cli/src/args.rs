//! What may be typed.

mod agents;
mod keep;

use std::num::IntErrorKind;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use convoy_core::git::Backend;
use convoy_core::spec::Concurrency;
use convoy_core::types::TaskId;

pub(crate) use self::agents::AgentArgs;
pub(crate) use self::keep::{KeepArgs, PruneArgs};

/// Runs many coding agents on one git repository at once, each in a worktree of its own, and lands their work on one branch.
#[derive(Debug, Parser)]
#[command(name = "convoy", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where to work.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The repository (default: the current directory)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) repo: Option<PathBuf>,
    /// Where convoys, logs and worktrees are kept (default: .convoy beside the repository's main worktree)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Who does git's work: this program as far as it can (auto), or always the git program (reference); the result is the same
    #[arg(long, value_name = "WHO", global = true, value_enum, default_value_t)]
    pub(crate) git_backend: GitBackend,
}

/// Who does git's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GitBackend {
    #[default]
    Auto,
    Reference,
}

impl From<GitBackend> for Backend {
    fn from(backend: GitBackend) -> Self {
        match backend {
            GitBackend::Auto => Self::Auto,
            GitBackend::Reference => Self::Reference,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a convoy file
    Run(RunArgs),
    /// Continue a convoy that was interrupted
    Resume {
        /// Its id or the beginning of it (default: the newest that is unfinished)
        convoy: Option<String>,
        /// Print each event as a line of JSON, the result last
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        agents: AgentArgs,
    },
    /// Take up again what is not done in a convoy that ended, as its file was then: edits since are not read
    Retry {
        #[command(flatten)]
        convoy: ConvoyArg,
        /// Only this task (may be repeated); its dependants that were skipped come with it
        #[arg(long = "task", value_name = "ID")]
        tasks: Vec<TaskId>,
        /// Print each event as a line of JSON, the result last
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        agents: AgentArgs,
    },
    /// Show a convoy and its tasks
    Status {
        #[command(flatten)]
        convoy: ConvoyArg,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List all convoys of the repository, the newest first
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show what happened in a convoy
    Events {
        #[command(flatten)]
        convoy: ConvoyArg,
        /// Wait for more while an engine runs the convoy
        #[arg(long)]
        follow: bool,
        /// Print each event as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what an agent printed
    Logs {
        /// The task
        task: TaskId,
        /// The convoy: its id or the beginning of it (default: the newest)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
        /// The attempt, from 1 (default: the newest)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        attempt: Option<u32>,
    },
    /// Show one attempt at a task: prompt, log, diff, verdicts, outcome, and how to check its work out
    Show {
        /// The task
        task: TaskId,
        /// The convoy: its id or the beginning of it (default: the newest)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
        /// The attempt, from 1 (default: the newest)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        attempt: Option<u32>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print an artifact that a task left for others
    Artifact {
        /// The task
        task: TaskId,
        /// The artifact
        name: String,
        /// The convoy: its id or the beginning of it (default: the newest)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
    },
    /// Check a convoy file
    Check {
        #[command(flatten)]
        source: SourceArgs,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Refuse warnings, too
        #[arg(long)]
        strict: bool,
    },
    /// Print the JSON Schema of convoy files
    Schema,
    /// Dead letters: tasks that were given up and wait for a person
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Disputes: tasks whose work three review panels have blocked
    #[command(subcommand)]
    Dispute(DisputeCommand),
    /// End a convoy for good; what its agents did is kept
    Cancel(ConvoyArg),
    /// Let running agents finish and start nothing
    Pause(ConvoyArg),
    /// End a pause
    Unpause(ConvoyArg),
    /// Let a task that waits for approval go on
    Approve {
        #[command(flatten)]
        wish: WishArgs,
        /// Only if this tree waits (see status --json)
        #[arg(long, value_name = "ID")]
        tree: Option<String>,
    },
    /// Refuse a task that waits for approval: it fails
    Reject(WishArgs),
    /// Skip a task that is not finished, and what depends on it; its work is kept
    Skip(WishArgs),
    /// Take a commit of your own as the work of a task: it is checked and landed like an agent's
    Accept {
        #[command(flatten)]
        wish: WishArgs,
        /// The commit: whatever git takes for one
        commit: String,
    },
    /// Add tasks to a convoy that runs
    Inject {
        /// The tasks: `tasks: [{id, prompt, agent, files, timeout_ms, max_retries, depends_on}]`
        file: PathBuf,
        /// The convoy: its id or the beginning of it (default: the newest)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
        /// A name for this request: what is asked for twice under one name is added once
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
    },
    /// Bring what landed onto the branch, where that was not possible before
    Publish {
        #[command(flatten)]
        convoy: ConvoyArg,
        /// Print each event as a line of JSON, the result last
        #[arg(long)]
        json: bool,
    },
    /// Delete what is kept of convoys that have ended: refs, logs, events
    Prune(PruneArgs),
    /// Run a small convoy in a scratch repository (made at --repo DIR where that is given)
    Demo,
}

/// The convoy a command is about.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConvoyArg {
    /// The convoy: its id or the beginning of it (default: the newest)
    pub(crate) convoy: Option<String>,
}

/// Where the convoy comes from: a convoy file, or a formula whose variables are filled in.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct SourceArgs {
    /// The convoy file
    #[arg(required_unless_present = "formula", conflicts_with = "formula")]
    pub(crate) file: Option<PathBuf>,
    /// A formula, a template of a convoy file, instead
    #[arg(long, value_name = "FILE")]
    pub(crate) formula: Option<PathBuf>,
    /// The value of a variable of the formula (may be repeated)
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

/// `NAME=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// What a person decides about a task.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WishArgs {
    /// The task
    pub(crate) task: TaskId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// The convoy: its id or the beginning of it (default: the newest)
    #[arg(long, value_name = "CONVOY")]
    pub(crate) convoy: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The branch that receives the work, instead of the file's
    #[arg(long)]
    pub(crate) branch: Option<String>,
    /// How many agents run at once: 1 to 512, or auto
    #[arg(long, value_name = "N|auto", value_parser = concurrency)]
    pub(crate) concurrency: Option<Concurrency>,
    /// The agent program of tasks that name none, instead of the file's
    #[arg(long, value_name = "NAME")]
    pub(crate) adapter: Option<String>,
    /// Take tasks from .convoy/inject/CONVOY/inject.yml while it runs (write the file elsewhere and move it there)
    #[arg(long)]
    pub(crate) inject_file: bool,
    /// How many tasks may be added while it runs (default: 10)
    #[arg(long, value_name = "N")]
    pub(crate) max_injected: Option<u32>,
    /// Print the plan; start and create nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print each event as a line of JSON, the result last
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) agents: AgentArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List the dead letters of a convoy
    List {
        #[command(flatten)]
        convoy: ConvoyArg,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Close a dead letter without running its task again
    Resolve {
        /// Id of the dead letter
        id: String,
        /// Why or how, for the record
        #[arg(long, value_name = "TEXT", default_value = "resolved")]
        reason: String,
        /// The convoy: its id or the beginning of it (default: all are searched)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
    },
    /// Run the tasks of dead letters again
    Retry {
        /// Ids of dead letters of one convoy (default: all open ones of the newest)
        ids: Vec<String>,
        /// The convoy: its id or the beginning of it (default: the one that holds them)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
        /// Print each event as a line of JSON, the result last
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        agents: AgentArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DisputeCommand {
    /// List the disputes of a convoy
    List {
        #[command(flatten)]
        convoy: ConvoyArg,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Close a dispute; `convoy retry --task` runs its task again
    Resolve {
        /// Id of the dispute
        id: String,
        /// Why or how, for the record
        #[arg(long, value_name = "TEXT", default_value = "resolved")]
        reason: String,
        /// The convoy: its id or the beginning of it (default: all are searched)
        #[arg(long, value_name = "CONVOY")]
        convoy: Option<String>,
    },
}

fn concurrency(text: &str) -> Result<Concurrency, String> {
    if text == "auto" {
        return Ok(Concurrency::Auto);
    }
    match text.parse::<u32>() {
        Ok(number @ 1..=512) => Ok(Concurrency::Fixed(number)),
        Err(error) if *error.kind() == IntErrorKind::InvalidDigit => Err("a number or `auto`".to_owned()),
        Ok(_) | Err(_) => Err("1 to 512, or `auto`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_takes_repo_and_state_dir_before_and_after_its_own_arguments() {
        let commands = [
            "run f",
            "resume",
            "retry",
            "status",
            "list",
            "events",
            "logs t",
            "show t",
            "artifact t n",
            "check f",
            "schema",
            "dlq list",
            "dlq resolve x",
            "dlq retry",
            "dispute list",
            "dispute resolve x",
            "cancel",
            "pause",
            "unpause",
            "approve t",
            "reject t",
            "skip t",
            "accept t HEAD",
            "inject f",
            "publish",
            "prune --all",
            "demo",
        ];
        for command in commands {
            let place = "--repo /r --state-dir /s --git-backend reference";
            for line in [format!("convoy {place} {command}"), format!("convoy {command} {place}")] {
                let args = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(args.place.repo.as_deref(), Some("/r".as_ref()), "{line}");
                assert_eq!(args.place.state_dir.as_deref(), Some("/s".as_ref()), "{line}");
                assert_eq!(args.place.git_backend, GitBackend::Reference, "{line}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_refused_with_exit_code_2() {
        let lines = [
            "convoy",
            "convoy fly",
            "convoy run",
            "convoy run a b",
            "convoy run f --concurrency 0",
            "convoy run f --concurrency 513",
            "convoy run f --concurrency -1",
            "convoy run f --concurrency many",
            "convoy run f --concurrency 99999999999",
            "convoy status --follow",
            "convoy logs",
            "convoy logs t --attempt 0",
            "convoy show",
            "convoy show t --attempt 0",
            "convoy dlq",
            "convoy dlq resolve",
            "convoy dispute",
            "convoy dispute resolve",
            "convoy check",
            "convoy list x",
            "convoy retry --task",
            "convoy approve",
            "convoy accept t",
            "convoy inject",
            "convoy run f --max-injected -1",
            "convoy skip t u",
        ];
        for line in lines {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        let asked = ["convoy --help", "convoy --version", "convoy run --help", "convoy help run"];
        for line in asked {
            assert_eq!(parse(line).expect_err(line).exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn options_arrive() {
        let line = "convoy run a.yml --branch b --concurrency auto --adapter x --dry-run --json --clean-env";
        let Command::Run(run) = parse(line).expect("valid").command else { panic!("run") };
        assert_eq!(
            (run.source.file.as_deref().and_then(std::path::Path::to_str), run.branch.as_deref()),
            (Some("a.yml"), Some("b"))
        );
        assert_eq!((run.concurrency, run.adapter.as_deref()), (Some(Concurrency::Auto), Some("x")));
        assert!(run.dry_run && run.json && run.agents.clean_env);
        let Command::Retry { convoy, tasks, .. } =
            parse("convoy retry c --task a --task b").expect("valid").command
        else {
            panic!("retry")
        };
        assert_eq!(convoy.convoy.as_deref(), Some("c"));
        assert_eq!(tasks.iter().map(TaskId::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(concurrency("512"), Ok(Concurrency::Fixed(512)));
    }
}
