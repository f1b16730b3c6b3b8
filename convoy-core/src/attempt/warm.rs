//! Worktrees that are set up already: `worktree.keep` leaves in them what setup made for the task before.
//!
//! Setup is left out when nothing that it may depend on has changed since it ran in this very worktree, and everything
//! that it made then is still there. What a command depends on nobody says, so more is taken than is likely:
//!
//! - the commands themselves, their environment and what `worktree.copy` names;
//! - every file at the root of the repository but Markdown, and files of the same names further down (members of a
//!   workspace have manifests too);
//! - every file that the commands name, and all below a folder that they name. A word with a wildcard or a variable in
//!   it may name anything.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::context::Context;
use crate::gate::covers;
use crate::git::{GitError, Keep};
use crate::types::Oid;

/// What stays in the worktrees of tasks; `None`: nothing.
pub(super) fn keep(context: &Context) -> Option<Keep> {
    let globs = context.plan.spec().worktree.keep.clone();
    let owner = context.convoy.to_string();
    (!globs.is_empty()).then(|| Keep {
        owner,
        covers: Arc::new(move |path| globs.iter().any(|glob| covers(glob, path))),
        ignore: context.ignore.clone(),
    })
}

/// What setup may depend on at a commit, as one value.
pub(super) async fn state(
    context: &Context,
    commit: &Oid,
    env: &BTreeMap<String, String>,
) -> Result<String, GitError> {
    let worktree = &context.plan.spec().worktree;
    let mut sum = Sum(Sha256::new());
    for command in &worktree.setup {
        sum.add(command.as_bytes());
    }
    for (name, value) in env {
        sum.add(name.as_bytes());
        sum.add(value.as_bytes());
    }
    if let Some(checkout) = context.repository.main_worktree() {
        for name in &worktree.copy {
            // What cannot be read is told when it is copied.
            drop(sum.add_copied(&checkout.join(name)));
        }
    }
    let files = context.repository.files_at(commit).await?;
    let roots: BTreeSet<&str> =
        files.iter().map(|(path, _)| path.as_str()).filter(|path| is_at_root(path)).collect();
    let named = Named::of(&worktree.setup);
    for (path, id) in &files {
        let name = path.rsplit('/').next().unwrap_or(path);
        if roots.contains(name) || named.has(path) {
            sum.add(path.as_bytes());
            sum.add(id.as_bytes());
        }
    }
    Ok(sum.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_at_root(path: &str) -> bool {
    !path.contains('/') && !path.to_ascii_lowercase().ends_with(".md")
}

/// What shell commands name.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Everything,
    These(BTreeSet<String>),
}

impl Named {
    fn of(commands: &[String]) -> Self {
        let mut names = BTreeSet::new();
        let ends = |c: char| c.is_whitespace() || ";&|()<>\"'=,:".contains(c);
        for word in commands.iter().flat_map(|command| command.split(ends)) {
            let word = word.trim_start_matches("./").trim_end_matches('/');
            if word.contains(['*', '?', '[', '$', '`', '{', '~', '\\'])
                || word.split('/').any(|part| part == "..")
            {
                return Self::Everything;
            }
            if word == "." {
                return Self::Everything;
            }
            names.insert(word.to_owned());
        }
        Self::These(names)
    }

    fn has(&self, path: &str) -> bool {
        let Self::These(names) = self else { return true };
        let ends = path.match_indices('/').map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| names.contains(&path[..end]))
    }
}

struct Sum(Sha256);

impl Sum {
    /// With its length, so that no two lists of parts look the same.
    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn add_copied(&mut self, path: &Path) -> io::Result<()> {
        self.add(path.as_os_str().as_encoded_bytes());
        let about = path.symlink_metadata()?;
        if about.is_dir() {
            let mut inside = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
            inside.sort_by_key(std::fs::DirEntry::file_name);
            return inside.iter().try_for_each(|entry| self.add_copied(&entry.path()));
        }
        if about.is_file() {
            self.add(&std::fs::read(path)?);
        } else if about.is_symlink() {
            self.add(std::fs::read_link(path)?.as_os_str().as_encoded_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_files_and_folders() {
        for (command, path, named) in [
            ("sh scripts/setup.sh", "scripts/setup.sh", true),
            ("sh scripts/setup.sh", "scripts/other.sh", false),
            ("./tools/prepare", "tools/prepare", true),
            ("cd web/ && npm ci", "web/package.json", true),
            ("cd web/ && npm ci", "webby/package.json", false),
            ("pip install -r requirements/dev.txt", "requirements/dev.txt", true),
            ("X=conf/x make", "conf/x", true),
            ("npm ci", "src/main.js", false),
            ("cat conf/*.txt", "src/main.js", true),
            ("sh $SCRIPT", "src/main.js", true),
            ("pip install -e .", "src/main.js", true),
            ("sh ../x/y", "y", true),
        ] {
            assert_eq!(Named::of(&[command.to_owned()]).has(path), named, "{command}: {path}");
        }
    }
}
