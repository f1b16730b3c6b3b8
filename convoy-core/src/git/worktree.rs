//! Worktrees: folders of their own with a HEAD of their own, on the same repository.
//!
//! A worktree is always addressed by the entry that the *repository* has of it (`worktrees/<name>` in the
//! common directory), never by the `.git` file in its folder: whoever works there may remove that file, and git
//! would then take the repository further up instead.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::call::Files;
use super::error::GitError;
use super::files::{IndexCopy, delete_tree, exists, free_name, read_file, replace_file, set_aside};
use super::keep::Keep;
use super::plain::is_attributes;
use super::repository::{Repository, path_of};
#[cfg(not(test))]
use super::room::Reserve;
use super::separate::{MARK, Names};
use crate::types::{Isolation, Oid};

/// Longest path that git keeps of a worktree, in bytes.
const LONGEST_LINK: u64 = 64 * 1024;

/// How the names of folders start that only wait to be deleted.
const TRASH: &str = ".trash-";

/// A worktree as the repository knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeInfo {
    /// Its folder, which need not exist.
    pub path: PathBuf,
    /// The commit it is at; `None` for a branch without a commit and for a bare repository.
    pub head: Option<Oid>,
    /// The full ref of the branch it is on.
    pub branch: Option<String>,
    /// Whether this is the entry of a bare repository: no folder with files.
    pub bare: bool,
}

/// What stands in the name of a worktree that was moved aside, because its files are in no commit.
pub(crate) const KEPT_ASIDE: &str = ".kept-";

/// What there is of a worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorktreeState {
    /// Something is at its path.
    pub exists: bool,
    /// The repository has an entry of it.
    pub registered: bool,
}

impl Repository {
    /// Makes a worktree at `path` with HEAD detached at `commit`, and the folders above it. No hook runs.
    /// An entry that a crash left for this path, without the folder, is replaced.
    ///
    /// # Errors
    /// [`GitError::WorktreeInTheWay`] when anything but an empty folder is at the path: whether it holds work is
    /// for the caller to say, with [`move_worktree_aside`](Self::move_worktree_aside) or
    /// [`remove_worktree`](Self::remove_worktree). When the files cannot be written nothing stays behind.
    /// [`GitError::DiskFull`] when there is no room for them, also after what nobody needs was deleted.
    pub async fn add_worktree(&self, path: &Path, commit: &Oid) -> Result<(), GitError> {
        self.add_worktree_in(path, commit, None, None).await.map(drop)
    }

    /// As [`add_worktree`](Self::add_worktree); where worktrees are [used again](Self::use_worktrees_again), in the
    /// slot `wanted` if that is free, and with what is to be kept if it was made with the same owner before. Gives the
    /// slot.
    ///
    /// # Errors
    /// As [`add_worktree`](Self::add_worktree).
    pub async fn add_worktree_in(
        &self,
        path: &Path,
        commit: &Oid,
        wanted: Option<u32>,
        keep: Option<&Keep>,
    ) -> Result<Option<u32>, GitError> {
        let full = match self.try_add(path, commit, wanted, keep).await {
            Err(error) if error.is_disk_full() => error,
            made => return made,
        };
        // One after the other: each may take what the one before did not need, and none fails because another one tries.
        let _one_at_a_time = self.inner.making_room.lock().await;
        tracing::warn!(path = %path.display(), error = %full, "no room for a worktree: what nobody needs is deleted");
        self.make_room().await;
        match self.try_add(path, commit, wanted, keep).await {
            Err(error) if error.is_disk_full() => {
                let parent = path.parent().unwrap_or(path);
                Err(GitError::DiskFull { path: parent.to_owned(), detail: error.detail() })
            }
            made => made,
        }
    }

    async fn try_add(
        &self,
        path: &Path,
        commit: &Oid,
        wanted: Option<u32>,
        keep: Option<&Keep>,
    ) -> Result<Option<u32>, GitError> {
        let parent = path.parent().unwrap_or(path);
        tokio::fs::create_dir_all(parent).await.map_err(GitError::io("create", parent))?;
        let path = real(path).await?;
        // What a crash left of one that was being removed.
        if exists(&path) && !exists(&self.folder_of(&path).await?) {
            self.release(&path).await?;
        }
        let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        let empty = is_folder && std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        if exists(&path) && !empty {
            return Err(GitError::WorktreeInTheWay { path });
        }
        match self.lease(&path, commit, wanted, keep).await? {
            Some(slot) => Ok(Some(slot)),
            None => self.make(&path, commit).await.map(|()| None),
        }
    }

    /// Makes a worktree at a real path at which nothing is but an empty folder.
    pub(super) async fn make(&self, path: &Path, commit: &Oid) -> Result<(), GitError> {
        let place = {
            let _one_at_a_time = self.inner.registering.lock().await;
            if let Some(entry) = self.entry_of(path).await? {
                delete_tree(&entry).await?;
            }
            self.register(path, commit).await?;
            self.worktree(path).await?
        };
        let filled = async {
            let place = self.separate(place, commit).await?;
            // The files are written outside the lock, so that worktrees fill up side by side.
            self.fill(&place, commit).await
        };
        let filled = filled.await;
        if filled.is_err() {
            self.discard(path).await?;
        }
        filled
    }

    async fn fill(&self, place: &Files, commit: &Oid) -> Result<(), GitError> {
        #[cfg(test)]
        self.inner.disk.fill(&place.root)?;
        #[cfg(test)]
        let reserve = self.inner.disk.reserve();
        #[cfg(not(test))]
        let reserve = Reserve::default();
        let reserve = Arc::new(reserve);
        if !self.fill_plain(place, commit, &reserve).await? {
            // Not tried another way: that would write all of it once more, and take what others need.
            if let Some(lack) = reserve.lack(&place.root) {
                return Err(GitError::DiskFull { path: place.root.clone(), detail: lack.to_owned() });
            }
            let call = place.call("read-tree").global("-c").global(workers());
            self.ok(call.args(["--reset", "-u", commit.as_str()])).await?;
        }
        self.note_filled(place).await?;
        Self::tell_index(place)
    }

    /// Makes the entry and the folder, without files.
    async fn register(&self, path: &Path, commit: &Oid) -> Result<(), GitError> {
        // git gives a new worktree settings of its own where the main one has some.
        if self.is_plain().await? {
            return enter(&self.inner.common_dir, path, commit);
        }
        let call = self.call("worktree").args(["add", "--detach", "--no-checkout"]);
        self.ok(call.arg(path).arg(commit.as_str())).await.map(drop)
    }

    /// What there is of the worktree at a path.
    pub async fn worktree_state(&self, path: &Path) -> Result<WorktreeState, GitError> {
        if !exists(path.parent().unwrap_or(path)) {
            return Ok(WorktreeState { exists: false, registered: self.entry_of(path).await?.is_some() });
        }
        let path = self.folder_of(path).await?;
        let registered = self.entry_of(&path).await?.is_some();
        Ok(WorktreeState { exists: exists(&path), registered })
    }

    /// Every worktree that the repository knows, the main one first.
    pub async fn list_worktrees(&self) -> Result<Vec<WorktreeInfo>, GitError> {
        // git gives up when an entry changes while it reads them. What other processes do is waited for by the call.
        let _one_at_a_time = self.inner.registering.lock().await;
        let answer = self.ok(self.call("worktree").args(["list", "--porcelain", "-z"])).await?;
        let mut list: Vec<WorktreeInfo> = Vec::new();
        for field in answer.fields() {
            if let Some(path) = field.strip_prefix(b"worktree ") {
                list.push(WorktreeInfo { path: path_of(path), head: None, branch: None, bare: false });
                continue;
            }
            let Some(last) = list.last_mut() else { continue };
            let text = String::from_utf8_lossy(field);
            match text.split_once(' ') {
                Some(("HEAD", id)) if id != self.inner.format.zero() => last.head = Oid::new(id).ok(),
                Some(("branch", name)) => last.branch = Some(name.to_owned()),
                None if text == "bare" => last.bare = true,
                _ => {}
            }
        }
        // git names a main worktree by its git directory when that lies elsewhere.
        if let (Some(first), Some(main)) = (list.first_mut(), &self.inner.main_worktree) {
            first.path.clone_from(main);
        }
        Ok(list)
    }

    /// Deletes a worktree with everything in it, and its entry. Anything half done by a crash is finished; one
    /// that is not there is done. It vanishes at once (it is renamed into a `.trash-…` folder beside it);
    /// deleting that may take longer, or fail, and is finished by [`empty_trash`](Self::empty_trash).
    pub async fn remove_worktree(&self, path: &Path) -> Result<(), GitError> {
        if !exists(path.parent().unwrap_or(path)) {
            return self.forget(path).await;
        }
        let path = real(path).await?;
        if self.release(&path).await? { Ok(()) } else { self.discard(&path).await }
    }

    /// As [`remove_worktree`](Self::remove_worktree), of one in which the caller had nothing done since this process looked
    /// at its files last, at a [snapshot](Self::snapshot) or when it [put them back](Self::restore_tracked). Where worktrees are
    /// [used again](Self::use_worktrees_again), whoever gets the slot within a second gets it without another look at every
    /// file; what programs write there in that time that left everybody who knows of them is not seen, as if they had
    /// written it a little later.
    pub async fn remove_resting_worktree(&self, path: &Path) -> Result<(), GitError> {
        if let Ok(folder) = self.folder_of(path).await {
            self.inner.sheets.rests(&folder);
        }
        self.remove_worktree(path).await
    }

    /// Deletes what is at a real path, and the entry of the worktree.
    pub(super) async fn discard(&self, path: &Path) -> Result<(), GitError> {
        let mut trash = None;
        self.inner.sheets.forget(path);
        if exists(path) {
            match set_aside(path, path, TRASH) {
                Ok(aside) => trash = Some(aside),
                // On a full disk even that may find no room.
                Err(error) if error.is_disk_full() => delete_tree(path).await?,
                Err(error) => return Err(error),
            }
        }
        self.forget(path).await?;
        if let Some(trash) = trash {
            // The worktree is gone. What cannot be deleted, because it is another user's for example, is in
            // nobody's way there, and `empty_trash` tells of it.
            drop(delete_tree(&trash).await);
        }
        Ok(())
    }

    /// Deletes the `.trash-…` folders that a crash left in a folder of worktrees and among git's own.
    pub async fn empty_trash(&self, folder: &Path) -> Result<(), GitError> {
        let first = empty_trash(folder).await;
        first.and(empty_trash(&self.inner.common_dir).await)
    }

    /// Renames a worktree to a free name beside it (`<name>.kept-1` and so on) and gives the new path. All its
    /// files stay, and it stays a worktree, so that what only its HEAD reaches is kept too.
    pub async fn move_worktree_aside(&self, path: &Path) -> Result<PathBuf, GitError> {
        let (name, path) = (real(path).await?, self.folder_of(path).await?);
        self.inner.sheets.forget(&path);
        let aside = free_name(&name, "", KEPT_ASIDE)?;
        let entry = self.entry_of(&path).await?;
        tokio::fs::rename(&path, &aside).await.map_err(GitError::io("move", &path))?;
        if let Some(entry) = entry {
            let mut link = aside.join(".git").into_os_string();
            link.push("\n");
            replace_file(&entry.join("gitdir"), link.as_encoded_bytes())?;
        }
        // Now that the entry is that of the new path: the slot that it was in is made anew when it is wanted again.
        self.release(&name).await?;
        Ok(aside)
    }

    /// Makes the files and the index of a worktree those of a tree, conflict markers and all, while its HEAD
    /// stays. Local changes are lost; untracked files stay unless the tree has the path.
    pub async fn reset_to_tree(&self, worktree: &Path, tree: &Oid) -> Result<(), GitError> {
        let place = self.worktree(worktree).await?;
        if !self.reset_plain(&place, tree).await? {
            let reset = || place.call("read-tree").args(["--reset", "-u", tree.as_str()]);
            let anew = self.attributes_differ(&place, tree).await?;
            self.ok(reset()).await?;
            if anew {
                // git writes what differs by its content. By an index that holds nothing everything does.
                self.ok(place.call("read-tree").arg("--empty")).await?;
                self.ok(reset()).await?;
            }
        }
        self.note_filled(&place).await?;
        Self::tell_index(&place)
    }

    /// Whether a tree has other attributes files than the index: all files may have to be converted another way.
    async fn attributes_differ(&self, place: &Files, tree: &Oid) -> Result<bool, GitError> {
        let call = place.call("diff-index").args(["--cached", "--name-only", "--no-renames", "-z"]);
        let differ = self.ok(call.arg(tree.as_str())).await?;
        Ok(differ.fields().any(is_attributes))
    }

    /// Puts back the files of `commit` that differ in a worktree, whatever is staged, and gives their paths.
    /// Files that the commit does not have are left alone. Index and HEAD do not change;
    /// but a git directory of the worktree's own is put right, and loses all names but HEAD, which is then on a commit.
    pub async fn restore_tracked(&self, worktree: &Path, commit: &Oid) -> Result<Vec<String>, GitError> {
        let place = self.worktree(worktree).await?;
        self.settle(&place, commit, Names::Go).await?;
        if let Some(paths) = self.put_back_plain(&place, commit).await? {
            return Ok(paths);
        }
        let index = IndexCopy::of(&place.git_dir, "restore")?;
        let call = |what| place.call(what).index(index.path());
        self.ok(call("read-tree").args(["--reset", commit.as_str()])).await?;
        self.unskip(&place, &call).await?;
        // Exit code 1 says that some differ.
        self.run(call("update-index").args(["-q", "--really-refresh"])).await?;
        let differ =
            self.ok(call("diff-files").args(["-z", "--name-only", "--ignore-submodules=all"])).await?;
        let paths: Vec<String> = differ.fields().map(super::repository::show_path).collect();
        if !paths.is_empty() {
            self.ok(call("checkout-index").args(["-f", "-z", "--stdin"]).stdin(differ.stdout)).await?;
        }
        Ok(paths)
    }

    /// Where the files of the worktree at a path are: there, or in the slot that it stands for.
    ///
    /// # Errors
    /// When the folder that it is in does not exist.
    pub async fn folder_of(&self, path: &Path) -> Result<PathBuf, GitError> {
        let path = real(path).await?;
        Ok(self.inner.pool.get().and_then(|pool| pool.find(&path)).unwrap_or(path))
    }

    /// The place of calls on a worktree, main or linked.
    pub(super) async fn worktree(&self, path: &Path) -> Result<Files, GitError> {
        let path = self.folder_of(path).await?;
        if self.inner.main_worktree.as_ref() == Some(&path) {
            return Ok(Files {
                git_dir: self.inner.common_dir.clone(),
                root: path,
                isolation: Isolation::Linked,
            });
        }
        match self.entry_of(&path).await? {
            // A link in its place could lead to anybody's files.
            Some(git_dir) if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) => {
                // What is in its folder, or not any more, does not tell.
                let isolation =
                    if exists(&git_dir.join(MARK)) { Isolation::Separate } else { Isolation::Linked };
                Ok(Files { git_dir, root: path, isolation })
            }
            _ => Err(GitError::NotAWorktree { path }),
        }
    }

    /// The entry of the linked worktree at a real path.
    async fn entry_of(&self, path: &Path) -> Result<Option<PathBuf>, GitError> {
        let folder = self.inner.common_dir.join("worktrees");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(GitError::io("list", &folder)(error)),
        };
        let wanted = path.join(".git");
        for entry in entries {
            let entry = entry.map_err(GitError::io("list", &folder))?.path();
            // One that is half made or half removed has no such file, and is nobody's.
            let Ok(link) = read_file(&entry.join("gitdir"), LONGEST_LINK) else { continue };
            let link = path_of(link.trim_ascii_end());
            let absolute = if link.is_absolute() { link } else { tidy(&entry.join(link)) };
            if absolute == wanted {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Removes the entry of a worktree, in one step for whoever lists them.
    async fn forget(&self, path: &Path) -> Result<(), GitError> {
        let _one_at_a_time = self.inner.registering.lock().await;
        let Some(entry) = self.entry_of(path).await? else { return Ok(()) };
        // Other convoys have a lock of their own, or are another process: they may do the same at this moment.
        self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry);
        let aside = set_aside(&entry, &self.inner.common_dir.join("worktrees"), TRASH)?;
        delete_tree(&aside).await
    }
}

/// Has git write files in as many processes as there are cores, at most eight. It does so from a hundred files on, and writes those that
/// a filter makes itself, one after the other.
fn workers() -> String {
    // Git counts the cores of the machine, this those that the process may use. Several worktrees may be filled at once.
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    format!("checkout.workers={cores}")
}

/// Makes the entry and the folder of a worktree as `git worktree add --detach --no-checkout` does, without a moment at
/// which others see a part of the entry.
fn enter(common: &Path, path: &Path, commit: &Oid) -> Result<(), GitError> {
    let entries = common.join("worktrees");
    std::fs::create_dir_all(&entries).map_err(GitError::io("create", &entries))?;
    let new = common.join(format!("{TRASH}{}", ulid::Ulid::generate()));
    let mut link = path.join(".git").into_os_string();
    link.push("\n");
    let make = || {
        std::fs::create_dir(&new)?;
        std::fs::write(new.join("commondir"), "../..\n")?;
        std::fs::write(new.join("gitdir"), link.as_encoded_bytes())?;
        std::fs::write(new.join("HEAD"), format!("{commit}\n"))
    };
    make().map_err(GitError::io("create", &new))?;
    // Letters that a ref may have, as git does.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    for number in 0..10_000 {
        let entry = entries.join(if number == 0 { name.clone() } else { format!("{name}{number}") });
        match rustix::fs::renameat_with(CWD, &new, CWD, &entry, RenameFlags::NOREPLACE) {
            // A folder without an entry would be nobody's, should this end here.
            Ok(()) => {
                std::fs::create_dir_all(path).map_err(GitError::io("create", path))?;
                let mut link = b"gitdir: ".to_vec();
                link.extend_from_slice(entry.as_os_str().as_encoded_bytes());
                link.push(b'\n');
                let file = path.join(".git");
                return std::fs::write(&file, link).map_err(GitError::io("write", &file));
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(GitError::io("create", &entry)(error.into())),
        }
    }
    Err(GitError::io("find a free name in", &entries)(io::ErrorKind::AlreadyExists.into()))
}

/// The path with its folder resolved, as git stores it; its last part need not exist.
async fn real(path: &Path) -> Result<PathBuf, GitError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.to_owned()) };
    let parent = tokio::fs::canonicalize(parent).await.map_err(GitError::io("find", parent))?;
    Ok(parent.join(name))
}

/// The path without `.` and `..`, by its text alone.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(out.pop()),
            std::path::Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// Deletes the trash in a folder; of what cannot be deleted the first error is given, in the end.
pub(super) async fn empty_trash(folder: &Path) -> Result<(), GitError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(GitError::io("list", folder)(error)),
    };
    let mut result = Ok(());
    for entry in entries {
        let entry = entry.map_err(GitError::io("list", folder))?;
        if entry.file_name().to_string_lossy().starts_with(TRASH) {
            result = result.and(delete_tree(&entry.path()).await);
        }
    }
    result
}
