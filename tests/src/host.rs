//! Running the `convoy` program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::ScratchRepo;

/// One call of the `convoy` program in a scratch repository. Nothing of this process's environment reaches it.
///
/// Its output goes to files, so that a process it left behind by mistake hangs no test, and is found instead.
#[derive(Debug)]
pub struct ConvoyCmd {
    program: PathBuf,
    args: Vec<OsString>,
    folder: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl ConvoyCmd {
    /// `program`: `env!("CARGO_BIN_EXE_convoy-under-test")`. Runs at the root of the repository.
    pub fn new(program: impl Into<PathBuf>, repo: &ScratchRepo) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            folder: repo.root().to_owned(),
            environment: repo.environment(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Puts a folder first in its `PATH`.
    #[must_use]
    pub fn first_in_path(self, folder: &Path) -> Self {
        let path = format!("{}:{}", folder.display(), crate::PATH);
        self.env("PATH", path)
    }

    /// Runs it in another folder.
    #[must_use]
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn run(self) -> Outcome {
        let output = Output::new();
        let mut child = self.start(output.file("stdout").into(), output.file("stderr"));
        let status = child.wait().expect("the program is waited for");
        let stdout = output.read("stdout");
        Outcome::new(status, stdout, output.read("stderr"))
    }

    /// Starts it and returns while it runs, to read along, interrupt or kill it.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn spawn(self) -> Running {
        let output = Output::new();
        let mut child = self.start(Stdio::piped(), output.file("stderr"));
        let lines = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Running { child, lines, seen: String::new(), output }
    }

    /// In a group of its own, as a shell does it: an interrupt of the test is not one of the program.
    #[expect(clippy::disallowed_methods, reason = "the one place where tests start the program under test")]
    fn start(&self, stdout: Stdio, stderr: File) -> Child {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.folder).env_clear().envs(&self.environment);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }
}

impl Outcome {
    fn new(status: ExitStatus, stdout: String, stderr: String) -> Self {
        Self { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Fails unless the exit code is this one; shows all output.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let Self { stdout, stderr, signal, .. } = &self;
        assert_eq!(self.code, Some(code), "signal {signal:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }
}

/// The program while it runs. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    seen: String,
    output: Output,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads its standard output up to a line that contains `text`, and returns that line. `None`: it ended before.
    ///
    /// # Panics
    /// When the output cannot be read.
    pub fn wait_for_line(&mut self, text: &str) -> Option<String> {
        loop {
            let start = self.seen.len();
            if self.lines.read_line(&mut self.seen).expect("its output is text") == 0 {
                return None;
            }
            let line = &self.seen[start..];
            if line.contains(text) {
                return Some(line.trim_end().to_owned());
            }
        }
    }

    /// As Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// As `kill -9` of it alone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has been waited for already, which its type rules out.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("its own child may be signalled");
    }

    /// Waits for its end. What it printed to standard output after the last line that was waited for is read until
    /// the pipe is closed: a process left behind that holds it is waited for as well.
    ///
    /// # Panics
    /// When the output cannot be read.
    pub fn wait(mut self) -> Outcome {
        while self.wait_for_line("\0").is_some() {}
        let status = self.child.wait().expect("the program is waited for");
        Outcome::new(status, std::mem::take(&mut self.seen), self.output.read("stderr"))
    }

    /// Waits for its end without reading on: for a program that was killed and may have left others behind.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait_unread(mut self) -> Outcome {
        let status = self.child.wait().expect("the program is waited for");
        Outcome::new(status, std::mem::take(&mut self.seen), self.output.read("stderr"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder with the output files.
#[derive(Debug)]
struct Output(TempDir);

impl Output {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn file(&self, name: &str) -> File {
        File::create(self.0.path().join(name)).expect("an output file")
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.0.path().join(name)).expect("the output")).into_owned()
    }
}
