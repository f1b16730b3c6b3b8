//! What two sides of a merge could not agree on.

use serde::{Deserialize, Serialize};

use super::ids::Oid;

/// One path of a merge that somebody has to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathConflict {
    /// The path, from the root of the repository.
    pub path: String,
    /// What the matter is.
    pub kind: ConflictKind,
    /// What the common ancestor has there; absent when it has nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PathVersion>,
    /// What is there where the work is to land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<PathVersion>,
    /// What the work has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<PathVersion>,
}

/// What is at a path on one side of a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathVersion {
    /// Its mode as git writes it: `100644`, `100755`, `120000` or `160000`.
    pub mode: String,
    /// The content, or the commit of a submodule.
    pub oid: Oid,
}

/// What the matter is with a path in conflict. Where several are, the first of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictKind {
    /// A file on one side, a folder on the other.
    FileDirectory,
    /// Both sides renamed the same file, or two files to the same name.
    RenameRename,
    /// One side renamed it, the other deleted it.
    RenameDelete,
    /// A file renamed on one side meets another file at its new name.
    RenameCollision,
    /// One side changed it, the other deleted it.
    ModifyDelete,
    /// A folder was renamed, and where its new files belong is unclear.
    DirectoryRename,
    /// Both sides moved a submodule.
    Submodule,
    /// Files of different kinds, such as a link and a file.
    Mode,
    /// Both changed a file that is no text.
    Binary,
    /// Both added it, with other content.
    AddAdd,
    /// Both changed the same lines.
    Content,
    /// Something else.
    Other,
}

impl ConflictKind {
    /// The word for it, as in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileDirectory => "file-directory",
            Self::RenameRename => "rename-rename",
            Self::RenameDelete => "rename-delete",
            Self::RenameCollision => "rename-collision",
            Self::ModifyDelete => "modify-delete",
            Self::DirectoryRename => "directory-rename",
            Self::Submodule => "submodule",
            Self::Mode => "mode",
            Self::Binary => "binary",
            Self::AddAdd => "add-add",
            Self::Content => "content",
            Self::Other => "other",
        }
    }
}
