//! The one place that looks at the process: its environment, its working directory, its terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use convoy_core::agent::scrub;

use crate::exit::Failure;
use crate::output::Out;

/// Variables that `--clean-env` passes on. Names that end with `*` are prefixes.
const CLEAN: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TMPDIR",
    "TERM",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_*",
];

/// What the process was given.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// How the person called this program, for commands to type next.
    pub(crate) program: String,
    pub(crate) cwd: PathBuf,
    /// Variables whose names and values are UTF-8; agents cannot be given others.
    pub(crate) env: BTreeMap<String, String>,
    /// Where scratch folders are made.
    pub(crate) temp: PathBuf,
}

impl Host {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads them for the engine")]
    pub(crate) fn of_process() -> Result<Self, Failure> {
        let cwd =
            std::env::current_dir().map_err(|error| Failure::io("find the current directory", error))?;
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let env = std::env::vars_os().filter_map(text).collect();
        let program = called_as(std::env::args_os().next());
        Ok(Self { program, cwd, env, temp: std::env::temp_dir() })
    }

    /// The environment of everything that the engine starts: all of the process's own, less what marks a
    /// surrounding agent or points git elsewhere.
    pub(crate) fn whole_env(&self) -> BTreeMap<String, String> {
        let mut env = self.env.clone();
        scrub(&mut env);
        env
    }

    /// The same with only the variables that every program needs, and those in `named`.
    pub(crate) fn clean_env(&self, named: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut env = self.whole_env();
        env.retain(|name, _| named.contains(name) || is_clean(name));
        env
    }

    /// Who acts, for the record.
    pub(crate) fn actor(&self) -> String {
        let mut known = ["USER", "LOGNAME"].iter().filter_map(|name| self.env.get(*name));
        let known = known.find(|name| !name.is_empty()).cloned();
        known.or_else(user_name).unwrap_or_else(|| "somebody".to_owned())
    }

    /// The path as seen from the working directory.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }
}

/// The name of the user that this process runs as, where the environment does not say.
fn user_name() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).ok();
    name_of(&read("/proc/self/status")?, &read("/etc/passwd")?)
}

/// The name that a list of users (`name:password:id:…`) gives to the user of a process.
fn name_of(status: &str, users: &str) -> Option<String> {
    let id = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?;
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(id)).then(|| name.to_owned())
    };
    users.lines().find_map(user)
}

/// Whether this process was started with the hangup signal ignored, or that cannot be told: then it has to
/// stay so.
pub(crate) fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores_hangup(&status))
}

fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit stands for signal 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 == 1)
}

/// The path the program was called by; its name alone where it was found by that.
fn called_as(argument: Option<std::ffi::OsString>) -> String {
    let text = argument.and_then(|argument| argument.into_string().ok());
    text.filter(|text| text.contains('/')).unwrap_or_else(|| "convoy".to_owned())
}

fn is_clean(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let is_proxy = upper.ends_with("_PROXY");
    CLEAN.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        // Proxies are written in either case.
        None => *known == if is_proxy { upper.as_str() } else { name },
    })
}

/// The process's own output, live where it is a terminal that can be redrawn.
pub(crate) fn process_output(env: &BTreeMap<String, String>) -> Out {
    let dumb = env.get("TERM").is_some_and(|term| term == "dumb");
    let live = std::io::stdout().is_terminal() && !dumb;
    Out::new(Box::new(std::io::stdout()), Box::new(std::io::stderr()), live)
}

/// Moves the cursor of the terminal to the start of its line.
pub(crate) fn cursor_home() {
    let mut stdout = std::io::stdout();
    // A terminal that went away is noticed where something is printed.
    let _ = stdout.write_all(b"\r").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(pairs: &[(&str, &str)]) -> Host {
        let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Host { program: called_as(None), cwd: PathBuf::from("/here"), env, temp: PathBuf::from("/tmp") }
    }

    fn names(env: &BTreeMap<String, String>) -> Vec<&str> {
        env.keys().map(String::as_str).collect()
    }

    #[test]
    fn the_whole_environment_lacks_marks_of_an_agent_and_of_git() {
        let host = host(&[
            ("CLAUDECODE", "1"),
            ("CLAUDE_CODE_REMOTE_SESSION_ID", "r"),
            ("CLAUDE_CODE_SESSION_ID", "s"),
            ("GIT_DIR", "/x"),
            ("GITHUB_TOKEN", "t"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(names(&host.whole_env()), ["GITHUB_TOKEN", "PATH"]);
    }

    #[test]
    fn a_clean_environment_has_only_what_is_allowed_or_named() {
        let host = host(&[
            ("AWS_SECRET", "x"),
            ("GIT_DIR", "/x"),
            ("HOME", "/h"),
            ("LC_ALL", "C"),
            ("MY_KEY", "k"),
            ("PATH", "/bin"),
            ("PATHS", "no"),
            ("https_proxy", "p"),
            ("path", "no"),
        ]);
        let named = BTreeSet::from(["MY_KEY".to_owned(), "GIT_DIR".to_owned(), "ABSENT".to_owned()]);
        assert_eq!(names(&host.clean_env(&named)), ["HOME", "LC_ALL", "MY_KEY", "PATH", "https_proxy"]);
    }

    #[test]
    fn paths_are_seen_from_the_working_directory_and_the_actor_has_a_name() {
        let known = host(&[("USER", ""), ("LOGNAME", "ann")]);
        assert_eq!(known.absolute(Path::new("a/b")), Path::new("/here/a/b"));
        assert_eq!(known.absolute(Path::new("/a")), Path::new("/a"));
        assert_eq!(known.actor(), "ann");
        let users = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        for (id, name) in [("0", Some("root")), ("1000", Some("ann")), ("7", None)] {
            let status = format!("Name:\tconvoy\nUid:\t{id}\t0\t0\t0\n");
            assert_eq!(name_of(&status, users).as_deref(), name);
        }
        assert_ne!(host(&[("USER", "")]).actor(), "convoy");
    }

    #[test]
    fn a_process_under_nohup_is_told_by_its_mask() {
        let cases = [
            ("Name:\tx\nSigIgn:\t0000000000001000\n", false),
            ("SigIgn:\t0000000000001001\n", true),
            ("SigIgn:\tnonsense\n", true),
            ("", true),
        ];
        for (status, ignores) in cases {
            assert_eq!(ignores_hangup(status), ignores, "{status}");
        }
    }

    #[test]
    fn a_program_called_by_a_path_is_shown_by_it() {
        for (argument, wanted) in
            [(Some("convoy"), "convoy"), (Some("./bin/convoy"), "./bin/convoy"), (None, "convoy")]
        {
            assert_eq!(called_as(argument.map(Into::into)), wanted);
        }
    }
}
