//! Tasks for a convoy that runs.

use std::time::Duration;

use super::decode::text_of;
use super::model::Task;
use super::problem::{Path, Pos, Problem};
use super::table::INJECTION;
use super::task::files;
use super::tree::Meaning;
use super::value::Record;
use super::walk::Walker;
use super::yaml;
use crate::types::TaskId;

/// What became of the text of `inject.yml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// The tasks; `None` when there is an error among the problems.
    pub tasks: Option<Vec<Task>>,
    /// Every problem, sorted by position.
    pub problems: Vec<Problem>,
}

/// Reads the bytes of `inject.yml`: `{tasks: [{id, prompt, agent, files, timeout_ms, max_retries, depends_on}]}`, of
/// which only `id` and `prompt` are needed. What a task does not say it has from `like`, the convoy's
/// [`task_defaults`](super::Spec::task_defaults). Whether ids are free and dependencies exist is not looked at here:
/// that depends on the convoy as it is when they are added.
///
/// The text is bounded as a convoy file is ([`decode`](super::decode())).
pub fn injected_tasks(bytes: &[u8], like: &Task) -> Injected {
    let text = match text_of(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(problem) => return Injected { tasks: None, problems: vec![problem] },
    };
    let (root, mut problems) = yaml::parse(text);
    let Some(root) = root.filter(|root| root.meaning() != Some(Meaning::Null)) else {
        if problems.errors() == 0 {
            problems.push(Problem::error(Pos::START, "", "the file is empty; it has at least `tasks`"));
        }
        return Injected { tasks: None, problems: problems.sorted() };
    };
    let mut walker = Walker::strict(problems);
    let record = walker.record(&INJECTION, &root, &Path::Root);
    let (problems, _) = walker.finish();
    let problems = problems.sorted();
    let tasks = record.map(|record| record.records("tasks").filter_map(|(_, task)| of(task, like)).collect());
    let broken = problems.iter().any(Problem::is_error);
    Injected { tasks: tasks.filter(|_| !broken), problems }
}

fn of(record: &Record, like: &Task) -> Option<Task> {
    let id = record.text("id").and_then(|id| TaskId::new(id).ok())?;
    let mut depends_on: Vec<TaskId> = Vec::new();
    for name in record.texts("depends_on").unwrap_or_default() {
        depends_on.extend(TaskId::new(name).ok().filter(|id| !depends_on.contains(id)));
    }
    let millis = record.int("timeout_ms").and_then(|millis| u64::try_from(millis).ok());
    let like = like.clone();
    Some(Task {
        prompt: record.text("prompt").unwrap_or_default().to_owned(),
        agent: record.text("agent").filter(|a| !a.is_empty()).map_or(like.agent, str::to_owned),
        files: files(record).0,
        timeout: millis.map_or(like.timeout, Duration::from_millis),
        max_retries: record.count("max_retries").unwrap_or(like.max_retries),
        description: id.to_string(),
        depends_on,
        id,
        ..like
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::decode;

    fn like() -> Task {
        let text = "name: x\nversion: 1\ndefaults: {agent: tester, max_retries: 4, timeout: 7m, gates: [make]}\n\
                    tasks: [{id: a, prompt: p}]\n";
        let spec = decode(text).spec.expect("a spec");
        Task::clone(spec.task_defaults.as_deref().expect("defaults"))
    }

    #[test]
    fn a_task_has_what_it_says_and_else_the_defaults_of_the_convoy() {
        let text = "\u{feff}tasks:\n\
                    - {id: one, prompt: do it}\n\
                    - {id: two, prompt: more, agent: writer, files: [./src/, docs], timeout_ms: 90000, max_retries: 0, \
                    depends_on: [one, a, one]}\n";
        let Injected { tasks, problems } = injected_tasks(text.as_bytes(), &like());
        assert_eq!(problems, []);
        let one = Task {
            id: TaskId::new("one").expect("valid"),
            prompt: "do it".into(),
            description: "one".into(),
            ..like()
        };
        let two = Task {
            id: TaskId::new("two").expect("valid"),
            prompt: "more".into(),
            agent: "writer".into(),
            files: vec!["src".into(), "docs".into()],
            timeout: Duration::from_secs(90),
            max_retries: 0,
            depends_on: ["one", "a"].map(|id| TaskId::new(id).expect("valid")).to_vec(),
            description: "two".into(),
            ..like()
        };
        assert_eq!(
            (one.agent.as_str(), one.max_retries, one.gates.as_slice()),
            ("tester", 4, &["make".into()][..])
        );
        assert_eq!(tasks, Some(vec![one, two]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases: [(&str, &str); 11] = [
            ("", "1:1: error: the file is empty; it has at least `tasks`"),
            ("[]", "1:1: error: must be a mapping, found a list"),
            ("tasks: [", "error: "),
            ("{}", "1:1: error: tasks: is required and missing"),
            ("tasks: []", "1:8: error: tasks: must not be empty"),
            ("tasks: [{id: a}]", "1:9: error: tasks[0].prompt: is required and missing"),
            ("tasks:\n- {id: a, prompt: p, timeout_ms: 0}", "2:34: error: tasks[0].timeout_ms: "),
            (
                "tasks: [{id: a, prompt: p, promt: q}]",
                "1:28: error: tasks[0].promt: unknown key \"promt\" (did you mean `prompt`?)",
            ),
            (
                "tasks: [{id: a, prompt: p, gates: [x]}]",
                "1:28: error: tasks[0].gates: unknown key \"gates\" (it is a key of a task, here it has no meaning)",
            ),
            (
                "tasks: [{id: a, prompt: p, depends_on: a}]",
                "1:40: error: tasks[0].depends_on: must be a list",
            ),
            ("tasks: [{id: a, prompt: p}]\nmore: 1", "2:1: error: more: unknown key \"more\""),
        ];
        for (text, wanted) in cases {
            let Injected { tasks, problems } = injected_tasks(text.as_bytes(), &like());
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(tasks, None, "{text}");
            assert!(said.iter().any(|said| said.contains(wanted)), "{text}: {said:?}");
        }
        assert!(injected_tasks(b"tasks: \xff", &like()).problems[0].to_string().contains("is not UTF-8"));
        let own = injected_tasks(b"x-mine: 1\ntasks: [{id: a, prompt: p, x-note: n}]", &like());
        assert_eq!((own.problems.len(), own.tasks.map(|tasks| tasks.len())), (0, Some(1)));
    }
}
