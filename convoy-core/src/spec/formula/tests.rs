//! What formulas become, and how what is wrong with them is told.

use super::super::decode::decode;
use super::super::model::{OnFailure, Spec};
use super::*;

const FORMULA: &str = "# A comment
name: page
description: Makes a page
variables:
  NAME: {description: Its name, required: true}
  RETRIES: {default: 2}
  GREETING: {}
  AGENT:
spec:
  name: 'make {{NAME | kebab}}'
  version: 1
  on_failure: stop
  tasks:
    - id: '{{NAME|kebab}}'
      prompt: |
        Make {{ NAME }}, {{NAME | upper}}, {{NAME | snake}}.{{GREETING}} Use {{input.x}}, {{prompt}} and ${{ x.y }}.
      max_retries: '{{RETRIES}}'
      timeout: '{{RETRIES}}m'
";

/// The name and the value of a variable.
type Setting = (&'static str, &'static str);

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The spec that a formula becomes: the same from the tree as from its text.
fn filled(formula: &str, pairs: &[(&str, &str)]) -> Spec {
    let filled = fill(formula.as_bytes(), &values(pairs));
    assert_eq!(lines(filled.problems), [""; 0]);
    let again = decode(&filled.text.expect("filled in"));
    assert!(again.problems.iter().all(|problem| !problem.is_error()), "{:?}", again.problems);
    let spec = filled.draft.spec.expect("a spec");
    assert_eq!(again.spec.as_ref(), Some(&spec));
    spec
}

fn lines(problems: Problems) -> Vec<String> {
    problems.sorted().iter().map(ToString::to_string).collect()
}

/// Every problem, those of the convoy first.
fn problems(formula: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let filled = fill(formula.as_bytes(), &values(pairs));
    let mut all = lines(filled.draft.problems);
    all.extend(lines(filled.problems));
    all
}

fn small(spec: &str) -> String {
    format!(
        "name: f\nvariables: {{A: {{default: a}}}}\nspec:\n  name: n\n  version: 1\n  tasks:\n    - id: t\n{spec}"
    )
}

#[test]
fn variables_stand_in_every_text_and_in_place_of_numbers() {
    let spec = filled(FORMULA, &[("NAME", "userProfile Page")]);
    assert_eq!((spec.name.as_str(), spec.on_failure), ("make user-profile-page", OnFailure::Stop));
    let task = &spec.tasks[0];
    assert_eq!(task.id.to_string(), "user-profile-page");
    assert_eq!(
        task.prompt.trim_end(),
        "Make userProfile Page, USERPROFILE_PAGE, user_profile_page. Use {{input.x}}, {{prompt}} and ${{ x.y }}."
    );
    assert_eq!(task.timeout, std::time::Duration::from_secs(120));
    assert_eq!(task.max_retries, 2);
    let spec = filled(FORMULA, &[("NAME", "x"), ("RETRIES", "7"), ("GREETING", " Hello!")]);
    assert_eq!(spec.tasks[0].max_retries, 7);
    assert!(spec.tasks[0].prompt.contains(". Hello! Use"), "{}", spec.tasks[0].prompt);
}

#[test]
fn values_are_data_whatever_they_hold() {
    let formula = small("      prompt: 'say {{A}}'\n");
    let hostile = [
        "\"}]\n  - id: evil\n    prompt: x",
        "': x\n# y",
        "*alias &anchor !tag",
        "{{A}} {{B}} {{A | kebab}}",
        "null",
        "{from_env: HOME}",
        "\\n \\u0041 \\",
        "日本 \u{1f600}",
        "",
    ];
    for value in hostile {
        let spec = filled(&formula, &[("A", value)]);
        assert_eq!((spec.tasks.len(), spec.tasks[0].prompt.clone()), (1, format!("say {value}")));
    }
    let spec = filled(&small("      prompt: '{{A}}'\n"), &[("A", "12")]);
    assert_eq!(spec.tasks[0].prompt, "12", "a text stays a text");
    let shared = small("      prompt: &p 'do {{A}}'\n    - {id: u, prompt: *p}\n");
    let spec = filled(&shared, &[]);
    assert_eq!((&*spec.tasks[0].prompt, &*spec.tasks[1].prompt), ("do a", "do a"));
}

#[test]
fn what_the_calls_of_agent_programs_name_stays() {
    let formula = small(
        "      prompt: 'use {{model}}'\n  adapters:\n    mine: {command: ['{{A}}', '{{prompt}}'], prompt: arg, resume: [r, '{{session}}', '{{prompt}}'], model: [-m, '{{model}}']}\n",
    );
    let profile = filled(&formula, &[("model", "small")]);
    assert_eq!(profile.tasks[0].prompt, "use small");
    let profile = &profile.adapters["mine"];
    assert_eq!(profile.command, ["a", "{{prompt}}"]);
    assert_eq!(
        (profile.resume.as_ref().expect("set")[1].as_str(), profile.model.as_ref().expect("set")[1].as_str()),
        ("{{session}}", "{{model}}")
    );
    assert!(problems(&formula, &[])[0].contains("there is no variable model"));
}

#[test]
fn everything_that_is_missing_or_unknown_is_told_with_its_place() {
    let two = "name: f\nvariables:\n  A: {required: true}\n  B: {required: true}\n  C: {required: true, default: 1}\nspec: {name: '{{A}}'}\n";
    let cases: [(&str, &[Setting], &[&str]); 9] = [
        (
            two,
            &[],
            &["3:3: error: variables: A, B are required and not set (set them, as in `--set A=… --set B=…`)"],
        ),
        (two, &[("A", "x")], &["4:3: error: variables: B is required and not set"]),
        (
            &small("      prompt: 'x {{AB}}'\n"),
            &[],
            &["8:15: error: spec.tasks[0].prompt: there is no variable AB (did you mean `A`?)"],
        ),
        (
            &small("      prompt: '{{OTHER}} {{OTHER}}'\n"),
            &[],
            &[
                "error: spec.tasks[0].prompt: there is no variable OTHER (declare it under `variables`, or set it: `--set OTHER=…`)",
            ],
        ),
        (
            &small("      prompt: '{{A | title}}'\n"),
            &[],
            &["there is no filter \"title\"; there are kebab, snake, upper"],
        ),
        (&small("      prompt: '{{prompt | upper}}'\n"), &[], &["takes no filter"]),
        (
            &small("      prompt: p\n      env: {'{{A}}': x}\n"),
            &[],
            &["9:13: error: spec.tasks[0].env.\"{{A}}\": a key is not filled in"],
        ),
        (
            &small("      prompt: '{{A}}'\n"),
            &[("AA", "x"), ("prompt", "x"), ("a b", "x")],
            &[
                "AA is set, but the formula neither declares nor uses it (did you mean `A`?)",
                "\"a b\" is set",
                "{{prompt}} has a meaning",
            ],
        ),
        (&small("      prompt: '{{NEW}}'\n"), &[("NEW", "x")], &[]),
    ];
    for (formula, pairs, wanted) in cases {
        let found = problems(formula, pairs);
        assert_eq!(found.len(), wanted.len(), "{formula}: {found:#?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.contains(wanted), "{wanted}: {found}");
        }
    }
}

#[test]
fn what_is_no_formula_is_refused() {
    let large = format!("name: f\nspec: {{name: \"{}\"}}\n", "{{A}}".repeat(200));
    let value: &'static str = "x".repeat(MAX_VALUE).leak();
    let cases: [(&str, &[Setting], &str); 15] = [
        ("", &[], "1:1: error: the file is empty; a formula has"),
        ("- a", &[], "a formula is a mapping, found a list"),
        ("name: f", &[], "spec: is required and missing"),
        ("spec: {}", &[], "name: is required and missing"),
        (
            "name: f\nspec: {}\nvariable: {}",
            &[],
            "3:1: error: variable: unknown key \"variable\" (did you mean `variables`?)",
        ),
        (
            "name: f\nspec: {}\ntasks: []",
            &[],
            "unknown key \"tasks\" (there are name, description, variables, spec",
        ),
        ("name: [f]\nspec: {}", &[], "1:7: error: name: must be text, found a list"),
        ("name: f\nspec: {}\nvariables: [A]", &[], "variables: must be a mapping of names, found a list"),
        (
            "name: f\nspec: {}\nvariables: {A: 3}",
            &[],
            "variables.A: must be a mapping, found the number 3 (write `A: {default: …}`)",
        ),
        ("name: f\nspec: {}\nvariables: {a.b: {}}", &[], "a variable has a name of letters"),
        (
            "name: f\nspec: {}\nvariables: {session: {}}",
            &[],
            "variables.session: {{session}} has a meaning of its own",
        ),
        ("name: f\nspec: {}\nvariables: {A: {requird: true}}", &[], "did you mean `required`?"),
        (
            "name: f\nspec: {}\nvariables: {A: {required: 3}}",
            &[],
            "variables.A.required: must be `true` or `false`, found the number 3",
        ),
        ("name: f\nspec: {a: {{A}}}", &[], "a text with {{…}} in a formula stands in quotes"),
        (&large, &[("A", value)], "is larger than 16 MiB when it is filled in"),
    ];
    for (formula, pairs, wanted) in cases {
        let found = problems(formula, pairs);
        assert!(found.iter().any(|found| found.contains(wanted)), "{wanted}: {found:#?}");
        assert!(fill(formula.as_bytes(), &values(pairs)).text.is_none(), "{formula}");
    }
}

/// Two hundred of it are more than a convoy file may have.
const MAX_VALUE: usize = 100_000;

#[test]
fn a_text_that_aliases_make_huge_is_refused() {
    let text = "x".repeat(1_000_000);
    let aliases = "*t, ".repeat(40);
    let formula = format!("name: f\nspec:\n  name: n\n  tasks: []\n  x-texts: [&t '{text}', {aliases}]\n");
    assert!(problems(&formula, &[]).iter().any(|problem| problem.contains("is larger than 16 MiB")));
}

#[test]
fn the_text_keeps_what_every_value_means() {
    let formula = "name: f\nspec: {x-a: [1, 0x1f, -.5, .inf, 1e3, true, ~, 'true', '7', yes, 'a\"b\\c', \"\\t\\e\"], name: n, tasks: []}\n";
    let text = fill(formula.as_bytes(), &BTreeMap::new()).text.expect("filled in");
    let (root, _) = super::super::yaml::parse(&text);
    let (wanted, _) = super::super::yaml::parse(formula);
    let items = |node: &Node, keys: &[&str]| {
        use super::super::tree::Value;
        let mut node = node;
        for key in keys {
            let Value::Map(entries) = &node.value else { panic!("a mapping") };
            node = &entries.iter().find(|entry| &*entry.key == *key).expect("the key").value;
        }
        let Value::List(items) = &node.value else { panic!("a list") };
        items.iter().map(|item| format!("{:?}", item.meaning())).collect::<Vec<_>>()
    };
    assert_eq!(items(&root.expect("a tree"), &["x-a"]), items(&wanted.expect("a tree"), &["spec", "x-a"]));
}
