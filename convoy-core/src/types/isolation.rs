//! What worktrees share with the repository.

use serde::{Deserialize, Serialize};

/// What a worktree shares with the repository that it is of.
///
/// | who works in the worktree, by calling git there | linked | separate |
/// |---|---|---|
/// | moves or deletes branches and tags of the repository, and work that is kept | yes | no |
/// | changes settings of the repository, for the user's next call too | yes | no |
/// | installs hooks that run for the user | yes | no |
/// | leaves a stash in the user's list | yes | no |
/// | writes objects into the repository that no work reaches, but for what it staged | yes | no |
/// | has a name for the user's branches, tags and remotes | yes | no |
/// | has calls of the engine run what its settings say | no | no |
/// | has a gate run what its settings say, or take one object for another | yes | no |
/// | has a gate of the task take a name of its own for the user's | yes | no |
/// | reads every object of the repository | yes | yes |
/// | writes what the filter of LFS stores elsewhere into the repository's folder for that | yes | yes |
/// | changes the settings of the user (`git config --global`) | yes | yes |
///
/// Gates of a step run where the agent goes on afterwards: they find the branches and tags that it made, with any name.
/// What `worktree.setup` writes into the git directory (settings, hooks) is there for the agent's first call and not for
/// longer: a gate, a hook after the agent and the next task find it as it was made. Setup that does so runs again for
/// each task, also where worktrees are used again.
///
/// Neither is a sandbox: a program has the rights of the user who started it. It can look for the repository's own
/// folder, which stands in `objects/info/alternates`, and change every file there, or name it to git (`git -C`). Of
/// that, changes of settings, hooks and kept work fail the attempt, and moved branches and tags are told, in either;
/// what was done to objects, and to files outside of the repository, is seen by nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Objects, refs, settings and hooks, as `git worktree add` makes it.
    #[default]
    Linked,
    /// Objects, which it reads and never writes: it has a git directory of its own.
    Separate,
}

impl Isolation {
    /// As the convoy file calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Separate => "separate",
        }
    }
}
