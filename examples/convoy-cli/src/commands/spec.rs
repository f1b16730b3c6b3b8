//! Convoy files: read, checked, their problems written out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use convoy_core::agent::{Registry, canonical_name};
use convoy_core::plan::{Checked, Plan, check_bytes, check_formula};
use convoy_core::spec::{EnvValue, MAX_BYTES, Pos, Problem, Severity, Spec, host_names, place_of};

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
    /// The text that the problems are about.
    source: String,
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
        let bytes = read(app, file)?;
        let source = String::from_utf8_lossy(&bytes).into_owned();
        let filled = check_formula(&bytes, &values);
        let checked = with_host_names(filled.checked, &source);
        return Ok(Looked { file: file.clone(), checked, text: filled.text, source });
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
    let source = String::from_utf8_lossy(&bytes).into_owned();
    let checked = with_host_names(check_bytes(&bytes), &source);
    Ok(Looked { file: file.clone(), checked, text: String::from_utf8(bytes).ok(), source })
}

/// Refuses what asks for code of the program that embeds the engine: this one has none. Such a name may stand in
/// `defaults`, so only the field that has it is told.
fn with_host_names(mut checked: Checked, source: &str) -> Checked {
    let names = checked.spec.as_deref().map(host_names).unwrap_or_default();
    checked.problems.extend(names.into_iter().map(|of| {
        let message = format!("`convoy` has no {} of its own that is called `{}`", of.kind, of.name);
        let problem = Problem::error(place(source, &of.path), of.path, message);
        problem.with_hint("run the file with the program that has registered it, or remove the name")
    }));
    checked
}

/// Where a field stands that a task has. What a task does not have itself comes from `defaults`, or from the top.
fn place(source: &str, path: &str) -> Pos {
    let own = place_of(source, path).or_else(|| place_of(source, &format!("spec.{path}")));
    own.or_else(|| {
        let field = path.split_once("].")?.1;
        let above = [format!("defaults.{field}"), field.to_owned()];
        above
            .iter()
            .flat_map(|path| [path.clone(), format!("spec.{path}")])
            .find_map(|p| place_of(source, &p))
    })
    .unwrap_or(Pos::START)
}

/// Looks at a convoy for a run. Says every problem; refuses errors and fields that are not built yet.
pub(super) fn usable(app: &mut App, source: &SourceArgs, chosen: Option<&str>) -> Result<Usable, Failure> {
    let looked = look(app, source)?;
    let problems = looked.as_run(chosen);
    let Looked { file, checked, text, .. } = looked;
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

impl Looked {
    /// Every problem as a run sees it. `chosen`: the agent program that the person names instead of the file's.
    pub(super) fn as_run(&self, chosen: Option<&str>) -> Vec<Problem> {
        let spec = self.checked.spec.as_deref();
        let mut problems: Vec<Problem> = self.checked.problems.iter().map(|p| as_run(p, spec)).collect();
        if let Some(spec) = spec {
            problems.extend(adapter_problems(spec, &self.source, chosen));
        }
        problems
    }
}

/// Agent programs that are named, here or in the file, and that there are not (whether one is installed only a run
/// finds out); and those that cannot say what a budget counts.
fn adapter_problems(spec: &Spec, source: &str, chosen: Option<&str>) -> Vec<Problem> {
    let registry = match Registry::built_in().with_profiles(&spec.adapters) {
        Ok(registry) => registry,
        Err(error) => return vec![Problem::error(place(source, "adapters"), "adapters", error.to_string())],
    };
    let detected = |name: &&str| name.is_empty() || *name == "auto";
    let needed = spec.tasks.iter().any(|task| task.adapter.is_none());
    let whole = chosen.or(spec.adapter.as_deref()).filter(|name| needed && !detected(name));
    let tasks = spec.tasks.iter().enumerate();
    let tasks = tasks.filter_map(|(n, task)| Some((format!("tasks[{n}].adapter"), task.adapter.as_deref()?)));
    let mut problems = Vec::new();
    let mut silent: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, name) in whole.map(|name| ("adapter".to_owned(), name)).into_iter().chain(tasks) {
        match registry.get(canonical_name(name)) {
            Err(error) => problems.push(Problem::error(place(source, &path), path, error.to_string())),
            Ok(adapter) => {
                let can = adapter.capabilities();
                let limits =
                    spec.budget.iter().chain(spec.tasks.iter().filter_map(|task| task.budget.as_ref()));
                for budget in limits {
                    if budget.tokens.is_some() && !can.usage {
                        silent.entry(name).or_default().insert("tokens");
                    }
                    if budget.cost_usd.is_some() && !can.cost {
                        silent.entry(name).or_default().insert("cost");
                    }
                }
            }
        }
    }
    problems.extend(silent.into_iter().map(|(name, what)| {
        let what = what.into_iter().collect::<Vec<_>>().join(" and ");
        let message = format!("adapter `{name}` does not report {what}: the budget cannot be reached by it");
        let hint = "add `fields` to its profile where its program prints them, or limit `wall_time`";
        Problem::warning(place(source, "budget"), "budget", message).with_hint(hint)
    }));
    problems
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
        let failure = usable(&mut app, &file("f.yml"), None).err().expect("refused");
        assert!(failure.message.contains("2 errors"), "{}", failure.message);
        let said = captured.stderr();
        let wanted = [
            "f.yml:6:18: error: tasks[0].host_gates[0]: `convoy` has no gate of its own that is called `small`",
            "f.yml:7:13: error: tasks[0].hooks[0]: `convoy` has no hook of its own that is called `tell`",
        ];
        assert!(wanted.iter().all(|line| said.contains(line)), "{said}");
    }

    #[test]
    fn a_good_file_is_usable_and_a_warning_is_said() {
        let place = Place::new();
        let text = format!("x-free: 1\nsomething-of-mine: 2\nversion: 1\n{GOOD}");
        place.write("good.yml", &text);
        let (mut app, captured) = place.app();
        let usable = usable(&mut app, &file("good.yml"), None).expect("usable");
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
                &*format!("version: 1\nworktree: {{sparse: [src]}}\n{GOOD}"),
                "f.yml:2:12: error: worktree.sparse: not supported yet: worktree.sparse",
            ),
            ("", "f.yml:1:1: error: the file is empty"),
        ];
        for (text, wanted) in cases {
            let place = Place::new();
            place.write("f.yml", text);
            let (mut app, captured) = place.app();
            let failure = usable(&mut app, &file("f.yml"), None).err().expect("refused");
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
        let failure = usable(&mut app, &file("absent.yml"), None).err().expect("refused");
        assert!(failure.message.starts_with("cannot read absent.yml: "), "{failure:?}");
        assert_eq!(failure.exit.code(), 2);
        place.write("large.yml", &"# \n".repeat(MAX_BYTES / 3 + 2));
        assert!(usable(&mut app, &file("large.yml"), None).is_err());
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
        let failure = usable(&mut app, &formula(&[]), None).err().expect("refused");
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
            usable(&mut app, &formula(&[("PAGE", "aB"), ("AFTER", "gone")]), None).err().expect("refused");
        assert_eq!(failure.kind, "invalid_spec");
        let said = captured.stderr();
        assert!(said.contains("page.yml:9:20: error: spec.tasks[0].depends_on[0]: "), "{said}");
        let twice = usable(&mut app, &formula(&[("PAGE", "a"), ("PAGE", "b")]), None).err().expect("refused");
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
            let text = text(extra);
            let spec = check_bytes(text.as_bytes()).spec.expect("valid");
            let problems = adapter_problems(&spec, &text, chosen);
            assert_eq!(problems.is_empty(), known, "{extra} {chosen:?}");
            for problem in problems {
                let line = if extra.is_empty() { 1 } else { 5 };
                let text = problem.to_string();
                assert!(problem.line == line && text.contains("nobody"), "{text}");
            }
        }
    }

    #[test]
    fn a_budget_that_no_agent_reports_on_is_warned_of() {
        let text = |profile: &str, budget: &str| {
            format!(
                "name: x\nversion: 1\nadapter: mine\nadapters: {{mine: {{command: [sh]{profile}}}}}\n\
                 budget: {{{budget}}}\ntasks:\n  - {{id: a, prompt: p}}\n"
            )
        };
        let counts = ", output: json, fields: {output_tokens: /n}";
        let cases = [
            ("", "tokens: 5", Some("adapter `mine` does not report tokens")),
            ("", "tokens: 5, cost_usd: 1", Some("adapter `mine` does not report cost and tokens")),
            ("", "wall_time: 5m", None),
            (counts, "tokens: 5", None),
        ];
        for (profile, budget, wanted) in cases {
            let text = text(profile, budget);
            let spec = check_bytes(text.as_bytes()).spec.unwrap_or_else(|| panic!("valid: {text}"));
            let problems = adapter_problems(&spec, &text, None);
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), usize::from(wanted.is_some()), "{said:?}");
            let good = said.iter().all(|said| said.starts_with("5:9: warning: budget: "));
            assert!(good && wanted.is_none_or(|wanted| said[0].contains(wanted)), "{said:?}");
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
