//! Starting a program, and saying precisely why it could not be started.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::Access;
use rustix::io::Errno;

use super::command::MARK;
use super::input::Input;
use super::leader::Leader;
use super::output::Output;
use super::{COOKIE, Command, ProcessError};

/// Where bare names are looked up when the environment has no `PATH`, as `execvp` does.
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// How often a busy program file is tried, and the first wait; each further one is twice as long.
const BUSY_TRIES: u32 = 6;
const BUSY_WAIT: Duration = Duration::from_millis(2);

/// A program that runs, with its three streams.
pub(super) struct Started {
    pub(super) leader: Leader,
    pub(super) stdin: Input,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
}

/// Starts `command` in a process group of its own.
pub(super) async fn spawn(command: Command) -> Result<Started, ProcessError> {
    check(&command)?;
    let program = locate(&command)?;
    let mark = command.cookie.as_ref().map(|_| new_mark());
    let mut attempt = prepare(&command, &program, mark.as_deref());
    let name = command.program.clone();
    let start = |source| ProcessError::Start { program: name.clone(), source };
    let stdin = match command.stdin.is_empty() {
        true => {
            attempt.stdin(Stdio::null());
            Input::none()
        }
        false => {
            let (input, theirs) = Input::pipe(command.stdin).map_err(start)?;
            attempt.stdin(theirs);
            input
        }
    };
    let mut wait = BUSY_WAIT;
    for _ in 1..BUSY_TRIES {
        match attempt.spawn() {
            // The file was written a moment ago, and a program started meanwhile by another thread still
            // holds the writer's descriptor until it is itself executed.
            Err(error) if error.raw_os_error() == Some(Errno::TXTBSY.raw_os_error()) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(error) => return Err(explain(&name, &program, &command.cwd, error)),
            Ok(child) => return follow(child, mark, stdin).map_err(start),
        }
    }
    let child = attempt.spawn().map_err(|error| explain(&name, &program, &command.cwd, error))?;
    follow(child, mark, stdin).map_err(start)
}

fn follow(mut child: std::process::Child, mark: Option<String>, stdin: Input) -> io::Result<Started> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // From here on the program is ended when anything goes wrong.
    let leader = Leader::new(child, mark)?;
    let missing = || io::Error::other("a pipe that was asked for is missing");
    Ok(Started {
        leader,
        stdin,
        stdout: Output::new(stdout.ok_or_else(missing)?.into())?,
        stderr: Output::new(stderr.ok_or_else(missing)?.into())?,
    })
}

/// No `pre_exec`, and an absolute program: the standard library then takes the `posix_spawn` path.
#[expect(clippy::disallowed_methods, reason = "this is the one place that starts programs")]
fn prepare(command: &Command, program: &Path, mark: Option<&str>) -> std::process::Command {
    let mut prepared = std::process::Command::new(program);
    prepared
        .args(&command.args)
        .current_dir(&command.cwd)
        .env_clear()
        .envs(&command.env)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let (Some(cookie), Some(mark)) = (&command.cookie, mark) {
        prepared.env(COOKIE, cookie).env(MARK, mark);
    }
    prepared
}

/// A text no other run carries. The standard library keys each hasher from the system's randomness.
pub(super) fn new_mark() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

fn check(command: &Command) -> Result<(), ProcessError> {
    let invalid = |what: String| Err(ProcessError::Invalid { program: command.program.clone(), what });
    let nul = |text: &std::ffi::OsStr| text.as_bytes().contains(&0);
    if command.program.as_os_str().is_empty() {
        return invalid("its name is empty".into());
    }
    if nul(command.program.as_os_str()) || nul(command.cwd.as_os_str()) {
        return invalid("its name or its directory holds a NUL byte".into());
    }
    if let Some(index) = command.args.iter().position(|arg| nul(arg)) {
        return invalid(format!("argument {} holds a NUL byte", index + 1));
    }
    for (name, value) in &command.env {
        if name.is_empty() || nul(name) || name.as_bytes().contains(&b'=') {
            return invalid(format!(
                "{name:?} is no name for a variable: it must not be empty or hold `=` or NUL"
            ));
        }
        if nul(value) {
            return invalid(format!("the variable {name:?} holds a NUL byte"));
        }
    }
    if command.cookie.as_ref().is_some_and(|cookie| cookie.is_empty() || cookie.contains('\0')) {
        return invalid("its cookie is empty or holds a NUL byte".into());
    }
    Ok(())
}

/// The absolute path of the program.
fn locate(command: &Command) -> Result<PathBuf, ProcessError> {
    let program = &command.program;
    if program.as_os_str().as_bytes().contains(&b'/') {
        return Ok(command.cwd.join(program));
    }
    let path = command.env.get(std::ffi::OsStr::new("PATH"));
    let path = path.map_or(std::ffi::OsStr::new(DEFAULT_PATH), |path| path.as_os_str());
    let mut unusable = None;
    for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
        let file = folder.join(program);
        if !file.is_file() {
            continue;
        }
        if rustix::fs::access(&file, Access::EXEC_OK).is_ok() {
            return Ok(file);
        }
        unusable.get_or_insert(file);
    }
    Err(match unusable {
        Some(program) => ProcessError::NotExecutable { program },
        None => ProcessError::NotFound {
            program: program.clone(),
            path: Some(path.to_string_lossy().into_owned()),
        },
    })
}

/// The system reports a missing program, directory and interpreter alike: looks which one it was.
fn explain(name: &Path, program: &Path, cwd: &Path, error: io::Error) -> ProcessError {
    let name = name.to_path_buf();
    let file = program.to_path_buf();
    let directory = std::fs::metadata(cwd).and_then(|found| match found.is_dir() {
        true => Ok(rustix::fs::access(cwd, Access::EXEC_OK)?),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    if let Err(source) = directory {
        return ProcessError::BadDirectory { program: name, cwd: cwd.to_path_buf(), source };
    }
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) if program.exists() => ProcessError::NoInterpreter { program: file },
        Some(Errno::NOENT | Errno::NOTDIR) => ProcessError::NotFound { program: name, path: None },
        Some(Errno::ACCESS | Errno::PERM | Errno::ISDIR) => ProcessError::NotExecutable { program: file },
        Some(Errno::NOEXEC) => ProcessError::BadFormat { program: file },
        Some(Errno::TOOBIG) => ProcessError::TooLong { program: name },
        _ => ProcessError::Start { program: name, source: error },
    }
}
