//! A git repository for one test.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Where programs are looked up, so that nothing depends on the shell the tests are run from.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The complete environment for git and for whatever is tested: no configuration of this machine or person, no
/// questions, fixed names and times. `home` is an empty folder.
pub fn environment(home: &Path) -> BTreeMap<OsString, OsString> {
    let fixed = [
        ("PATH", PATH),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Scratch Author"),
        ("GIT_AUTHOR_EMAIL", "author@example.invalid"),
        ("GIT_COMMITTER_NAME", "Scratch Committer"),
        ("GIT_COMMITTER_EMAIL", "committer@example.invalid"),
    ];
    let mut all: BTreeMap<OsString, OsString> =
        fixed.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.insert("HOME".into(), home.into());
    all
}

/// Runs git in a folder, as an agent would there; it must succeed.
///
/// # Panics
/// With git's own words when it does not.
#[expect(clippy::disallowed_methods, reason = "what an agent in this process does")]
pub fn git_in(folder: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(args).current_dir(folder).env_clear().envs(environment(folder)).stdin(Stdio::null());
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository on branch `main` with one commit, in a folder of its own that goes with it. Every method panics with
/// git's own words when something fails: in a test that is the failure.
#[derive(Debug)]
pub struct ScratchRepo {
    folder: TempDir,
    root: PathBuf,
}

impl ScratchRepo {
    /// With one commit that holds `README.md`.
    pub fn new() -> Self {
        let repo = Self::empty("repo");
        repo.write("README.md", "scratch\n");
        repo.commit("Begin");
        repo
    }

    /// Without any commit, in a folder called `name`, which may hold blanks or what else paths may hold.
    pub fn empty(name: &str) -> Self {
        Self::try_empty(name, &[]).expect("git makes a repository")
    }

    /// As [`empty`](Self::empty), with more arguments of `git init`; `None` when this git cannot make such a repository.
    pub fn try_empty(name: &str, init: &[&str]) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let root = folder.path().join(name);
        fs::create_dir_all(folder.path().join("home")).expect("a home");
        fs::create_dir_all(&root).expect("the repository's folder");
        let repo = Self { folder, root };
        let made = repo.try_git(["init", "--quiet", "--initial-branch=main"].iter().chain(init));
        made.status.success().then_some(repo)
    }

    /// The working tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path outside of the repository that goes with it: for counters, fifos, logs.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The environment for git here.
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        environment(&self.beside("home"))
    }

    /// Runs git, whatever becomes of it.
    #[expect(clippy::disallowed_methods, reason = "the one place where tests run git")]
    pub fn try_git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.root).env_clear().envs(self.environment()).stdin(Stdio::null());
        command.output().expect("git runs")
    }

    /// Runs git and returns what it printed, without the last newline.
    pub fn git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let args: Vec<A> = args.into_iter().collect();
        let shown: Vec<String> = args.iter().map(|arg| arg.as_ref().display().to_string()).collect();
        let output = self.try_git(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {}: {errors}", shown.join(" "));
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Writes a file below the root, with its folders.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("its folder");
        fs::write(path, text).expect("a file is written");
    }

    /// Reads a file below the root.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Commits everything there is; returns the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", message]);
        self.oid("HEAD")
    }

    /// What a revision resolves to.
    pub fn oid(&self, revision: &str) -> String {
        self.git(["rev-parse", "--verify", &format!("{revision}^{{}}")])
    }

    /// The subjects of all commits reachable from a revision, newest first.
    pub fn log(&self, revision: &str) -> Vec<String> {
        lines(&self.git(["log", "--format=%s", revision, "--"]))
    }

    /// Every file of a revision's tree with its content.
    pub fn tree(&self, revision: &str) -> BTreeMap<String, String> {
        let paths = self.git(["ls-tree", "-r", "-z", "--name-only", revision]);
        let content = |path: &str| self.git(["show", &format!("{revision}:{path}")]);
        paths
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(|path| (path.to_owned(), content(path)))
            .collect()
    }

    /// The files of a revision's tree.
    pub fn files(&self, revision: &str) -> Vec<String> {
        let paths = self.git(["ls-tree", "-r", "-z", "--name-only", revision]);
        paths.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
    }

    /// What `git status` says: empty when the checkout is clean and nothing untracked lies about.
    pub fn status(&self) -> Vec<String> {
        lines(&self.git(["status", "--porcelain", "--untracked-files=all"]))
    }

    /// All refs whose name begins so, with what they point to.
    pub fn refs(&self, prefix: &str) -> BTreeMap<String, String> {
        let all = self.git(["for-each-ref", "--format=%(refname) %(objectname)"]);
        let pairs = all.lines().filter_map(|line| line.split_once(' '));
        pairs
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, oid)| (name.into(), oid.into()))
            .collect()
    }

    /// The folders of all worktrees, the main one first.
    pub fn worktrees(&self) -> Vec<PathBuf> {
        let all = self.git(["worktree", "list", "--porcelain"]);
        all.lines().filter_map(|line| line.strip_prefix("worktree ")).map(PathBuf::from).collect()
    }

    /// Fails unless the repository is sound, the checkout is what HEAD says, and every event that was written down is as
    /// its schema says.
    pub fn assert_sound_and_clean(&self) {
        self.assert_events_are_as_their_schema_says();
        self.git(["fsck", "--strict", "--no-dangling"]);
        assert_eq!(self.status(), Vec::<String>::new(), "the checkout differs from HEAD");
    }

    /// Looks at the record of events in the state directory, where there is one.
    fn assert_events_are_as_their_schema_says(&self) {
        let Ok(text) = fs::read_to_string(self.root().join(".convoy/logs/convoy-events.ndjson")) else {
            return;
        };
        for line in text.lines() {
            let event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let wrong = convoy_core::event::schema::mistakes_of_line(&event);
            assert!(wrong.is_empty(), "{wrong:?}: {line}");
        }
    }

    /// A fifo beside the repository: a test that reads it waits, without sleeping, until an agent writes to it.
    #[expect(clippy::disallowed_methods, reason = "neither std nor rustix makes one on every system")]
    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.beside(name);
        let made = Command::new("mkfifo").arg(&path).env_clear().env("PATH", PATH).status();
        assert!(made.expect("mkfifo runs").success(), "no fifo {name}");
        path
    }

    /// The lines of a file beside the repository; none, when it is not there.
    pub fn lines_beside(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.beside(name)).map(|text| lines(&text)).unwrap_or_default()
    }
}

impl Default for ScratchRepo {
    fn default() -> Self {
        Self::new()
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
