//! What a person or host asks of a running convoy; it crosses process borders through the store's inbox.

use serde::{Deserialize, Serialize};

use crate::spec::Task;

/// A request with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks, for the record.
    pub actor: String,
    /// What is asked.
    pub kind: RequestKind,
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
    /// Try again to publish what landed.
    Publish,
    /// Close a dispute.
    ResolveDispute {
        /// Its id.
        dispute_id: String,
        /// Why or how.
        resolution: String,
    },
}
