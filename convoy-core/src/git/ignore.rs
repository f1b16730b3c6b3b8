//! What keeps untracked files out of a snapshot.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::call::{Call, Files};
use super::error::GitError;
use super::files::replace_file;
use super::repository::{Repository, path_of};

/// The patterns of untracked files that git ignores in every worktree, as they were at one moment: those of the user's
/// own file (`core.excludesFile`), then those of the repository's (`info/exclude`). Whoever works in a worktree can
/// change both files, and work that matched would be lost with the worktree. The `.gitignore` files of a tree are part
/// of the work and not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreRules(Vec<u8>);

impl IgnoreRules {
    /// As a file of patterns.
    pub(super) fn text(&self) -> &[u8] {
        &self.0
    }
}

impl Repository {
    /// Takes the rules that hold now. A file that is not there, or cannot be read, has none, as git takes it.
    pub async fn ignore_rules(&self) -> Result<IgnoreRules, GitError> {
        let mut rules = Vec::new();
        let repositorys = self.common_dir().join("info/exclude");
        for path in self.users_own().await?.into_iter().chain([repositorys]) {
            let text = fs::read(path).unwrap_or_default();
            rules.extend_from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text));
            rules.push(b'\n');
        }
        Ok(IgnoreRules(rules))
    }

    /// The rules that held when this was first asked with `store`, a file that keeps them: what somebody makes of git's
    /// own files meanwhile changes nothing, also where another process asks.
    pub async fn first_ignore_rules(&self, store: &Path) -> Result<IgnoreRules, GitError> {
        match fs::read(store) {
            Ok(text) => return Ok(IgnoreRules(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(GitError::io("read", store)(error)),
        }
        let rules = self.ignore_rules().await?;
        let folder = store.parent().unwrap_or(store);
        fs::create_dir_all(folder).map_err(GitError::io("create", folder))?;
        replace_file(store, &rules.0)?;
        Ok(rules)
    }

    /// The user's own file.
    async fn users_own(&self) -> Result<Option<PathBuf>, GitError> {
        let answer =
            self.run(self.call("config").args(["--type=path", "--get", "core.excludesFile"])).await?;
        // Code 1: it is not set.
        if answer.code == 0 {
            let path = answer.path()?;
            let here = self.main_worktree().unwrap_or_else(|| self.common_dir());
            return Ok((!path.as_os_str().is_empty()).then(|| here.join(path)));
        }
        let env = &self.inner.program.env;
        let folder =
            |name: &str| env.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
        Ok(config.map(|config| config.join("git/ignore")))
    }
}

/// Rules in a file, for calls on a worktree. Removed when dropped.
#[derive(Debug)]
pub(super) struct IgnoreFile(PathBuf);

impl IgnoreFile {
    /// Writes the file beside the worktree's index. What a crash left there is replaced.
    pub(super) fn write(files: &Files, rules: &IgnoreRules) -> Result<Self, GitError> {
        let file = Self(files.git_dir.join("ignore.snapshot"));
        file.clear();
        fs::write(&file.0, &rules.0).map_err(GitError::io("write", &file.0))?;
        Ok(file)
    }

    /// `ls-files` that heeds these rules and the tree's own, and no others.
    pub(super) fn heeded_by(&self, list: Call) -> Call {
        list.arg("--exclude-per-directory=.gitignore").arg("--exclude-from").arg(&self.0)
    }

    fn clear(&self) {
        // Not there is as good; anything else shows when it is written.
        let _ = fs::remove_file(&self.0);
    }
}

impl Drop for IgnoreFile {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Whether a path lies in one of these folders, or is one of these files.
pub(super) fn is_within(path: &[u8], of: &[PathBuf]) -> bool {
    let path = path_of(path);
    of.iter().any(|one: &PathBuf| path.starts_with(Path::new(one)))
}

#[cfg(test)]
mod tests {
    use crate::git::testing::{Scratch, both_backends, options};
    use crate::git::{GitOptions, Repository};

    both_backends! {
        the_users_own_rules_come_before_the_repositorys_wherever_they_are,
        the_first_rules_are_those_that_count,
    }

    async fn the_users_own_rules_come_before_the_repositorys_wherever_they_are() {
        let s = Scratch::new().await;
        s.write(".git/info/exclude", "*.o").write("mine", "\u{feff}*.log\n");
        let home = s.outside().join("home");
        crate::git::testing::write(&home, ".config/git/ignore", "of the home\n");
        crate::git::testing::write(&home, "xdg/git/ignore", "of xdg\n");
        let mut env = options().env;
        let rules = async |env: &std::collections::BTreeMap<String, String>| {
            let options = GitOptions { env: env.clone(), ..options() };
            let repo = Repository::open(&s.root, options).await.expect("opens");
            String::from_utf8(repo.ignore_rules().await.expect("reads").0).expect("UTF-8")
        };
        env.insert("HOME".into(), home.display().to_string());
        assert_eq!(rules(&env).await, "of the home\n\n*.o\n");
        env.insert("XDG_CONFIG_HOME".into(), home.join("xdg").display().to_string());
        assert_eq!(rules(&env).await, "of xdg\n\n*.o\n");
        s.git(&["config", "core.excludesFile", "mine"]).await;
        assert_eq!(rules(&env).await, "*.log\n\n*.o\n");
        s.git(&["config", "core.excludesFile", "~/none"]).await;
        std::fs::remove_file(s.root.join(".git/info/exclude")).expect("removes");
        assert_eq!(rules(&env).await, "\n\n");
        s.git(&["config", "core.excludesFile", ""]).await;
        assert_eq!(rules(&env).await, "\n");
    }

    async fn the_first_rules_are_those_that_count() {
        let s = Scratch::new().await;
        s.write(".git/info/exclude", "*.o");
        let store = s.outside().join("deep/ignored");
        let first = s.repo.first_ignore_rules(&store).await.expect("takes");
        assert_eq!(first, s.repo.ignore_rules().await.expect("reads"));
        s.write(".git/info/exclude", "*");
        assert_eq!(s.repo.first_ignore_rules(&store).await.expect("reads"), first);
        assert_ne!(first, s.repo.ignore_rules().await.expect("reads"));
        std::fs::remove_file(&store).expect("removes");
        std::fs::create_dir(&store).expect("makes");
        s.repo.first_ignore_rules(&store).await.expect_err("not to be guessed");
    }
}
