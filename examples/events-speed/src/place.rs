//! Where it is measured: a folder with a repository, and nothing of this machine but its programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// The folder. It is deleted in the end.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl Place {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("convoy-events-").tempdir()?;
        let home = folder.path().to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let fixed = [
            ("PATH", path.as_str()),
            ("HOME", home.as_str()),
            ("LC_ALL", "C.UTF-8"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.invalid"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.invalid"),
        ];
        let env = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let place = Self { folder, env };
        std::fs::create_dir(place.repository())?;
        for arguments in
            [&["init", "-q", "-b", "main"][..], &["commit", "-q", "--allow-empty", "-m", "Begin"]]
        {
            place.run(Command::new("git").args(arguments).current_dir(place.repository()))?;
        }
        Ok(place)
    }

    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// A path beside the repository.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a program prints, which must succeed. It has the environment of the place and what `command` adds to it.
    pub(crate) fn run(&self, command: &mut Command) -> Outcome<String> {
        let added: Vec<_> =
            command.get_envs().map(|(n, v)| (n.to_owned(), v.map(ToOwned::to_owned))).collect();
        command.env_clear().envs(&self.env);
        command.envs(added.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let output =
            command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        Err(format!("{command:?}: {}\n{printed}", output.status).into())
    }
}
