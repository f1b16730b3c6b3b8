//! What `/proc` tells. Where there is none, every answer is "unknown".

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use rustix::process::Pid;

/// One line of `/proc/<pid>/stat`, as far as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// Clock ticks since boot.
    pub(super) start: u64,
    /// Whether it still does anything: not a zombie that merely waits to be reaped.
    pub(super) alive: bool,
}

/// When a process started, in clock ticks since boot. Together with the process id and [`boot_id`] it names a
/// process for ever. `None`: no such process, or a system without `/proc`. A zombie still has a start time.
pub fn start_time(pid: u32) -> Option<u64> {
    stat(i32::try_from(pid).ok()?).map(|stat| stat.start)
}

/// Whether the process that [`start_time`] named still runs: not when it is only a zombie that nobody has
/// reaped yet.
///
/// Where there is no `/proc`, any process of this id counts: better one that is waited for in vain than two
/// that believe they are alone.
pub fn is_running(pid: u32, start_time: u64) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    if stat(1).is_none() {
        return rustix::process::test_kill_process(pid).is_ok();
    }
    stat(pid.as_raw_nonzero().get()).is_some_and(|stat| stat.alive && stat.start == start_time)
}

/// The identity of this boot of the machine. `None` where the system does not tell.
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Reads one process.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    let mut buffer = [0; 1024];
    let n = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut buffer).ok()?;
    parse_stat(&buffer[..n])
}

fn parse_stat(line: &[u8]) -> Option<Stat> {
    // The name stands in parentheses and may itself hold blanks and parentheses.
    let open = line.iter().position(|&b| b == b'(')?;
    let close = line.iter().rposition(|&b| b == b')')?;
    let number = |field: &[u8]| -> Option<i64> { std::str::from_utf8(field).ok()?.parse().ok() };
    let pid = number(line.get(..open)?.trim_ascii())?;
    let fields: Vec<&[u8]> = line.get(close + 1..)?.trim_ascii().split(|&b| b == b' ').collect();
    let threads = number(fields.get(17)?)?;
    // Its first thread may have ended while others run on.
    let alive = match *fields.first()? {
        b"Z" => threads > 1,
        b"X" | b"x" => false,
        _ => true,
    };
    Some(Stat {
        pid: pid.try_into().ok()?,
        parent: number(fields.get(1)?)?.try_into().ok()?,
        group: number(fields.get(2)?)?.try_into().ok()?,
        start: number(fields.get(19)?)?.try_into().ok()?,
        alive,
    })
}

/// Every process id there is.
pub(super) fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The process or thread id that was given out last.
pub(super) fn last_pid() -> Option<i32> {
    let mut buffer = [0; 128];
    let n = File::open("/proc/loadavg").ok()?.read(&mut buffer).ok()?;
    std::str::from_utf8(&buffer[..n]).ok()?.split_ascii_whitespace().next_back()?.parse().ok()
}

/// Whether `pid` is a process, not merely one of the threads of one.
pub(super) fn is_process(pid: i32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    status.lines().find_map(|line| line.strip_prefix("Tgid:")).is_some_and(|id| id.trim().parse() == Ok(pid))
}

/// The value of a variable in the environment a process of this user was started with.
pub(super) fn variable(pid: i32, name: &str) -> Option<Vec<u8>> {
    let mut file = File::open(format!("/proc/{pid}/environ")).ok()?;
    if file.metadata().ok()?.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let mut text = Vec::with_capacity(4096);
    file.read_to_end(&mut text).ok()?;
    text.split(|&b| b == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.to_vec())
    })
}

/// A process id as the system calls take it.
pub(super) fn to_pid(pid: i32) -> Option<Pid> {
    if pid > 0 { Pid::from_raw(pid) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let rest = "12 34 34 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2";
        for (name, state, alive) in
            [("sh", "S", true), ("a) Z 9 9", "R", true), ("tmux: (1)", "Z", false), ("\u{fc} x", "X", false)]
        {
            let line = format!("77 ({name}) {state} {rest}");
            let expected = Stat { pid: 77, parent: 12, group: 34, start: 98765, alive };
            assert_eq!(parse_stat(line.as_bytes()), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_process_whose_first_thread_ended_is_alive_while_other_threads_run() {
        let line = "77 (x) Z 12 34 34 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 98765 1";
        assert_eq!(parse_stat(line.as_bytes()).map(|stat| stat.alive), Some(true));
    }

    #[test]
    fn torn_lines_are_unknown_not_a_panic() {
        let line = "77 (x) S 12 34 34 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 98765";
        for end in 0..line.len() - 5 {
            assert_eq!(parse_stat(&line.as_bytes()[..end]), None, "{}", &line[..end]);
        }
        assert_eq!(parse_stat(b"0 ) (S"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known_to_the_system() {
        let me = std::process::id();
        assert!(start_time(me).is_some_and(|ticks| ticks > 0));
        assert!(is_process(me as i32));
        assert!(pids().any(|pid| pid == me as i32));
        assert_eq!(boot_id().map(|id| id.len()), Some(36));
        assert!(last_pid().is_some());
    }
}
