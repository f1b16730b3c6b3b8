//! What the judgement of a person or a reviewer is about.

use super::stage::Stage;
use crate::event::Work;
use crate::types::Oid;

/// Work as somebody judged it: a change, which leads from a base to a tree.
///
/// Gates judge files, so that what passed once passes wherever the same files stand. People and reviewers judge what is
/// changed: the same tree on another base changes something else. A conflict that is resolved by taking one side whole
/// gives back the tree that was judged, and undoes what landed meanwhile. Work whose tip moved without a conflict keeps
/// its base, and with it every judgement: it is merged, not made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Where the work began.
    pub base: Oid,
    /// Its tree.
    pub tree: Oid,
}

impl Judged {
    /// The work that is judged in this stage, where this is its tree.
    pub(super) fn in_stage(stage: &Stage, tree: Option<&Oid>) -> Option<Self> {
        let (Stage::Checking { work } | Stage::AwaitingApproval { work: Some(work), .. }) = stage else {
            return None;
        };
        (tree == Some(&work.tree)).then(|| Self { base: work.base.clone(), tree: work.tree.clone() })
    }

    /// Whether it is about this work.
    pub fn is(&self, work: &Work) -> bool {
        (&self.base, &self.tree) == (&work.base, &work.tree)
    }
}
