//! Gates of the engine that run programs in the tree of the work: the audit of dependencies, and the project's
//! own tests. What decides about them is put into the tree as it was before the work, and taken out again.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::bench::{Bench, End};
use crate::attempt::setup::ShellRun;
use crate::gate::{self, AsBefore, GateOutcome, Manifests, Verdict};
use crate::spec::{RegressionTest, Switch};
use crate::types::FailureKind;

pub(super) const AUDIT: &str = "dependency_audit";
pub(super) const TESTS: &str = "regression_test";

/// `dependency_audit` and `regression_test`, where they are switched on.
pub(super) async fn program_gates(bench: &mut Bench<'_>) -> Result<(), End> {
    let gates = &bench.task.built_in_gates;
    if gates.dependency_audit == Switch::Off && gates.regression_test == RegressionTest::Off {
        return Ok(());
    }
    let repository = &bench.context.repository;
    let base = Manifests::read(repository, &bench.request.base).await?;
    let work = Manifests::read(repository, &bench.request.commit).await?;
    if gates.dependency_audit != Switch::Off {
        let verdict = audit(bench, gates.dependency_audit == Switch::On, &base, &work).await?;
        bench.verdict(verdict, FailureKind::Gate(AUDIT.to_owned()))?;
    }
    if gates.regression_test != RegressionTest::Off {
        let verdict = tests(bench, &base, &work).await?;
        bench.verdict(verdict, FailureKind::Gate(TESTS.to_owned()))?;
    }
    Ok(())
}

/// `must`: what cannot be run fails.
async fn audit(
    bench: &mut Bench<'_>,
    must: bool,
    base: &Manifests,
    work: &Manifests,
) -> Result<Verdict, End> {
    let found = gate::dependency_audit(base, work);
    let env = bench.env()?;
    let mut gaps: Vec<String> = found.gaps.iter().map(|gap| (*gap).to_owned()).collect();
    let mut commands = Vec::new();
    for audit in &found.audits {
        match audit.programs.iter().find(|program| !is_installed(&env, program)) {
            Some(missing) => gaps.push(format!("`{}` needs {missing}, which is not in PATH", audit.command)),
            None => commands.push(audit.command.to_owned()),
        }
    }
    if must && !gaps.is_empty() {
        return Ok(Verdict::blocks(AUDIT, format!("cannot run: {}", gaps.join("; "))));
    }
    let ran = run(bench, AUDIT, &env, &commands, &found.as_before, work).await?;
    let not = (!gaps.is_empty()).then(|| format!("does not apply: {}", gaps.join("; ")));
    Ok(match (ran, not) {
        (Some(failed), _) => failed,
        (None, Some(not)) => Verdict::noted(AUDIT, not),
        (None, None) => Verdict::clean(AUDIT),
    })
}

async fn tests(bench: &mut Bench<'_>, base: &Manifests, work: &Manifests) -> Result<Verdict, End> {
    let wanted = &bench.task.built_in_gates.regression_test;
    let given = match wanted {
        RegressionTest::Command(command) => Some(command.as_str()),
        RegressionTest::Off | RegressionTest::Auto | RegressionTest::On => None,
    };
    let env = bench.env()?;
    let found = gate::regression_test(base, work, given);
    let gap = match &found {
        None => Some(
            "nothing at the root of the repository says how its tests are run; give the command: \
             `regression_test: COMMAND`"
                .to_owned(),
        ),
        Some(found) => found
            .programs
            .iter()
            .find(|program| !is_installed(&env, program))
            .map(|missing| format!("the tests need {missing}, which is not in PATH")),
    };
    match (gap, found) {
        (Some(gap), _) if *wanted == RegressionTest::Auto => {
            Ok(Verdict::noted(TESTS, format!("does not apply: {gap}")))
        }
        (Some(gap), _) => Ok(Verdict::blocks(TESTS, format!("cannot run: {gap}"))),
        (None, Some(found)) => {
            let ran = run(bench, TESTS, &env, &found.commands, &found.as_before, work).await?;
            Ok(ran.unwrap_or_else(|| Verdict::clean(TESTS)))
        }
        (None, None) => Ok(Verdict::clean(TESTS)),
    }
}

/// Runs commands one after the other in the tree of the work, until one fails; that is the verdict.
async fn run(
    bench: &mut Bench<'_>,
    gate: &'static str,
    env: &BTreeMap<String, String>,
    commands: &[String],
    as_before: &[AsBefore],
    work: &Manifests,
) -> Result<Option<Verdict>, End> {
    if commands.is_empty() {
        return Ok(None);
    }
    bench.restore_worktree(env).await?;
    bench.restore_files().await.map_err(End::Failed)?;
    let worktree = bench.path().to_owned();
    put_in(&worktree, as_before).map_err(|error| {
        let doing = format!("cannot prepare `{gate}`");
        End::Failed(bench.context.failure(FailureKind::Worktree, &doing, &error))
    })?;
    let mut verdict = None;
    for command in commands {
        let (task, attempt) = (bench.request.task, bench.request.attempt);
        let run = ShellRun { task, attempt, worktree: &worktree, env, command };
        let timeout = bench.task.built_in_gates.gate_timeout;
        let (end, output) = match run.run_within(bench.context, bench.cancel, timeout).await {
            Ok((GateOutcome::Ended(end), output)) => (end, output),
            Ok((GateOutcome::Cancelled, _)) => return Err(End::Stopped),
            Err(failure) => return Err(End::Failed(failure)),
        };
        if !end.passed {
            verdict = Some(Verdict::blocks(gate, format!("`{command}`: {}\n{output}", end.how)));
            break;
        }
    }
    // What the work does not have was put in by this gate; the rest is put back with everything else.
    let added = as_before.iter().filter(|(name, content)| content.is_some() && !work.has(name));
    let gone: Vec<AsBefore> = added.map(|(name, _)| (*name, None)).collect();
    // What ran may have put a link in the way.
    drop(put_in(&worktree, &gone));
    // Whoever comes next looks again and tells of a tree that cannot be mended.
    drop(bench.restore_files().await);
    Ok(verdict)
}

/// Puts files into a tree as they were, or takes them out, never following a link out of it.
fn put_in(root: &Path, files: &[AsBefore]) -> io::Result<()> {
    let root = root.canonicalize()?;
    for (name, content) in files {
        let path = root.join(name);
        let parent = path.parent().unwrap_or(&root);
        if content.is_some() {
            std::fs::create_dir_all(parent)?;
        }
        match parent.canonicalize() {
            Ok(real) if real.starts_with(&root) => {}
            Ok(_) => return Err(io::Error::other(format!("{name} leads out of the worktree"))),
            Err(_) if content.is_none() => continue,
            Err(error) => return Err(error),
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(content) = content {
            std::fs::File::create_new(&path)?.write_all(content)?;
        }
    }
    Ok(())
}

/// Whether a program is in the `PATH` of an environment.
fn is_installed(env: &BTreeMap<String, String>, program: &str) -> bool {
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    path.split(':').filter(|folder| folder.starts_with('/')).any(|folder| {
        let found = std::fs::metadata(Path::new(folder).join(program));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests_of_files {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_put_in_as_they_were_and_never_outside() {
        let dir = tempfile::tempdir().expect("a folder");
        let (root, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        for folder in [&root, &outside] {
            std::fs::create_dir(folder).expect("creates");
        }
        std::fs::write(outside.join("kept"), "kept").expect("writes");
        symlink(outside.join("kept"), root.join("Makefile")).expect("links");
        std::fs::write(root.join("pytest.ini"), "new").expect("writes");
        let files: Vec<AsBefore> = vec![
            ("Makefile", Some(b"old".to_vec())),
            ("pytest.ini", None),
            (".cargo/config", None),
            (".cargo/audit.toml", Some(b"x".to_vec())),
        ];
        put_in(&root, &files).expect("puts in");
        assert_eq!(std::fs::read_to_string(outside.join("kept")).expect("reads"), "kept");
        assert_eq!(std::fs::read_to_string(root.join("Makefile")).expect("reads"), "old");
        assert!(!root.join("pytest.ini").exists() && root.join(".cargo/audit.toml").exists());
        std::fs::remove_dir_all(root.join(".cargo")).expect("removes");
        symlink(&outside, root.join(".cargo")).expect("links");
        let refused = put_in(&root, &files[3..]).expect_err("leads out").to_string();
        assert!(refused.contains("leads out"), "{refused}");
    }

    #[test]
    fn a_program_is_a_file_that_may_be_executed_in_an_absolute_folder_of_the_path() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, mode) in [("yes", 0o755), ("no", 0o644)] {
            std::fs::write(dir.path().join(name), "").expect("writes");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join(name), mode).expect("chmod");
        }
        std::fs::create_dir(dir.path().join("folder")).expect("creates");
        let env = BTreeMap::from([("PATH".to_owned(), format!(".:/nowhere:{}", dir.path().display()))]);
        let found = ["yes", "no", "folder", "absent"].map(|program| is_installed(&env, program));
        assert_eq!(found, [true, false, false, false]);
        assert!(!is_installed(&BTreeMap::new(), "yes"));
    }
}
