//! What a commit added, line by line, in bounded memory.

use super::call::Call;
use super::commit_text::Commits;
use super::diff::{ChangedPath, FileKind};
use super::error::GitError;
use super::fast::{History, Piece};
use super::repository::{Repository, show_path};
use crate::types::Oid;

/// A file of more bytes is not compared, which needs all of it in memory: all of it counts as added.
const LARGE: u64 = 64 * 1024 * 1024;

/// A piece of what a commit added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added<'a> {
    /// What follows is of this commit, where several are told of.
    Commit(&'a str),
    /// What follows is what this commit says of itself in front of its message: who made it, signatures, and whatever
    /// else somebody put there. Trees and parents are empty lines of it.
    Header(&'a str),
    /// What follows is the message of this commit.
    Message(&'a str),
    /// What follows is of this file; its path as in [`ChangedPath::path`].
    File(&'a str),
    /// The lines that follow stand together; the first has this number, from 1.
    Lines(u64),
    /// Their text with its line ends, cut anywhere.
    Text(&'a [u8]),
}

impl<'a> From<&'a Piece> for Added<'a> {
    fn from(piece: &'a Piece) -> Self {
        match piece {
            Piece::Commit(id) => Self::Commit(id),
            Piece::File(path) => Self::File(path),
            Piece::Lines(first) => Self::Lines(*first),
            Piece::Text(text) => Self::Text(text),
        }
    }
}

impl Repository {
    /// Hands every line that `to` has and `from` has not to `each`, in order, also those of binary files and of
    /// links. `paths` are what [`changed_between`](Self::changed_between) says of the two. Of a file of more than 64
    /// MiB every line is given.
    pub async fn added(
        &self,
        from: &Oid,
        to: &Oid,
        paths: &[ChangedPath],
        each: &mut (dyn FnMut(Added<'_>) + Send),
    ) -> Result<(), GitError> {
        let large = self.large(paths).await?;
        let (one, other) = (from.clone(), to.clone());
        if large.is_empty()
            && let Some(pieces) = self.try_fast_diff("diff-tree", move |at| at.added(&one, &other)).await?
        {
            pieces.iter().for_each(|piece| each(piece.into()));
            return Ok(());
        }
        let mut call = self
            .patch_call()
            // Paths to be left out have to be patterns of their own kind.
            .env("GIT_LITERAL_PATHSPECS", "0")
            .args([from.as_str(), to.as_str()]);
        if !large.is_empty() {
            call = call.args(["--", "."]);
        }
        for path in &large {
            let mut pattern = std::ffi::OsString::from(":(top,exclude,literal)");
            pattern.push(&path.os_path);
            call = call.arg(pattern);
        }
        let mut patch = Patch::default();
        self.stream(call, &mut |chunk| patch.push(chunk, each)).await?;
        if let Some(line) = patch.unread {
            return Err(GitError::unexpected("diff-tree", line.as_bytes()));
        }
        for path in large {
            each(Added::File(&path.path));
            each(Added::Lines(1));
            let Some(blob) = &path.blob else { continue };
            let call = self.call("cat-file").args(["blob", blob.as_str()]);
            self.stream(call, &mut |chunk| each(Added::Text(chunk))).await?;
        }
        Ok(())
    }

    /// What lands with `to` beside its tree: each commit that is reachable from it and not from `from`, as it is
    /// stored, then, as [`added`](Self::added), what each of them but `to` added to its first parent, although a later
    /// commit took it away again. Returns whether everything could be compared; files of more than 512 MiB cannot.
    pub async fn added_before(
        &self,
        from: &Oid,
        to: &Oid,
        each: &mut (dyn FnMut(Added<'_>) + Send),
    ) -> Result<bool, GitError> {
        let (one, other) = (from.clone(), to.clone());
        let fast = self.try_fast_diff("rev-list", move |at| at.added_before(&one, &other));
        if let Some(History { commits: told, added }) = fast.await? {
            let mut commits = Commits::default();
            for (id, text) in told {
                commits.push(format!("{id} commit {}\n", text.len()).as_bytes(), each);
                commits.push(&text, each);
                commits.push(b"\n", each);
            }
            added.iter().for_each(|piece| each(piece.into()));
            return Ok(true);
        }
        // What is said of parents in a file beside the commits is nothing to go by.
        let call = self.call("rev-list").global("-c").global("core.commitGraph=false");
        let call = call.args(["--topo-order", to.as_str()]);
        let call = if *from == self.empty_tree() { call } else { call.arg(format!("^{from}")) };
        let ids = self.ok(call).await?.stdout;
        let mut commits = Commits::default();
        let call = self.call("cat-file").arg("--batch").stdin(ids);
        self.stream(call, &mut |chunk| commits.push(chunk, each)).await?;
        let Commits { found, broken, .. } = commits;
        if let Some(line) = broken {
            return Err(GitError::unexpected("cat-file", line.as_bytes()));
        }
        // With its first parent: the others are what was merged.
        let earlier = found.iter().filter(|(id, _)| id != to.as_str());
        let list: String = earlier
            .map(|(id, parent)| {
                parent.as_ref().map_or(format!("{id}\n"), |parent| format!("{id} {parent}\n"))
            })
            .collect();
        if list.is_empty() {
            return Ok(true);
        }
        let mut patch = Patch::default();
        let call = self.patch_call().args(["--root", "--stdin"]).stdin(list);
        self.stream(call, &mut |chunk| patch.push(chunk, each)).await?;
        Ok(patch.unread.is_none())
    }

    fn patch_call(&self) -> Call {
        self.compare("diff-tree")
            // What git takes for binary by its size alone it does not compare.
            .global("-c")
            .global("core.bigFileThreshold=512m")
            .args(["-r", "-M", "-p", "-U0", "--text", "--no-color", "--no-ext-diff", "--no-textconv"])
            // Which of two ways of telling a change is the better one is nothing for somebody's settings.
            .args(["--indent-heuristic", "--diff-algorithm=myers"])
            .args(["--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=none"])
    }

    async fn large<'p>(&self, paths: &'p [ChangedPath]) -> Result<Vec<&'p ChangedPath>, GitError> {
        let is_file = |path: &&ChangedPath| !matches!(path.new, None | Some(FileKind::Submodule));
        let files: Vec<&ChangedPath> = paths.iter().filter(is_file).collect();
        let ids: Vec<String> =
            files.iter().filter_map(|path| path.blob.as_ref()).map(Oid::to_string).collect();
        let sizes = self.blob_sizes(&ids).await?;
        let with_blob = files.into_iter().filter(|path| path.blob.is_some());
        Ok(with_blob.zip(sizes).filter(|(_, size)| *size > LARGE).map(|(path, _)| path).collect())
    }
}

/// Reads a patch without context lines as it arrives.
#[derive(Debug, Default)]
struct Patch {
    /// The start of a line that is not of a hunk.
    line: Vec<u8>,
    state: State,
    /// Lines of the hunk that are still to come: deleted and added ones.
    left: (u64, u64),
    /// The file that the lines are of, and whether it was told.
    file: (Vec<u8>, bool),
    /// A line that says that something was not compared.
    unread: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between hunks.
    #[default]
    Head,
    /// At the start of a line of a hunk.
    Start,
    /// Within a line that is not wanted.
    Skip,
    /// Within an added line.
    Take,
}

impl Patch {
    fn push(&mut self, mut chunk: &[u8], each: &mut (dyn FnMut(Added<'_>) + Send)) {
        while let Some(first) = chunk.first() {
            if self.state == State::Start {
                self.begin_line(*first);
                // The mark of the line is no part of it.
                chunk = if self.state == State::Head { chunk } else { &chunk[1..] };
                continue;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let (part, rest) = chunk.split_at(end.map_or(chunk.len(), |end| end + 1));
            match self.state {
                State::Take => each(Added::Text(part)),
                State::Head => self.line.extend_from_slice(part),
                State::Skip | State::Start => {}
            }
            if end.is_some() {
                match self.state {
                    State::Head => self.head_line(each),
                    State::Skip | State::Take | State::Start => self.state = State::Start,
                }
            }
            chunk = rest;
        }
    }

    /// A line of a hunk begins, or the hunk is over.
    fn begin_line(&mut self, mark: u8) {
        self.state = match mark {
            b'+' if self.left.1 > 0 => {
                self.left.1 -= 1;
                State::Take
            }
            b'-' if self.left.0 > 0 => {
                self.left.0 -= 1;
                State::Skip
            }
            // "\ No newline at end of file"
            b'\\' => State::Skip,
            _ => State::Head,
        };
    }

    fn tell_file(&mut self, each: &mut (dyn FnMut(Added<'_>) + Send)) {
        if !std::mem::replace(&mut self.file.1, true) {
            each(Added::File(&show_path(&self.file.0)));
        }
    }

    /// A whole line between hunks.
    fn head_line(&mut self, each: &mut (dyn FnMut(Added<'_>) + Send)) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            // The same name twice, unless it is a rename.
            self.file = (path_in(&names[names.len() / 2 + 1..]).unwrap_or_default(), false);
        } else if line.starts_with(b"new file mode ") {
            // One that is empty has no lines that would name it.
            self.tell_file(each);
        } else if let Some(name) = line.strip_prefix(b"rename to ") {
            self.file = (unquoted(name), false);
            self.tell_file(each);
        } else if let Some(name) = line.strip_prefix(b"+++ ") {
            if let Some(path) = path_in(name) {
                self.file.1 &= self.file.0 == path;
                self.file.0 = path;
                self.tell_file(each);
            }
        } else if let Some((deleted, first, added)) = hunk(line) {
            self.left = (deleted, added);
            self.state = State::Start;
            if added > 0 {
                each(Added::Lines(first));
            }
        } else if line.len() >= 40 && line.iter().all(u8::is_ascii_hexdigit) {
            each(Added::Commit(&String::from_utf8_lossy(line)));
        } else if line.starts_with(b"Binary files ") {
            self.unread.get_or_insert_with(|| String::from_utf8_lossy(line).into_owned());
        }
    }
}

/// The numbers of `@@ -a,b +c,d @@`: b, c, d. What follows may be any bytes.
fn hunk(line: &[u8]) -> Option<(u64, u64, u64)> {
    let ranges = line.strip_prefix(b"@@ -")?;
    let end = ranges.windows(3).position(|three| three == b" @@")?;
    let (old, new) = std::str::from_utf8(&ranges[..end]).ok()?.split_once(" +")?;
    let numbers = |range: &str| -> Option<(u64, u64)> {
        match range.split_once(',') {
            Some((from, count)) => Some((from.parse().ok()?, count.parse().ok()?)),
            None => Some((range.parse().ok()?, 1)),
        }
    };
    let (_, deleted) = numbers(old)?;
    let (first, added) = numbers(new)?;
    Some((deleted, first, added))
}

/// The path in a `+++` line, `None` for a file that is gone.
fn path_in(name: &[u8]) -> Option<Vec<u8>> {
    // A name with a blank is followed by a tab.
    let name = name.strip_suffix(b"\t").unwrap_or(name);
    unquoted(name).strip_prefix(b"b/").map(<[u8]>::to_vec)
}

/// A name without git's quotes, where it has them.
fn unquoted(name: &[u8]) -> Vec<u8> {
    match name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")) {
        Some(quoted) => unquote(quoted),
        None => name.to_vec(),
    }
}

/// Undoes git's quoting of names.
fn unquote(quoted: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            name.push(byte);
            continue;
        }
        name.push(match bytes.next() {
            Some(b'a') => 7,
            Some(b'b') => 8,
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'v') => 11,
            Some(b'f') => 12,
            Some(b'r') => b'\r',
            Some(first @ b'0'..=b'3') => {
                let digits = [first, bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                digits.iter().fold(0, |number: u8, digit| number.wrapping_mul(8).wrapping_add(digit & 7))
            }
            Some(other) => other,
            None => b'\\',
        });
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::{Scratch, both_backends};

    both_backends! {
        every_added_line_is_told_with_its_place_and_nothing_else,
        a_file_that_is_too_large_to_compare_is_added_as_a_whole,
        what_a_later_commit_took_away_is_still_told_of_its_history,
    }

    /// What was added, as `path:line text` with the text's own line ends.
    async fn added(s: &Scratch, from: &Oid, to: &Oid) -> Vec<String> {
        let paths = s.repo.changed_between(from, to).await.expect("changes");
        let (mut all, mut path) = (Vec::new(), String::new());
        let mut each = |piece: Added<'_>| match piece {
            Added::File(name) => name.clone_into(&mut path),
            Added::Lines(first) => all.push(format!("{path}:{first} ")),
            Added::Commit(_) | Added::Header(_) | Added::Message(_) => panic!("one diff has no commits"),
            Added::Text(text) => {
                let last: &mut String = all.last_mut().expect("lines were begun");
                last.push_str(&String::from_utf8_lossy(text));
            }
        };
        s.repo.added(from, to, &paths, &mut each).await.expect("reads");
        all
    }

    async fn every_added_line_is_told_with_its_place_and_nothing_else() {
        let s = Scratch::new().await;
        s.write("edit", "1\n2\n3\n4\n5\n").write("gone", "x\n").write("old", &"same\n".repeat(20));
        s.write("bin", "a\0\n").write("attr", "x\n").write(".gitattributes", "attr -diff\n");
        let base = s.commit("base").await;
        s.write("edit", "1\ntwo\n3\n4\nfive\nsix").remove("gone").rename("old", "new name");
        s.write("bin", "a\0\nb\0\n").write("attr", "x\n+++ b/no\n@@ -1 +1 @@\n-x\n");
        s.write("tab\tand\nline ü \"", "--- a/x\n").link("link", "to");
        let work = s.commit("work").await;
        let mut found = added(&s, &base, &work).await;
        found.sort();
        let wanted = [
            "attr:2 +++ b/no\n@@ -1 +1 @@\n-x\n",
            "bin:2 b\0\n",
            "edit:2 two\n",
            "edit:5 five\nsix\n",
            "link:1 to\n",
            "tab\tand\nline ü \":1 --- a/x\n",
        ];
        assert_eq!(found, wanted);
    }

    async fn a_file_that_is_too_large_to_compare_is_added_as_a_whole() {
        let s = Scratch::new().await;
        let file = std::fs::File::create(s.root.join("large *")).expect("creates");
        file.set_len(LARGE + 1).expect("grows");
        s.write("small", "1\n");
        let base = s.commit("base").await;
        let mut file = std::fs::File::options().append(true).open(s.root.join("large *")).expect("opens");
        std::io::Write::write_all(&mut file, b"\nend\n").expect("writes");
        s.write("small", "1\n2\n");
        let work = s.commit("work").await;
        let paths = s.repo.changed_between(&base, &work).await.expect("changes");
        let (mut total, mut said) = (0, Vec::new());
        let mut each = |piece: Added<'_>| match piece {
            Added::Text(text) => total += text.len() as u64,
            other => said.push(format!("{other:?}")),
        };
        s.repo.added(&base, &work, &paths, &mut each).await.expect("reads");
        assert_eq!(said, ["File(\"small\")", "Lines(2)", "File(\"large *\")", "Lines(1)"]);
        assert_eq!(total, LARGE + 1 + 5 + 2);
    }

    async fn what_a_later_commit_took_away_is_still_told_of_its_history() {
        let s = Scratch::new().await;
        s.write("a", "1\n");
        let base = s.commit("base").await;
        s.write("a", "1\nsecret\n");
        let first = s.commit("first").await;
        s.write("a", "1\n").write("b", "b\n");
        let last = s.commit("last").await;
        let told = async |from: &Oid, to: &Oid| {
            let mut said = Vec::new();
            let mut each = |piece: Added<'_>| match piece {
                Added::Text(text) => said.push(String::from_utf8_lossy(text).into_owned()),
                other => said.push(format!("{other:?}")),
            };
            assert!(s.repo.added_before(from, to, &mut each).await.expect("reads"));
            said
        };
        let commit = |id: &Oid| format!("Commit(\"{id}\")");
        let stored = async |id: &Oid, text: &str| {
            let stored = s.git(&["cat-file", "commit", id.as_str()]).await;
            let lines = stored.lines().take_while(|line| !line.is_empty());
            let lines = lines
                .map(|line| if line.starts_with(['a', 'c']) { format!("{line}\n") } else { "\n".into() });
            let head = std::iter::once(format!("Header(\"{id}\")")).chain(lines);
            head.chain([format!("Message(\"{id}\")"), text.to_owned()]).collect::<Vec<_>>()
        };
        let (of_first, of_last) = (stored(&first, "first\n").await, stored(&last, "last\n").await);
        let gone = ["File(\"a\")", "Lines(2)", "secret\n"].map(str::to_owned);
        let all = [of_last, of_first.clone(), vec![commit(&first)], gone.to_vec()].concat();
        assert_eq!(told(&base, &last).await, all);
        assert_eq!(told(&base, &first).await, of_first);
        // Without anything in common the first commit is compared with nothing.
        assert_eq!(told(&s.repo.empty_tree(), &first).await.len(), 13 + 4);
    }

    #[test]
    fn a_patch_is_read_alike_however_it_is_cut() {
        let text = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -2 +2,2 @@ f(\xff @@\n-b\n+++ c\n+d\n\\ No newline at end of file\n\
                     diff --git a/y b/y\n--- a/y\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-+x\n--y\n";
        for size in 1..text.len() {
            let mut patch = Patch::default();
            let mut all = String::new();
            let mut each = |piece: Added<'_>| match piece {
                Added::File(path) => all.push_str(&format!("[{path}]")),
                Added::Lines(first) => all.push_str(&format!("[{first}]")),
                Added::Commit(id) => all.push_str(id),
                Added::Header(_) | Added::Message(_) => {}
                Added::Text(text) => all.push_str(&String::from_utf8_lossy(text)),
            };
            text.chunks(size).for_each(|chunk| patch.push(chunk, &mut each));
            assert_eq!(all, "[x][2]++ c\nd\n", "{size}");
            assert_eq!(patch.unread, None);
        }
    }
}
