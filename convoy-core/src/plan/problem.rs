//! What is wrong between the tasks of a spec.

use std::fmt;

use crate::spec::Shown;
use crate::types::{TaskId, TaskIx};

/// One problem between the tasks of a spec. Its text says what is wrong; [`PlanProblem::task`] whose
/// problem it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanProblem {
    /// Two tasks have the same id.
    DuplicateId {
        /// The later one.
        task: TaskIx,
        /// The id of both.
        id: TaskId,
        /// The first task with this id.
        first: TaskIx,
    },
    /// A dependency names no task.
    UnknownDependency {
        /// The task that depends.
        task: TaskIx,
        /// Position in its `depends_on`.
        at: usize,
        /// What it names.
        id: TaskId,
        /// The most similar id there is.
        nearest: Option<TaskId>,
    },
    /// A task depends on itself.
    DependsOnItself {
        /// The task.
        task: TaskIx,
        /// Position in its `depends_on`.
        at: usize,
        /// Its id.
        id: TaskId,
    },
    /// Tasks depend on each other in a circle.
    Cycle {
        /// The first of them in file order.
        task: TaskIx,
        /// Position of the next one in its `depends_on`.
        at: usize,
        /// The ids along the circle; the first is repeated at the end.
        path: Vec<TaskId>,
    },
    /// The partitions of two tasks that may run at the same time overlap.
    Overlap {
        /// The later one in file order.
        task: TaskIx,
        /// Position in its `files`.
        at: usize,
        /// Its path.
        path: String,
        /// The other task.
        other: TaskId,
        /// The other task's path.
        other_path: String,
        /// Whether both are in one phase, which refuses the spec; otherwise they are kept apart.
        same_phase: bool,
        /// How many further tasks it overlaps with in the same way, not listed one by one.
        more: usize,
    },
    /// An input names an artifact that its task does not leave.
    UnknownArtifact {
        /// The task that needs it.
        task: TaskIx,
        /// Position in its `inputs`.
        at: usize,
        /// The task that would have to leave it.
        from: TaskId,
        /// The artifact.
        name: String,
        /// The most similar name among that task's outputs.
        nearest: Option<String>,
        /// The first names of that task's outputs.
        known: Vec<String>,
    },
    /// A task takes a lock that `locks` does not declare.
    UndeclaredLock {
        /// The task.
        task: TaskIx,
        /// Position in its `locks`.
        at: usize,
        /// The lock.
        lock: String,
        /// The most similar declared lock.
        nearest: Option<String>,
    },
}

impl PlanProblem {
    /// Whose problem it is.
    pub fn task(&self) -> TaskIx {
        match self {
            Self::DuplicateId { task, .. }
            | Self::UnknownDependency { task, .. }
            | Self::DependsOnItself { task, .. }
            | Self::Cycle { task, .. }
            | Self::Overlap { task, .. }
            | Self::UnknownArtifact { task, .. }
            | Self::UndeclaredLock { task, .. } => *task,
        }
    }

    /// Whether it refuses the spec.
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::Overlap { same_phase: false, .. })
    }

    /// What the person can do, where the text alone does not say it.
    pub fn hint(&self) -> Option<String> {
        let mean = |near: &dyn fmt::Display| format!("did you mean `{near}`?");
        match self {
            Self::UnknownDependency { nearest, .. } => nearest.as_ref().map(|id| mean(id)),
            Self::UnknownArtifact { nearest: Some(near), .. } => Some(mean(near)),
            Self::UnknownArtifact { known, .. } if known.is_empty() => {
                Some("it has no `outputs` at all".to_owned())
            }
            Self::UnknownArtifact { known, .. } => Some(format!("its outputs are `{}`", known.join("`, `"))),
            Self::UndeclaredLock { lock, nearest, .. } => Some(match nearest {
                Some(near) => mean(near),
                None => format!("declare it at the top level: `locks: {{{lock}: 1}}`"),
            }),
            Self::Overlap { same_phase: true, other, .. } => {
                Some(format!("narrow one of them, or let one depend on the other: `depends_on: [{other}]`"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateId { id, .. } => write!(f, "another task has the id {} too", Shown(id.as_str())),
            Self::UnknownDependency { id, .. } => write!(f, "there is no task {}", Shown(id.as_str())),
            Self::DependsOnItself { id, .. } => {
                write!(f, "the task {} depends on itself", Shown(id.as_str()))
            }
            Self::UnknownArtifact { from, name, .. } => {
                write!(f, "task {} has no output {}", Shown(from.as_str()), Shown(name))
            }
            Self::Cycle { path, .. } => write!(f, "these tasks wait for each other: {}", circle(path)),
            Self::UndeclaredLock { lock, .. } => {
                write!(f, "the lock {} is not declared in `locks`", Shown(lock))
            }
            Self::Overlap { path, other, other_path, same_phase, more, .. } => {
                let (path, other_path, other) = (Shown(path), Shown(other_path), Shown(other.as_str()));
                write!(f, "{path} overlaps with {other_path} of task {other}")?;
                if *more > 0 {
                    write!(f, " (and with {more} more)")?;
                }
                f.write_str(match same_phase {
                    true => ", which can run at the same time",
                    false => ", which nothing orders: they are kept apart like by a lock",
                })
            }
        }
    }
}

/// `a → b → a`; the middle of a long circle is left out.
fn circle(path: &[TaskId]) -> String {
    let names: Vec<&str> = path.iter().map(TaskId::as_str).collect();
    match names.as_slice() {
        [first @ .., _, _] if names.len() > 22 => {
            let (head, tail) = (&first[..10], &names[names.len() - 10..]);
            format!("{} → … {} more … → {}", head.join(" → "), names.len() - 20, tail.join(" → "))
        }
        _ => names.join(" → "),
    }
}
