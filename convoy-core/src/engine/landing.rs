//! Performs landing and publishing: the border between those segments and the scheduler.

use std::path::PathBuf;

use super::perform::Reporter;
use super::segments::git_error;
use crate::attempt::{self, Context};
use crate::error::{Error, ErrorKind};
use crate::event::Work;
use crate::git::{Blocked, PublishMove, PublishPlan, Published};
use crate::merge::MergeError;
use crate::schedule::{AdvanceReport, PrepareReport, PublishOrder, PublishReport, Report};
use crate::state::{Moving, Prepared};
use crate::types::{AttemptNo, Oid, TaskIx};

/// Prepares a landing and reports what came of it.
pub(super) async fn prepare(
    context: &Context,
    task: TaskIx,
    attempt: AttemptNo,
    work: Work,
    tip: Oid,
    reporter: &Reporter,
) -> Result<(), Error> {
    let request = attempt::LandRequest { task, attempt, work: work.commit, tip };
    let report = match attempt::prepare(context, request).await {
        attempt::Landing::Prepared { commit, onto } if context.plan.spec().merge.verify.is_empty() => {
            PrepareReport::Prepared(Prepared { commit, onto })
        }
        attempt::Landing::Prepared { commit, onto } => candidate(context, task, commit, onto).await?,
        attempt::Landing::Nothing => PrepareReport::Nothing,
        attempt::Landing::Conflict { files, onto, tree, conflicts } => {
            PrepareReport::Conflict { files, onto, tree, conflicts }
        }
        attempt::Landing::Failed(failure) => PrepareReport::Failed(failure),
        attempt::Landing::Stopped => return Err(not_landed(context, MergeError::Stopped)),
    };
    reporter.report(task, attempt, Report::Prepared(report));
    Ok(())
}

/// A landing commit that is to be verified first: verdicts belong to its tree.
async fn candidate(context: &Context, task: TaskIx, commit: Oid, onto: Oid) -> Result<PrepareReport, Error> {
    let kept = attempt::keep_candidate(context, task, &commit).await;
    kept.map_err(|error| git_error("keep a landing commit", error))?;
    let unread = |error| git_error("read a landing commit", error);
    let tree = context.repository.tree_of(&commit).await.map_err(unread)?;
    let onto_tree = context.repository.tree_of(&onto).await.map_err(unread)?;
    Ok(PrepareReport::Candidate { prepared: Prepared { commit, onto }, tree, onto_tree })
}

/// Lands what was prepared and reports what came of it.
pub(super) async fn advance(
    context: &Context,
    task: TaskIx,
    attempt: AttemptNo,
    prepared: Prepared,
    reporter: &Reporter,
) -> Result<(), Error> {
    let landed = attempt::advance(context, &prepared.commit, &prepared.onto).await;
    let landed = landed.map_err(|error| not_landed(context, error))?;
    let report = match landed {
        None => AdvanceReport::Landed,
        Some(tip) => AdvanceReport::Moved { tip },
    };
    reporter.report(task, attempt, Report::Advanced(report));
    Ok(())
}

fn not_landed(context: &Context, error: MergeError) -> Error {
    if matches!(error, MergeError::Fenced { .. }) {
        let convoy = &context.convoy;
        let text =
            format!("another engine has taken convoy {convoy} over, so this run ends: follow it there");
        return Error::new(ErrorKind::Busy, text).because(error);
    }
    if matches!(error, MergeError::Stopped) {
        let text = "the engine ended before the merge queue answered; resume, and it is asked again";
        return Error::new(ErrorKind::Closed, text).because(error);
    }
    let text = "a commit could not be landed, or nobody knows whether it did; mend what the cause names, then resume";
    Error::new(ErrorKind::Repository, text).because(error)
}

/// Brings what landed to the user's branch and reports what came of it.
pub(super) async fn publish(
    context: &Context,
    order: PublishOrder,
    reporter: &Reporter,
) -> Result<(), Error> {
    let report = match order {
        PublishOrder::Plan { tip, known } => {
            let planned = attempt::publish_plan(context, &tip, &known).await;
            match planned.map_err(|e| git_error("look at the branch", e))? {
                PublishPlan::UpToDate { tip: commit } => PublishReport::UpToDate { commit, tip },
                PublishPlan::Move(step) => is_planned(context, tip, step),
                PublishPlan::Blocked(blocked) => is_blocked(context, tip, blocked),
            }
        }
        PublishOrder::Move { moving, recover } => {
            let step = PublishMove {
                branch: context.branch.clone(),
                from: moving.from.clone(),
                to: moving.to.clone(),
                checkout: moving.checkout.clone().map(PathBuf::from),
                lock: moving.lock.clone().map(PathBuf::from),
            };
            let moved = attempt::publish(context, &step, recover).await;
            match moved.map_err(|e| git_error("move the branch", e))? {
                Published::Done => PublishReport::Done(moving),
                Published::Moved => PublishReport::Moved { tip: moving.tip },
                Published::Blocked(blocked) => is_blocked(context, moving.tip, blocked),
            }
        }
    };
    reporter.publish(report);
    Ok(())
}

/// A plan as it is recorded, which is text.
fn is_planned(context: &Context, tip: Oid, step: PublishMove) -> PublishReport {
    let text = |path: Option<PathBuf>| path.map(|path| path.into_os_string().into_string()).transpose();
    match (text(step.checkout), text(step.lock)) {
        (Ok(checkout), Ok(lock)) => {
            PublishReport::Planned(Moving { from: step.from, to: step.to, tip, checkout, lock })
        }
        (Err(path), _) | (_, Err(path)) => {
            let reason = format!(
                "the branch is checked out in {path:?}, whose name is no UTF-8: rename that folder, or check \
                 out another branch there"
            );
            PublishReport::Blocked { tip, reason: context.redactor.clean(&reason), paths: Vec::new() }
        }
    }
}

fn is_blocked(context: &Context, tip: Oid, blocked: Blocked) -> PublishReport {
    let paths = context.redactor.clean_list(&blocked.paths, attempt::LISTED);
    // The reason without its paths: they stand beside it, bounded.
    let reason = Blocked { reason: blocked.reason, paths: Vec::new() }.to_string();
    PublishReport::Blocked { tip, reason: context.redactor.clean(&reason), paths }
}
