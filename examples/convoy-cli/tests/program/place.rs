//! A folder for one test, with an environment of its own, and a repository in it where one is needed.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Place(TempDir);

/// How a call ended: exit code, standard output, standard error.
pub(crate) type Ended = (i32, String, String);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// A place whose folder `repo` is a repository with one commit on `main`.
    pub(crate) fn with_repo() -> Self {
        let place = Self::new();
        place.git(&["init", "--quiet", "--template=", "--initial-branch=main", "repo"]);
        place.write("repo/README", "first\n");
        place.in_repo(&["add", "--all"]);
        place.in_repo(&["commit", "--quiet", "--message=first"]);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    #[expect(clippy::disallowed_methods, reason = "the tests are about the program as a process")]
    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@localhost");
        }
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_convoy"));
        command.args(arguments);
        command
    }

    /// Calls the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.start(arguments))
    }

    /// Calls the program for the repository.
    pub(crate) fn convoy(&self, arguments: &[&str]) -> Ended {
        self.run(&[&["--repo", "repo"], arguments].concat())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.program("git").args(arguments).output().expect("git runs");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What git answers in the repository.
    pub(crate) fn in_repo(&self, arguments: &[&str]) -> String {
        self.git(&[&["-C", "repo"], arguments].concat())
    }

    pub(crate) fn signal(&self, child: &Child, name: &str) {
        let sent = self.program("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A pipe with a name, for tests to wait on what programs far away do.
    pub(crate) fn pipe(&self, name: &str) {
        assert!(self.program("mkfifo").arg(name).status().expect("mkfifo runs").success());
    }

    /// Waits until somebody opens the pipe for writing.
    pub(crate) fn open(&self, pipe: &str) -> File {
        File::open(self.path().join(pipe)).expect("a pipe")
    }

    /// Names of what is in a folder.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join(folder)).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The newest convoy of the repository.
    pub(crate) fn status(&self) -> Value {
        let (code, out, err) = self.convoy(&["status", "--json"]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).expect("json")
    }

    /// A convoy file whose tasks carry out commands: each an id, commands, and further fields. `$T` is the
    /// test's folder.
    pub(crate) fn spec(&self, tasks: &[(&str, &str, &str)]) {
        let mut text = "name: test\nversion: 1\nconcurrency: 4\nadapter: shell\nadapters:\n  shell:\n    \
                        command: [sh, -c, \"sed -n 's/^RUN //p' | sh -eu\"]\n\
                        defaults: {max_retries: 0}\ntasks:\n"
            .to_owned();
        for (id, commands, fields) in tasks {
            let commands = commands.replace("$T", &self.path().display().to_string());
            let lines: Vec<String> = commands.lines().map(|line| format!("      RUN {line}\n")).collect();
            text.push_str(&format!("  - id: {id}\n    prompt: |\n      do\n{}", lines.concat()));
            fields.lines().for_each(|field| text.push_str(&format!("    {field}\n")));
        }
        self.write("convoy.yml", &text);
    }
}

/// Waits for the end of a call.
pub(crate) fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Reads until every writer is gone.
pub(crate) fn read_all(mut pipe: File) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).expect("text");
    text
}
