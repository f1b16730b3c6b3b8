//! What to run, and for how long.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The environment variable that marks every program started for an attempt.
pub const COOKIE: &str = "CONVOY_ATTEMPT";

/// The environment variable that marks one run of one program, so that two programs of one attempt that run at
/// the same time are told apart.
pub(super) const MARK: &str = "CONVOY_PROCESS";

/// A program to run.
#[derive(Clone, Default)]
pub struct Command {
    /// The program: an absolute path, a path with a slash (taken from `cwd`), or a bare name, looked up in the
    /// `PATH` of [`env`](Self::env). Relative entries of `PATH` are skipped: the program that runs in `cwd`
    /// could otherwise choose what is run there next.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The directory it starts in.
    pub cwd: PathBuf,
    /// Its complete environment. Nothing is inherited from the host.
    pub env: BTreeMap<OsString, OsString>,
    /// Written to its standard input, which is then closed. Empty: the null device.
    pub stdin: Vec<u8>,
    /// The value of [`COOKIE`], by which [`survivors`](super::survivors) finds it after a crash. Without one,
    /// a process that left both the group and its parents is not found.
    pub cookie: Option<String>,
}

impl Command {
    /// `program` in `cwd`, with no arguments, an empty environment and no input.
    pub fn new(program: impl Into<PathBuf>, cwd: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), cwd: cwd.into(), ..Self::default() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

/// Names the variables but not their values, and the input's size but not its text: either may hold a secret.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("stdin_bytes", &self.stdin.len())
            .field("cookie", &self.cookie)
            .finish()
    }
}

/// How long a program may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest it may run. `None`: as long as it likes.
    pub deadline: Option<Duration>,
    /// The longest it may be silent on both streams. `None`: as long as it likes.
    pub idle: Option<Duration>,
    /// The time between `TERM` and `KILL`.
    pub grace: Duration,
}

impl Default for Limits {
    /// No deadline, no limit to silence, 5 s of grace.
    fn default() -> Self {
        Self { deadline: None, idle: None, grace: Duration::from_secs(5) }
    }
}

impl Limits {
    /// The default, with a deadline.
    pub fn within(deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_neither_values_of_variables_nor_the_input() {
        let mut command = Command::new("/bin/sh", "/").env("API_KEY", "hunter2");
        command.stdin = b"the prompt".to_vec();
        let shown = format!("{command:?}");
        assert!(shown.contains("API_KEY") && shown.contains("stdin_bytes: 10"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("prompt"), "{shown}");
    }
}
