//! Why a program could not be run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A program that could not be started or followed. How it *ended* is never an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The caller cancelled before the program was started.
    #[error("`{}` was not started: the run was cancelled before", program.display())]
    NotStarted {
        /// The program as it was given.
        program: PathBuf,
    },
    /// There is no such program.
    #[error("the program `{}` was not found{}: install it, or give its full path", program.display(), searched(path))]
    NotFound {
        /// The program as it was given.
        program: PathBuf,
        /// The `PATH` that was searched, for a bare name.
        path: Option<String>,
    },
    /// The file is there but may not be executed.
    #[error("`{}` may not be executed: it must be a file with the executable bit (chmod +x) that this user may read", program.display())]
    NotExecutable {
        /// The file that was found.
        program: PathBuf,
    },
    /// A script whose first line names a program that is not there, or a binary whose loader is missing.
    #[error("`{}` cannot run: the interpreter in its first line (`#!`), or the loader it is linked to, does not exist", program.display())]
    NoInterpreter {
        /// The file that was found.
        program: PathBuf,
    },
    /// Neither a program of this machine nor a script that names its interpreter.
    #[error("`{}` is not a program for this machine; a script needs a first line such as `#!/bin/sh`", program.display())]
    BadFormat {
        /// The file that was found.
        program: PathBuf,
    },
    /// The directory to start in does not exist or may not be entered.
    #[error("`{}` cannot be started in `{}`: the directory must exist and be accessible", program.display(), cwd.display())]
    BadDirectory {
        /// The program as it was given.
        program: PathBuf,
        /// The directory.
        cwd: PathBuf,
        /// Why the directory cannot be used.
        source: io::Error,
    },
    /// Arguments and environment together are more than the system takes.
    #[error("`{}` has too long arguments or environment: pass large texts on standard input or in a file", program.display())]
    TooLong {
        /// The program as it was given.
        program: PathBuf,
    },
    /// An argument or a variable that no system can pass on.
    #[error("`{}` cannot be started: {what}", program.display())]
    Invalid {
        /// The program as it was given.
        program: PathBuf,
        /// What is wrong, and with what.
        what: String,
    },
    /// The system refused to start one more process, or to give the pipes for it.
    #[error("`{}` could not be started: {source}; look at the limits on processes, open files and memory", program.display())]
    Start {
        /// The program as it was given.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program was started but could not be waited for.
    #[error(
        "lost track of process {pid}: {source}; the host must not ignore SIGCHLD or wait for processes that are not its own"
    )]
    Lost {
        /// Its process id.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// Even `KILL` did not end it: it hangs in the kernel, as on a dead network file system.
    #[error(
        "processes {pids:?} did not end although killed: they hang in the kernel; look at the file systems they use"
    )]
    Unkillable {
        /// The process ids that remain.
        pids: Vec<u32>,
    },
}

fn searched(path: &Option<String>) -> String {
    path.as_ref().map(|path| format!(" in PATH ({path})")).unwrap_or_default()
}
