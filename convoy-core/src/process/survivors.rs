//! What a crashed engine left running.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::COOKIE;
use super::procfs;
use super::tree::{Process, is_there, send};

/// How often survivors are looked at: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(50);

/// How long killed processes may take to vanish.
const VANISH: Duration = Duration::from_secs(10);

/// A running process that carries a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Survivor {
    /// Its process id.
    pub pid: u32,
    /// As in [`start_time`](super::start_time).
    pub start_time: u64,
    /// The value of its [`COOKIE`].
    pub cookie: String,
}

impl Survivor {
    fn process(&self) -> Process {
        // What does not fit is no process id: 0 is never there.
        Process { pid: i32::try_from(self.pid).unwrap_or(0), start: self.start_time }
    }
}

/// Every running process of this user, except this one, whose cookie begins with `cookie_prefix`. Reads `/proc`
/// once; empty where there is none.
pub fn survivors(cookie_prefix: &str) -> Vec<Survivor> {
    find(|cookie| cookie.starts_with(cookie_prefix))
}

fn find(wanted: impl Fn(&str) -> bool) -> Vec<Survivor> {
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    procfs::pids()
        .filter(|&pid| pid != me)
        .filter_map(|pid| {
            let cookie =
                String::from_utf8(procfs::variable(pid, COOKIE)?).ok().filter(|cookie| wanted(cookie))?;
            let stat = procfs::stat(pid).filter(|stat| stat.alive)?;
            Some(Survivor { pid: pid.unsigned_abs(), start_time: stat.start, cookie })
        })
        .collect()
}

/// Ends these processes and every other one that carries one of their cookies: `TERM`, after `grace` `KILL`, again
/// until they are gone. Processes whose id belongs to another by now are left alone.
///
/// Returns what could not be ended within 10 s after `KILL`: empty when all went well.
pub async fn end(survivors: Vec<Survivor>, grace: Duration) -> Vec<Survivor> {
    let cookies: HashSet<String> = survivors.iter().map(|survivor| survivor.cookie.clone()).collect();
    let mut left: Vec<Survivor> = survivors.into_iter().filter(|one| is_there(one.process())).collect();
    let mut signalled: HashSet<Process> = HashSet::new();
    let kill_at = Instant::now().checked_add(grace);
    let mut pause = FIRST_LOOK;
    while !left.is_empty() {
        let killing = kill_at.is_none_or(|at| Instant::now() >= at);
        for process in left.iter().map(Survivor::process) {
            if killing {
                send(process, Signal::KILL);
            } else if signalled.insert(process) {
                send(process, Signal::TERM);
            }
        }
        if kill_at.and_then(|at| at.checked_add(VANISH)).is_none_or(|at| Instant::now() >= at) {
            return left;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_LOOK);
        left.retain(|one| is_there(one.process()));
        for other in find(|cookie| cookies.contains(cookie)) {
            if !left.contains(&other) {
                left.push(other);
            }
        }
    }
    left
}

/// Waits until these processes have ended of themselves, at most for `timeout`. Says whether they have.
pub async fn wait_gone(survivors: &[Survivor], timeout: Duration) -> bool {
    let until = Instant::now().checked_add(timeout);
    let mut pause = FIRST_LOOK;
    while survivors.iter().any(|one| is_there(one.process())) {
        if until.is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_LOOK);
    }
    true
}
