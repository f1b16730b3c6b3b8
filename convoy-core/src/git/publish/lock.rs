//! The lock of a worktree's index, held by us instead of by git, and who holds it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::git::call::{Backoff, Files};
use crate::git::error::GitError;
use crate::git::files::IndexCopy;
use crate::process::{boot_id, is_running, start_time};

/// How the file begins. A lock without it is another program's.
const MARK: &str = "convoy publish lock 1\n";

/// How the extension of a file begins that becomes the lock; the process id follows.
const READY: &str = "new-";

impl Files {
    /// The lock that whoever changes the index holds.
    pub(super) fn index_lock(&self) -> PathBuf {
        self.git_dir.join("index.lock")
    }
}

/// The held lock; given back when dropped.
#[derive(Debug)]
pub(super) struct IndexLock {
    path: PathBuf,
    content: String,
}

impl IndexLock {
    /// Takes the lock; when another keeps it for longer than `patience`, `None`.
    pub(super) async fn take(
        path: PathBuf,
        cookie: Option<&str>,
        patience: Duration,
    ) -> Result<Option<Self>, GitError> {
        let content = Holder::this(cookie).text();
        // Made elsewhere and linked into place, so that it never exists without saying whose it is.
        // Several convoys of one process may do so at once: a name belongs to one of them.
        let ready =
            path.with_added_extension(format!("{READY}{}-{}", std::process::id(), ulid::Ulid::generate()));
        sweep(&path)?;
        let mut backoff = Backoff::new(patience);
        loop {
            fs::write(&ready, &content).map_err(GitError::io("write", &ready))?;
            let linked = fs::hard_link(&ready, &path);
            fs::remove_file(&ready).map_err(GitError::io("delete", &ready))?;
            match linked {
                Ok(()) => return Ok(Some(Self { path, content })),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(GitError::io("lock", &path)(error)),
            }
            if !backoff.wait().await {
                return Ok(None);
            }
        }
    }
}

/// Removes what a publisher that was killed had made ready and not linked into place.
fn sweep(lock: &Path) -> Result<(), GitError> {
    let (Some(folder), Some(name)) = (lock.parent(), lock.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let begin = format!("{name}.{READY}");
    for entry in fs::read_dir(folder).map_err(GitError::io("list", folder))? {
        let path = entry.map_err(GitError::io("list", folder))?.path();
        let rest = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(&begin));
        let pid = rest.and_then(|rest| rest.split('-').next()).and_then(|pid| pid.parse().ok());
        let Some(pid) = pid else { continue };
        // One that is empty yet says only by its name whose it is.
        let named = || Holder { pid, start: None, boot: boot_id(), cookie: None };
        let holder = fs::read_to_string(&path).ok().as_deref().and_then(Holder::parse).unwrap_or_else(named);
        if !holder.alive() {
            // Another publisher may do the same at this moment.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        // If somebody removed it by hand, another program may hold it by now.
        if fs::read_to_string(&self.path).is_ok_and(|found| found == self.content) {
            // One that stays is found by its content as that of a dead holder.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who holds a lock, so that nobody else can be taken for it: a process id alone is given out again.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    pid: u32,
    start: Option<u64>,
    boot: Option<String>,
    cookie: Option<String>,
}

impl Holder {
    fn this(cookie: Option<&str>) -> Self {
        let pid = std::process::id();
        Self { pid, start: start_time(pid), boot: boot_id(), cookie: cookie.map(str::to_owned) }
    }

    fn text(&self) -> String {
        let start = self.start.map(|ticks| ticks.to_string()).unwrap_or_default();
        let boot = self.boot.as_deref().unwrap_or_default();
        let cookie = self.cookie.as_deref().unwrap_or_default().replace('\n', " ");
        format!("{MARK}pid {}\nstart {start}\nboot {boot}\ncookie {cookie}\n", self.pid)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_prefix(MARK)?.lines();
        let mut value = |name: &str| {
            let value = lines.next()?.strip_prefix(name)?.strip_prefix(' ')?;
            Some((!value.is_empty()).then(|| value.to_owned()))
        };
        let pid = value("pid")??.parse().ok()?;
        let start = value("start")?.and_then(|ticks| ticks.parse().ok());
        Some(Self { pid, start, boot: value("boot")?, cookie: value("cookie")? })
    }

    fn alive(&self) -> bool {
        if self.boot != boot_id() {
            return false;
        }
        if let Some(start) = self.start {
            return is_running(self.pid, start);
        }
        // Without start times, any process with that number has to be taken for the holder.
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }
}

/// What became of a lock that may be left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleLock {
    /// There is none.
    Absent,
    /// It was left by a publisher that is dead, and was removed.
    Removed,
    /// A publisher that lives holds it.
    Held,
    /// Another program made it. It is never removed.
    Foreign,
}

/// Removes an index lock that a dead publisher left, with its half-made copies of the index. Any other stays.
/// The programs that the publisher had started must have ended.
///
/// # Errors
/// [`GitError::Io`].
pub fn remove_stale_lock(path: &Path) -> Result<StaleLock, GitError> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StaleLock::Absent),
        Err(error) => return Err(GitError::io("read", path)(error)),
    };
    match std::str::from_utf8(&content).ok().and_then(Holder::parse) {
        None => Ok(StaleLock::Foreign),
        Some(holder) if holder.alive() => Ok(StaleLock::Held),
        Some(_) => {
            for name in ["publish", "adopt"] {
                if let Some(git_dir) = path.parent() {
                    drop(IndexCopy::empty(git_dir, name));
                }
            }
            fs::remove_file(path).map_err(GitError::io("delete", path))?;
            Ok(StaleLock::Removed)
        }
    }
}

/// The content of a lock whose holder died.
#[cfg(test)]
pub(in crate::git) fn dead_lock() -> String {
    Holder { boot: Some("another boot".into()), ..Holder::this(Some("x")) }.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_once_and_given_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("index.lock");
        let take = || IndexLock::take(path.clone(), Some("a cookie"), Duration::ZERO);
        let held = take().await.expect("works").expect("free");
        assert!(take().await.expect("works").is_none());
        assert_eq!(remove_stale_lock(&path).expect("looks"), StaleLock::Held);
        drop(held);
        assert_eq!(remove_stale_lock(&path).expect("looks"), StaleLock::Absent);
        let held = take().await.expect("works").expect("free again");
        fs::write(&path, "another's").expect("writes");
        drop(held);
        assert!(path.exists(), "what another made meanwhile stays");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[tokio::test]
    async fn what_a_dead_publisher_made_ready_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &str| fs::write(dir.path().join(name), content).expect("writes");
        let dead = u32::MAX / 4;
        let me = std::process::id();
        file(&format!("index.lock.new-{dead}-1"), "");
        file(&format!("index.lock.new-{me}-2"), &dead_lock());
        let kept =
            [format!("index.lock.new-{me}-3"), format!("index.lock.new-{me}-4"), "index.lock.newer".into()];
        file(&kept[0], "");
        file(&kept[1], &Holder::this(None).text());
        file(&kept[2], "");
        let path = dir.path().join("index.lock");
        drop(IndexLock::take(path, None, Duration::ZERO).await.expect("works").expect("free"));
        let mut left: Vec<String> = fs::read_dir(dir.path())
            .expect("lists")
            .map(|entry| entry.expect("listed").file_name().into_string().expect("plain"))
            .collect();
        left.sort();
        assert_eq!(left, kept);
    }

    #[test]
    fn only_locks_of_dead_publishers_are_removed() {
        let me = || Holder::this(Some("c"));
        let dead_pid = Holder { pid: u32::MAX / 4, ..me() };
        let reused_pid = Holder { start: me().start.map(|ticks| ticks + 1), ..me() };
        let cases = [
            (me().text(), StaleLock::Held),
            (dead_pid.text(), StaleLock::Removed),
            (reused_pid.text(), StaleLock::Removed),
            (dead_lock(), StaleLock::Removed),
            (String::new(), StaleLock::Foreign),
            (format!("{MARK}pid x\n"), StaleLock::Foreign),
            ("DIRC\0\0".to_owned(), StaleLock::Foreign),
        ];
        let dir = tempfile::tempdir().expect("a folder");
        for (content, expected) in cases {
            let path = dir.path().join("index.lock");
            fs::write(&path, &content).expect("writes");
            assert_eq!(remove_stale_lock(&path).expect("looks"), expected, "{content}");
            assert_eq!(path.exists(), expected != StaleLock::Removed, "{content}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_of_another_program_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("index.lock");
        fs::write(&path, "").expect("writes");
        let start = tokio::time::Instant::now();
        let patience = Duration::from_secs(5);
        assert!(IndexLock::take(path.clone(), None, patience).await.expect("works").is_none());
        assert_eq!(start.elapsed(), patience);
        let freed = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            fs::remove_file(&path).expect("removes");
        };
        let (taken, ()) = tokio::join!(IndexLock::take(path.clone(), None, patience), freed);
        assert!(taken.expect("works").is_some());
        assert!(start.elapsed() < Duration::from_secs(8));
    }
}
