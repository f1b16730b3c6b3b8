//! Gates of the engine that run programs: the audit of dependencies and the project's own tests, as they were before
//! the work.

use std::os::unix::fs::PermissionsExt as _;

use convoy_core::agent::AgentOutcome;
use convoy_tests::{Inline, PATH, ScratchRepo, engine, host_env, write};

use crate::support::{Ran, quoted, run_with, spec};

/// Programs of these names that note how they were called in `calls`, then run this script.
fn with_programs(repo: &ScratchRepo, programs: &[(&str, &str)]) -> convoy_core::engine::EngineBuilder {
    let folder = repo.beside("bin");
    for (name, script) in programs {
        let calls = repo.beside("calls");
        let text = format!("#!/bin/sh\necho {name} \"$@\" >> '{}'\n{script}\n", calls.display());
        write(&folder, name, &text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), mode).expect("chmod");
    }
    let mut env = host_env(repo);
    env.insert("PATH".to_owned(), format!("{}:{PATH}", folder.display()));
    engine(repo).env(env)
}

/// The work writes these files.
async fn work(
    repo: &ScratchRepo,
    programs: &[(&str, &str)],
    files: &'static [(&'static str, &'static str)],
    gates: &str,
) -> Ran {
    let agent = Inline::new(move |request| {
        files.iter().for_each(|(path, text)| write(&request.cwd, path, text));
        AgentOutcome::Succeeded
    });
    let tasks = format!("  - {{id: a, prompt: make a, max_retries: 0, built_in_gates: {{{gates}}}}}\n");
    run_with(with_programs(repo, programs).adapter(agent), &spec("", &tasks)).await
}

/// Whether a gate passed, and what it said.
fn said(ran: &Ran, gate: &str) -> (bool, String) {
    let event = ran.events_of("a", "built_in_gate_result").into_iter().find(|event| event["gate"] == gate);
    let event = event.unwrap_or_else(|| panic!("{gate} said nothing: {:#?}", ran.outcome.view));
    (event["passed"].as_bool().expect("told"), event["output"].as_str().expect("a text").to_owned())
}

#[tokio::test]
async fn dependencies_are_audited_by_what_the_repository_has_and_holes_fail() {
    let repo = ScratchRepo::new();
    repo.write("package.json", "{}");
    repo.write("package-lock.json", "{}");
    repo.write("Cargo.lock", "");
    repo.commit("Manifests");
    let fine = [("npm", "exit 0"), ("cargo", "exit 0"), ("cargo-audit", "exit 0"), ("pip-audit", "exit 0")];
    let files: &[_] = &[("requirements.txt", "x==1\n")];
    let ran = work(&repo, &fine, files, "dependency_audit: true").await;
    assert_eq!((ran.statuses().as_str(), said(&ran, "dependency_audit").0), ("a=done", true));
    assert_eq!(repo.lines_beside("calls"), ["npm audit", "cargo audit", "pip-audit -r requirements.txt"]);

    let holes = [("npm", "echo 3 critical holes; exit 1")];
    let ran = work(&repo, &holes, &[("a", "a")], "dependency_audit: auto").await;
    assert_eq!(
        (ran.statuses().as_str(), ran.failed_with("a").as_str()),
        ("a=gate-failed", "gate:dependency_audit")
    );
    let (passed, output) = said(&ran, "dependency_audit");
    assert!(!passed && output.contains("exit code 1") && output.contains("3 critical holes"), "{output}");
    assert!(ran.failure("a").output_tail.contains("3 critical holes"), "the next attempt is told");
}

#[tokio::test]
async fn an_audit_that_cannot_run_fails_where_it_must_and_is_told_where_it_may() {
    for (gates, status) in [("dependency_audit: true", "a=gate-failed"), ("dependency_audit: auto", "a=done")]
    {
        let repo = ScratchRepo::new();
        repo.write("Cargo.lock", "");
        repo.commit("Manifest");
        let ran = work(&repo, &[("cargo", "exit 0")], &[("a", "a")], gates).await;
        assert_eq!(ran.statuses(), status);
        assert!(said(&ran, "dependency_audit").1.contains("needs cargo-audit"), "{gates}");
        assert_eq!(repo.lines_beside("calls"), [""; 0]);
    }
}

#[tokio::test]
async fn what_an_audit_overlooks_is_what_was_before_the_work() {
    let repo = ScratchRepo::new();
    repo.write("Cargo.lock", "");
    repo.commit("Manifest");
    let strict = [("cargo", "test -e .cargo/audit.toml && exit 0; echo hole; exit 1"), ("cargo-audit", "")];
    let files: &[_] = &[(".cargo/audit.toml", "[advisories]\nignore = ['RUSTSEC-1']\n")];
    let ran = work(&repo, &strict, files, "dependency_audit: true").await;
    assert_eq!(ran.statuses(), "a=gate-failed");
    let flagged = said(&ran, "judge_files");
    assert!(flagged.0 && flagged.1.contains(".cargo/audit.toml"), "{flagged:?}");
}

#[tokio::test]
async fn the_projects_tests_run_as_they_were_before_the_work_and_the_work_lands_as_it_is() {
    let repo = ScratchRepo::new();
    repo.write("Makefile", "test:\n\ttest ! -e broken\n");
    repo.commit("A test");
    // The work breaks the test, and mends the makefile so that nobody sees it.
    let files: &[_] = &[("broken", "x"), ("Makefile", "test:\n\ttrue\n")];
    let ran = work(&repo, &[], files, "regression_test: true").await;
    assert_eq!(
        (ran.statuses().as_str(), ran.failed_with("a").as_str()),
        ("a=gate-failed", "gate:regression_test")
    );
    assert!(
        said(&ran, "regression_test").1.starts_with("`make test`: exit code 2"),
        "{:?}",
        ran.failure("a")
    );
    assert!(said(&ran, "judge_files").1.contains("Makefile"));

    let files: &[_] = &[("fine", "x"), ("Makefile", "test:\n\ttrue\n")];
    let ran = work(&repo, &[], files, "regression_test: auto").await;
    assert_eq!(ran.statuses(), "a=done");
    assert_eq!(repo.tree("main")["Makefile"], "test:\n\ttrue");
}

#[tokio::test]
async fn scripts_of_npm_are_those_of_before_the_work() {
    let repo = ScratchRepo::new();
    repo.write("package.json", r#"{"scripts": {"test": "npm run unit", "unit": "run-units"}}"#);
    repo.commit("A test");
    let npm = [("npm", "grep -q run-units package.json")];
    let files: &[_] = &[("package.json", r#"{"version": "2", "scripts": {"test": "true", "unit": "true"}}"#)];
    let ran = work(&repo, &npm, files, "regression_test: true").await;
    assert_eq!(ran.statuses(), "a=done", "{:#?}", ran.outcome.view);
    assert_eq!(repo.lines_beside("calls"), ["npm test"]);
    assert!(repo.tree("main")["package.json"].contains("version"), "the work lands as it is");
}

#[tokio::test]
async fn scripts_that_run_the_tests_are_those_of_before_the_work_and_a_change_is_told() {
    for (files, command) in [
        (&[][..], "regression_test: sh run-tests.sh"),
        (&[], "regression_test: 'true && ./ci/run.sh'"),
        (&[("Makefile", "test: ready\n\nready:\n\t@sh run-tests.sh\n")], "regression_test: true"),
        (&[("package.json", r#"{"scripts": {"test": "sh run-tests.sh"}}"#)], "regression_test: auto"),
    ] {
        let repo = ScratchRepo::new();
        files.iter().for_each(|(path, text)| repo.write(path, text));
        for script in ["run-tests.sh", "ci/run.sh"] {
            repo.write(script, "#!/bin/sh\ntest ! -e broken\n");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(repo.root().join(script), mode).expect("chmod");
        }
        repo.commit("Tests");
        let npm = [("npm", "sh run-tests.sh")];
        // The work breaks the test, and mends the script so that nobody sees it.
        let eased: &[_] = &[("broken", "x"), ("run-tests.sh", "exit 0\n"), ("ci/run.sh", "exit 0\n")];
        let ran = work(&repo, &npm, eased, command).await;
        assert_eq!(
            (ran.statuses().as_str(), ran.failed_with("a").as_str()),
            ("a=gate-failed", "gate:regression_test"),
            "{command}"
        );
        let told = said(&ran, "judge_files").1;
        let script = if command.contains("ci/") { "ci/run.sh" } else { "run-tests.sh" };
        assert!(told.ends_with(&format!(":\n{script}")), "{command}: {told}");

        let fine: &[_] = &[("fine", "x"), ("run-tests.sh", "exit 1\n"), ("ci/run.sh", "exit 1\n")];
        let ran = work(&repo, &npm, fine, command).await;
        assert_eq!(ran.statuses(), "a=done", "{command}: {:#?}", ran.outcome.view);
        assert_eq!(repo.tree("main")["run-tests.sh"], "exit 1", "the work lands as it is");
    }
}

#[tokio::test]
async fn every_script_that_judges_is_told_when_the_work_changes_it() {
    let repo = ScratchRepo::new();
    let scripts = ["gate.sh", "step.sh", "validate.sh", "end.sh", "last.sh", "command.sh"];
    scripts.iter().for_each(|script| repo.write(script, "exit 0\n"));
    repo.commit("Judges");
    let agent = Inline::new(move |request| {
        scripts.iter().for_each(|script| write(&request.cwd, script, "exit 0 # easier\n"));
        AgentOutcome::Succeeded
    });
    let head = "gates: [sh end.sh]\nhooks: [{type: guard, command: ./last.sh || true}]";
    let tasks = "  - {id: a, prompt: make a, max_retries: 0, gates: [sh gate.sh], steps: [{prompt: p, gates: [sh step.sh]}], \
                 hooks: [{type: validate, command: sh validate.sh}, {type: command, command: sh command.sh}]}\n";
    let ran = run_with(engine(&repo).adapter(agent), &spec(head, tasks)).await;
    assert_eq!(ran.statuses(), "a=done", "{:#?}", ran.outcome.view);
    let told = said(&ran, "judge_files").1;
    let listed: Vec<&str> = told.lines().skip(1).collect();
    assert_eq!(listed, ["end.sh", "gate.sh", "last.sh", "step.sh", "validate.sh"]);
}

#[tokio::test]
async fn a_given_command_is_the_test_and_has_a_limit_of_its_own() {
    let repo = ScratchRepo::new();
    let gates = format!("regression_test: {}, gate_timeout: 0.5", quoted("echo begins; sleep 1000"));
    let ran = work(&repo, &[], &[("a", "a")], &gates).await;
    assert_eq!(ran.statuses(), "a=gate-failed");
    let output = said(&ran, "regression_test").1;
    assert!(output.contains("ended by its limit") && output.contains("begins"), "{output}");
    let ran = work(&repo, &[], &[("a", "a")], "regression_test: test -e a").await;
    assert_eq!(ran.statuses(), "a=done");
    for (gates, status) in [("regression_test: true", "a=gate-failed"), ("regression_test: auto", "a=done")] {
        let ran = work(&repo, &[], &[("b", "b")], gates).await;
        assert_eq!(ran.statuses(), status);
        assert!(said(&ran, "regression_test").1.contains("nothing at the root"), "{gates}");
    }
}
