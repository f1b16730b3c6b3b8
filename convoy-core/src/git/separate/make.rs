//! Making the git directory of a worktree, and putting it right again.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::super::call::{Call, Files};
use super::super::error::GitError;
use super::super::files::{read_file, replace_file};
use super::super::plain::{Disk, Stamp, stamps};
use super::super::repository::{ObjectFormat, Repository};
use super::read::{head, is_head, without_replacements};
use super::{MARK, cannot};
use crate::types::{Isolation, Oid};

/// Longest file of the common git directory that is copied, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Longest index that is copied, in bytes.
pub(super) const LONGEST_INDEX: u64 = 256 * 1024 * 1024;

/// Settings of the repository that say how files are written and read, which are copied. Ends of names with a dot
/// stand for all below.
const COPIED: &[&str] = &[
    "core.attributesfile",
    "core.autocrlf",
    "core.eol",
    "core.excludesfile",
    "core.filemode",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "core.symlinks",
    "filter.",
    "index.sparse",
];

/// What stays in a git directory that is put right, if it is a file: what was worked on, and nothing that git reads to
/// know what to do. Ends of names with a `*` stand for all that begin so.
const FILES: &[&str] = &[
    "AUTO_MERGE",
    "BISECT_*",
    "CHERRY_PICK_HEAD",
    "COMMIT_EDITMSG",
    "FETCH_HEAD",
    "HEAD",
    "MERGE_*",
    "ORIG_HEAD",
    "REBASE_HEAD",
    "REVERT_HEAD",
    "SQUASH_MSG",
    "index",
    "packed-refs",
    "sharedindex.*",
];

/// What stays if it is a folder, and how many folders may lie in each other in it, where that is known.
const FOLDERS: &[(&str, Option<u8>)] = &[
    ("logs", Some(DEEPEST)),
    ("modules", None),
    ("objects", Some(1)),
    ("rebase-apply", Some(1)),
    ("rebase-merge", Some(1)),
    ("refs", Some(DEEPEST)),
    ("sequencer", Some(1)),
];

/// How many folders a name of a branch may be in.
const DEEPEST: u8 = 50;

/// What becomes of the names in a git directory that is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) enum Names {
    /// They stay, for whoever works on there; but none of them replaces an object.
    Stay,
    /// They go, and HEAD stays at its commit: what judges the work finds none that the work could have made.
    Go,
}

/// The settings that are copied, and how the files that they are in were then.
#[derive(Debug, Default)]
pub(in crate::git) struct Copied(tokio::sync::Mutex<Option<(Vec<Stamp>, Settings)>>);

/// Keys and values.
type Settings = Vec<(String, String)>;

/// What a git directory of a worktree's own begins with.
#[derive(Debug, Clone)]
pub(in crate::git) struct OwnGit {
    /// Files by their path in it.
    files: Vec<(&'static str, Vec<u8>)>,
    format: ObjectFormat,
}

impl OwnGit {
    /// Makes the git directory anew, with HEAD at a commit and the index of the entry.
    pub(in crate::git) fn make(&self, files: &Files, commit: &Oid) -> io::Result<()> {
        let mut disk = Disk::open(&files.root)?;
        disk.remove(b".git")?;
        for folder in [&b".git/refs/heads"[..], b".git/refs/tags", b".git/objects/info", b".git/objects/pack"]
        {
            disk.make(folder)?;
        }
        disk.put(b".git/HEAD", format!("{commit}\n").as_bytes())?;
        self.write(&mut disk)?;
        give_index(&mut disk, files)
    }

    fn write(&self, disk: &mut Disk) -> io::Result<()> {
        self.files
            .iter()
            .try_for_each(|(path, content)| disk.put(&[b".git/", path.as_bytes()].concat(), content))
    }

    /// Puts right what git reads to know what to do; what was worked on stays. What is no git directory any more, or
    /// cannot be put right, is made anew.
    fn settle(&self, files: &Files, commit: &Oid, names: Names) -> io::Result<()> {
        self.put_right(files, commit, names).or_else(|_| self.make(files, commit))
    }

    fn put_right(&self, files: &Files, commit: &Oid, names: Names) -> io::Result<()> {
        let mut disk = Disk::open(&files.root)?;
        let is_whole = [&b".git"[..], b".git/objects", b".git/refs"]
            .into_iter()
            .all(|folder| disk.is_folder(folder) == Some(true));
        if !is_whole {
            return self.make(files, commit);
        }
        for (name, is_folder) in disk.kinds(b".git")? {
            let path = [b".git/", &name[..]].concat();
            match is_folder {
                Some(true) => match FOLDERS.iter().find(|(stays, _)| name == stays.as_bytes()) {
                    // Whoever opens a pipe waits, and a link leads elsewhere.
                    Some((_, Some(more))) => disk.keep_files(&path, *more)?,
                    Some((_, None)) => {}
                    None => disk.remove(&path)?,
                },
                Some(false) if stays_as_file(&name) => {}
                _ => disk.remove(&path)?,
            }
        }
        self.settle_names(&mut disk, commit, names)?;
        // Where else objects are, and what is said of commits without reading them.
        disk.remove(b".git/objects/info")?;
        disk.make(b".git/objects/pack")?;
        self.write(&mut disk)
    }

    /// Whether a git directory holds nothing but what it began with, an index, and objects.
    fn is_as_made(&self, files: &Files) -> io::Result<bool> {
        let mut disk = Disk::open(&files.root)?;
        let ours = |folder: &[u8], name: &[u8]| {
            let path = [folder, name].concat();
            self.files.iter().any(|(known, _)| known.as_bytes() == path)
        };
        let all_ours = |disk: &mut Disk, at: &[u8], folder: &[u8], more: &[&[u8]]| match disk.is_folder(at) {
            None => Ok(true),
            Some(false) => Ok(false),
            Some(true) => disk
                .names(at)
                .map(|names| names.iter().all(|name| more.contains(&&name[..]) || ours(folder, name))),
        };
        let began_with: [&[u8]; 5] = [b"HEAD", b"index", b"info", b"objects", b"refs"];
        let same = all_ours(&mut disk, b".git", b"", &began_with)?
            && all_ours(&mut disk, b".git/info", b"info/", &[])?
            && all_ours(&mut disk, b".git/refs", b"refs/", &[b"heads", b"tags"])?
            && all_ours(&mut disk, b".git/refs/heads", b"refs/heads/", &[])?
            && all_ours(&mut disk, b".git/refs/tags", b"refs/tags/", &[])?;
        Ok(same
            && self.files.iter().all(|(path, content)| {
                let found = disk.read_within(&[b".git/", path.as_bytes()].concat(), LONGEST);
                found.is_ok_and(|(found, _)| found == *content)
            }))
    }

    fn settle_names(&self, disk: &mut Disk, commit: &Oid, names: Names) -> io::Result<()> {
        match names {
            // git would take the repository around one that has no HEAD.
            Names::Stay if is_head(disk, self.format) => {}
            Names::Stay => disk.put(b".git/HEAD", format!("{commit}\n").as_bytes())?,
            Names::Go => {
                let at = head(disk, self.format);
                disk.put(b".git/HEAD", format!("{}\n", at.as_ref().unwrap_or(commit)).as_bytes())?;
                for name in [&b".git/refs"[..], b".git/packed-refs", b".git/logs"] {
                    disk.remove(name)?;
                }
            }
        }
        disk.remove(b".git/refs/replace")?;
        if let Some(list) = without_replacements(disk) {
            disk.put(b".git/packed-refs", &list)?;
        }
        disk.make(b".git/refs/heads")?;
        disk.make(b".git/refs/tags")
    }
}

fn stays_as_file(name: &[u8]) -> bool {
    FILES.iter().any(|stays| match stays.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == stays.as_bytes(),
    })
}

/// Makes the index that of the entry.
fn give_index(disk: &mut Disk, files: &Files) -> io::Result<()> {
    match read_file(&files.git_dir.join("index"), LONGEST_INDEX) {
        Ok(index) => disk.put(b".git/index", &index),
        // Not filled yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

impl Repository {
    /// Gives a worktree that has no files yet a git directory of its own, if such ones are to be made.
    pub(in crate::git) async fn separate(&self, files: Files, commit: &Oid) -> Result<Files, GitError> {
        if self.isolation == Isolation::Linked {
            return Ok(files);
        }
        let own = self.own_git(&files).await?;
        let files = Files { isolation: Isolation::Separate, ..files };
        replace_file(&files.git_dir.join(MARK), b"")?;
        own.make(&files, commit).map_err(GitError::io("make a git directory in", &files.root))?;
        Ok(files)
    }

    /// Makes the index of a worktree's own git directory what ours is, now that we have written files.
    pub(in crate::git) fn tell_index(files: &Files) -> Result<(), GitError> {
        if files.isolation == Isolation::Linked {
            return Ok(());
        }
        let told = Disk::open(&files.root).and_then(|mut disk| match disk.is_folder(b".git") {
            Some(true) => give_index(&mut disk, files),
            // Taken away since: it is made again when it is put right.
            _ => Ok(()),
        });
        told.map_err(GitError::io("write an index in", &files.root))
    }

    /// Puts right what whoever works in a worktree could make git do by its own git directory: settings, hooks,
    /// attributes and places of objects become again what they were when it was made. Commits, refs, index and
    /// unfinished operations stay. If it is no git directory any more, it becomes one with HEAD at `commit`. Without
    /// effect on a worktree that has none of its own.
    ///
    /// # Errors
    /// [`GitError::NotAWorktree`], or when files cannot be written.
    pub async fn settle_worktree(&self, worktree: &Path, commit: &Oid) -> Result<(), GitError> {
        let files = self.worktree(worktree).await?;
        self.settle(&files, commit, Names::Stay).await
    }

    pub(in crate::git) async fn settle(
        &self,
        files: &Files,
        commit: &Oid,
        names: Names,
    ) -> Result<(), GitError> {
        if files.isolation == Isolation::Linked {
            return Ok(());
        }
        let own = self.own_git(files).await?;
        let (ground, commit) = (files.clone(), commit.clone());
        // Whoever worked there may have left any number of files to be removed.
        let settled = tokio::task::spawn_blocking(move || own.settle(&ground, &commit, names)).await;
        let settled = settled.unwrap_or_else(|error| Err(io::Error::other(error)));
        settled.map_err(GitError::io("put right the git directory in", &files.root))
    }

    /// Whether nothing was made in the git directory of a worktree but objects, and what stands in its index. Always so
    /// where it has none of its own.
    pub(in crate::git) async fn is_as_made(&self, files: &Files) -> Result<bool, GitError> {
        if files.isolation == Isolation::Linked {
            return Ok(true);
        }
        let own = self.own_git(files).await?;
        own.is_as_made(files).map_err(GitError::io("read the git directory in", &files.root))
    }

    /// What the git directory of a worktree begins with.
    pub(in crate::git) async fn own_git(&self, files: &Files) -> Result<OwnGit, GitError> {
        let common = self.common_dir();
        let mut config = Config::default();
        let is_sha256 = self.inner.format == ObjectFormat::Sha256;
        config.set("core.repositoryformatversion", if is_sha256 { "1" } else { "0" });
        if is_sha256 {
            config.set("extensions.objectformat", "sha256");
        }
        for (key, value) in [
            ("core.bare", "false"),
            ("core.logallrefupdates", "true"),
            // Who asks what the places of borrowed objects have refs to hears of none.
            ("core.alternaterefscommand", "true"),
            // Whoever cleans up in the background outlives its caller.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("user.name", &self.inner.author.name),
            ("user.email", &self.inner.author.email),
        ] {
            config.set(key, value);
        }
        for (key, value) in self.copied(files).await? {
            config.set(&key, &value);
        }
        // Where the filter of this name stores what commits only name.
        config.set_bytes("lfs.storage", common.join("lfs").as_os_str().as_bytes());
        let alternate = quoted(common.join("objects").as_os_str().as_bytes());
        let mut own = vec![("config", config.0), ("objects/info/alternates", alternate)];
        let entrys = files.git_dir.join("info/sparse-checkout");
        for (to, from) in [
            ("info/exclude", common.join("info/exclude")),
            ("info/attributes", common.join("info/attributes")),
            ("info/sparse-checkout", entrys),
            ("shallow", common.join("shallow")),
        ] {
            match read_file(&from, LONGEST) {
                Ok(content) => own.push((to, content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(GitError::io("read", &from)(error)),
            }
        }
        Ok(OwnGit { files: own, format: self.inner.format })
    }

    /// As [`copied_settings`](Self::copied_settings), asked once as long as nothing changes.
    async fn copied(&self, files: &Files) -> Result<Settings, GitError> {
        // Otherwise each worktree may have settings of its own.
        if !self.is_plain().await? {
            return self.copied_settings(files).await;
        }
        let mut known = self.inner.copied.0.lock().await;
        let now = stamps(self.common_dir());
        if let Some((then, settings)) = &*known
            && *then == now
        {
            return Ok(settings.clone());
        }
        let settings = self.copied_settings(files).await?;
        *known = Some((now, settings.clone()));
        Ok(settings)
    }

    /// Whether worktrees of this repository can have a git directory of their own.
    ///
    /// # Errors
    /// [`GitError::CannotSeparate`] if not.
    pub async fn may_separate(&self) -> Result<(), GitError> {
        self.settings_to_copy(self.call("config")).await.map(drop)
    }

    /// The settings of the repository that say how files are written and read.
    async fn copied_settings(&self, files: &Files) -> Result<Settings, GitError> {
        self.settings_to_copy(files.call("config")).await
    }

    async fn settings_to_copy(&self, config: Call) -> Result<Settings, GitError> {
        let answer = self.ok(config.args(["--list", "--show-scope", "-z"])).await?;
        let fields: Vec<&[u8]> = answer.fields().collect();
        let mut copied = Vec::new();
        for pair in fields.chunks_exact(2).filter(|pair| [&b"local"[..], b"worktree"].contains(&pair[0])) {
            let text = String::from_utf8_lossy(pair[1]);
            // A key that stands alone is switched on.
            let (key, value) = text.split_once('\n').unwrap_or((&text, "true"));
            let is_promisor = key.starts_with("remote.") && key.ends_with(".promisor") && value != "false";
            if is_promisor || key == "extensions.partialclone" {
                return Err(cannot(
                    "the repository is a partial clone, and objects that it lacks cannot be borrowed",
                ));
            }
            let is_copied = |name: &&str| key == *name || (name.ends_with('.') && key.starts_with(*name));
            if COPIED.iter().any(is_copied) {
                copied.push((key.to_owned(), value.to_owned()));
            }
        }
        Ok(copied)
    }
}

/// A path for a list of places of objects, one a line.
pub(super) fn quoted(path: &[u8]) -> Vec<u8> {
    if !path.contains(&b'\n') {
        return [path, b"\n"].concat();
    }
    [&in_quotes(path)[..], b"\n"].concat()
}

/// Text in double quotes, as git reads it wherever it takes such.
pub(in crate::git) fn in_quotes(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in text {
        match byte {
            b'\n' => quoted.extend_from_slice(b"\\n"),
            b'"' | b'\\' => quoted.extend_from_slice(&[b'\\', *byte]),
            _ => quoted.push(*byte),
        }
    }
    quoted.push(b'"');
    quoted
}

/// The text of a file of settings.
#[derive(Debug, Default)]
struct Config(Vec<u8>);

impl Config {
    fn set(&mut self, key: &str, value: &str) {
        self.set_bytes(key, value.as_bytes());
    }

    fn set_bytes(&mut self, key: &str, value: &[u8]) {
        let (section, name) = key.rsplit_once('.').unwrap_or(("core", key));
        match section.split_once('.') {
            None => self.0.extend_from_slice(format!("[{section}]").as_bytes()),
            Some((section, sub)) => {
                self.0.extend_from_slice(format!("[{section} ").as_bytes());
                self.0.extend_from_slice(&in_quotes(sub.as_bytes()));
                self.0.push(b']');
            }
        }
        self.0.extend_from_slice(format!("\n\t{name} = ").as_bytes());
        self.0.extend_from_slice(&in_quotes(value));
        self.0.push(b'\n');
    }
}
