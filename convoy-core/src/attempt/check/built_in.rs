//! The gates that judge the diff of the work.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::bench::{Bench, End};
use crate::attempt::context::Context;
use crate::gate::{self, Diff, Manifests, Size};
use crate::git::{FileKind, GitError};
use crate::secret::ScanConfig;
use crate::spec::{HookType, Partition, RegressionTest, Spec, Switch, Task};
use crate::types::{FailureKind, Oid};

/// Files that configure a judge, wherever they are.
const JUDGE_FILES: &[&str] = &[ScanConfig::ALLOW_FILE, ScanConfig::GITLEAKS_FILE];

/// `no_op`, `secret_scan`, `partition`, `blast_radius`, links out of the tree; what the work changes of its judges
/// is said.
pub(super) async fn diff_gates(bench: &mut Bench<'_>) -> Result<(), End> {
    let (context, request, task) = (bench.context, bench.request, bench.task);
    let repository = &context.repository;
    let diff = Diff::read(repository, &request.base, &request.commit).await?;
    let gates = &task.built_in_gates;
    let missing = &request.missing_files;
    let failed = |gate: &str| FailureKind::Gate(gate.to_owned());

    let no_op = match gates.no_op {
        Switch::Off => None,
        Switch::Auto => gate::no_op(false, &task.files, missing, &diff),
        Switch::On => gate::no_op(true, &task.files, missing, &diff),
    };
    if let Some(verdict) = no_op {
        bench.verdict(verdict, failed("no_op"))?;
    }
    // Commits that change no file land, too.
    if gates.secret_scan != Switch::Off && diff.commit != diff.from {
        let scan = gate::secret_scan(repository, &context.redactor, &request.base, &diff);
        let verdict = bench.cancel.run_until_cancelled(scan).await.ok_or(End::Stopped)??;
        bench.verdict(verdict, failed("secret_scan"))?;
    }
    let partition = match gates.partition {
        Partition::Off => None,
        Partition::Warn => gate::partition(false, &task.files, &diff),
        Partition::Block => gate::partition(true, &task.files, &diff),
    };
    if let Some(verdict) = partition {
        bench.verdict(verdict, failed("partition"))?;
    }
    if let Some(limits) = gates.blast_radius {
        let warn = Size { lines: limits.warn_lines, files: limits.warn_files };
        let block = Size { lines: limits.block_lines, files: limits.block_files };
        bench.verdict(gate::blast_radius(warn, block, &diff), failed("blast_radius"))?;
    }
    let is_link = |kind: Option<FileKind>| kind == Some(FileKind::Symlink);
    if diff.paths.iter().any(|path| is_link(path.old) || is_link(path.new)) {
        let links = repository.tree_links(&request.commit).await?;
        bench.verdict(gate::symlinks(&links), FailureKind::SymlinkEscape)?;
    }
    changed_judges(bench, &diff).await
}

/// Says which files that judge the work, or decide how it is judged, it changes itself.
async fn changed_judges(bench: &mut Bench<'_>, diff: &Diff) -> Result<(), End> {
    let (context, task) = (bench.context, bench.task);
    let gates = &task.built_in_gates;
    let mut judges = JUDGE_FILES.to_vec();
    if gates.dependency_audit != Switch::Off {
        judges.extend(gate::audit_files());
    }
    if gates.regression_test != RegressionTest::Off {
        judges.extend(gate::test_files());
    }
    if diff.paths.is_empty() {
        return Ok(());
    }
    let base = Manifests::read(&context.repository, &bench.request.base).await?;
    let tests = test_commands(task, &base);
    let commands = judging_commands(context.plan.spec(), task).chain(tests.iter().map(String::as_str));
    let scripts = gate::scripts(commands, &base);
    if let Some(verdict) = gate::judge_files(&judges, &scripts, diff) {
        bench.verdict(verdict, FailureKind::Gate("judge_files".to_owned()))?;
    }
    Ok(())
}

/// How `regression_test` runs the tests.
fn test_commands(task: &Task, base: &Manifests) -> Vec<String> {
    let given = match &task.built_in_gates.regression_test {
        RegressionTest::Off => return Vec::new(),
        RegressionTest::Command(command) => Some(command.as_str()),
        RegressionTest::Auto | RegressionTest::On => None,
    };
    gate::regression_test(base, base, given).map(|run| run.commands).unwrap_or_default()
}

/// The shell commands that judge work of a task: gates of the task, of its steps and of the convoy, `merge.verify`, and hooks that look
/// whether something is as it should be.
fn judging_commands<'a>(spec: &'a Spec, task: &'a Task) -> impl Iterator<Item = &'a str> {
    let gates = [&task.gates, &spec.gates, &spec.merge.verify]
        .into_iter()
        .chain(task.steps.iter().map(|step| &step.gates));
    let hooks = task.hooks.iter().chain(&spec.hooks);
    let judges = hooks.filter(|hook| matches!(hook.kind, HookType::Validate | HookType::Guard));
    gates.flatten().chain(judges.map(|hook| &hook.text)).map(String::as_str)
}

/// The links that lead out of the tree that an agent is about to work in.
pub(in crate::attempt) async fn escapes(
    context: &Context,
    base: &Oid,
) -> Result<Vec<gate::Escape>, GitError> {
    if context.clean.contains(base) {
        return Ok(Vec::new());
    }
    let escapes = gate::escaping(&context.repository.tree_links(base).await?);
    if escapes.is_empty() {
        context.clean.insert(base);
    }
    Ok(escapes)
}

/// The links that lead out of a worktree that began as `base`, among those that were made in it since and that git does
/// not ignore. What lies at `copied` paths is left out.
pub(in crate::attempt) async fn escapes_made(
    context: &Context,
    base: &Oid,
    worktree: &Path,
    copied: &[PathBuf],
) -> Result<Vec<gate::Escape>, GitError> {
    let made = context.repository.changed_links(worktree, copied).await?;
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let replaced: HashSet<&[u8]> = made.iter().map(|link| link.path.as_slice()).collect();
    let mut links = context.repository.tree_links(base).await?;
    links.retain(|link| !replaced.contains(link.path.as_slice()));
    links.extend(made);
    Ok(gate::escaping(&links))
}
