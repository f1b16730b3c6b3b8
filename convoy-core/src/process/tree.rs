//! Everything a program started: found, signalled, and watched until it is gone.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::command::MARK;
use super::procfs::{self, Stat};
use crate::clock::Stopwatch;

/// Within this time the process ids handed out since the start cannot have gone round: the few of them are then
/// looked at one by one, instead of every process of the machine.
const FRESH: Duration = Duration::from_millis(200);

/// The most process ids looked at one by one.
const FEW: i32 = 256;

/// One process, safe against its number being used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) start: u64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    start: u64,
    grouped: bool,
}

/// The processes that belong to one started program, itself not counted.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    leader: Pid,
    /// When the program started. `None`: no `/proc`, the group is all that is known.
    born: Option<u64>,
    running: Stopwatch,
    mark: Option<String>,
    /// Members seen before: they and their children stay members when their parents are gone.
    known: HashMap<i32, Known>,
    /// Who has been told to end: once is enough, some programs take a second time as "at once".
    told: HashSet<Process>,
    group_told: bool,
}

impl Tree {
    /// `leader` leads its own group and is not reaped while this is used (without `/proc`: see
    /// [`sees_members`](Self::sees_members)).
    pub(super) fn new(leader: Pid, mark: Option<String>) -> Self {
        let born = procfs::stat(leader.as_raw_nonzero().get()).map(|stat| stat.start);
        Self {
            leader,
            born,
            running: Stopwatch::start(),
            mark,
            known: HashMap::new(),
            told: HashSet::new(),
            group_told: false,
        }
    }

    /// When the program started.
    pub(super) fn born(&self) -> Option<u64> {
        self.born
    }

    /// Whether members can be told apart. If not, the program must be reaped as soon as it has ended:
    /// [`left`](Self::left) then asks whether the group still exists, and would count the ended program.
    pub(super) fn sees_members(&self) -> bool {
        self.born.is_some()
    }

    #[cfg(test)]
    pub(super) fn see_only_the_group(&mut self) {
        self.born = None;
    }

    /// What is alive now, the program itself left out.
    pub(super) fn left(&mut self) -> Vec<Process> {
        let Some(born) = self.born else { return self.group_only() };
        let leader = self.leader.as_raw_nonzero().get();
        let stats = self.candidates(leader, born);
        let mut members: HashSet<i32> = HashSet::new();
        loop {
            let before = members.len();
            for stat in &stats {
                let known = self.known.get(&stat.pid).is_some_and(|known| known.start == stat.start);
                let parent = stat.parent == leader || members.contains(&stat.parent);
                if known || parent || stat.group == leader {
                    members.insert(stat.pid);
                }
            }
            if members.len() == before {
                break;
            }
        }
        if let Some(mark) = &self.mark {
            for stat in stats.iter().filter(|stat| stat.alive) {
                if !members.contains(&stat.pid)
                    && procfs::variable(stat.pid, MARK).is_some_and(|value| value == mark.as_bytes())
                {
                    members.insert(stat.pid);
                }
            }
        }
        // Threads have numbers of the same row and can be found by them; only processes count.
        let left = stats.iter().filter(|stat| stat.alive && members.contains(&stat.pid));
        let left: Vec<&Stat> = left.filter(|stat| procfs::is_process(stat.pid)).collect();
        let known = |stat: &&Stat| (stat.pid, Known { start: stat.start, grouped: stat.group == leader });
        self.known = left.iter().map(known).collect();
        left.iter().map(|stat| Process { pid: stat.pid, start: stat.start }).collect()
    }

    /// What may belong to it: whatever started after it.
    fn candidates(&self, leader: i32, born: u64) -> Vec<Stat> {
        let mut found = Vec::new();
        if self.running.elapsed() < FRESH && self.fresh(leader, &mut found) {
            found.retain(|stat| stat.start >= born);
            return found;
        }
        procfs::pids()
            .filter(|&pid| pid != leader)
            .filter_map(procfs::stat)
            .filter(|stat| stat.start >= born)
            .collect()
    }

    /// Looks at the numbers handed out since the program started; again if more were handed out meanwhile.
    /// False if there are many, or if the numbers began anew.
    fn fresh(&self, leader: i32, found: &mut Vec<Stat>) -> bool {
        let mut next = leader + 1;
        while let Some(last) = procfs::last_pid() {
            if last < leader || last - leader > FEW {
                break;
            }
            if last < next {
                return true;
            }
            found.extend((next..=last).filter_map(procfs::stat));
            next = last + 1;
        }
        found.clear();
        false
    }

    /// Without `/proc`: the group stands for its members.
    fn group_only(&self) -> Vec<Process> {
        let exists = !matches!(test_kill_process_group(self.leader), Err(rustix::io::Errno::SRCH));
        let group = Process { pid: self.leader.as_raw_nonzero().get(), start: 0 };
        if exists { vec![group] } else { Vec::new() }
    }

    /// Sends `TERM` to everything that has not had it: the group at once, the others one by one. Returns what
    /// was alive before.
    pub(super) fn terminate(&mut self) -> Vec<Process> {
        let left = self.left();
        let first = !std::mem::replace(&mut self.group_told, true);
        if first {
            self.signal_group(Signal::TERM);
        }
        let sees_members = self.sees_members();
        for &process in left.iter().filter(|_| sees_members) {
            let by_group = first && self.known.get(&process.pid).is_some_and(|known| known.grouped);
            if self.told.insert(process) && !by_group {
                send(process, Signal::TERM);
            }
        }
        left
    }

    /// Sends `KILL` to everything. Returns what was alive before.
    pub(super) fn kill(&mut self) -> Vec<Process> {
        let left = self.left();
        self.signal_group(Signal::KILL);
        left.iter().filter(|_| self.sees_members()).for_each(|&process| send(process, Signal::KILL));
        left
    }

    /// Kills whatever is in the group, the program included.
    pub(super) fn kill_group(&self) {
        self.signal_group(Signal::KILL);
    }

    fn signal_group(&self, signal: Signal) {
        // Failing means that nobody is there any more.
        let _ = kill_process_group(self.leader, signal);
    }
}

/// Signals a process, unless its number belongs to another by now.
#[cfg(target_os = "linux")]
pub(super) fn send(process: Process, signal: Signal) {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = procfs::to_pid(process.pid) else { return };
    // The descriptor holds on to whoever has the number now; the start time then tells who that is.
    if let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) {
        if is_there(process) {
            let _ = pidfd_send_signal(fd, signal);
        }
    } else if is_there(process) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Signals a process, unless its number belongs to another by now.
#[cfg(not(target_os = "linux"))]
pub(super) fn send(process: Process, signal: Signal) {
    if let Some(pid) = procfs::to_pid(process.pid).filter(|_| is_there(process)) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Whether the process still does anything.
pub(super) fn is_there(process: Process) -> bool {
    procfs::stat(process.pid).is_some_and(|stat| stat.alive && stat.start == process.start)
}
