//! What is looked at before anything is stored: the spec, the branch, the agent programs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::git_open_error;
use super::host::Parts;
use crate::agent::{ProbeContext, Registry, RegistryError, canonical_name};
use crate::attempt::{self, HostCode, agent_env, check_variables, review_agent};
use crate::error::{Error, ErrorKind};
use crate::event::{RequestKind, RunOptions};
use crate::git::{Expected, Head, RefUpdate};
use crate::plan::{Plan, check};
use crate::secret::Redactor;
use crate::spec::{
    Concurrency, Hook, HookType, HostName, Problem, ReviewMode, Spec, Task, host_names, host_names_of,
};
use crate::state::RunState;
use crate::types::{Isolation, Oid, TaskIx};

/// How long a probe of an agent program may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn problem_json(problem: &Problem) -> serde_json::Value {
    let mut value = serde_json::json!({
        "severity": problem.severity.to_string(),
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
    });
    if let Some(hint) = &problem.hint {
        value["hint"] = serde_json::json!(hint);
    }
    value
}

/// Decodes a spec and refuses what cannot be run. Gives its plan, and what the person should know of the file.
pub(super) fn accept(spec_text: &str, options: &RunOptions) -> Result<(Arc<Plan>, Vec<Problem>), Error> {
    let checked = check(spec_text);
    let (Some(spec), Some(plan)) = (checked.spec, checked.plan) else {
        let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.is_error()).collect();
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        let text = match errors.len() {
            1 => format!("the convoy file has an error: {first}"),
            many => format!("the convoy file has {many} errors, the first: {first}"),
        };
        let details = checked.problems.iter().map(problem_json).collect();
        return Err(Error::new(ErrorKind::InvalidSpec, text).with_details(details));
    };
    if !spec.unsupported.is_empty() {
        let fields: Vec<&str> = spec.unsupported.iter().map(|field| field.path.as_str()).collect();
        let text = format!("not supported yet: {}; remove it from the convoy file", fields.join(", "));
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    if let Some(Concurrency::Fixed(n)) = options.concurrency
        && !(1..=512).contains(&n)
    {
        let text = format!("concurrency {n} is not possible; use 1 to 512 or auto");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    // There is no error among them.
    Ok((Arc::new(plan), checked.problems))
}

/// The branch that the work is published to, and its commit.
pub(super) async fn choose_branch(
    parts: &Parts,
    plan: &Plan,
    options: &RunOptions,
) -> Result<(String, Oid), Error> {
    let repository = &parts.repository;
    let refuse = |text: &str| Error::new(ErrorKind::Repository, text);
    let head = repository.head().await.map_err(git_open_error)?;
    let named = options.branch.as_deref().or(plan.spec().branch.as_deref());
    let unborn = "the repository has no commit yet; make a first commit, then run again";
    let Some(name) = named else {
        return match head {
            _ if repository.is_bare() => {
                Err(refuse("a bare repository has no branch checked out; set `branch:`"))
            }
            Head::Branch { name, tip: Some(tip) } => Ok((name, tip)),
            Head::Branch { tip: None, .. } => Err(refuse(unborn)),
            Head::Detached(_) => Err(refuse("HEAD is on no branch; check one out, or set `branch:`")),
        };
    };
    let full = target_branch(parts, name).await?;
    if let Some(tip) = repository.ref_value(&full).await.map_err(git_open_error)? {
        return Ok((full, tip));
    }
    let tip = match head {
        Head::Branch { tip: Some(tip), .. } | Head::Detached(tip) => tip,
        Head::Branch { tip: None, .. } => return Err(refuse(unborn)),
    };
    let made = repository.update_ref(&full, &tip, Expected::Absent, "convoy: made from HEAD").await;
    match made.map_err(git_open_error)? {
        // Somebody made it in the same moment.
        RefUpdate::Moved { now: Some(theirs) } => Ok((full, theirs)),
        RefUpdate::Done | RefUpdate::Moved { now: None } => Ok((full, tip)),
    }
}

/// The full ref of a branch. A symbolic one is another name for its target, and HEAD is on the target: only
/// by that is the checkout found that has to follow.
async fn target_branch(parts: &Parts, name: &str) -> Result<String, Error> {
    let full = parts.repository.check_branch_name(name).await.map_err(git_open_error)?;
    match parts.repository.symbolic_target(&full).await.map_err(git_open_error)? {
        None => Ok(full),
        Some(target) if target.starts_with("refs/heads/") => Ok(target),
        Some(target) => {
            let text = format!("branch {name} stands for {target}, which is no branch; name another one");
            Err(Error::new(ErrorKind::Repository, text))
        }
    }
}

/// A limit that would limit nothing: the name is mistyped, perhaps.
pub(super) fn limit_of_nobody(error: &RegistryError) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("a limit is set for an adapter that is not there: {error}"),
    )
}

pub(super) fn registry_for(parts: &Parts, plan: &Plan) -> Result<Registry, Error> {
    let registry = parts.registry.with_profiles(&plan.spec().adapters);
    let registry = registry.map_err(|error| Error::new(ErrorKind::InvalidSpec, error.to_string()))?;
    for name in &parts.limited_profiles {
        registry.get(name).map_err(|error| limit_of_nobody(&error))?;
    }
    Ok(registry)
}

/// The adapter of tasks that name none, after looking whether every adapter that is needed is there.
pub(super) async fn choose_adapter(
    parts: &Parts,
    plan: &Plan,
    registry: &Registry,
    options: &RunOptions,
) -> Result<Option<String>, Error> {
    let spec = plan.spec();
    let wanted = options.adapter.as_deref().or(spec.adapter.as_deref());
    let wanted = wanted.filter(|name| !name.is_empty() && *name != "auto").map(canonical_name);
    let mut named: Vec<&str> = spec.tasks.iter().filter_map(|task| task.adapter.as_deref()).collect();
    let needed = spec.tasks.iter().any(|task| task.adapter.is_none());
    named.extend(reviewer_of(parts, spec, &spec.tasks.iter().collect::<Vec<_>>()));
    named.extend(wanted.filter(|_| needed));
    let context = probe_context(parts, spec)?;
    probe(registry, named, &context).await?;
    match wanted {
        Some(name) => Ok(Some(name.to_owned())),
        None if !needed => Ok(None),
        None => {
            let found = registry.detect(&context).await.map_err(|error| unavailable(error.to_string()))?;
            Ok(Some(found.name().to_owned()))
        }
    }
}

/// Refuses to take tasks up again when an adapter is not there that they need, as a start does: one attempt after the
/// other would fail.
pub(super) async fn has_adapters(
    parts: &Parts,
    state: &RunState,
    registry: &Registry,
    tasks: &[TaskIx],
) -> Result<(), Error> {
    let (plan, fallback) = (state.plan(), state.started().adapter.as_deref());
    let tasks: Vec<&Task> = tasks.iter().map(|ix| plan.spec_of(*ix)).collect();
    let mut named: Vec<&str> = tasks.iter().filter_map(|task| task.adapter.as_deref().or(fallback)).collect();
    named.extend(reviewer_of(parts, plan.spec(), &tasks));
    let context = probe_context(parts, plan.spec())?;
    let missing = |error: Error| {
        let text = format!("convoy {} cannot go on, and was left as it is", state.convoy());
        Error::new(ErrorKind::Agent, text).because(error)
    };
    probe(registry, named, &context).await.map_err(missing)
}

/// The adapter that the file names to review these tasks.
fn reviewer_of<'a>(parts: &Parts, spec: &'a Spec, tasks: &[&Task]) -> Option<&'a str> {
    let hooks = tasks.iter().flat_map(|task| &task.hooks).chain(&spec.hooks);
    let reviewed = tasks.iter().any(|task| task.review != ReviewMode::None)
        || hooks.into_iter().any(|hook| hook.kind == HookType::Review);
    let named = spec.reviews.adapter.as_deref().filter(|_| reviewed && parts.reviewer.is_none());
    named.map(canonical_name)
}

fn probe_context(parts: &Parts, spec: &Spec) -> Result<ProbeContext, Error> {
    let env = match spec.tasks.first() {
        Some(task) => agent_env(&parts.env, spec, task).map_err(|error| unavailable(error.to_string()))?,
        None => (*parts.env).clone(),
    };
    Ok(ProbeContext {
        env,
        // A folder that is there, and where no configuration of anybody's is found.
        cwd: parts.repository.common_dir().to_owned(),
        timeout: PROBE_TIMEOUT,
        cancel: CancellationToken::new(),
    })
}

/// Looks whether all of these adapters are there.
async fn probe(registry: &Registry, mut names: Vec<&str>, context: &ProbeContext) -> Result<(), Error> {
    names.sort_unstable();
    names.dedup();
    for name in names {
        let adapter = registry.get(name).map_err(|error| unavailable(error.to_string()))?;
        adapter.probe(context).await.map_err(|error| unavailable(error.to_string()))?;
    }
    Ok(())
}

/// Refuses to run what asks for reviews that nobody can make: all its work would be made, and then blocked.
pub(super) fn has_reviewers(
    parts: &Parts,
    plan: &Plan,
    registry: &Registry,
    chosen: Option<&str>,
) -> Result<(), Error> {
    if parts.reviewer.is_some() {
        return Ok(());
    }
    let spec = plan.spec();
    let asks = |hook: &Hook| hook.kind == HookType::Review;
    let must = |task: &Task| {
        matches!(task.review, ReviewMode::Fast | ReviewMode::Panel) || task.hooks.iter().any(asks)
    };
    let of_tasks = spec
        .tasks
        .iter()
        .filter(|task| must(task))
        .map(|task| (task.id.to_string(), task.adapter.as_deref()));
    let defaults = spec.task_defaults.as_deref().and_then(|task| task.adapter.as_deref());
    let of_end = spec.hooks.iter().any(asks).then(|| ("the merged result".to_owned(), defaults));
    for (what, own) in of_tasks.chain(of_end) {
        review_agent(registry, &spec.reviews, own.or(chosen), parts.grace).map_err(|reason| {
            let text =
                format!("the convoy file asks for a review of {what}, which nobody can make: {reason}");
            Error::new(ErrorKind::Agent, text)
        })?;
    }
    Ok(())
}

/// Refuses to run what is to land in a form that the host's merge queue does not know.
pub(super) fn lands_as_asked(parts: &Parts, plan: &Plan) -> Result<(), Error> {
    let strategy = plan.spec().merge.strategy;
    match &parts.queue {
        Some(queue) if !queue.lands_as(strategy) => {
            let strategy = strategy.as_str();
            let text = format!(
                "the convoy file asks for `merge.strategy: {strategy}`, which this program's merge queue does not do: \
                 leave it out"
            );
            Err(Error::new(ErrorKind::Unsupported, text))
        }
        _ => Ok(()),
    }
}

/// Refuses to run in worktrees that cannot be made of this repository: one attempt after the other would fail.
pub(super) async fn may_separate(parts: &Parts, plan: &Plan) -> Result<(), Error> {
    match plan.spec().worktree.isolation {
        Isolation::Linked => Ok(()),
        Isolation::Separate => parts.repository.may_separate().await.map_err(git_open_error),
    }
}

fn unavailable(error: String) -> Error {
    Error::new(ErrorKind::Agent, error)
}

/// Refuses to run when the host lacks a variable that a task needs: one attempt after the other would fail.
pub(super) fn has_variables(parts: &Parts, plan: &Plan) -> Result<(), Error> {
    check_variables(&parts.env, plan.spec())
        .map_err(|missing| Error::new(ErrorKind::InvalidArgument, missing.to_string()))
}

/// Refuses to run what names code that the host has not registered.
pub(super) fn has_host_code(parts: &Parts, plan: &Plan) -> Result<(), Error> {
    must_be_registered(&parts.host, host_names(plan.spec()))
}

/// Refuses to add tasks that name code that the host has not registered.
pub(super) fn must_know_code(host: &HostCode, kind: &RequestKind) -> Result<(), Error> {
    let RequestKind::Inject { tasks, .. } = kind else { return Ok(()) };
    let names = tasks.iter().enumerate().flat_map(|(n, task)| host_names_of(task, &format!("tasks[{n}]")));
    must_be_registered(host, names.collect())
}

/// Refuses names of code that the host has not registered.
fn must_be_registered(host: &HostCode, names: Vec<HostName>) -> Result<(), Error> {
    let missing: Vec<HostName> = names.into_iter().filter(|wanted| !host.has(wanted)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let more = match missing.len() - 1 {
        0 => String::new(),
        more => format!(" ({more} more names are unknown, too)"),
    };
    let text = format!(
        "{}: this program has registered no {} `{}`{more}; run the convoy with the program that has, or remove the name",
        first.path, first.kind, first.name
    );
    let details = missing
        .iter()
        .map(|of| serde_json::json!({"path": of.path, "kind": of.kind.to_string(), "name": of.name}));
    Err(Error::new(ErrorKind::Unsupported, text).with_details(details.collect()))
}

pub(super) fn redactor_for(parts: &Parts, plan: &Plan) -> Redactor {
    attempt::redactor(&parts.secrets, &parts.env, plan.spec())
}
