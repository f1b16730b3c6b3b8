//! What the host is to do, and what it shares with its parts.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use convoy_core::engine::Run;
use convoy_core::error::{Error, ErrorKind};
use convoy_core::event::RequestKind;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Any error of this program.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// One line of a script or of a program: a word and its arguments.
pub(crate) type Words = Vec<Value>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) repository: String,
    pub(crate) landing: String,
    pub(crate) engine: EngineWords,
    pub(crate) adapters: Vec<Description>,
    pub(crate) reviewer: Option<Description>,
    #[serde(default)]
    pub(crate) queue: bool,
    pub(crate) gates: Vec<String>,
    pub(crate) prompts: Vec<String>,
    pub(crate) hooks: Vec<String>,
    pub(crate) convoy: String,
    pub(crate) options: OptionWords,
    pub(crate) script: HashMap<String, Vec<Vec<Words>>>,
    pub(crate) on: Vec<Rule>,
    pub(crate) main: Vec<Words>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EngineWords {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) grace_ms: u64,
    pub(crate) actor: Option<String>,
    #[serde(default)]
    pub(crate) secrets: Vec<String>,
    pub(crate) keep_convoys: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OptionWords {
    pub(crate) concurrency: Option<u32>,
    pub(crate) adapter: Option<String>,
    pub(crate) branch: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) model: Option<String>,
    pub(crate) account: Option<String>,
    #[serde(default)]
    pub(crate) capabilities: BTreeMap<String, bool>,
}

/// What is done when an event is read: the first rule that fits and has not been used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) task: Option<String>,
    #[serde(rename = "do")]
    pub(crate) then: Vec<Words>,
}

/// What the parts share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) repository: String,
    pub(crate) landing: String,
    script: HashMap<String, Vec<Vec<Words>>>,
    calls: Mutex<HashMap<String, usize>>,
    /// The gates that are open.
    pub(crate) open: watch::Sender<Vec<String>>,
    /// The newest run.
    pub(crate) run: Mutex<Option<Run>>,
}

impl Shared {
    pub(crate) fn new(job: &mut Job) -> Self {
        Self {
            repository: job.repository.clone(),
            landing: job.landing.clone(),
            script: std::mem::take(&mut job.script),
            calls: Mutex::default(),
            open: watch::Sender::new(Vec::new()),
            run: Mutex::default(),
        }
    }

    /// Says what was asked, and gives what is to be done: by `KIND TASK.ATTEMPT`, for gates and the like by `KIND NAME`,
    /// else by `KIND`; the last script of these stands for all later calls.
    pub(crate) fn asked(&self, kind: &str, worker: Option<&str>, request: &Value) -> Vec<Words> {
        let name = request["name"].as_str().unwrap_or_default();
        let tail = worker.and_then(|worker| worker.split_once('.')).map_or(name, |(_, tail)| tail);
        say(&json!({ "asked": kind, "request": request }));
        let exact = format!("{kind} {tail}");
        let key = if self.script.contains_key(&exact) { exact.as_str() } else { kind };
        let Some(scripts) = self.script.get(key) else {
            let landing = ["prepare", "advance", "settle"].contains(&kind);
            return vec![if landing {
                vec![json!("git")]
            } else {
                vec![json!("raise"), json!("Unscripted"), json!(exact)]
            }];
        };
        let mut calls = self.calls.lock().expect("nobody panics with it");
        let count = calls.entry(key.to_owned()).or_default();
        let script = scripts[(*count).min(scripts.len() - 1)].clone();
        *count += 1;
        script
    }

    /// Asks the newest run for something.
    pub(crate) fn ask_run(&self, what: &str, reason: &str) -> Result<(), Error> {
        let run = self.run.lock().expect("nobody panics with it").clone();
        let run = run.ok_or_else(|| Error::new(ErrorKind::State, "nothing runs"))?;
        run.request(match what {
            "pause" => RequestKind::Pause,
            "unpause" => RequestKind::Unpause,
            "cancel" => RequestKind::Cancel,
            _ => RequestKind::Interrupt { reason: reason.to_owned() },
        })
    }

    /// Waits until a gate is open.
    pub(crate) async fn passes(&self, gate: &str) {
        let mut open = self.open.subscribe();
        let opened = open.wait_for(|open| open.iter().any(|name| name == gate)).await;
        opened.expect("the sender is kept here");
    }
}

/// Prints one line.
pub(crate) fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // One write a line, so that lines of several threads do not mix, and so that nothing is left when it is killed.
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).expect("somebody reads");
}

pub(crate) fn text(words: &Words, at: usize) -> &str {
    words.get(at).and_then(Value::as_str).unwrap_or_default()
}

impl Job {
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}
