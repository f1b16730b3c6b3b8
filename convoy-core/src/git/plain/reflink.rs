//! Files of a new worktree that share their blocks with those of the main worktree, where the file system can do that
//! (btrfs, XFS and others): such a file takes no room until one of the two is changed, and then only what differs does.
//!
//! Nothing that is said of the user's files is believed, neither their index nor their times: what was shared is read and
//! compared with the id that it must have. From that moment on nobody can change it through the other file.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{ObjectType, Oid, Repository};
use rustix::io::Errno;

use super::disk::Disk;
use super::stat::{Kind, Stat};
use super::tree::{Item, LINK};
use crate::git::fast::NotMine;

/// Smallest file that is tried, in bytes. Filling a worktree, in ms, with blocks shared and written (btrfs and XFS on a loop
/// device, two cores):
///
/// | files | btrfs | XFS |
/// |---|---|---|
/// | 5,000 of 1.2 KB | 330 and 350 | 350 and 285 |
/// | 4,000 of 16 KiB | 610 and 760 | 520 and 570 |
/// | 2,000 of 64 KB | 610 and 1,075 | 560 and 840 |
/// | 500 of 1 MB | 1,365 and 3,375 | 1,210 and 2,270 |
///
/// What is shared takes no room; the smallest ones, which btrfs keeps among its own data, are never shared there.
const LEAST: u64 = 16 * 1024;

/// Most memory, in bytes, that is kept from one file to the next.
const MOST_KEPT: usize = 8 << 20;

/// Makes an empty file share the blocks of another.
pub(super) type Share = fn(&File, &File) -> Result<(), Errno>;

/// The files that those of new worktrees may share blocks with.
#[derive(Debug)]
pub(in crate::git) struct Model {
    /// The main worktree; a bare repository has none.
    root: Option<PathBuf>,
    share: Share,
    /// The file system has said that it cannot: it is not asked again.
    cannot: AtomicBool,
}

impl Model {
    pub(in crate::git) fn new(root: Option<&Path>) -> Self {
        Self::with(root, share)
    }

    pub(super) fn with(root: Option<&Path>, share: Share) -> Self {
        Self { root: root.map(Path::to_owned), share, cannot: AtomicBool::new(false) }
    }

    /// The files, for the use of one thread; `None` where nothing can be shared.
    pub(super) fn open(&self) -> Option<Sharing<'_>> {
        if self.cannot.load(Ordering::Relaxed) {
            return None;
        }
        let disk = Disk::open(self.root.as_deref()?).ok()?;
        Some(Sharing { model: self, disk, content: Vec::new() })
    }

    /// Whether the file system has said that it cannot.
    #[cfg(test)]
    pub(super) fn cannot(&self) -> bool {
        self.cannot.load(Ordering::Relaxed)
    }
}

/// The files of a [`Model`], in the hands of one thread.
pub(super) struct Sharing<'a> {
    model: &'a Model,
    disk: Disk,
    /// What was read last; its memory is used again.
    content: Vec<u8>,
}

impl Sharing<'_> {
    /// Makes a file that is not there; `None` where it has to be written.
    pub(super) fn make(
        &mut self,
        repo: &Repository,
        to: &mut Disk,
        path: &[u8],
        item: Item,
    ) -> Result<Option<Stat>, NotMine> {
        if item.mode == LINK || self.model.cannot.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // Whatever is the matter with the user's file, ours can be written.
        let Ok(about) = self.disk.stat(path) else { return Ok(None) };
        if about.kind() != Kind::File || about.size < LEAST {
            return Ok(None);
        }
        // Tells the size without reading the content.
        let (size, kind) = repo.odb()?.read_header(item.id)?;
        if kind != ObjectType::Blob || u64::try_from(size) != Ok(about.size) {
            return Ok(None);
        }
        let Ok(theirs) = self.disk.open_file(path) else { return Ok(None) };
        let mut ours = to.create(path, item.mode)?;
        let shared = (self.model.share)(&ours, &theirs);
        // Any other error may be the matter of this one file: its flags, or a file system that is mounted there.
        let is_for_all = match shared {
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::PERM) => true,
            Err(Errno::XDEV) => is_elsewhere(&about, &self.disk.root()?, &to.root()?),
            _ => false,
        };
        if is_for_all {
            self.model.cannot.store(true, Ordering::Relaxed);
        }
        if shared.is_ok() && self.is(&mut ours, about.size, item.id)? {
            return Ok(Some(to.stat(path)?));
        }
        // Another thread may be writing beside it.
        to.unlink(path)?;
        Ok(None)
    }

    /// Whether a file of so many bytes is what has this id.
    fn is(&mut self, file: &mut File, size: u64, id: Oid) -> Result<bool, NotMine> {
        self.content.clear();
        // Theirs may have grown meanwhile, to any size.
        file.take(size.saturating_add(1)).read_to_end(&mut self.content)?;
        let is = Oid::hash_object(ObjectType::Blob, &self.content)? == id;
        if self.content.capacity() > MOST_KEPT {
            self.content = Vec::new();
        }
        Ok(is)
    }
}

/// Whether files that cannot be shared are where all of the model's are, and those that are made elsewhere. Asked only
/// then: parts of one btrfs, which can share, tell of different devices too.
fn is_elsewhere(theirs: &Stat, model: &Stat, ours: &Stat) -> bool {
    theirs.is_beside(model) && !theirs.is_beside(ours)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn share(ours: &File, theirs: &File) -> Result<(), Errno> {
    rustix::fs::ioctl_ficlone(ours, theirs)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn share(_ours: &File, _theirs: &File) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::super::bring::{Making, fill};
    use super::*;
    use crate::git::room::Reserve;
    use crate::git::testing::{Scratch, try_git, write};
    use crate::process::{Command, Limits, capture};

    /// Stands for what the file system does.
    fn copy(mut ours: &File, mut theirs: &File) -> Result<(), Errno> {
        std::io::copy(&mut theirs, &mut ours).map_err(|_| Errno::IO)?;
        rustix::fs::seek(ours, rustix::fs::SeekFrom::Start(0)).map(drop)
    }

    fn large(letter: &str) -> String {
        letter.repeat(20_000)
    }

    async fn scratch() -> (Scratch, crate::types::Oid) {
        let s = Scratch::new().await;
        s.write("dir/a", &large("a")).write("dir/run", &large("r")).executable("dir/run");
        s.write("b", &large("b")).write("small", "small\n").link("link", "b");
        let base = s.commit("base").await;
        (s, base)
    }

    /// A worktree that is filled with the help of a model.
    async fn filled(s: &Scratch, base: &crate::types::Oid, name: &str, model: &Arc<Model>) -> PathBuf {
        let path = s.outside().join(name);
        s.repo.add_worktree(&path, base).await.expect("makes");
        for name in ["dir", "b", "small", "link"] {
            crate::git::gone::delete(&path.join(name)).expect("removes");
        }
        let ground = s.repo.worktree(&path).await.expect("is one");
        let (base, model) = (base.clone(), model.clone());
        let job = move |at: &crate::git::fast::Handle<'_>| {
            let how = Making { model: &model, reserve: &Reserve::default() };
            fill(at, &ground, &at.tree(&base)?, &how)
        };
        let sheet = s.repo.try_fast("checkout", job).await.expect("asks").expect("fills");
        // What is noted of a file is what is there.
        let mut disk = Disk::open(&path).expect("opens");
        for (path, known) in &sheet.files {
            assert_eq!(disk.stat(path).expect("is there"), known.stat);
        }
        path
    }

    /// The worktree is what git would have made.
    async fn is_right(path: &Path) {
        assert!(try_git(path, &["update-index", "-q", "--really-refresh"]).await.0);
        assert_eq!(try_git(path, &["status", "--porcelain"]).await, (true, String::new()));
        let mode = |name: &str| std::fs::metadata(path.join(name)).expect("there").permissions().mode();
        assert_eq!((mode("dir/run") & 0o111 != 0, mode("dir/a") & 0o111), (true, 0));
    }

    #[tokio::test]
    async fn large_files_that_are_the_same_in_the_main_worktree_are_shared_and_no_others() {
        static SHARED: AtomicUsize = AtomicUsize::new(0);
        let share: Share = |ours, theirs| {
            SHARED.fetch_add(1, Ordering::Relaxed);
            copy(ours, theirs)
        };
        // What is at `dir/a` in the main worktree, and whether it is tried.
        type Case = (&'static str, usize, fn(&Path));
        let cases: [Case; 9] = [
            ("the same", 1, |_| {}),
            ("other content", 1, |at| std::fs::write(at, large("z")).expect("writes")),
            ("shorter", 0, |at| std::fs::write(at, "a".repeat(19_000)).expect("writes")),
            ("longer", 0, |at| std::fs::write(at, "a".repeat(21_000)).expect("writes")),
            ("gone", 0, |at| std::fs::remove_file(at).expect("removes")),
            ("a link to the same", 0, |at| {
                std::fs::rename(at, at.with_file_name("same")).expect("moves");
                symlink("same", at).expect("links");
            }),
            ("a pipe", 0, |at| {
                std::fs::remove_file(at).expect("removes");
                mknodat(CWD, at, FileType::Fifo, Mode::RWXU, 0).expect("makes");
            }),
            ("a folder", 0, |at| {
                std::fs::remove_file(at).expect("removes");
                std::fs::create_dir(at).expect("makes");
            }),
            ("below a link", 0, |at| {
                let folder = at.parent().expect("has one");
                std::fs::rename(folder, folder.with_file_name("elsewhere")).expect("moves");
                symlink("elsewhere", folder).expect("links");
            }),
        ];
        for (case, tried, edit) in cases {
            let (s, base) = scratch().await;
            edit(&s.root.join("dir/a"));
            SHARED.store(0, Ordering::Relaxed);
            let model = Arc::new(Model::with(Some(&s.root), share));
            let path = filled(&s, &base, "wt", &model).await;
            // `dir/run` goes with its folder.
            let others = if case == "below a link" { 1 } else { 2 };
            assert_eq!(SHARED.load(Ordering::Relaxed), tried + others, "{case}");
            assert!(!model.cannot(), "{case}");
            is_right(&path).await;
        }
    }

    #[tokio::test]
    async fn what_changes_while_it_is_shared_is_written_anew() {
        let changed: [Share; 4] = [
            |mut ours, _| std::io::Write::write_all(&mut ours, large("z").as_bytes()).map_err(|_| Errno::IO),
            |ours, theirs| copy(ours, theirs).and_then(|()| rustix::fs::ftruncate(ours, 100)),
            |ours, theirs| copy(ours, theirs).and_then(|()| rustix::fs::ftruncate(ours, 1 << 40)),
            |_, _| Ok(()),
        ];
        for share in changed {
            let (s, base) = scratch().await;
            let model = Arc::new(Model::with(Some(&s.root), share));
            is_right(&filled(&s, &base, "wt", &model).await).await;
            assert_eq!(try_git(&s.root, &["status", "--porcelain"]).await.1, "", "the user's own stay");
        }
    }

    fn asked(times: &AtomicUsize, answer: Errno) -> Errno {
        times.fetch_add(1, Ordering::Relaxed);
        answer
    }

    #[test]
    fn another_file_system_is_told_from_one_that_is_mounted_among_the_files() {
        let mut raw = rustix::fs::stat("/").expect("is there");
        let here = Stat::of(&raw);
        raw.st_dev += 1;
        let there = Stat::of(&raw);
        assert!(is_elsewhere(&here, &here, &there));
        assert!(!is_elsewhere(&there, &here, &here), "mounted among theirs");
        assert!(!is_elsewhere(&here, &here, &here), "another matter of this file");
    }

    #[tokio::test]
    async fn a_file_system_that_cannot_share_is_asked_once() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let (s, base) = scratch().await;
        let refusals: [Share; 4] = [
            |_, _| Err(asked(&ASKED, Errno::OPNOTSUPP)),
            |_, _| Err(asked(&ASKED, Errno::NOTTY)),
            |_, _| Err(asked(&ASKED, Errno::NOSYS)),
            |_, _| Err(asked(&ASKED, Errno::PERM)),
        ];
        for (number, refuse) in refusals.into_iter().enumerate() {
            ASKED.store(0, Ordering::Relaxed);
            let model = Arc::new(Model::with(Some(&s.root), refuse));
            for name in ["one", "two"] {
                is_right(&filled(&s, &base, &format!("{name}-{number}"), &model).await).await;
                assert_eq!((ASKED.load(Ordering::Relaxed), model.cannot()), (1, true), "{name} {number}");
            }
        }
        ASKED.store(1, Ordering::Relaxed);
        // What is wrong with one file says nothing of others.
        let once: Share = |ours, theirs| match ASKED.fetch_add(1, Ordering::Relaxed) {
            1 => Err(Errno::INVAL),
            2 => Err(Errno::XDEV),
            _ => copy(ours, theirs),
        };
        let model = Arc::new(Model::with(Some(&s.root), once));
        is_right(&filled(&s, &base, "three", &model).await).await;
        assert_eq!((ASKED.load(Ordering::Relaxed), model.cannot()), (4, false));
    }

    /// Whether the blocks of a file are another's too, by what the file system says.
    async fn is_shared(path: &Path) -> bool {
        let folder = path.parent().expect("has one");
        let mut command = Command::new("filefrag", folder).args(["-v"]).args([path.as_os_str()]);
        command.env.insert("PATH".into(), "/usr/sbin:/sbin:/usr/bin:/bin".into());
        let limits = Limits::default();
        let done = capture(command, &limits, &tokio_util::sync::CancellationToken::new(), 1 << 20).await;
        String::from_utf8_lossy(&done.expect("starts").stdout).contains("shared")
    }

    #[tokio::test]
    #[expect(
        clippy::disallowed_methods,
        reason = "says that the file system of the temporary folder can do it"
    )]
    async fn where_the_file_system_can_the_blocks_are_one() {
        let (s, base) = scratch().await;
        let [one, two] = ["one", "two"].map(|name| s.outside().join(name));
        write(&s.outside(), "one", &large("1"));
        let made = File::create(&two).expect("makes");
        let can = share(&made, &File::open(&one).expect("opens")).is_ok();
        assert!(can || std::env::var_os("CONVOY_TEST_REFLINK").is_none(), "this file system cannot");
        let path = s.outside().join("wt");
        s.repo.add_worktree(&path, &base).await.expect("makes");
        is_right(&path).await;
        for name in ["dir/a", "dir/run", "b"] {
            assert_eq!(can && is_shared(&path.join(name)).await, can, "{name}");
        }
        // What is written to one is not in the other.
        write(&path, "b", "changed\n");
        assert_eq!(s.read("b"), large("b"));
        write(&s.root, "dir/a", "changed\n");
        assert_eq!(std::fs::read_to_string(path.join("dir/a")).expect("reads"), large("a"));
    }
}
