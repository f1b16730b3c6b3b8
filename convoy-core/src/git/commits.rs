//! Commits: reading, relating and writing them.

use super::error::GitError;
use super::repository::Repository;
use crate::types::Oid;

/// What a commit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// The whole message.
    pub message: String,
}

impl CommitInfo {
    /// The trailers: `Key: value` lines, when the last paragraph of the message has nothing else.
    pub fn trailers(&self) -> Vec<(String, String)> {
        trailers(&self.message)
    }
}

fn trailers(message: &str) -> Vec<(String, String)> {
    let Some((_, last)) = message.trim_end().rsplit_once("\n\n") else { return Vec::new() };
    let parse = |line: &str| {
        let (key, value) = line.split_once(": ")?;
        let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        word.then(|| (key.to_owned(), value.trim().to_owned()))
    };
    last.lines().map(parse).collect::<Option<Vec<_>>>().unwrap_or_default()
}

impl Repository {
    /// Whether `ancestor` is `commit` or reachable from it.
    pub async fn is_ancestor(&self, ancestor: &Oid, commit: &Oid) -> Result<bool, GitError> {
        if ancestor == commit {
            return Ok(true);
        }
        let (one, other) = (ancestor.clone(), commit.clone());
        if let Some(is) = self.try_fast("merge-base", move |at| at.is_ancestor(&one, &other)).await? {
            return Ok(is);
        }
        let call = self.call("merge-base").args(["--is-ancestor", ancestor.as_str(), commit.as_str()]);
        let answer = self.run(call).await?;
        match answer.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(answer.failure()),
        }
    }

    /// The best common ancestor; `None` when there is none.
    pub async fn merge_base(&self, a: &Oid, b: &Oid) -> Result<Option<Oid>, GitError> {
        let (one, other) = (a.clone(), b.clone());
        if let Some(base) = self.try_fast("merge-base", move |at| at.merge_base(&one, &other)).await? {
            return Ok(base);
        }
        let answer = self.run(self.call("merge-base").args([a.as_str(), b.as_str()])).await?;
        match answer.code {
            0 => answer.oid().map(Some),
            1 => Ok(None),
            _ => Err(answer.failure()),
        }
    }

    /// The tree of a commit.
    pub async fn tree_of(&self, commit: &Oid) -> Result<Oid, GitError> {
        let wanted = commit.clone();
        let tree = self.try_fast("rev-parse", move |at| at.peel(&wanted, git2::ObjectType::Tree)).await?;
        if let Some(tree) = tree {
            return Ok(tree);
        }
        let call = self.call("rev-parse").args(["-q", "--verify"]).arg(format!("{commit}^{{tree}}"));
        let answer = self.run(call).await?;
        match answer.code {
            0 => answer.oid(),
            1 => Err(GitError::NotFound { what: format!("the commit {commit}") }),
            _ => Err(answer.failure()),
        }
    }

    /// What a commit holds.
    pub async fn commit_info(&self, commit: &Oid) -> Result<CommitInfo, GitError> {
        let text = self.commit_text(commit).await?;
        parse_commit(&text).ok_or_else(|| GitError::unexpected("cat-file", &text))
    }

    /// A commit as it is stored.
    pub(super) async fn commit_text(&self, commit: &Oid) -> Result<Vec<u8>, GitError> {
        let wanted = commit.clone();
        if let Some(text) = self.try_fast("cat-file", move |at| at.commit_text(&wanted)).await? {
            return Ok(text);
        }
        Ok(self.ok(self.call("cat-file").args(["commit", commit.as_str()])).await?.stdout)
    }

    /// Writes an object with this content and gives its id.
    pub async fn write_blob(&self, content: &[u8]) -> Result<Oid, GitError> {
        let (bytes, synced) = (content.to_vec(), self.inner.synced.clone());
        if let Some(id) = self.try_fast("hash-object", move |at| at.write_blob(&bytes, &synced)).await? {
            return Ok(id);
        }
        self.ok(self.call("hash-object").args(["-w", "--stdin"]).durable().stdin(content)).await?.oid()
    }

    /// A commit with these files in its root, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn sample_commit(&self, parents: &[Oid], files: &[(&str, &str)], message: &str) -> Oid {
        let mut entries = Vec::new();
        for (name, content) in files {
            let blob = self.write_blob(content.as_bytes()).await.expect("a blob can be written");
            entries.extend_from_slice(format!("100644 blob {blob}\t{name}\0").as_bytes());
        }
        let tree =
            self.ok(self.call("mktree").arg("-z").stdin(entries)).await.expect("a tree can be written");
        let tree = tree.oid().expect("an id");
        self.commit_tree(&tree, parents, message, None).await.expect("a commit can be written")
    }

    /// Syncs to the disk every object that `commit` reaches and `known` does not. Costs a listing of these
    /// objects and one flush for each (0.2 ms on a local disk), plus one for each folder they are in; nothing
    /// for those that were synced before.
    pub async fn sync_objects(&self, commit: &Oid, known: &Oid) -> Result<(), GitError> {
        if commit == known {
            return Ok(());
        }
        let (one, other) = (commit.clone(), known.clone());
        let ids = match self.try_fast("rev-list", move |at| at.objects_since(&one, &other)).await? {
            Some(ids) => ids,
            None => self.list_objects_since(commit, known).await?,
        };
        let repository = self.clone();
        let synced = tokio::task::spawn_blocking(move || {
            let inner = &repository.inner;
            inner.synced.objects(&inner.common_dir.join("objects"), &ids)
        });
        synced.await.map_err(|e| GitError::io("sync", &self.inner.common_dir)(std::io::Error::other(e)))?
    }

    async fn list_objects_since(&self, commit: &Oid, known: &Oid) -> Result<String, GitError> {
        let not = format!("^{known}");
        // Missing objects can only be ones that a partial clone left with its origin: nothing to sync.
        let call = self.call("rev-list").args(["--objects", "--no-object-names", "--missing=allow-any"]);
        let answer = self.ok(call.args([commit.as_str(), &not])).await?;
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}

fn parse_commit(raw: &[u8]) -> Option<CommitInfo> {
    let text = String::from_utf8_lossy(raw);
    let (header, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut tree = None;
    let mut parents = Vec::new();
    for line in header.lines() {
        match line.split_once(' ') {
            Some(("tree", oid)) => tree = Oid::new(oid).ok(),
            Some(("parent", oid)) => parents.push(Oid::new(oid).ok()?),
            _ => {}
        }
    }
    Some(CommitInfo { tree: tree?, parents, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_the_last_paragraph_if_it_has_nothing_else() {
        let pairs =
            |message| trailers(message).into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        assert_eq!(pairs("subject\n\nbody\n\nTask: a b\nTry-No: 2\n"), ["Task=a b", "Try-No=2"]);
        for none in ["Task: only a subject", "s\n\nTask: a\nnot one", "s\n\nbody: is: not\nA b: c", ""] {
            assert_eq!(pairs(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn a_commit_is_read_with_all_its_parents() {
        let (a, b, t) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let raw = format!("tree {t}\nparent {a}\nparent {b}\nauthor x <y> 1 +0000\n\nsubject\n\nbody\n");
        let info = parse_commit(raw.as_bytes()).expect("reads");
        assert_eq!((info.tree.as_str(), info.parents.len()), (t.as_str(), 2));
        assert_eq!(info.message, "subject\n\nbody\n");
        assert_eq!(parse_commit(b"garbage"), None);
    }
}
