//! Artifacts: what a task leaves for the tasks after it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Oid;

/// Most bytes of one artifact.
pub const MOST_ARTIFACT_BYTES: usize = 1024 * 1024;

/// Most artifacts that a convoy holds at a time.
pub const MOST_ARTIFACTS: u32 = 50;

/// What an artifact is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// A file of the worktree.
    File,
    /// The end of what the agent said.
    Summary,
    /// The JSON that the agent said.
    Json,
}

impl ArtifactKind {
    /// The public text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Summary => "summary",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An artifact that is stored: an object of the repository, kept by a ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its name, as the task's `outputs` give it.
    pub name: String,
    /// What it is made of. (`type` is the name of an event's type.)
    #[serde(rename = "artifact_type", alias = "type")]
    pub kind: ArtifactKind,
    /// Its size in bytes.
    pub size: u64,
    /// The object that holds it.
    pub oid: Oid,
    /// It was to be a file, there was none, and it is what the agent said instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_file: bool,
}
