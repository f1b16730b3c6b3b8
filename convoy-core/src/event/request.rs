//! What a person or host asks of a running convoy; it crosses process borders through the store's inbox.

use serde::{Deserialize, Serialize};

/// A request with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks, for the record.
    pub actor: String,
    /// What is asked.
    pub kind: RequestKind,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Try again to publish what landed.
    Publish,
}
