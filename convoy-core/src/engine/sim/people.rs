//! What the people of a simulated convoy ask for.

use super::git::{What, name};
use super::world::{Inner, World};
use crate::event::{RequestKind, Work};
use crate::schedule::tests::build::task;
use crate::state::Stage;
use crate::types::{TaskId, TaskIx};

/// The messages of people, at moments of the seed's choice.
pub(super) fn requests(world: &World) -> Option<RequestKind> {
    use RequestKind as K;
    let interrupt = K::Interrupt { reason: "Ctrl-C".into() };
    world.with(|w| match w.rng.below(if w.story.wild { 20 } else { 8 }) {
        0 => Some(K::Pause),
        1 => Some(K::Unpause),
        2 => Some(K::Publish),
        3 => Some(interrupt),
        4 => {
            let letter = w.record.open_letter();
            letter.map(|dlq_id| K::ResolveDeadLetter { dlq_id, resolution: "by hand".into() })
        }
        8..=10 => {
            let name = w.rng.below(2);
            Some(injection(name))
        }
        11 => Some(K::Cancel),
        12 | 13 => any_task(w).map(|task| K::Skip { task, reason: "not now".into() }),
        14..=18 => accepted(w),
        _ => None,
    })
}

/// Somebody settles a dispute.
pub(super) fn resolution(world: &World) -> Option<RequestKind> {
    let dispute_id = world.with(|w| w.record.open_dispute())?;
    Some(RequestKind::ResolveDispute { dispute_id, resolution: "by hand".into() })
}

/// Nothing at all is refused, and so is a task that is there already.
fn injection(n: u64) -> RequestKind {
    let tasks = if n == 0 { Vec::new() } else { vec![task(&format!("added{n}"))] };
    RequestKind::Inject { tasks, source: "test".into(), idempotency_key: None }
}

/// Mostly one that is not finished.
fn any_task(w: &mut Inner) -> Option<TaskId> {
    let mut tasks: Vec<TaskIx> = w.plan.indices().collect();
    if !w.rng.one_in(8) {
        tasks.retain(|ix| !w.record.state().task(*ix).stage.kind().is_final());
    }
    let size = u64::try_from(tasks.len()).ok().filter(|size| *size > 0)?;
    let at = usize::try_from(w.rng.below(size)).ok()?;
    Some(w.plan.id(tasks[at]).clone())
}

fn accepted(w: &mut Inner) -> Option<RequestKind> {
    let task = any_task(w)?;
    let base = w.record.state().tip().clone();
    let ix = w.plan.find(&task)?;
    let parent = w.git.find(&base).ok()?;
    let commit = name(w.git.commit(What::Work(ix), &[parent]));
    let tree = w.git.tree();
    let work = Work { commit, tree, base, changed: true, kept_ref: "refs/convoy/sim/accepted".into() };
    Some(RequestKind::Accept { task, work, reason: String::new() })
}

/// The answer for a task that waits for approval: yes, except where things are wild.
pub(super) fn approval(world: &World) -> Option<RequestKind> {
    world.with(|w| {
        let state = w.record.state();
        let asked = |ix: &TaskIx| matches!(state.task(*ix).stage, Stage::AwaitingApproval { .. });
        let task = state.plan().indices().find(asked).map(|ix| state.plan().id(ix).clone())?;
        let reason = String::new();
        Some(match w.story.wild && w.rng.one_in(3) {
            true => RequestKind::Reject { task, reason },
            false => RequestKind::Approve { task, tree: None, reason },
        })
    })
}
