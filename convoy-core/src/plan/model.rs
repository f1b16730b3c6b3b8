//! The plan: a valid spec as a graph.

use std::collections::HashMap;
use std::sync::Arc;

use super::build::extended;
use super::problem::PlanProblem;
use crate::spec::{Spec, Task};
use crate::types::{TaskId, TaskIx};

/// A valid spec as a graph. Immutable; `plan::plan` makes it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) spec: Arc<Spec>,
    pub(super) tasks: Vec<PlannedTask>,
    pub(super) by_id: HashMap<TaskId, TaskIx>,
    pub(super) phases: u32,
}

/// What the graph says of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTask {
    /// The safe part of its id, for names of refs, folders and files; see [`crate::types::slug`].
    pub slug: String,
    /// Longest dependency path that leads here; 1 = depends on nothing. For people and events only.
    pub phase: u32,
    /// Tasks it depends on, in file order, each once.
    pub depends_on: Vec<TaskIx>,
    /// Tasks that depend on it, in file order.
    pub dependants: Vec<TaskIx>,
    /// Number of tasks on the longest path that starts here, itself included.
    pub remaining: u32,
    /// Tasks of other phases whose partitions overlap with its own and that no dependency orders: they
    /// are kept apart like by a lock.
    pub overlaps: Vec<TaskIx>,
}

impl Plan {
    /// The spec that was planned.
    pub fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// All positions in file order.
    pub fn indices(&self) -> impl Iterator<Item = TaskIx> + use<> {
        (0..u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)).map(TaskIx)
    }

    /// The graph's view of a task.
    ///
    /// # Panics
    /// When the position is not of this plan.
    pub fn task(&self, ix: TaskIx) -> &PlannedTask {
        &self.tasks[ix.index()]
    }

    /// What the user wrote of a task.
    ///
    /// # Panics
    /// When the position is not of this plan.
    pub fn spec_of(&self, ix: TaskIx) -> &Task {
        &self.spec.tasks[ix.index()]
    }

    /// The id of a task.
    ///
    /// # Panics
    /// When the position is not of this plan.
    pub fn id(&self, ix: TaskIx) -> &TaskId {
        &self.spec.tasks[ix.index()].id
    }

    /// The position of the task with this id.
    pub fn find(&self, id: &TaskId) -> Option<TaskIx> {
        self.by_id.get(id).copied()
    }

    /// Number of phases.
    pub fn phases(&self) -> u32 {
        self.phases
    }

    /// This plan with further tasks at its end; those of this one keep their positions. Tasks whose partitions
    /// overlap are kept apart, whatever their phases. They depend on the tasks that their inputs come from.
    ///
    /// # Errors
    /// What is wrong between the tasks: an id that exists, a dependency that does not, a circle.
    pub fn extended(&self, tasks: Vec<Task>) -> Result<Self, Vec<PlanProblem>> {
        let mut spec = Spec::clone(&self.spec);
        spec.tasks.extend(tasks.into_iter().map(|mut task| {
            for input in &task.inputs {
                if !task.depends_on.contains(&input.from) {
                    task.depends_on.push(input.from.clone());
                }
            }
            task
        }));
        extended(Arc::new(spec))
    }

    /// `<index>-<slug>`: the name of a task in refs, folders and files.
    pub fn dir_name(&self, ix: TaskIx) -> String {
        format!("{}-{}", ix.0, self.task(ix).slug)
    }
}
