//! What git could not read of a worktree. It warns, goes on without it and reports success: the work there would be
//! lost with the worktree.

use super::call::Answer;
use super::error::GitError;

impl Answer {
    /// The answer of a look at the files of a worktree, when nothing of them was passed over.
    pub(super) fn whole(self) -> Result<Self, GitError> {
        let answer = self.success()?;
        let said: Vec<String> =
            answer.stderr.lines().filter(|line| passes_over(line)).map(str::to_owned).collect();
        if said.is_empty() { Ok(answer) } else { Err(GitError::Unreadable { said }) }
    }
}

/// Whether a line says that something of the worktree could not be read. A file may have a name that reads so; then its
/// task fails, and no other.
fn passes_over(line: &str) -> bool {
    // Settings of the user, which git can do without, as it does everywhere. What is in a worktree it names from there.
    if line.starts_with("warning: unable to access '/") {
        return false;
    }
    let is_folder = line.starts_with("warning: could not open directory '");
    // What went meanwhile was no work.
    line.contains(": Permission denied") || is_folder && !line.ends_with(": No such file or directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_told_from_what_git_says_else() {
        for line in [
            "warning: could not open directory 'lock/': Permission denied",
            "warning: could not open directory 'a ü/b/': Input/output error",
            "d/f: Permission denied",
            "warning: unable to access 'd/.gitignore': Permission denied",
        ] {
            assert!(passes_over(line), "{line}");
        }
        for line in [
            "",
            "warning: could not open directory 'gone/': No such file or directory",
            "warning: unable to access '/root/.config/git/attributes': Permission denied",
            "warning: in the working copy of 'x', LF will be replaced by CRLF the next time Git touches it",
        ] {
            assert!(!passes_over(line), "{line}");
        }
    }
}
