//! The few calls of git that the demo makes itself, untouched by the person's configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::Failure;
use crate::render::safe;

/// Git in one folder.
pub(super) struct Git {
    folder: PathBuf,
    path: Option<String>,
}

impl Git {
    /// Git in this folder, found by the `PATH` of this environment.
    pub(super) fn new(folder: &Path, env: &BTreeMap<String, String>) -> Self {
        Self { folder: folder.to_owned(), path: env.get("PATH").cloned() }
    }

    /// What git prints, free of control characters.
    #[expect(clippy::disallowed_methods, reason = "the demo makes its repository before there is an engine")]
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("git");
        command.env_clear().envs(self.path.iter().map(|path| ("PATH", path)));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"]);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        let what = format!("run git {}", arguments.first().copied().unwrap_or_default());
        let output = command.output().map_err(|error| Failure::io(&what, error))?;
        if output.status.success() {
            return Ok(safe(&String::from_utf8_lossy(&output.stdout)).into_owned());
        }
        Err(Failure::io(what, safe(String::from_utf8_lossy(&output.stderr).trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_refuses_is_said_in_its_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
        let git = Git::new(folder.path(), &BTreeMap::from(path));
        git.run(&["init", "--quiet", "--initial-branch=main"]).expect("a repository");
        let branch = git.run(&["symbolic-ref", "HEAD"]).expect("a branch");
        assert_eq!(branch, "refs/heads/main\n");
        let failure = git.run(&["log"]).expect_err("no commit yet");
        assert!(failure.message.contains("cannot run git log: fatal:"), "{failure:?}");
    }
}
