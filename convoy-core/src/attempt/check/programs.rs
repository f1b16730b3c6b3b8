//! Gates of the engine that run programs in the tree of the work: the audit of dependencies, and the project's
//! own tests. What decides about them is put into the tree as it was before the work, and taken out again.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::CheckRequest;
use super::bench::{Bench, End};
use crate::attempt::context::Context;
use crate::attempt::setup::ShellRun;
use crate::gate::{self, AsBefore, GateOutcome, Manifests, Verdict};
use crate::git::FileKind;
use crate::spec::{RegressionTest, Switch};
use crate::types::FailureKind;

pub(super) const AUDIT: &str = "dependency_audit";
pub(super) const TESTS: &str = "regression_test";

/// The largest script that is put back, in bytes.
const LONGEST_SCRIPT: usize = 64 * 1024 * 1024;

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
    let before = puts(&found.as_before, work);
    let ran = run(bench, AUDIT, &env, &commands, &before).await?;
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
    let gap = |gap: &str| match wanted {
        RegressionTest::Auto => Verdict::noted(TESTS, format!("does not apply: {gap}")),
        _ => Verdict::blocks(TESTS, format!("cannot run: {gap}")),
    };
    let Some(found) = gate::regression_test(base, work, given) else {
        let text = "nothing at the root of the repository says how its tests are run; give the command: \
                    `regression_test: COMMAND`";
        return Ok(gap(text));
    };
    if let Some(missing) = found.programs.iter().find(|program| !is_installed(&env, program)) {
        return Ok(gap(&format!("the tests need {missing}, which is not in PATH")));
    }
    let scripts = scripts_before(bench.context, bench.request, &found.scripts).await?;
    let mut before = puts(&found.as_before, work);
    before.extend(scripts.iter().map(Script::put));
    let ran = run(bench, TESTS, &env, &found.commands, &before).await?;
    Ok(ran.unwrap_or_else(|| Verdict::clean(TESTS)))
}

/// A script as it was before the work.
struct Script {
    path: String,
    content: Vec<u8>,
    executable: bool,
    /// Whether the work has something there.
    in_work: bool,
}

impl Script {
    fn put(&self) -> Put<'_> {
        let Self { path, content, executable, in_work } = self;
        Put { path, content: Some(content), executable: *executable, in_work: *in_work }
    }
}

/// The scripts that the work changed or took away. One that is new judged nothing before.
async fn scripts_before(
    context: &Context,
    request: &CheckRequest,
    paths: &[String],
) -> Result<Vec<Script>, End> {
    let repository = &context.repository;
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let base = repository.entries_at(&request.base, &paths).await?;
    let work = repository.entries_at(&request.commit, &paths).await?;
    let mut scripts = Vec::new();
    for (path, before) in base {
        let now = work.get(&path);
        let (FileKind::File | FileKind::Executable, blob) = &before else { continue };
        if now == Some(&before) {
            continue;
        }
        let content = repository.blob(blob, LONGEST_SCRIPT).await.map_err(|error| {
            let doing = format!("cannot prepare `{TESTS}`: {path} as it was before the work");
            End::Failed(context.failure(FailureKind::Worktree, &doing, &error))
        })?;
        let (executable, in_work) = (before.0 == FileKind::Executable, now.is_some());
        scripts.push(Script { path, content, executable, in_work });
    }
    Ok(scripts)
}

/// A file that is to be in a tree while something judges, or not to be there (`content` absent).
struct Put<'a> {
    path: &'a str,
    content: Option<&'a [u8]>,
    executable: bool,
    in_work: bool,
}

/// What is put into the tree for manifests as they were before.
fn puts<'a>(as_before: &'a [AsBefore], work: &Manifests) -> Vec<Put<'a>> {
    let put = |(path, content): &'a AsBefore| {
        let content = content.as_deref();
        Put { path, content, executable: false, in_work: work.has(path) }
    };
    as_before.iter().map(put).collect()
}

/// Runs commands one after the other in the tree of the work, until one fails; that is the verdict.
async fn run(
    bench: &mut Bench<'_>,
    gate: &'static str,
    env: &BTreeMap<String, String>,
    commands: &[String],
    as_before: &[Put<'_>],
) -> Result<Option<Verdict>, End> {
    if commands.is_empty() {
        return Ok(None);
    }
    bench.restore_worktree(env).await?;
    bench.restore_files().await.map_err(End::Failed)?;
    let worktree = bench.worktree();
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
    let added = as_before.iter().filter(|put| put.content.is_some() && !put.in_work);
    let gone: Vec<Put<'_>> = added.map(|put| Put { content: None, ..*put }).collect();
    // What ran may have put a link in the way.
    drop(put_in(&worktree, &gone));
    // Whoever comes next looks again and tells of a tree that cannot be mended.
    drop(bench.restore_files().await);
    Ok(verdict)
}

/// Puts files into a tree as they were, or takes them out, never following a link out of it.
fn put_in(root: &Path, files: &[Put<'_>]) -> io::Result<()> {
    let root = root.canonicalize()?;
    for Put { path: name, content, executable, .. } in files {
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
            let mode = if *executable { 0o777 } else { 0o666 };
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(content)?;
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
        let put = |path, content, executable| Put { path, content, executable, in_work: false };
        let files = [
            put("Makefile", Some(&b"old"[..]), false),
            put("pytest.ini", None, false),
            put(".cargo/config", None, false),
            put(".cargo/audit.toml", Some(b"x"), true),
        ];
        put_in(&root, &files).expect("puts in");
        assert_eq!(std::fs::read_to_string(outside.join("kept")).expect("reads"), "kept");
        assert_eq!(std::fs::read_to_string(root.join("Makefile")).expect("reads"), "old");
        assert!(!root.join("pytest.ini").exists() && root.join(".cargo/audit.toml").exists());
        let mode = |path| std::fs::metadata(root.join(path)).expect("is there").permissions().mode() & 0o100;
        assert_eq!((mode("Makefile"), mode(".cargo/audit.toml")), (0, 0o100));
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
