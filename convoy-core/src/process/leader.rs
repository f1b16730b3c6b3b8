//! The program itself: noticing its end without reaping it, reaping it, and never leaving it behind.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use super::exit::Status;
use super::tree::Tree;

/// What the reaper waits between two looks at what is left.
const REAPER_PAUSE: Duration = Duration::from_millis(20);

/// A started program. Until it is reaped its process id and its group cannot become another's; it is reaped
/// last, when nothing of its tree is left. Dropping it earlier kills the whole tree.
pub(super) struct Leader {
    child: Option<Child>,
    pid: Pid,
    end: End,
    pub(super) tree: Tree,
}

/// Where the end of the program is noticed.
enum End {
    /// Linux: readable once the program has ended.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other systems have no such descriptor"))]
    Descriptor(AsyncFd<OwnedFd>),
    /// Elsewhere: a blocking thread that waits without reaping.
    Thread(JoinHandle<()>),
}

impl Leader {
    pub(super) fn new(child: Child, mark: Option<String>) -> io::Result<Self> {
        // A process id is a positive number that fits: the system handed it out as such.
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        let tree = Tree::new(pid, mark);
        let end = match descriptor(pid) {
            Some(end) => end,
            None => End::Thread(tokio::task::spawn_blocking(move || wait_blocking(pid))),
        };
        Ok(Self { child: Some(child), pid, end, tree })
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Completes when the program has ended. It is not reaped by this.
    pub(super) fn ended(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        let (pid, end) = (self.pid, &mut self.end);
        async move {
            match end {
                End::Descriptor(fd) => loop {
                    let mut ready = fd.readable().await?;
                    if has_ended(pid)? {
                        return Ok(());
                    }
                    ready.clear_ready();
                },
                // Not having been able to wait shows in the look that follows.
                End::Thread(thread) => {
                    drop(thread.await);
                    has_ended(pid).map(|_| ())
                }
            }
        }
    }

    /// As on a system without `/proc` and process descriptors.
    #[cfg(test)]
    pub(super) fn see_only_the_group(&mut self) {
        let pid = self.pid;
        self.tree.see_only_the_group();
        self.end = End::Thread(tokio::task::spawn_blocking(move || wait_blocking(pid)));
    }

    /// Reaps the ended program.
    pub(super) fn reap(&mut self) -> io::Result<Status> {
        let Some(child) = &mut self.child else { return Err(io::ErrorKind::NotFound.into()) };
        let status = child.wait()?;
        self.child = None;
        Ok(status.into())
    }
}

#[cfg(target_os = "linux")]
fn descriptor(pid: Pid) -> Option<End> {
    use rustix::process::{PidfdFlags, pidfd_open};
    use tokio::io::Interest;
    // The program is not reaped, so the number is still its own.
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    #[expect(deprecated, reason = "what replaces it is unsafe and asks only what an OwnedFd always keeps")]
    let fd = AsyncFd::with_interest(fd, Interest::READABLE).ok()?;
    Some(End::Descriptor(fd))
}

#[cfg(not(target_os = "linux"))]
fn descriptor(_pid: Pid) -> Option<End> {
    None
}

fn wait_blocking(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options).err() == Some(rustix::io::Errno::INTR) {}
}

fn has_ended(pid: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

impl Drop for Leader {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let mut tree = self.tree.clone();
        tree.kill();
        // What is dying is reaped elsewhere: dropping never blocks. If there can be no thread, the killed
        // program stays a zombie until the host ends.
        let reaper = std::thread::Builder::new().name("convoy-reaper".into());
        drop(reaper.spawn(move || {
            while !tree.kill().is_empty() {
                #[expect(clippy::disallowed_methods, reason = "a thread of its own, for a dropped run only")]
                std::thread::sleep(REAPER_PAUSE);
            }
            drop(child.wait());
        }));
    }
}
