//! Convoy files: read, checked, their problems written out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use convoy_core::agent::{Registry, canonical_name};
use convoy_core::plan::{Checked, Plan, check_bytes, check_formula};
use convoy_core::spec::{EnvValue, MAX_BYTES, Pos, Problem, Severity, Spec, host_names};

use crate::app::App;
use crate::args::SourceArgs;
use crate::exit::Failure;
use crate::render::{count, safe_line};

/// The bytes of a convoy file: at most one more than are allowed, so that the check sees it.
pub(super) fn read(app: &App, file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let opened = File::open(app.host.absolute(file)).map_err(failed)?;
    opened.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// `FILE:LINE:COL: error|warning: FIELD: …`.
pub(super) fn problem_line(file: &Path, problem: &Problem) -> String {
    safe_line(&format!("{}:{problem}", file.display()))
}

/// A convoy file that may be run.
pub(super) struct Usable {
    pub(super) text: String,
    pub(super) plan: Plan,
}

/// What came of a convoy file, or of a formula with its variables.
pub(super) struct Looked {
    /// The file that problems are about.
    pub(super) file: PathBuf,
    pub(super) checked: Checked,
    /// The text of the convoy, as far as there is one.
    text: Option<String>,
}

/// Reads and checks what a command is about.
pub(super) fn look(app: &App, source: &SourceArgs) -> Result<Looked, Failure> {
    if let Some(file) = &source.formula {
        let mut values = BTreeMap::new();
        for (name, value) in &source.set {
            if values.insert(name.clone(), value.clone()).is_some() {
                return Err(Failure::usage(format!("--set {name} is there twice")));
            }
        }
        let filled = check_formula(&read(app, file)?, &values);
        let checked = with_host_names(filled.checked);
        return Ok(Looked { file: file.clone(), checked, text: filled.text });
    }
    if !source.set.is_empty() {
        return Err(Failure::usage(
            "--set is for the variables of a formula: name it with --formula FILE".to_owned(),
        ));
    }
    let Some(file) = &source.file else {
        return Err(Failure::usage("name a convoy file, or a formula with --formula FILE".to_owned()));
    };
    let bytes = read(app, file)?;
    let checked = with_host_names(check_bytes(&bytes));
    Ok(Looked { file: file.clone(), checked, text: String::from_utf8(bytes).ok() })
}

/// Refuses what asks for code of the program that embeds the engine: this one has none. Such a name may stand in
/// `defaults`, so only the field that has it is told.
fn with_host_names(mut checked: Checked) -> Checked {
    let names = checked.spec.as_deref().map(host_names).unwrap_or_default();
    checked.problems.extend(names.into_iter().map(|of| {
        let message = format!("`convoy` has no {} of its own that is called `{}`", of.kind, of.name);
        let problem = Problem::error(Pos::START, of.path, message);
        problem.with_hint("run the file with the program that has registered it, or remove the name")
    }));
    checked
}

/// Looks at a convoy for a run. Says every problem; refuses errors and fields that are not built yet.
pub(super) fn usable(app: &mut App, source: &SourceArgs) -> Result<Usable, Failure> {
    let Looked { file, checked, text } = look(app, source)?;
    let problems: Vec<Problem> =
        checked.problems.iter().map(|p| as_run(p, checked.spec.as_deref())).collect();
    for problem in &problems {
        app.out.note(problem_line(&file, problem));
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    match (checked.plan, text) {
        (Some(plan), Some(text)) if errors == 0 => Ok(Usable { text, plan }),
        _ => {
            let number = u64::try_from(errors).unwrap_or(u64::MAX);
            Err(Failure::spec(format!("{} is refused: {}", file.display(), count(number, "error"))))
        }
    }
}

/// The problem as a run sees it: what a check only warns of because it is not built yet, a run refuses.
fn as_run(problem: &Problem, spec: Option<&Spec>) -> Problem {
    let here = (problem.line, problem.column, &problem.path);
    let unsupported = spec.is_some_and(|spec| {
        spec.unsupported.iter().any(|field| (field.line, field.column, &field.path) == here)
    });
    let mut problem = problem.clone();
    if unsupported {
        problem.severity = Severity::Error;
    }
    problem
}

/// Whether every agent program that is named, here or in the file, is one that there is; whether it is
/// installed only a run finds out.
pub(super) fn adapters_exist(spec: &Spec, chosen: Option<&str>) -> Result<(), Failure> {
    let registry = Registry::built_in().with_profiles(&spec.adapters);
    let registry = registry.map_err(|error| Failure::usage(error.to_string()))?;
    let detected = |name: &&str| name.is_empty() || *name == "auto";
    let needed = spec.tasks.iter().any(|task| task.adapter.is_none());
    let whole = chosen.or(spec.adapter.as_deref()).filter(|name| needed && !detected(name));
    let tasks = spec.tasks.iter().filter_map(|task| task.adapter.as_deref());
    for name in whole.into_iter().chain(tasks) {
        registry.get(canonical_name(name)).map_err(|error| Failure::usage(error.to_string()))?;
    }
    Ok(())
}

/// The variables of the host's environment that a spec names.
pub(super) fn named_variables(spec: &Spec) -> BTreeSet<String> {
    let named = |env: &BTreeMap<String, EnvValue>| {
        let names = env.values().filter_map(|value| match value {
            EnvValue::FromEnv(name) => Some(name.clone()),
            EnvValue::Literal(_) => None,
        });
        names.collect::<Vec<_>>()
    };
    let profiles = spec.adapters.values().map(|profile| &profile.env);
    let tasks = spec.tasks.iter().map(|task| &task.env);
    std::iter::once(&spec.env).chain(profiles).chain(tasks).flat_map(named).collect()
}

/// A convoy file, for tests.
#[cfg(test)]
pub(super) fn file(name: &str) -> SourceArgs {
    SourceArgs { file: Some(name.into()), ..SourceArgs::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Place;

    const GOOD: &str = "name: x\ntasks:\n  - id: a\n    prompt: p\n";

    #[test]
    fn code_that_only_another_program_can_have_is_refused() {
        let place = Place::new();
        let hooks = "hooks: [{type: host, name: tell}]";
        place.write("f.yml", &format!("version: 1\n{GOOD}    host_gates: [small]\n    {hooks}\n"));
        let (mut app, captured) = place.app();
        let failure = usable(&mut app, &file("f.yml")).err().expect("refused");
        assert!(failure.message.contains("2 errors"), "{}", failure.message);
        let said = captured.stderr();
        let wanted = [
            "f.yml:1:1: error: tasks[0].host_gates[0]: `convoy` has no gate of its own that is called `small`",
            "f.yml:1:1: error: tasks[0].hooks[0]: `convoy` has no hook of its own that is called `tell`",
        ];
        assert!(wanted.iter().all(|line| said.contains(line)), "{said}");
    }

    #[test]
    fn a_good_file_is_usable_and_a_warning_is_said() {
        let place = Place::new();
        let text = format!("x-free: 1\nsomething-of-mine: 2\nversion: 1\n{GOOD}");
        place.write("good.yml", &text);
        let (mut app, captured) = place.app();
        let usable = usable(&mut app, &file("good.yml")).expect("usable");
        assert_eq!((usable.plan.len(), usable.text), (1, text));
        let said = captured.stderr();
        assert!(said.starts_with("good.yml:2:1: warning: something-of-mine: unknown key"), "{said}");
        assert_eq!((said.lines().count(), captured.stdout().as_str()), (1, ""));
    }

    #[test]
    fn what_is_wrong_or_not_built_is_refused_with_its_place() {
        let cases = [
            ("name: x\ntasks: []\n", "f.yml:2:8: error: tasks: "),
            (
                &*format!("{GOOD}    persistent: true\n"),
                "f.yml:5:5: error: tasks[0].persistent: not supported yet: persistent",
            ),
            (
                &*format!("version: 1\nmerge: {{batch: 5}}\n{GOOD}"),
                "f.yml:2:9: error: merge.batch: not supported yet: merge.batch",
            ),
            ("", "f.yml:1:1: error: the file is empty"),
        ];
        for (text, wanted) in cases {
            let place = Place::new();
            place.write("f.yml", text);
            let (mut app, captured) = place.app();
            let failure = usable(&mut app, &file("f.yml")).err().expect("refused");
            let said = captured.stderr();
            assert!(said.lines().any(|line| line.starts_with(wanted)), "{wanted}: {said}");
            assert_eq!((failure.exit.code(), failure.kind), (2, "invalid_spec"));
            assert!(failure.message.starts_with("f.yml is refused: "), "{failure:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_too_large_is_bad_usage() {
        let place = Place::new();
        let (mut app, captured) = place.app();
        let failure = usable(&mut app, &file("absent.yml")).err().expect("refused");
        assert!(failure.message.starts_with("cannot read absent.yml: "), "{failure:?}");
        assert_eq!(failure.exit.code(), 2);
        place.write("large.yml", &"# \n".repeat(MAX_BYTES / 3 + 2));
        assert!(usable(&mut app, &file("large.yml")).is_err());
        assert!(captured.stderr().contains("large.yml:1:1: error: "), "{}", captured.stderr());
    }

    #[test]
    fn a_formula_is_filled_in_and_its_problems_have_places_in_its_file() {
        let place = Place::new();
        place.write(
            "page.yml",
            "name: page\nvariables:\n  PAGE: {required: true}\nspec:\n  name: make {{PAGE}}\n  tasks:\n    - id: '{{PAGE | kebab}}'\n      prompt: p\n      depends_on: ['{{AFTER}}']\n",
        );
        let formula = |set: &[(&str, &str)]| SourceArgs {
            formula: Some("page.yml".into()),
            set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..SourceArgs::default()
        };
        let (mut app, captured) = place.app();
        let failure = usable(&mut app, &formula(&[])).err().expect("refused");
        assert_eq!((failure.exit.code(), failure.kind), (2, "invalid_spec"));
        let said = captured.stderr();
        let wanted = [
            "page.yml:3:3: error: variables: PAGE is required and not set",
            "page.yml:9:20: error: spec.tasks[0].depends_on[0]: there is no variable AFTER",
        ];
        for wanted in wanted {
            assert!(said.lines().any(|line| line.starts_with(wanted)), "{wanted}: {said}");
        }
        let (mut app, captured) = place.app();
        let failure =
            usable(&mut app, &formula(&[("PAGE", "aB"), ("AFTER", "gone")])).err().expect("refused");
        assert_eq!(failure.kind, "invalid_spec");
        let said = captured.stderr();
        assert!(said.contains("page.yml:9:20: error: spec.tasks[0].depends_on[0]: "), "{said}");
        let twice = usable(&mut app, &formula(&[("PAGE", "a"), ("PAGE", "b")])).err().expect("refused");
        assert!(twice.exit.code() == 2 && twice.message.contains("twice"), "{twice:?}");
    }

    #[test]
    fn an_agent_program_that_nobody_knows_is_bad_usage() {
        let text = |extra: &str| {
            format!(
                "name: x\nversion: 1\nadapters: {{mine: {{command: [sh]}}}}\ntasks:\n  - {{id: a, prompt: p{extra}}}\n"
            )
        };
        let cases = [
            ("", None, true),
            ("", Some("mine"), true),
            ("", Some("auto"), true),
            ("", Some("claude-code"), true),
            (", adapter: mine", None, true),
            ("", Some("nobody"), false),
            (", adapter: nobody", None, false),
        ];
        for (extra, chosen, known) in cases {
            let spec = check_bytes(text(extra).as_bytes()).spec.expect("valid");
            let answer = adapters_exist(&spec, chosen);
            assert_eq!(answer.is_ok(), known, "{extra} {chosen:?}");
            if let Err(failure) = answer {
                assert!(failure.exit.code() == 2 && failure.message.contains("nobody"), "{failure:?}");
            }
        }
    }

    #[test]
    fn the_variables_that_a_file_names_are_those_from_the_environment() {
        let text = "name: x\nenv: {A: {from_env: TOP}, B: text}\nadapters:\n  s: {command: [sh], env: {K: {from_env: KEY}}}\n\
                    tasks:\n  - {id: a, prompt: p, env: {C: {from_env: TASK}}}\n";
        let checked = check_bytes(text.as_bytes());
        let spec = checked.spec.expect("valid");
        let wanted = ["KEY", "TASK", "TOP"].map(str::to_owned);
        assert_eq!(named_variables(&spec), BTreeSet::from(wanted));
    }
}
