//! Scenarios: read, and carried out by a host on a repository of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use convoy_tests::ScratchRepo;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::hosts::{Host, root};
use crate::stream::{Recording, Stream};

/// The files of a commit.
type Files = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    about: String,
    #[serde(default)]
    files: Files,
    #[serde(default)]
    branches: BTreeMap<String, Files>,
    convoy: Value,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    engine: Map<String, Value>,
    adapters: Option<Value>,
    reviewer: Option<Value>,
    #[serde(default)]
    queue: bool,
    #[serde(default)]
    gates: Vec<String>,
    #[serde(default)]
    prompts: Vec<String>,
    #[serde(default)]
    hooks: Vec<String>,
    #[serde(flatten)]
    process: ProcessText,
    #[serde(default)]
    processes: Vec<ProcessText>,
    #[serde(default)]
    shows: Vec<Value>,
    #[serde(default)]
    free: Vec<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct ProcessText {
    script: Map<String, Value>,
    on: Vec<Value>,
    main: Option<Value>,
    dies: bool,
}

/// One scenario.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) about: String,
    files: Files,
    branches: BTreeMap<String, Files>,
    /// What each process does: a job but for what is of the repository.
    pub(crate) jobs: Vec<Value>,
    dies: Vec<bool>,
    pub(crate) shows: Vec<Value>,
    free: Vec<String>,
}

/// All scenarios, in the order of their files.
pub(crate) fn all() -> Vec<Scenario> {
    let folder = root().join("tests/parity/scenarios");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Scenario> {
    let text = fs::read_to_string(path).expect("a readable file");
    let texts: Vec<Text> =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    texts.into_iter().map(Scenario::from).collect()
}

impl From<Text> for Scenario {
    fn from(text: Text) -> Self {
        let processes = if text.processes.is_empty() { vec![text.process] } else { text.processes };
        let job = |process: &ProcessText| {
            let mut engine = json!({ "grace_ms": 500 });
            for (name, value) in &text.engine {
                engine[name] = value.clone();
            }
            let mut job = json!({
                "engine": engine,
                "adapters": text.adapters.clone().unwrap_or_else(|| json!([{ "name": "scribe" }])),
                "queue": text.queue,
                "gates": text.gates,
                "prompts": text.prompts,
                "hooks": text.hooks,
                "convoy": repeated(text.convoy.clone()).to_string(),
                "options": text.options,
                "script": process.script,
                "on": process.on,
                "main": process.main.clone().unwrap_or_else(|| json!([["start"]])),
            });
            if let Some(reviewer) = &text.reviewer {
                job["reviewer"] = reviewer.clone();
            }
            job
        };
        Self {
            jobs: processes.iter().map(job).collect(),
            dies: processes.iter().map(|process| process.dies).collect(),
            name: text.name,
            about: text.about,
            files: text.files,
            branches: text.branches,
            shows: text.shows,
            free: text.free,
        }
    }
}

impl Scenario {
    /// Has a host carry it out.
    pub(crate) fn run(&self, host: &Host) -> Result<Stream, String> {
        let repo = self.repository();
        let mut recording = Recording::new(repo.beside("").as_path(), &self.free);
        for (job, dies) in self.jobs.iter().zip(&self.dies) {
            let job = placed(job, &repo);
            // Without blanks: the host in C has no more than a sketch of a JSON reader.
            let path = repo.beside("job.json");
            fs::write(&path, job.to_string()).expect("a file beside the repository");
            let printed = host.run(&repo, &path, *dies)?;
            recording.process(&printed, *dies)?;
        }
        repo.assert_sound_and_clean();
        // Not by time: work of the same second has no order.
        let log = repo.git(["log", "--first-parent", "--format=%s", "main"]);
        recording.line(json!({ "files": repo.tree("main"), "log": log.lines().collect::<Vec<_>>() }));
        Ok(recording.finish())
    }

    fn repository(&self) -> ScratchRepo {
        let repo = ScratchRepo::new();
        let commit = |files: &Files| {
            files.iter().for_each(|(name, text)| repo.write(name, text));
            repo.commit("More");
        };
        if !self.files.is_empty() {
            commit(&self.files);
        }
        for (branch, files) in &self.branches {
            repo.git(["checkout", "--quiet", "-b", branch]);
            commit(files);
            repo.git(["checkout", "--quiet", "main"]);
        }
        repo
    }
}

/// A convoy file in which `{times: N, text: TEXT}` stands for a long text.
fn repeated(value: Value) -> Value {
    match value {
        Value::Object(members) => match (members.get("times"), members.get("text")) {
            (Some(times), Some(Value::String(text))) => {
                let times = times.as_u64().and_then(|times| usize::try_from(times).ok());
                Value::String(text.repeat(times.expect("a number")))
            }
            _ => Value::Object(members.into_iter().map(|(name, value)| (name, repeated(value))).collect()),
        },
        Value::Array(list) => list.into_iter().map(repeated).collect(),
        other => other,
    }
}

/// A job with what is of the repository.
fn placed(job: &Value, repo: &ScratchRepo) -> Value {
    let mut job = job.clone();
    let text = |text: &std::ffi::OsStr| text.to_str().expect("UTF-8").to_owned();
    let env: BTreeMap<_, _> =
        repo.environment().iter().map(|(name, value)| (text(name), text(value))).collect();
    job["repository"] = json!(repo.root());
    job["landing"] = json!(root().join("tests/parity/landing.sh"));
    job["engine"]["env"] = json!(env);
    job
}
