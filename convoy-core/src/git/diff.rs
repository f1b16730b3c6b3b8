//! What a commit changed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::PathBuf;

use super::call::{Answer, Call};
use super::error::GitError;
use super::merge::ATTR_SOURCE;
use super::repository::{ObjectFormat, Repository, path_of, show_path};
use crate::types::Oid;

/// The kind of an entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
    /// A symbolic link.
    Symlink,
    /// A link to a commit of another repository: a submodule.
    Submodule,
}

impl FileKind {
    pub(super) fn of(mode: &[u8]) -> Option<Self> {
        match mode {
            b"100644" | b"100664" => Some(Self::File),
            b"100755" => Some(Self::Executable),
            b"120000" => Some(Self::Symlink),
            b"160000" => Some(Self::Submodule),
            _ => None,
        }
    }
}

/// What happened to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// Its content or its executable bit differ.
    Modified,
    /// It is of another kind now, such as a link instead of a file.
    TypeChanged,
    /// It was another path before; its content may differ too.
    Renamed {
        /// The path before.
        from: String,
    },
}

/// A path that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPath {
    /// The path from the root, `/` between its parts. Bytes that are no UTF-8 are shown as `\xNN`.
    pub path: String,
    /// The path as the file system has it.
    pub os_path: std::path::PathBuf,
    /// What happened to it.
    pub change: Change,
    /// Its kind before; `None` when it is new.
    pub old: Option<FileKind>,
    /// Its kind now; `None` when it is gone.
    pub new: Option<FileKind>,
    /// Its content now; `None` when it is gone. For a submodule the id of the commit linked to.
    pub blob: Option<Oid>,
    /// Lines added and deleted; `None` for a binary file.
    pub lines: Option<(u64, u64)>,
}

impl Repository {
    /// What `commit` changed since it left the history of `base`: the difference to their best common ancestor,
    /// so what others landed on `base` meanwhile does not count. Without a common ancestor: to nothing.
    pub async fn changed_paths(&self, base: &Oid, commit: &Oid) -> Result<Vec<ChangedPath>, GitError> {
        self.changed_between(&self.diff_base(base, commit).await?, commit).await
    }

    /// What the changes of `commit` are counted from: the best ancestor that it has in common with `base`, or the
    /// empty tree where it has none.
    pub async fn diff_base(&self, base: &Oid, commit: &Oid) -> Result<Oid, GitError> {
        Ok(self.merge_base(base, commit).await?.unwrap_or_else(|| self.empty_tree()))
    }

    /// What differs from one commit or tree to another, renames recognised.
    pub async fn changed_between(&self, from: &Oid, to: &Oid) -> Result<Vec<ChangedPath>, GitError> {
        let (one, other) = (from.clone(), to.clone());
        let fast = self.try_fast_diff("diff-tree", move |at| at.changed_between(&one, &other));
        if let Some(found) = fast.await? {
            return Ok(found);
        }
        let call = self
            .compare("diff-tree")
            .args(["-r", "-z", "-M", "--raw", "--numstat", "--no-ext-diff", "--no-textconv"])
            .args(["--ignore-submodules=none", from.as_str(), to.as_str()]);
        let answer = self.ok(call).await?;
        parse_changes(&answer).ok_or_else(|| GitError::unexpected("diff-tree", &answer.stdout))
    }

    /// `git <what>` that looks at content as the repository's own `info/attributes` and the user's say, never as a
    /// `.gitattributes` does: none of a commit that is to be judged may say what of it is looked at. git older than
    /// 2.41 takes files of that name in the git directory for those of a worktree.
    pub(super) fn compare(&self, what: &'static str) -> Call {
        let call = self.call(what);
        match self.inner.version >= ATTR_SOURCE {
            true => call.global(format!("--attr-source={}", self.empty_tree())),
            false => call,
        }
    }

    /// The tree without entries, which every repository knows.
    pub(super) fn empty_tree(&self) -> Oid {
        let id = match self.inner.format {
            ObjectFormat::Sha1 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
            ObjectFormat::Sha256 => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        };
        Oid::new(id).expect("the constants are of the right form")
    }

    /// Those of `paths` whose content in `tree` has a line that starts a conflict marker (`<<<<<<<`, `|||||||`
    /// or `>>>>>>>`). Paths that are not in the tree are not among them.
    pub async fn conflict_markers(
        &self,
        tree: &Oid,
        paths: &[impl AsRef<OsStr>],
    ) -> Result<Vec<String>, GitError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = (tree.clone(), paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        let found = self.try_fast("grep", move |at| at.conflict_markers(&wanted.0, &wanted.1)).await?;
        if let Some(marked) = found {
            return Ok(marked);
        }
        let mut marked = Vec::new();
        // An argument list has an end.
        for some in paths.chunks(500) {
            let call = self
                .compare("grep")
                .args(["-z", "-l", "-a", "-E", "--no-textconv", "--no-color", "--no-recurse-submodules"])
                .args(["-e", r"^(<{7}|[|]{7}|>{7})( |$)", tree.as_str(), "--"])
                .args(some);
            let answer = self.run(call).await?;
            if answer.code > 1 || answer.code < 0 {
                return Err(answer.failure());
            }
            let prefix = format!("{tree}:");
            marked.extend(answer.fields().filter_map(|f| f.strip_prefix(prefix.as_bytes())).map(show_path));
        }
        Ok(marked)
    }

    /// What is at these paths of a commit, where there is something: its kind and its object. Folders are left out.
    /// The paths are names, relative to the root.
    pub async fn entries_at(
        &self,
        commit: &Oid,
        paths: &[&str],
    ) -> Result<BTreeMap<String, (FileKind, Oid)>, GitError> {
        if paths.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (wanted, names) = (commit.clone(), paths.iter().map(ToString::to_string).collect::<Vec<_>>());
        if let Some(found) = self.try_fast("ls-tree", move |at| at.entries_at(&wanted, &names)).await? {
            return Ok(found);
        }
        let call = self.call("ls-tree").args(["-z", "--full-tree", commit.as_str(), "--"]).args(paths);
        let answer = self.ok(call).await?;
        let entry = |field: &[u8]| {
            let field = String::from_utf8_lossy(field);
            let (entry, path) = field.split_once('\t')?;
            let mut words = entry.split(' ');
            let kind = FileKind::of(words.next()?.as_bytes())?;
            Some((path.to_owned(), (kind, Oid::new(words.nth(1)?).ok()?)))
        };
        Ok(answer.fields().filter_map(entry).collect())
    }

    /// The content of a file of a commit, from its start at most `max` bytes; `None` when there is no file at that
    /// path. The path is a name, relative to the root.
    pub async fn file_at(&self, commit: &Oid, path: &str, max: usize) -> Result<Option<Vec<u8>>, GitError> {
        let (wanted, name) = (commit.clone(), path.to_owned());
        if let Some(found) = self.try_fast("cat-file", move |at| at.file_at(&wanted, &name, max)).await? {
            return Ok(found);
        }
        let mut entries = self.entries_at(commit, &[path]).await?;
        let Some((FileKind::File | FileKind::Executable, id)) = entries.remove(path) else { return Ok(None) };
        let mut content = Vec::new();
        let call = self.call("cat-file").args(["blob", id.as_str()]);
        let mut take =
            |chunk: &[u8]| content.extend_from_slice(&chunk[..chunk.len().min(max - content.len())]);
        self.stream(call, &mut take).await?;
        Ok(Some(content))
    }

    /// The content of an object, such as a changed file.
    ///
    /// # Errors
    /// [`GitError::TooMuch`] when it has more than `max` bytes.
    pub async fn blob(&self, id: &Oid, max: usize) -> Result<Vec<u8>, GitError> {
        let wanted = id.clone();
        if let Some(found) = self.try_fast("cat-file", move |at| at.blob(&wanted, max)).await? {
            return found.ok_or_else(|| GitError::TooMuch { what: "cat-file".to_owned(), max });
        }
        Ok(self.ok(self.call("cat-file").args(["blob", id.as_str()]).max(max)).await?.stdout)
    }
}

fn parse_changes(answer: &Answer) -> Option<Vec<ChangedPath>> {
    let mut fields = answer.fields().peekable();
    let mut changes = Vec::new();
    while let Some(head) = fields.next_if(|field| field.starts_with(b":")) {
        let [old, new, _, blob, status] =
            head[1..].split(|&b| b == b' ').collect::<Vec<_>>().try_into().ok()?;
        let mut path = fields.next()?;
        let change = match status.first()? {
            b'A' => Change::Added,
            b'D' => Change::Deleted,
            b'M' => Change::Modified,
            b'T' => Change::TypeChanged,
            b'R' => {
                let from = show_path(path);
                path = fields.next()?;
                Change::Renamed { from }
            }
            _ => return None,
        };
        let new = FileKind::of(new);
        let blob = new.and_then(|_| Oid::new(String::from_utf8_lossy(blob)).ok());
        let (old, os_path, path) = (FileKind::of(old), path_of(path), show_path(path));
        changes.push(ChangedPath { path, os_path, change, old, new, blob, lines: None });
    }
    let mut lines = HashMap::new();
    while let Some(field) = fields.next() {
        let [added, deleted, path] = field.splitn(3, |&b| b == b'\t').collect::<Vec<_>>().try_into().ok()?;
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
        // A rename has an empty path here, and then both.
        let path = if path.is_empty() { fields.nth(1)? } else { path };
        lines.insert(path_of(path), number(added).zip(number(deleted)));
    }
    for change in &mut changes {
        change.lines = lines.get(&change.os_path).copied().flatten();
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::{Scratch, both_backends};

    both_backends! {
        every_kind_of_change_is_told,
        attributes_that_somebody_leaves_in_the_git_directory_hide_no_change,
        a_file_of_a_commit_is_read_by_its_name_and_only_so_far,
        what_others_landed_meanwhile_does_not_count,
        conflict_markers_are_found_only_where_they_start_a_line_of_the_given_paths,
    }

    async fn every_kind_of_change_is_told() {
        let s = Scratch::new().await;
        s.write("keep", "same\n")
            .write("gone", "x\n")
            .write("turns", "x\n")
            .write("old name", &"l\n".repeat(9));
        s.write("bin", "a\0b").write("run", "x\n").write("lines", "1\n2\n3\n");
        let base = s.commit("base").await;
        s.remove("gone").remove("turns").link("turns", "keep").write("new\nline ü", "1\n");
        s.rename("old name", "new name")
            .write("bin", "a\0c")
            .executable("run")
            .write("lines", "1\n3\n4\n5\n");
        let commit = s.commit("work").await;
        let mut found = s.repo.changed_paths(&base, &commit).await.expect("changes");
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let told: Vec<_> = found.iter().map(|c| (c.path.as_str(), &c.change, c.new, c.lines)).collect();
        use FileKind::{Executable, File, Symlink};
        assert_eq!(
            told,
            [
                ("bin", &Change::Modified, Some(File), None),
                ("gone", &Change::Deleted, None, Some((0, 1))),
                ("lines", &Change::Modified, Some(File), Some((2, 1))),
                ("new\nline ü", &Change::Added, Some(File), Some((1, 0))),
                ("new name", &Change::Renamed { from: "old name".into() }, Some(File), Some((0, 0))),
                ("run", &Change::Modified, Some(Executable), Some((0, 0))),
                ("turns", &Change::TypeChanged, Some(Symlink), Some((1, 1))),
            ]
        );
        let blob = found[2].blob.clone().expect("has content");
        assert_eq!(s.repo.blob(&blob, 100).await.expect("reads"), b"1\n3\n4\n5\n");
        assert!(matches!(s.repo.blob(&blob, 3).await, Err(GitError::TooMuch { max: 3, .. })));
    }

    async fn attributes_that_somebody_leaves_in_the_git_directory_hide_no_change() {
        let s = Scratch::new().await;
        if s.repo.inner.version < ATTR_SOURCE {
            return;
        }
        let base = s.write("a.rs", "1\n").write("dir/b.rs", "1\n").commit("base").await;
        let work = s.write("a.rs", "2\n").write("dir/b.rs", "2\n").commit("work").await;
        s.write(".git/.gitattributes", "*.rs -diff\n").write(".git/dir/.gitattributes", "*.rs binary\n");
        let found = s.repo.changed_paths(&base, &work).await.expect("changes");
        assert_eq!(found.iter().map(|c| c.lines).collect::<Vec<_>>(), [Some((1, 1)), Some((1, 1))]);
        let patch = s.repo.patch_text(&base, &work, 10_000).await.expect("a patch");
        let text = String::from_utf8(patch.bytes).expect("text");
        assert_eq!(text.matches("-1\n+2\n").count(), 2, "{text}");
    }

    async fn a_file_of_a_commit_is_read_by_its_name_and_only_so_far() {
        let s = Scratch::new().await;
        s.write("dir/a *", "content").write("dir/a b", "other").link("link", "dir");
        let commit = s.commit("x").await;
        let read = async |path: &str, max| s.repo.file_at(&commit, path, max).await.expect("reads");
        assert_eq!(read("dir/a *", 100).await.as_deref(), Some(&b"content"[..]));
        assert_eq!(read("dir/a *", 3).await.as_deref(), Some(&b"con"[..]));
        for none in ["dir", "link", "absent", "dir/a"] {
            assert_eq!(read(none, 100).await, None, "{none}");
        }
    }

    async fn what_others_landed_meanwhile_does_not_count() {
        let s = Scratch::new().await;
        s.write("a", "1\n");
        let base = s.commit("base").await;
        s.write("theirs", "1\n");
        let moved = s.commit("theirs").await;
        s.git(&["checkout", "-q", base.as_str()]).await;
        s.write("ours", "1\n");
        let work = s.commit("ours").await;
        let paths = s.repo.changed_paths(&moved, &work).await.expect("changes");
        assert_eq!(paths.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["ours"]);
        s.git(&["checkout", "-q", "--orphan", "other"]).await;
        let unrelated = s.commit("unrelated").await;
        let all = s.repo.changed_paths(&base, &unrelated).await.expect("changes");
        assert_eq!(all.len(), 2, "{all:?}");
    }

    async fn conflict_markers_are_found_only_where_they_start_a_line_of_the_given_paths() {
        let s = Scratch::new().await;
        let marked = "x\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n";
        s.write("b/marked *", marked).write("left", "a\n>>>>>>> theirs\n").write("other", marked);
        s.write("heading", "Title\n=======\n")
            .write("inline", "say <<<<<<< here\n<<<<<<<<\n")
            .write("-dash", marked);
        let tree = s.repo.tree_of(&s.commit("x").await).await.expect("tree");
        let asked = ["b/marked *", "left", "heading", "inline", "absent", "-dash"].map(String::from);
        let found = s.repo.conflict_markers(&tree, &asked).await.expect("looks");
        assert_eq!(found, ["-dash", "b/marked *", "left"]);
        assert_eq!(s.repo.conflict_markers(&tree, &[""; 0]).await.expect("looks"), [""; 0]);
    }
}
