//! Convoys that come from a formula.

use std::fs;
use std::path::PathBuf;

use convoy_tests::{ScratchRepo, adapter, prompt};

use crate::support::{AGENT, assert_nothing_left, convoy, status};

/// A formula with one task that writes a file named after a variable.
fn formula(repo: &ScratchRepo) -> PathBuf {
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let text = format!(
        "name: page\nvariables:\n  PAGE: {{required: true, description: Its name}}\n  RETRIES: {{default: 0}}\nspec:\n  \
         name: make {{{{PAGE}}}}\n  version: 1\n  adapter: scripted\n{}  tasks:\n    - id: '{{{{PAGE | kebab}}}}'\n      \
         max_retries: '{{{{RETRIES}}}}'\n      prompt: {}\n",
        indented(&adapter(AGENT)),
        prompt("write {{PAGE | snake}}.txt made"),
    );
    let path = repo.beside("page.formula.yml");
    fs::write(&path, text).expect("a formula is written");
    path
}

#[test]
fn a_formula_runs_with_its_values_and_resumes_without_them() {
    let repo = ScratchRepo::new();
    let file = formula(&repo).display().to_string();
    let set = ["--set", "PAGE=userProfile"];
    let check = convoy(&repo, &["check", "--formula", &file]).args(set).run().expect_code(0);
    assert!(check.stdout.ends_with("page.formula.yml: ok\n"), "{}", check.stdout);
    convoy(&repo, &["run", "--json", "--formula", &file]).args(set).run().expect_code(0);
    assert_eq!(repo.read("user_profile.txt"), "made\n");
    let status = status(&repo);
    assert_eq!(
        (&status["name"], &status["tasks"][0]["id"]),
        (&"make userProfile".into(), &"user-profile".into())
    );
    assert_nothing_left(&repo);
}

#[test]
fn what_is_wrong_with_a_formula_or_its_values_is_told_and_nothing_runs() {
    let repo = ScratchRepo::new();
    let file = formula(&repo).display().to_string();
    let cases: [(&[&str], &str); 8] = [
        (&["--formula", &file], "page.formula.yml:3:3: error: variables: PAGE is required and not set"),
        (
            &["--formula", &file, "--set", "PAGE=a", "--set", "RETRIES=many"],
            "error: spec.tasks[0].max_retries: must be",
        ),
        (
            &["--formula", &file, "--set", "PAGE=a", "--set", "PAGES=b"],
            "PAGES is set, but the formula neither declares nor uses it",
        ),
        (&["--formula", &file, "--set", "PAGE=a", "--set", "PAGE=b"], "--set PAGE is there twice"),
        (&["--formula", &file, "--set", "PAGE"], "write NAME=VALUE"),
        (&["--formula", &file, "other.yml"], "cannot be used with"),
        (&["other.yml", "--set", "PAGE=a"], "--formula"),
        (&[], "required"),
    ];
    for command in ["run", "check"] {
        for (args, wanted) in cases {
            let outcome = convoy(&repo, &[command]).args(args.iter().copied()).run().expect_code(2);
            let said = outcome.stdout + &outcome.stderr;
            assert!(said.contains(wanted), "{command} {args:?}: {said}");
        }
    }
    let list = convoy(&repo, &["list", "--json"]).run().expect_code(0);
    assert_eq!(list.stdout.trim(), "[]");
}
