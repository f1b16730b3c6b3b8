//! The commands of a script. `FILE` and `PATH` are taken from the current directory unless absolute; `TEXT` is the
//! rest of the line.
//!
//! | command | what it does |
//! |---|---|
//! | `write PATH TEXT`, `append PATH TEXT` | the text and a newline, folders as needed; written in place |
//! | `set-line PATH N TEXT` | line N (from 1) of a file that has it |
//! | `delete PATH`, `mkdir PATH`, `rename FROM TO`, `symlink TARGET PATH`, `chmod MODE PATH` | as they say |
//! | `commit TEXT` | `git add -A`, `git commit` |
//! | `git WORDS`, `sh TEXT` | must succeed; what they print is printed |
//! | `say TEXT`, `err TEXT`, `raw TEXT` | an answer; a line on standard error; a line on standard output as it is |
//! | `verdict pass\|block TEXT` | as a reviewer: the judgement, with the nonce that the prompt asks for |
//! | `say @FILE`, `verdict pass\|block @FILE` | the same with the text of a file, which then stands in no prompt |
//! | `flood BYTES [err]` | that many bytes, in lines |
//! | `count FILE [TEXT]` | appends a line, at once: who ran, and in what order; also into a fifo |
//! | `listen FILE` | reads it to its end: on a fifo, until somebody writes and closes |
//! | `touch FILE`, `wait-for FILE` | makes a file; waits until it exists |
//! | `record-prompt FILE`, `record-args FILE`, `record-env FILE` | what it was given |
//! | `fail-times N FILE` | exit code 1 the first N times, counted in the lines of FILE |
//! | `exit N`, `kill-self`, `hang`, `ignore-term` | as they say; `kill-self` by SIGKILL |
//! | `daemonize FILE [ignore-term] [quiet]` | a grandchild without parent in a session of its own; its id in FILE |
//! | `leave-behind FILE [ignore-term] [quiet]` | a child in the same group, holding the pipes; its id in FILE |
//! | `resolve` | takes out conflict markers, keeping both sides |
//! | `tokens IN OUT`, `cost USD`, `session ID`, `result-error TEXT`, `rate-limit EPOCH` | what the transcript says |
//! | `no-result`, `linger` | no last event; stays after the last event |
//! | `require-file PATH TEXT`, `require-prompt TEXT` | exit code 65 if the text is not in it |
//! | `if-conflict C`, `unless-conflict C` | the command C if files hold conflict markers, or if none does |
//! | `if-prompt WORD C`, `unless-prompt WORD C` | C if the prompt contains the word (quote for more than one), or not |
//! | `if-exists FILE C`, `unless-exists FILE C` | C if the file is there, or not |

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::report::Report;
use crate::script::Words;
use crate::{background, conflict};

/// As `sysexits.h` has it: what was given is not what was asked for.
const BAD_INPUT: u8 = 65;

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    Exit(u8),
}

pub(crate) struct Agent<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) args: &'a [String],
    pub(crate) report: &'a mut Report,
}

impl Agent<'_> {
    /// Carries out one line.
    pub(crate) fn perform(&mut self, mut words: Words<'_>) -> Result<Flow, String> {
        let name = words.word()?;
        if let Some(holds) = self.condition(&name, &mut words)? {
            return if holds { self.perform(words) } else { Ok(Flow::On) };
        }
        if let Some(flow) = self.ending(&name, &mut words)? {
            words.end()?;
            return Ok(flow);
        }
        let known = self.file(&name, &mut words)?
            || self.print(&name, &mut words)?
            || self.meeting(&name, &mut words)?
            || self.program(&name, &mut words)?;
        if known { words.end().map(|()| Flow::On) } else { Err(format!("no such command: {name}")) }
    }

    fn condition(&self, name: &str, words: &mut Words<'_>) -> Result<Option<bool>, String> {
        let (wanted, what) = match name.split_once('-') {
            Some(("if", what)) => (true, what),
            Some(("unless", what)) => (false, what),
            _ => return Ok(None),
        };
        let holds = match what {
            "conflict" => !io(conflict::files(Path::new(".")))?.is_empty(),
            "prompt" => self.prompt_says(&words.word()?),
            "exists" => Path::new(&words.word()?).exists(),
            _ => return Ok(None),
        };
        Ok(Some(holds == wanted))
    }

    /// Whether the prompt says so outside of scripts.
    fn prompt_says(&self, text: &str) -> bool {
        let mut within = false;
        let outside = self.prompt.lines().filter(|line| {
            let (fence, was) = (line.trim().starts_with("```"), within);
            within = if fence { line.trim() == "```script" } else { within };
            !was && !within
        });
        outside.collect::<Vec<_>>().join("\n").contains(text)
    }

    fn ending(&mut self, name: &str, words: &mut Words<'_>) -> Result<Option<Flow>, String> {
        let required = |holds: bool| if holds { Flow::On } else { Flow::Exit(BAD_INPUT) };
        Ok(Some(match name {
            "exit" => Flow::Exit(words.number()?),
            "fail-times" => {
                let (times, file) = (words.number::<usize>()?, words.word()?);
                let failed = fs::read_to_string(&file).map_or(0, |text| text.lines().count());
                if failed < times {
                    append(&file, "failed")?;
                    self.report.error_line(&format!("failing on purpose, {} of {times}", failed + 1));
                    Flow::Exit(1)
                } else {
                    Flow::On
                }
            }
            "require-file" => {
                let path = words.word()?;
                required(fs::read_to_string(path).unwrap_or_default().contains(&words.text()?))
            }
            "require-prompt" => required(self.prompt_says(&words.text()?)),
            _ => return Ok(None),
        }))
    }

    fn file(&mut self, name: &str, words: &mut Words<'_>) -> Result<bool, String> {
        let path = |words: &mut Words<'_>| -> Result<String, String> {
            let path = words.word()?;
            make_parent(&path)?;
            Ok(path)
        };
        match name {
            "write" => io(fs::write(path(words)?, words.text()? + "\n"))?,
            "append" | "count" => append(&path(words)?, &words.text()?)?,
            "set-line" => set_line(&words.word()?, words.number()?, words.text()?)?,
            "delete" => {
                let path = words.word()?;
                io(if Path::new(&path).is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) })?;
            }
            "mkdir" => io(fs::create_dir_all(words.word()?))?,
            "rename" => {
                let from = words.word()?;
                io(fs::rename(from, path(words)?))?;
            }
            "symlink" => {
                let target = words.word()?;
                io(std::os::unix::fs::symlink(target, path(words)?))?;
            }
            "chmod" => {
                let mode = u32::from_str_radix(&words.word()?, 8).map_err(|error| error.to_string())?;
                io(fs::set_permissions(words.word()?, fs::Permissions::from_mode(mode)))?;
            }
            "touch" => drop(io(OpenOptions::new().append(true).create(true).open(path(words)?))?),
            "resolve" => {
                for path in io(conflict::resolve(Path::new(".")))? {
                    self.report.say(&format!("resolved {}", path.display()));
                }
            }
            "record-prompt" => io(fs::write(path(words)?, self.prompt))?,
            "record-args" => io(fs::write(path(words)?, self.args.join("\n") + "\n"))?,
            "record-env" => io(fs::write(path(words)?, environment()))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn print(&mut self, name: &str, words: &mut Words<'_>) -> Result<bool, String> {
        match name {
            "say" => self.report.say(&spoken(&words.text()?)?),
            "verdict" => {
                let verdict = words.word()?;
                let answer = self.verdict(&verdict, &spoken(&words.text()?)?)?;
                self.report.say(&answer);
            }
            "err" => self.report.error_line(&words.text()?),
            "raw" => self.report.line(&words.text()?),
            "flood" => flood(words.number()?, words.optional()?.as_deref())?,
            "tokens" => self.report.tokens = Some((words.number()?, words.number()?)),
            "cost" => self.report.cost = Some(words.number()?),
            "session" => self.report.session = words.word()?,
            "result-error" => self.report.failure = Some(words.text()?),
            "rate-limit" => self.report.rate_limited(words.number()?),
            "no-result" => self.report.ends = false,
            "linger" => self.report.lingers = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The answer of a reviewer.
    fn verdict(&self, verdict: &str, feedback: &str) -> Result<String, String> {
        let form = self.prompt.lines().rev().find_map(|line| line.strip_prefix("{\"nonce\": \""));
        let nonce = form.and_then(|rest| rest.split('"').next()).ok_or("the prompt asks for no verdict")?;
        let answer = serde_json::json!({"nonce": nonce, "verdict": verdict, "feedback": feedback});
        Ok(answer.to_string())
    }

    /// Waiting, and what others have to put up with.
    fn meeting(&mut self, name: &str, words: &mut Words<'_>) -> Result<bool, String> {
        match name {
            "wait-for" => background::wait_for(&words.word()?)?,
            "listen" => drop(io(fs::read(words.word()?))?),
            "hang" => background::hang(),
            "ignore-term" => drop(io(background::ignore_term())?),
            "kill-self" => {
                io(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                    .map_err(io::Error::from))?;
            }
            "daemonize" | "leave-behind" => {
                let file = words.word()?;
                make_parent(&file)?;
                let options = words.all()?;
                if let Some(unknown) =
                    options.iter().find(|word| !["ignore-term", "quiet"].contains(&word.as_str()))
                {
                    return Err(format!("no such option: {unknown}"));
                }
                let has = |option: &str| options.iter().any(|word| word == option);
                match name {
                    "daemonize" => background::daemonize(&file, has("ignore-term"), has("quiet"))?,
                    _ => background::leave_behind(&file, has("ignore-term"), has("quiet"))?,
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn program(&mut self, name: &str, words: &mut Words<'_>) -> Result<bool, String> {
        match name {
            "git" => git(words.all()?)?,
            "commit" => {
                let message = words.text()?;
                git(["add".into(), "-A".into()])?;
                git(["commit".into(), "-q".into(), "--allow-empty".into(), "-m".into(), message])?;
            }
            "sh" => start("/bin/sh", ["-c".into(), words.text()?])?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn io<T>(result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// The text, or that of the file after an `@`.
fn spoken(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(file) => io(fs::read_to_string(file)),
        None => Ok(text.to_owned()),
    }
}

fn make_parent(path: &str) -> Result<(), String> {
    Path::new(path).parent().map_or(Ok(()), |parent| io(fs::create_dir_all(parent)))
}

/// One write at the end of the file: lines of several agents do not mix.
fn append(path: &str, text: &str) -> Result<(), String> {
    let mut file = io(OpenOptions::new().append(true).create(true).open(path))?;
    io(file.write_all(format!("{text}\n").as_bytes()))
}

fn set_line(path: &str, number: usize, text: String) -> Result<(), String> {
    let old = io(fs::read_to_string(path))?;
    let mut lines: Vec<&str> = old.lines().collect();
    let line = number.checked_sub(1).and_then(|at| lines.get_mut(at)).ok_or("there is no such line")?;
    *line = &text;
    io(fs::write(path, lines.join("\n") + "\n"))
}

fn flood(bytes: u64, stream: Option<&str>) -> Result<(), String> {
    let line = [b"all work and no play ".repeat(3).as_slice(), b"\n"].concat();
    let chunk = line.repeat(1024);
    let mut out: Box<dyn Write> = match stream {
        None => Box::new(io::stdout().lock()),
        Some("err") => Box::new(io::stderr().lock()),
        Some(other) => return Err(format!("no such stream: {other}")),
    };
    let mut left = bytes;
    while left > 0 {
        let piece = &chunk[..usize::try_from(left).unwrap_or(chunk.len()).min(chunk.len())];
        io(out.write_all(piece))?;
        left -= piece.len() as u64;
    }
    io(out.flush())
}

#[expect(clippy::disallowed_methods, reason = "the tests ask what environment an agent gets")]
fn environment() -> String {
    let mut lines: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}\n", name.display(), value.display()))
        .collect();
    lines.sort();
    lines.concat()
}

/// As somebody, even where nobody is configured.
fn git(args: impl IntoIterator<Item = String>) -> Result<(), String> {
    let person = ["-c", "user.name=Scripted Agent", "-c", "user.email=agent@example.invalid"];
    start("git", person.iter().map(|arg| (*arg).to_owned()).chain(args))
}

#[expect(clippy::disallowed_methods, reason = "an agent runs programs")]
fn start(program: &str, args: impl IntoIterator<Item = String>) -> Result<(), String> {
    let mut command = std::process::Command::new(program);
    let status = io(command.args(args).stdin(std::process::Stdio::null()).status())?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}")) }
}
