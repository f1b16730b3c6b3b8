//! Work in submodules. A commit holds only the id of a submodule's commit: what was done in one would be lost with the
//! worktree, in whose git directory the submodule's own lies, unless others have that commit.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::call::{Call, Files, Place};
use super::error::GitError;
use super::files::{IndexCopy, exists, read_file};
use super::ignore::is_within;
use super::repository::{ObjectFormat, Repository, path_of, show_path};
use super::separate::in_quotes;
use super::snapshot::SnapshotRequest;
use crate::types::Isolation;

/// Longest file that says where a git directory is, in bytes.
const LONGEST_LINK: u64 = 64 * 1024;

const HAS_FILES: &str = "is not initialised and has files";
const IS_DIRTY: &str = "has files that are not committed";
const IS_UNREADABLE: &str = "cannot be read as a repository";

/// A link to a commit of another repository, in an index.
#[derive(Debug)]
struct Gitlink {
    /// From the root of the worktree.
    path: Vec<u8>,
    /// The commit.
    id: String,
    /// Whether the base, or what the base links to, has the same link.
    is_known: bool,
}

/// What is in the place of a submodule.
enum Inside {
    /// Nothing that could be lost; but these may lie in it.
    Fine(Vec<Gitlink>),
    /// Work that would be lost; what the matter is.
    Lost(String),
}

/// The links in what `ls-files -s` (the id is its second field) or `ls-tree` (its third) lists: paths and ids.
pub(super) fn gitlinks<'a>(
    listed: impl Iterator<Item = &'a [u8]>,
    id: usize,
) -> impl Iterator<Item = (&'a [u8], String)> {
    listed.filter(|entry| entry.starts_with(b"160000 ")).filter_map(move |entry| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let id = entry[..tab].split(|byte| *byte == b' ').nth(id)?;
        Some((&entry[tab + 1..], String::from_utf8_lossy(id).into_owned()))
    })
}

impl Repository {
    /// Refuses an index with links to submodules in which work would be lost: uncommitted files, files where no
    /// repository is, commits that are neither the base's nor reached by a remote-tracking branch or a tag. The links
    /// are to be those of the repositories' HEADs.
    pub(super) async fn refuse_lost_submodules(
        &self,
        files: &Files,
        call: &impl Fn(&'static str) -> Call,
        request: &SnapshotRequest,
    ) -> Result<(), GitError> {
        let listed = self.ok(call("ls-files").args(["-s", "-z"])).await?;
        let links = gitlinks(listed.fields(), 1).filter(|(path, _)| !is_within(path, &request.exclude));
        let links: Vec<_> = links.collect();
        if links.is_empty() {
            return Ok(());
        }
        let of_base = self.call("ls-tree").args(["-r", "-z", "--full-tree", request.base.as_str(), "--"]);
        let of_base = self.ok(of_base.args(links.iter().map(|(path, _)| path_of(path)))).await?;
        let of_base: BTreeMap<&[u8], String> = gitlinks(of_base.fields(), 2).collect();
        // Those that the base does not have are no submodules, and refused as such.
        let link = |(path, id): (&[u8], String)| {
            let is_known = *of_base.get(path)? == id;
            Some(Gitlink { path: path.to_vec(), id, is_known })
        };
        let mut links: Vec<Gitlink> = links.into_iter().rev().filter_map(link).collect();
        let mut lost = Vec::new();
        while let Some(link) = links.pop() {
            match self.look_into(files, &link, request).await? {
                Inside::Fine(nested) => links.extend(nested),
                Inside::Lost(why) => lost.push(format!("{} {why}", show_path(&link.path))),
            }
        }
        if lost.is_empty() { Ok(()) } else { Err(GitError::SubmoduleWork { submodules: lost }) }
    }

    async fn look_into(
        &self,
        files: &Files,
        link: &Gitlink,
        request: &SnapshotRequest,
    ) -> Result<Inside, GitError> {
        let folder = files.root.join(path_of(&link.path));
        let Some(git_dir) = git_dir_of(&folder) else {
            let is_out = |name: &Path| is_within(&below(&link.path, name), &request.exclude);
            return match has_files(&folder, &is_out) {
                Ok(false) => Ok(Inside::Fine(Vec::new())),
                Ok(true) => Ok(Inside::Lost(HAS_FILES.to_owned())),
                Err(error) => Err(GitError::io("read the submodule in", folder)(error)),
            };
        };
        if !link.is_known && !self.is_elsewhere(&git_dir, &link.id).await? {
            let why = format!("is at {}, which is on no remote-tracking branch and in no tag", link.id);
            return Ok(Inside::Lost(why));
        }
        let Some((objects, index)) = self.parts_of(&git_dir).await? else {
            return Ok(Inside::Lost(IS_UNREADABLE.to_owned()));
        };
        let stand_in = StandIn::make(files, self.inner.format, &link.id, &objects, request.ignore.text())?;
        let ground = Files { git_dir: stand_in.0.clone(), root: folder, isolation: Isolation::Linked };
        if fs::symlink_metadata(&index).is_ok_and(|found| found.is_file()) {
            let index = IndexCopy::copy(&index, &stand_in.0, "found")?;
            if let Some(inside) = self.compare_files(&ground, &index, link, request).await? {
                return Ok(inside);
            }
        }
        // Whoever worked there wrote that index, and git may be unable to read it. The files count.
        let index = IndexCopy::empty(&stand_in.0, "read");
        let read = ground.call("read-tree").index(index.path()).arg(&link.id);
        if self.run(read).await?.code != 0 {
            return Ok(Inside::Lost(IS_UNREADABLE.to_owned()));
        }
        let inside = self.compare_files(&ground, &index, link, request).await?;
        Ok(inside.unwrap_or_else(|| Inside::Lost(IS_UNREADABLE.to_owned())))
    }

    /// Compares the files of a submodule with the commit that it is at. `None`: git cannot.
    async fn compare_files(
        &self,
        ground: &Files,
        index: &IndexCopy,
        link: &Gitlink,
        request: &SnapshotRequest,
    ) -> Result<Option<Inside>, GitError> {
        let call = |what| ground.call(what).index(index.path());
        // Entries may be marked as never changing. Code 1: some changed.
        self.run(call("update-index").args(["-q", "--really-refresh"])).await?;
        let status = call("status").args(["--porcelain=v1", "-z", "--no-renames", "--ignored=no"]);
        // In what lies within, git would heed settings that are whose who worked there.
        let status = self.run(status.args(["--untracked-files=all", "--ignore-submodules=dirty"])).await?;
        if status.code != 0 {
            return Ok(None);
        }
        let status = status.whole()?;
        let path_in = |path: &[u8]| below(&link.path, &path_of(path));
        let is_out = |path: &[u8]| is_within(&path_in(path), &request.exclude);
        if status.fields().any(|entry| entry.get(3..).is_none_or(|path| !is_out(path))) {
            return Ok(Some(Inside::Lost(IS_DIRTY.to_owned())));
        }
        let listed = self.ok(call("ls-files").args(["-s", "-z"])).await?;
        let nested = gitlinks(listed.fields(), 1);
        let nested = nested.map(|(path, id)| Gitlink { path: path_in(path), id, is_known: link.is_known });
        Ok(Some(Inside::Fine(nested.collect())))
    }

    /// Whether a remote-tracking branch or a tag of a submodule reaches a commit: it was fetched, or pushed.
    async fn is_elsewhere(&self, git_dir: &Path, id: &str) -> Result<bool, GitError> {
        // `for-each-ref --contains` takes a history that it cannot read for one that has it.
        let list =
            in_submodule(git_dir, "rev-list").args(["--max-count=1", id, "--not", "--remotes", "--tags"]);
        let answer = self.run(list).await?;
        Ok(answer.code == 0 && answer.stdout.is_empty())
    }

    /// Where the objects of a submodule are, and its index.
    async fn parts_of(&self, git_dir: &Path) -> Result<Option<(PathBuf, PathBuf)>, GitError> {
        let ask = in_submodule(git_dir, "rev-parse").arg("--path-format=absolute");
        let answer = self.run(ask.args(["--git-path", "objects", "--git-path", "index"])).await?;
        let lines: Vec<&[u8]> = answer.stdout.split(|&byte| byte == b'\n').collect();
        Ok(match (answer.code, lines.as_slice()) {
            (0, [objects, index, b""]) => Some((path_of(objects), path_of(index))),
            _ => None,
        })
    }
}

/// A call on a submodule's own git directory, whose settings whoever worked there may have written. Only for what reads
/// refs and commits: none of that runs a program, but for fetching what is missing, which is switched off.
fn in_submodule(git_dir: &Path, what: &'static str) -> Call {
    let call = Call::new(&Place::GitDir(git_dir.to_owned()), what);
    let call = call.global("-c").global("core.commitGraph=false");
    call.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none")
}

/// The git directory of a submodule; `None` where no repository is.
fn git_dir_of(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    let git_dir = match read_file(&git, LONGEST_LINK) {
        Ok(text) => folder.join(path_of(text.strip_prefix(b"gitdir: ")?.trim_ascii_end())),
        Err(_) => git,
    };
    git_dir.is_dir().then_some(git_dir)
}

/// Whether a folder has files, however deep, that are not left out. One that is not there has none.
fn has_files(folder: &Path, is_out: &dyn Fn(&Path) -> bool) -> io::Result<bool> {
    let mut folders = vec![PathBuf::new()];
    while let Some(name) = folders.pop() {
        let entries = match fs::read_dir(folder.join(&name)) {
            Err(error) if name.as_os_str().is_empty() && error.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = name.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                _ if is_out(&name) => {}
                true => folders.push(name),
                false => return Ok(true),
            }
        }
    }
    Ok(false)
}

fn below(folder: &[u8], name: &Path) -> Vec<u8> {
    [folder, b"/", name.as_os_str().as_encoded_bytes()].concat()
}

/// A git directory that stands for a submodule's own: with its objects and the commit that it is at, and settings of ours.
/// Whoever worked there may have written the others, and what they name as a filter would be run. Removed when dropped.
struct StandIn(PathBuf);

impl StandIn {
    /// Makes it beside the worktree's index. What a crash left there is replaced.
    fn make(
        files: &Files,
        format: ObjectFormat,
        head: &str,
        objects: &Path,
        ignored: &[u8],
    ) -> Result<Self, GitError> {
        let made = Self(files.git_dir.join("submodule.snapshot"));
        made.clear();
        let (version, extension) = match format {
            ObjectFormat::Sha1 => ("0", ""),
            ObjectFormat::Sha256 => ("1", "[extensions]\nobjectformat = sha256\n"),
        };
        // Files that an index says are to be skipped are looked at if they are there. What a cache says of untracked
        // ones is not believed, and what is ignored was settled before.
        let config = format!(
            "[core]\nrepositoryformatversion = {version}\nbare = false\nsparseCheckout = true\n\
             untrackedCache = false\nexcludesFile = /dev/null\n{extension}"
        );
        let objects = [&in_quotes(objects.as_os_str().as_encoded_bytes())[..], b"\n"].concat();
        let write = || {
            for folder in ["objects/info", "refs", "info"] {
                fs::create_dir_all(made.0.join(folder))?;
            }
            fs::write(made.0.join("config"), config)?;
            fs::write(made.0.join("objects/info/alternates"), objects)?;
            fs::write(made.0.join("info/exclude"), ignored)?;
            fs::write(made.0.join("HEAD"), format!("{head}\n"))
        };
        write().map_err(GitError::io("write", &made.0))?;
        Ok(made)
    }

    fn clear(&self) {
        if exists(&self.0) {
            // Anything that stays shows when it is written.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.clear();
    }
}
