//! What a person or host asks of a running convoy; it crosses process borders through the store's inbox.

use serde::{Deserialize, Serialize};

use super::Work;
use crate::spec::Task;
use crate::types::{Oid, TaskId};

/// A request with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks, for the record.
    pub actor: String,
    /// What is asked.
    pub kind: RequestKind,
    /// What the asker knows the answer by: a refusal carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Request {
    /// A request whose answer nobody waits for.
    pub fn new(actor: impl Into<String>, kind: RequestKind) -> Self {
        Self { actor: actor.into(), kind, id: None }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestKind {
    /// Running agents finish, nothing starts.
    Pause,
    /// Ends a pause.
    Unpause,
    /// Nothing starts, running agents are ended, their work is kept; final.
    Cancel,
    /// As cancel, but the convoy can be resumed. Asked by the host that ends.
    Interrupt {
        /// Why, for the record.
        reason: String,
    },
    /// Add tasks. All of them or none; what becomes of it is an event.
    Inject {
        /// The tasks, defaults applied.
        tasks: Vec<Task>,
        /// Where they come from, for the record.
        source: String,
        /// What the asker calls this request: one of the same key is not carried out twice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// Say of tasks that were to be added why they cannot be: they could not be read, or hold a secret.
    RefuseInjection {
        /// Why, and what the person can do.
        reason: String,
        /// Where they come from, for the record.
        source: String,
        /// What the asker calls the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// Let a task that waits for approval go on.
    Approve {
        /// The task.
        task: TaskId,
        /// The tree that the person has seen: another one is not approved. Absent = the one that waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<Oid>,
        /// Why, for the record.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Refuse a task that waits for approval: it fails.
    Reject {
        /// The task.
        task: TaskId,
        /// Why, for the record.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Skip a task that is not finished, and what depends on it. What works on it is ended; its work is kept.
    Skip {
        /// The task.
        task: TaskId,
        /// Why, for the record.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Take a person's commit as the work of a task that waits: it is checked and landed like an agent's.
    /// [`Engine::accept`](crate::engine::Engine::accept) makes this from a revision.
    Accept {
        /// The task.
        task: TaskId,
        /// The commit as work.
        work: Work,
        /// Why, for the record.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Try again to publish what landed.
    Publish,
    /// Close a dead letter without trying its task again.
    ResolveDeadLetter {
        /// Its id.
        dlq_id: String,
        /// Why or how.
        resolution: String,
    },
    /// Close a dispute.
    ResolveDispute {
        /// Its id.
        dispute_id: String,
        /// Why or how.
        resolution: String,
    },
}
