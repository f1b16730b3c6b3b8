//! Does what a script says, up to the answer.

use std::path::PathBuf;
use std::process::Stdio;

use convoy_core::process::Stream;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::job::{Shared, Words, text};

/// How a call of the engine ends.
#[derive(Debug)]
pub(crate) enum Ending {
    Answer(Value),
    /// Something was thrown; in other languages it has a type and a message.
    Raised(String),
    /// An agent that fails and says how.
    Failed {
        message: String,
        kind: String,
    },
    /// What is no answer.
    Nonsense(Value),
}

/// What a script can do while it works.
pub(crate) trait Telling {
    fn output(&mut self, stream: Stream, text: &str);
    fn session(&mut self, _id: &str) {}
    fn started(&mut self) {}
}

/// Nobody to tell.
pub(crate) struct Silent;

impl Telling for Silent {
    fn output(&mut self, _stream: Stream, _text: &str) {}
}

/// A call of the engine.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) kind: &'a str,
    pub(crate) request: &'a Value,
    /// The engine no longer wants the answer.
    pub(crate) stop: CancellationToken,
}

impl Call<'_> {
    pub(crate) async fn follow(&self, script: &[Words], tell: &mut (dyn Telling + Send)) -> Ending {
        for step in script {
            let arg = |at| text(step, at);
            match arg(0) {
                "answer" => return Ending::Answer(step[1].clone()),
                // Who answers with what the function returns cannot answer twice.
                "answer-twice" => return Ending::Answer(step[1].clone()),
                "nonsense" => return Ending::Nonsense(step[1].clone()),
                "raise" => return Ending::Raised(format!("{}: {}", arg(1), arg(2))),
                "fail" => return Ending::Failed { message: arg(1).to_owned(), kind: arg(2).to_owned() },
                "git" => return Ending::Answer(self.landing().await),
                "git-only" => drop(self.landing().await),
                "write" => {
                    // Code beside agents has a worktree.
                    let folder = self.request["cwd"].as_str().or_else(|| self.request["worktree"].as_str());
                    let path = PathBuf::from(folder.unwrap_or_default()).join(arg(1));
                    std::fs::write(path, arg(2)).expect("the file can be written");
                }
                "output" => tell.output(Stream::Stdout, arg(1)),
                "complain" => tell.output(Stream::Stderr, arg(1)),
                "repeat" => tell.output(Stream::Stdout, self.request[arg(1)].as_str().unwrap_or_default()),
                "session" => tell.session(arg(1)),
                "started" => tell.started(),
                "ask" => self.shared.ask_run(arg(1), arg(2)).expect("a run is there"),
                "await" => self.shared.passes(arg(1)).await,
                "cancelled" => self.stop.cancelled().await,
                "hang" => std::future::pending().await,
                "die" => die(),
                other => return Ending::Raised(format!("Unknown: {other}")),
            }
        }
        Ending::Raised("Unfinished: the script has no answer".to_owned())
    }

    /// Has the program of the tests do the step of landing.
    async fn landing(&self) -> Value {
        let names: &[&str] = match self.kind {
            "prepare" => &["integration_ref", "tip", "work", "message"],
            "advance" => &["integration_ref", "commit", "onto", "fence"],
            _ => &["integration_ref", "commit", "onto"],
        };
        let words = names.iter().map(|name| match &self.request[*name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let mut command = Command::new("sh");
        command.arg(&self.shared.landing).arg(&self.shared.repository).arg(self.kind).args(words);
        let output = command.stdin(Stdio::null()).output().await.expect("a shell is there");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| json!({ "outcome": "none" }))
    }
}

/// Ends this process as a crash does.
fn die() -> ! {
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("a process may end itself");
    unreachable!("nothing survives this")
}
