//! Events of the user's branch.

use super::area;
use crate::types::Oid;

area! {
    /// Something that happened to the user's branch.
    PublishEvent {
        /// The branch, and the files of the checkout that has it, are about to move. Until one of the
        /// others follows, a crash may have left them in between, and recovery finishes the move.
        Started = "branch_publish_started" {
            /// Commit of the branch before.
            from: Oid,
            /// Commit of the branch afterwards.
            to: Oid,
            /// The integration tip that this publishes.
            tip: Oid,
            /// The checkout whose files follow.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            checkout: Option<String>,
            /// The lock of that checkout's index, which the engine takes meanwhile.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            lock: Option<String>,
        },
        /// Somebody else moved the branch meanwhile: it was not moved, and is looked at again.
        Voided = "branch_publish_voided" {
            /// The integration tip that waits.
            tip: Oid,
        },
        /// The branch holds everything up to this tip.
        Published = "branch_published" {
            /// Full name of the branch.
            branch: String,
            /// Its commit now.
            commit: Oid,
            /// The integration tip that it holds.
            tip: Oid,
        },
        /// The branch was not moved; nothing of the user's was touched.
        Blocked = "publish_blocked" {
            /// Full name of the branch.
            branch: String,
            /// Why, and what the person can do.
            reason: String,
            /// Paths in the way.
            #[serde(default)]
            paths: Vec<String>,
            /// The integration tip that waits.
            tip: Oid,
        },
    }
}
