//! Why an adapter cannot be used.

use crate::process::ProcessError;

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The program is not there.
    #[error(
        "adapter {adapter}: `{program}` is not installed: install it, or put it on the PATH of the environment that the engine was given (its option `env`)"
    )]
    NotInstalled {
        /// The adapter.
        adapter: String,
        /// The program that was looked for.
        program: String,
    },
    /// The probe ran, and ended with an error.
    #[error("adapter {adapter}: `{command}` ended with {status}, so it cannot be used: {output}")]
    ProbeFailed {
        /// The adapter.
        adapter: String,
        /// The command of the probe.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The probe could not be run.
    #[error("adapter {adapter} cannot be tried: {source}")]
    Process {
        /// The adapter.
        adapter: String,
        /// Why.
        source: ProcessError,
    },
    /// A variable that the profile takes from the host's environment is not set.
    #[error(
        "adapter {adapter}: `env` takes {variable} from the environment, where it is not set: set it, or change the profile"
    )]
    MissingVariable {
        /// The adapter.
        adapter: String,
        /// The variable.
        variable: String,
    },
    /// The profile contradicts itself.
    #[error("adapter {adapter}: {why}")]
    InvalidProfile {
        /// The adapter.
        adapter: String,
        /// What is wrong, and how to put it right.
        why: String,
    },
}
