//! How far the user's branch has followed what landed.

use crate::types::Oid;

/// The state of the user's branch, as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The integration tip that the branch holds.
    pub tip: Oid,
    /// The commit of the branch when it was last seen; a branch that does not descend from it was
    /// rewritten.
    pub known: Oid,
    /// A move that was begun and of which the end is not recorded.
    pub moving: Option<Moving>,
    /// Why the branch was not moved to the tip that waits.
    pub blocked: Option<BlockedPublish>,
}

/// A move of the branch and of the files of its checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// Commit of the branch before.
    pub from: Oid,
    /// Commit of the branch afterwards.
    pub to: Oid,
    /// The integration tip that this publishes.
    pub tip: Oid,
    /// The checkout whose files follow.
    pub checkout: Option<String>,
    /// The lock of that checkout's index, taken meanwhile.
    pub lock: Option<String>,
}

/// Why the branch was not moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedPublish {
    /// The integration tip that waits.
    pub tip: Oid,
    /// Why, and what the person can do.
    pub reason: String,
    /// Paths in the way.
    pub paths: Vec<String>,
}
