//! The one place that builds calls of the git program.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::GitError;
use super::room;
use crate::process::{self, Limits, Next, ProcessError, Sink, Status, Stream, Tail};
use crate::types::Isolation;

/// Settings that every call overrides, each with what it would do otherwise.
const PINNED: &[&str] = &[
    // Would start a daemon or a program of the repository's choice, and trust what it says about changes.
    "core.fsmonitor=false",
    // No hook runs: neither those of the user (they are for the user's own commits) nor any an agent left.
    "core.hooksPath=/dev/null",
    // Would ask for a passphrase.
    "commit.gpgSign=false",
    // Would start a clean-up in the background, which outlives the call and holds locks.
    "gc.auto=0",
    "maintenance.auto=false",
    // Would run a program for each file compared.
    "diff.external=",
    // Would change submodules' folders along with the tree.
    "submodule.recurse=false",
    // Would make mixed line endings an error, or an unreadable file a silent gap, when work is recorded.
    "core.safecrlf=false",
    "add.ignoreErrors=false",
    // Would leave the larger part of an index in a file of its own, which no copy of the index has.
    "core.splitIndex=false",
    // Messages are handed over as UTF-8.
    "i18n.commitEncoding=UTF-8",
    // Paths in messages stay readable; answers are always read NUL-separated.
    "core.quotePath=false",
];

/// Variables whose name starts with `GIT_` that the host may pass on: which configuration is read, who commits,
/// and how large or missing objects are fetched. Every other one could redirect a call to another repository.
const PASSED: &[&str] = &[
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_LFS_SKIP_SMUDGE",
    "GIT_SSL_CAINFO",
];

/// The most that is read of an answer, unless a call says otherwise. Lists of a million paths fit.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// The git program and what every call of it shares.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) env: BTreeMap<OsString, OsString>,
    pub(super) timeout: Duration,
    pub(super) lock_wait: Duration,
    /// How many were started.
    pub(super) started: AtomicU64,
}

/// What a call works on.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Whatever repository the folder is in. Only for finding the repository.
    Folder(PathBuf),
    /// A git directory, no files. git would take the current folder for the files, so calls that read or write
    /// files must not use it.
    GitDir(PathBuf),
    /// A git directory and the files that belong to it, both named, so that a `.git` that an agent removed or
    /// replaced can never direct the call to the repository further up.
    Files(Files),
}

/// A worktree: the git directory that we use of it, and its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) git_dir: PathBuf,
    pub(super) root: PathBuf,
    /// What it shares with the repository.
    pub(super) isolation: Isolation,
}

impl Files {
    /// `git <what>` on this worktree.
    pub(super) fn call(&self, what: &'static str) -> Call {
        Call::new(&Place::Files(self.clone()), what)
    }
}

/// One call of git.
#[derive(Debug, Clone)]
pub(super) struct Call {
    place: Place,
    what: &'static str,
    global: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    stdin: Vec<u8>,
    max: usize,
    cookie: Option<String>,
}

impl Call {
    /// `git <what>` on a place.
    pub(super) fn new(place: &Place, what: &'static str) -> Self {
        Self {
            place: place.clone(),
            what,
            global: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            max: MAX_ANSWER,
            cookie: None,
        }
    }

    /// Marks the program, so that it is found when it survives a crash.
    pub(super) fn cookie(mut self, cookie: Option<String>) -> Self {
        self.cookie = cookie;
        self
    }

    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(super) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// An option of git itself, in front of the command.
    pub(super) fn global(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.global.push(arg.as_ref().to_owned());
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name, value.as_ref().to_owned()));
        self
    }

    /// Uses another file than the place's own index.
    pub(super) fn index(self, path: &Path) -> Self {
        self.env("GIT_INDEX_FILE", path)
    }

    /// Refs and objects that this call writes are on the disk when it returns. Costs one flush per file written
    /// (0.2 ms on a local disk without a write barrier, up to 10 ms on a slow one).
    pub(super) fn durable(self) -> Self {
        self.global("-c").global("core.fsync=all")
    }

    pub(super) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    pub(super) fn max(mut self, bytes: usize) -> Self {
        self.max = bytes;
        self
    }

    fn answer(&self, code: i32, stdout: Vec<u8>, stderr: String) -> Answer {
        let folders = match &self.place {
            Place::Folder(folder) | Place::GitDir(folder) => vec![folder.clone()],
            Place::Files(files) => vec![files.git_dir.clone(), files.root.clone()],
        };
        Answer { what: self.what, code, stdout, stderr, folders }
    }
}

/// What a call answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) what: &'static str,
    /// The exit code; -1 when a signal ended it.
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    /// Where it worked.
    folders: Vec<PathBuf>,
}

impl Answer {
    /// The failure that this answer is.
    pub(super) fn failure(self) -> GitError {
        if self.code != 0
            && let Some((folder, why)) = room::full(&self.folders)
        {
            // It may say the same of every file.
            let said = self.stderr.lines().next().unwrap_or_default();
            let detail = format!("{why}; git could not {}: {said}", self.what);
            return GitError::DiskFull { path: folder.to_owned(), detail };
        }
        let stderr = self.stderr.trim();
        let keep = stderr.char_indices().rev().nth(1999).map_or(0, |(at, _)| at);
        GitError::Failed { what: self.what.to_owned(), code: self.code, stderr: stderr[keep..].to_owned() }
    }

    /// The answer when it is one of success.
    pub(super) fn success(self) -> Result<Self, GitError> {
        if self.code == 0 { Ok(self) } else { Err(self.failure()) }
    }
}

impl Program {
    /// The environment of every call, from the host's map.
    pub(super) fn environment(host: &BTreeMap<String, String>) -> BTreeMap<OsString, OsString> {
        let mut env: BTreeMap<OsString, OsString> = host
            .iter()
            .filter(|(name, _)| !name.starts_with("GIT_") || PASSED.contains(&name.as_str()))
            .filter(|(name, _)| !matches!(name.as_str(), "LC_ALL" | "LC_MESSAGES" | "LANGUAGE"))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        // English messages, some of which are told apart, but the host's encoding for everything else.
        if let Some(all) = host.get("LC_ALL") {
            env.insert("LC_CTYPE".into(), all.into());
        }
        for (name, value) in [
            ("LC_MESSAGES", "C"),
            // Nothing may wait for a person.
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", ""),
            ("GIT_EDITOR", ":"),
            ("GIT_SEQUENCE_EDITOR", ":"),
            ("GIT_PAGER", "cat"),
            // Looking must not take the index lock from whoever works there.
            ("GIT_OPTIONAL_LOCKS", "0"),
            // Paths are names, never patterns.
            ("GIT_LITERAL_PATHSPECS", "1"),
            // Objects are what they are, not what a ref under refs/replace says.
            ("GIT_NO_REPLACE_OBJECTS", "1"),
        ] {
            env.insert(name.into(), value.into());
        }
        env
    }

    /// Runs a call, whatever its exit code. When a lock is held it is tried again, for as long as the options
    /// say; likewise when it stumbled over a worktree that is being made or removed.
    pub(super) async fn run(&self, call: Call) -> Result<Answer, GitError> {
        let mut backoff = Backoff::new(self.lock_wait);
        let mut changing = Backoff::new(self.lock_wait.max(WORKTREE_CHANGES));
        loop {
            let answer = self.once(&call).await?;
            if sees_worktree_change(&answer) && changing.wait().await {
                continue;
            }
            let Some(lock) = held_lock(&answer) else { return Ok(answer) };
            if !backoff.wait().await {
                return Err(GitError::Locked { path: lock });
            }
        }
    }

    /// Runs a call that has to succeed.
    pub(super) async fn ok(&self, call: Call) -> Result<Answer, GitError> {
        self.run(call).await?.success()
    }

    /// Runs a call that has to succeed and takes no lock, and hands what it prints to `each` as it comes: an
    /// answer of any length in bounded memory.
    pub(super) async fn stream(
        &self,
        call: Call,
        each: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(), GitError> {
        let limits = Limits { deadline: Some(self.timeout), ..Limits::default() };
        let mut sink = Forward { each, stderr: Tail::new(1024, 8 * 1024) };
        let never = CancellationToken::new();
        let exit = match process::run(self.command(&call), &limits, &never, &mut sink).await {
            Ok(exit) => exit,
            Err(ProcessError::NotFound { program, .. }) => return Err(GitError::Missing { program }),
            Err(error) => return Err(error.into()),
        };
        if exit.stopped.is_some() {
            return Err(GitError::TimedOut { what: call.what.to_owned(), after: self.timeout });
        }
        let code = match exit.status {
            Status::Code(code) => code,
            Status::Signal(_) => -1,
        };
        call.answer(code, Vec::new(), sink.stderr.text()).success().map(drop)
    }

    async fn once(&self, call: &Call) -> Result<Answer, GitError> {
        let command = self.command(call);
        let limits = Limits { deadline: Some(self.timeout), ..Limits::default() };
        let captured = match process::capture(command, &limits, &CancellationToken::new(), call.max).await {
            Ok(captured) => captured,
            Err(ProcessError::NotFound { program, .. }) => return Err(GitError::Missing { program }),
            Err(error) => return Err(error.into()),
        };
        if captured.exit.stopped.is_some() {
            return Err(GitError::TimedOut { what: call.what.to_owned(), after: self.timeout });
        }
        if captured.truncated {
            return Err(GitError::TooMuch { what: call.what.to_owned(), max: call.max });
        }
        let code = match captured.exit.status {
            Status::Code(code) => code,
            Status::Signal(_) => -1,
        };
        let stderr = String::from_utf8_lossy(&captured.stderr).into_owned();
        Ok(call.answer(code, captured.stdout, stderr))
    }

    fn command(&self, call: &Call) -> process::Command {
        self.started.fetch_add(1, Ordering::Relaxed);
        let (cwd, place) = match &call.place {
            Place::Folder(path) => (path, vec![]),
            Place::GitDir(dir) => (dir, vec![option("--git-dir=", dir)]),
            Place::Files(Files { git_dir, root, .. }) => {
                (root, vec![option("--git-dir=", git_dir), option("--work-tree=", root)])
            }
        };
        let mut args = place;
        for setting in PINNED {
            args.extend(["-c".into(), setting.into()]);
        }
        args.extend(call.global.iter().cloned());
        args.push(call.what.into());
        args.extend(call.args.iter().cloned());
        let mut env = self.env.clone();
        env.extend(call.env.iter().map(|(name, value)| (OsString::from(name), value.clone())));
        process::Command {
            program: self.path.clone(),
            args,
            cwd: cwd.clone(),
            env,
            stdin: call.stdin.clone(),
            cookie: call.cookie.clone(),
        }
    }
}

/// Hands standard output on and keeps the ends of the messages.
struct Forward<'a> {
    each: &'a mut (dyn FnMut(&[u8]) + Send),
    stderr: Tail,
}

impl Sink for Forward<'_> {
    fn output(&mut self, stream: Stream, chunk: &[u8]) -> Next {
        match stream {
            Stream::Stdout => (self.each)(chunk),
            Stream::Stderr => self.stderr.push(chunk),
        }
        Next::Continue
    }
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// How long other programs may at least make and remove worktrees in the way of a call.
const WORKTREE_CHANGES: Duration = Duration::from_secs(1);

/// Whether a call failed because another program makes or removes a worktree at this moment: git reads the entries
/// of all worktrees for many purposes, makes one in several steps, and gives up over one that vanishes while it is
/// read. It gives up before it changes anything, or undoes what it did.
fn sees_worktree_change(answer: &Answer) -> bool {
    let half_made = |line: &str| line.contains("failed to read ") && line.contains("/commondir: ");
    let vanished = |line: &str| {
        let path = line.split_once("Invalid path '").and_then(|(_, rest)| rest.split_once("': "));
        path.is_some_and(|(path, why)| path.contains("/worktrees/") && why == "No such file or directory")
    };
    answer.code != 0 && answer.stderr.lines().any(|line| half_made(line) || vanished(line))
}

/// The lock file that an answer complains of, if it does.
fn held_lock(answer: &Answer) -> Option<PathBuf> {
    if answer.code == 0 {
        return None;
    }
    let after = answer.stderr.split_once("Unable to create '")?.1;
    let (path, rest) = after.split_once(".lock'")?;
    rest.starts_with(": File exists").then(|| PathBuf::from(format!("{path}.lock")))
}

/// Growing pauses up to a total.
#[derive(Debug)]
pub(super) struct Backoff {
    left: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(total: Duration) -> Self {
        Self { left: total, next: Duration::from_millis(5) }
    }

    /// Pauses; false, at once, when the total is used up.
    pub(super) async fn wait(&mut self) -> bool {
        if self.left.is_zero() {
            return false;
        }
        let pause = self.next.min(self.left);
        self.left -= pause;
        self.next = (self.next * 2).min(Duration::from_millis(250));
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new(&Place::GitDir("/nowhere".into()), "x")
    }

    #[test]
    fn the_environment_keeps_nothing_that_could_redirect_git() {
        let host = [
            ("GIT_DIR", "/elsewhere"),
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_EXTERNAL_DIFF", "/bin/false"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("PATH", "/bin"),
        ];
        let host = host.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let env = Program::environment(&host);
        let get = |name: &str| env.get(OsStr::new(name)).and_then(|v| v.to_str());
        for gone in ["GIT_DIR", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "LC_ALL"] {
            assert_eq!(get(gone), None, "{gone}");
        }
        assert_eq!((get("LC_CTYPE"), get("LC_MESSAGES")), (Some("de_DE.UTF-8"), Some("C")));
        assert_eq!((get("PATH"), get("GIT_CONFIG_GLOBAL")), (Some("/bin"), Some("/dev/null")));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end_at_the_total() {
        let start = tokio::time::Instant::now();
        let mut backoff = Backoff::new(Duration::from_secs(5));
        let mut pauses = 0;
        while backoff.wait().await {
            pauses += 1;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        assert!((20..60).contains(&pauses), "{pauses}");
    }

    #[test]
    fn a_held_lock_is_told_from_other_failures() {
        let answer = |code, stderr: &str| call().answer(code, vec![], stderr.to_owned());
        let text = "fatal: cannot lock ref 'r': Unable to create '/a b/r.lock': File exists.\n\nAnother git";
        assert_eq!(held_lock(&answer(128, text)), Some("/a b/r.lock".into()));
        assert_eq!(held_lock(&answer(0, text)), None);
        let denied = "fatal: Unable to create '/a/index.lock': Permission denied";
        assert_eq!(held_lock(&answer(128, denied)), None);
    }

    #[test]
    fn a_worktree_that_changes_is_told_from_other_failures() {
        let seen = |code, stderr: &str| sees_worktree_change(&call().answer(code, vec![], stderr.to_owned()));
        let gone = "fatal: Invalid path '/a b/.git/worktrees/1-x': No such file or directory\n";
        assert!(seen(128, gone) && seen(128, &format!("warning: before\n{gone}")) && !seen(0, gone));
        assert!(seen(128, "fatal: failed to read .git/worktrees/1-x/commondir: Success"));
        assert!(seen(128, "fatal: failed to read .git/worktrees/1-x/commondir: No such file or directory"));
        for other in [
            "fatal: Invalid path '/a b/.git/worktrees/1-x': Permission denied",
            "fatal: Invalid path '/elsewhere': No such file or directory",
            "fatal: not a git repository: '/a/.git/worktrees/1-x'",
            "",
        ] {
            assert!(!seen(128, other), "{other}");
        }
    }

    #[test]
    fn fields_are_counted_right_when_there_are_none() {
        let answer = |stdout: &[u8]| call().answer(0, stdout.to_vec(), String::new());
        assert_eq!(answer(b"").fields().count(), 0);
        assert_eq!(answer(b"a\0\0b\0").fields().collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
    }
}
