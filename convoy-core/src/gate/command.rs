//! Command gates: a shell command that judges a tree by its exit code.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::process::{self, Command, Limits, ProcessError, Sink, Status, Stopped};
use crate::types::WorkerId;

/// A shell command to be run in a tree.
#[derive(Debug, Clone)]
pub struct GateCommand {
    /// The command, for `/bin/sh -c`.
    pub command: String,
    /// The root of the tree.
    pub cwd: PathBuf,
    /// Its complete environment.
    pub env: BTreeMap<String, String>,
    /// The longest it may run.
    pub timeout: Duration,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Marks everything it starts.
    pub worker: WorkerId,
}

/// How a gate ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateEnd {
    /// Whether it exited with 0 in time.
    pub passed: bool,
    /// Its exit code; absent when a signal ended it.
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub elapsed: Duration,
    /// In words: `exit code 1`, `ended after its limit of 300 s`.
    pub how: String,
}

/// What became of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateOutcome {
    /// It ended, by itself or by its limit.
    Ended(GateEnd),
    /// It was cancelled before it had an answer.
    Cancelled,
}

/// Runs a gate. However much it prints, and whatever it leaves behind, it is judged by its exit code, and
/// nothing of it is left when this returns.
///
/// # Errors
/// When no shell can be started.
pub async fn run(
    gate: &GateCommand,
    cancel: &CancellationToken,
    sink: &mut dyn Sink,
) -> Result<GateOutcome, ProcessError> {
    let mut command = Command::new("/bin/sh", &gate.cwd).arg("-c").arg(&gate.command);
    command.env = gate.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    command.cookie = Some(gate.worker.to_string());
    let limits = Limits { deadline: Some(gate.timeout), idle: None, grace: gate.grace };
    let exit = process::run(command, &limits, cancel, sink).await?;
    let exit_code = match exit.status {
        Status::Code(code) => Some(code),
        Status::Signal(_) => None,
    };
    let how = match exit.stopped {
        Some(Stopped::Cancelled) => return Ok(GateOutcome::Cancelled),
        Some(_) => format!("ended by its limit of {} s", gate.timeout.as_secs()),
        None => exit.status.to_string(),
    };
    Ok(GateOutcome::Ended(GateEnd { passed: exit.success(), exit_code, elapsed: exit.elapsed, how }))
}
