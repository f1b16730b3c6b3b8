//! Reading refs that lie in files.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{Handle, NotMine};
use crate::types::Oid;

/// Most that is read of a file with one ref, in bytes.
const LONGEST: u64 = 4096;

/// How many symbolic refs may lead to each other, as in git.
const MOST_STEPS: usize = 5;

/// What a ref is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// At an object.
    At(Oid),
    /// Symbolic: the name of another ref.
    Symbolic(String),
}

/// Whether this is a full name of a ref that all worktrees share, spelt so that nothing in it is an operator.
pub(in crate::git) fn is_shared_name(name: &str) -> bool {
    let own = ["bisect", "worktree", "rewritten"];
    let first = name.split('/').nth(1);
    is_name(name) && !own.iter().any(|part| first == Some(*part))
}

/// Whether this is a full name of a ref.
fn is_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("refs/") else { return false };
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part_is_odd = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    !name.contains(odd)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !rest.split('/').any(part_is_odd)
}

/// Opens a file, never a link, and never waiting for what is in its place.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::IsADirectory.into()) }
}

/// The ref in a file of its own; `None` when there is no such file.
pub(super) fn read_loose(path: &Path) -> Result<Option<Found>, NotMine> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => return Ok(None),
            // Refs below this name; but also anything odd in the place of a file.
            ErrorKind::IsADirectory if path.is_dir() => return Ok(None),
            _ => return Err(NotMine),
        },
    };
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    if let Some(target) = text.strip_prefix("ref:") {
        return Ok(Some(Found::Symbolic(target.trim().to_owned())));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    if end != 40 {
        return Err(NotMine);
    }
    Ok(Some(Found::At(Oid::new(&text[..end]).map_err(|_| NotMine)?)))
}

/// The refs that lie together in one file, in the order of the file.
#[derive(Debug)]
pub(super) struct Packed(String);

impl Packed {
    pub(super) fn read(common: &Path) -> Result<Self, NotMine> {
        let mut text = String::new();
        match open(&common.join("packed-refs")) {
            Ok(mut file) => file.read_to_string(&mut text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(_) => return Err(NotMine),
        };
        Ok(Self(text))
    }

    /// Each id and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.lines().filter(|line| !line.starts_with(['#', '^']));
        lines.filter_map(|line| line.split_once(' '))
    }

    fn get(&self, name: &str) -> Result<Option<Oid>, NotMine> {
        let found = self.iter().find(|(_, packed)| *packed == name);
        found.map(|(id, _)| Oid::new(id).map_err(|_| NotMine)).transpose()
    }
}

impl Handle<'_> {
    /// What a ref that all worktrees share is; `None` when it does not exist.
    pub(super) fn read_ref(&self, name: &str) -> Result<Option<Found>, NotMine> {
        if !is_shared_name(name) {
            return Err(NotMine);
        }
        // Somebody may have changed how refs are kept.
        if self.common.join("reftable").exists() {
            return Err(NotMine);
        }
        match read_loose(&self.common.join(name))? {
            Some(found) => Ok(Some(found)),
            None => Ok(Packed::read(self.common)?.get(name)?.map(Found::At)),
        }
    }

    /// The object that a ref leads to at last; `None` when the ref, or one that it leads to, does not exist.
    pub(in crate::git) fn ref_value(&self, name: &str) -> Result<Option<Oid>, NotMine> {
        let mut name = name.to_owned();
        for _ in 0..=MOST_STEPS {
            match self.read_ref(&name)? {
                None => return Ok(None),
                Some(Found::At(id)) => return Ok(Some(id)),
                Some(Found::Symbolic(target)) => name = target,
            }
        }
        Err(NotMine)
    }

    /// The refs at or under a prefix of whole parts, by name, each with the object that it leads to.
    pub(in crate::git) fn list_refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>, NotMine> {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if prefix != "refs" && !is_shared_name(prefix) || self.common.join("reftable").exists() {
            return Err(NotMine);
        }
        let mut found = BTreeMap::new();
        self.loose_refs(prefix.to_owned(), &mut found)?;
        let within = |name: &str| {
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for (id, name) in Packed::read(self.common)?.iter().filter(|(_, name)| within(name)) {
            if !found.contains_key(name) {
                found.insert(name.to_owned(), Found::At(Oid::new(id).map_err(|_| NotMine)?));
            }
        }
        let mut refs = Vec::with_capacity(found.len());
        for (name, is) in found {
            let id = match is {
                Found::At(id) => id,
                // One that leads nowhere is a matter of warnings.
                Found::Symbolic(target) => self.ref_value(&target)?.ok_or(NotMine)?,
            };
            if id.as_str().bytes().all(|byte| byte == b'0') {
                return Err(NotMine);
            }
            refs.push((name, id));
        }
        Ok(refs)
    }

    /// Adds the refs that lie in files of their own, at a name or below it.
    fn loose_refs(&self, name: String, found: &mut BTreeMap<String, Found>) -> Result<(), NotMine> {
        let path = self.common.join(&name);
        let kind = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(_) => return Err(NotMine),
        };
        if kind.is_file() {
            // Gone meanwhile: it may be packed now.
            if let Some(is) = read_loose(&path)? {
                found.insert(name, is);
            }
            return Ok(());
        }
        if !kind.is_dir() {
            return Err(NotMine);
        }
        for entry in std::fs::read_dir(&path)? {
            let part = entry?.file_name().into_string().map_err(|_| NotMine)?;
            if part.starts_with('.') || part.ends_with(".lock") {
                continue;
            }
            let name = format!("{name}/{part}");
            if !is_name(&name) {
                return Err(NotMine);
            }
            self.loose_refs(name, found)?;
        }
        Ok(())
    }

    /// The ref that a symbolic ref leads to at last; `None` when it is not symbolic.
    pub(in crate::git) fn symbolic_target(&self, name: &str) -> Result<Option<String>, NotMine> {
        let mut is = if name == "HEAD" { Some(Self::head(self.common)?) } else { self.read_ref(name)? };
        let mut last = None;
        for _ in 0..MOST_STEPS {
            match is {
                Some(Found::Symbolic(target)) => {
                    is = self.read_ref(&target)?;
                    last = Some(target);
                }
                _ => return Ok(last),
            }
        }
        Err(NotMine)
    }

    /// What the `HEAD` in a git directory is on: a branch and its commit, or a commit alone.
    pub(in crate::git) fn head_on(&self, git_dir: &Path) -> Result<(Option<String>, Option<Oid>), NotMine> {
        match Self::head(git_dir)? {
            Found::At(id) => Ok((None, Some(self.peel(&id, git2::ObjectType::Commit)?))),
            Found::Symbolic(name) => match self.read_ref(&name)? {
                Some(Found::Symbolic(_)) => Err(NotMine),
                Some(Found::At(id)) => Ok((Some(name), Some(self.peel(&id, git2::ObjectType::Commit)?))),
                None => Ok((Some(name), None)),
            },
        }
    }

    /// Whether the main worktree is on a branch, where no other one is.
    pub(in crate::git) fn is_only_on_main(&self, branch: &str) -> Result<bool, NotMine> {
        if let Some(Found::Symbolic(_)) = self.read_ref(branch)? {
            return Err(NotMine);
        }
        let is_on = |git_dir: &Path| match Self::head(git_dir)? {
            Found::At(_) => Ok(false),
            Found::Symbolic(name) if name == branch => Ok(true),
            Found::Symbolic(name) => match self.read_ref(&name)? {
                Some(Found::Symbolic(_)) => Err(NotMine),
                _ => Ok(false),
            },
        };
        match std::fs::read_dir(self.common.join("worktrees")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return Err(NotMine),
            Ok(entries) => {
                for entry in entries {
                    if is_on(&entry?.path())? {
                        return Err(NotMine);
                    }
                }
            }
        }
        is_on(self.common)
    }

    /// What the `HEAD` in a git directory is.
    pub(super) fn head(git_dir: &Path) -> Result<Found, NotMine> {
        read_loose(&git_dir.join("HEAD"))?.ok_or(NotMine)
    }

    /// The commit and the tree of the `HEAD` in the git directory of a worktree; `None` for a branch without a commit.
    pub(in crate::git) fn head_and_tree(&self, git_dir: &Path) -> Result<Option<(Oid, Oid)>, NotMine> {
        // In another repository the same names are other refs.
        let is_ours = git_dir == self.common || git_dir.parent() == Some(&self.common.join("worktrees"));
        if !is_ours {
            return Err(NotMine);
        }
        let Some(commit) = self.resolve(git_dir, "HEAD")? else { return Ok(None) };
        let tree = self.peel(&commit, git2::ObjectType::Tree)?;
        Ok(Some((commit, tree)))
    }

    /// The commit that a name stands for, where that is a whole id, a full name of a ref, or `HEAD` of a git directory.
    pub(in crate::git) fn resolve(&self, git_dir: &Path, rev: &str) -> Result<Option<Oid>, NotMine> {
        let id = match rev {
            "HEAD" => match Self::head(git_dir)? {
                Found::At(id) => Some(id),
                Found::Symbolic(name) => self.ref_value(&name)?,
            },
            // Letters of either size are the same id.
            id if id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Some(Oid::new(id.to_ascii_lowercase()).map_err(|_| NotMine)?)
            }
            name => self.ref_value(name)?,
        };
        id.map(|id| self.peel(&id, git2::ObjectType::Commit)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_full_names_are_taken_for_refs() {
        for good in ["refs/heads/main", "refs/convoy/c-1/2-ü/a@b", "refs/x"] {
            assert!(is_shared_name(good), "{good}");
        }
        for bad in [
            "main",
            "HEAD",
            "refs/",
            "refs/a~1",
            "refs/a^",
            "refs/a:b",
            "refs/a@{1}",
            "refs/a..b",
            "refs/../x",
            "refs//x",
            "refs/x/",
            "refs/.x",
            "refs/a.lock",
            "refs/a.lock/b",
            "refs/a b",
            "refs/a\n",
            "refs/bisect/x",
            "refs/worktree/x",
            "refs/x.",
        ] {
            assert!(!is_shared_name(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_ref_file_is_no_answer_and_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        let id = "a".repeat(40);
        std::fs::write(at("plain"), format!("{id}\n")).expect("writes");
        std::fs::write(at("tail"), format!("{id} and more\n")).expect("writes");
        std::fs::write(at("symbolic"), "ref: refs/heads/x \n").expect("writes");
        std::fs::write(at("broken"), "xyz\n").expect("writes");
        std::fs::write(at("empty"), "").expect("writes");
        std::fs::write(at("binary"), b"\xff").expect("writes");
        std::fs::create_dir(at("folder")).expect("creates");
        std::os::unix::fs::symlink(at("plain"), at("link")).expect("links");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .expect("a fifo");
        let found = Found::At(Oid::new(&id).expect("an id"));
        assert_eq!(read_loose(&at("plain")), Ok(Some(found.clone())));
        assert_eq!(read_loose(&at("tail")), Ok(Some(found)));
        assert_eq!(read_loose(&at("symbolic")), Ok(Some(Found::Symbolic("refs/heads/x".into()))));
        for none in ["absent", "plain/below", "folder"] {
            assert_eq!(read_loose(&at(none)), Ok(None), "{none}");
        }
        for odd in ["broken", "empty", "binary", "link", "pipe"] {
            assert_eq!(read_loose(&at(odd)), Err(NotMine), "{odd}");
        }
    }
}
