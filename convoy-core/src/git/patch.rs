//! What differs between two commits, as text for a reader.

use super::error::GitError;
use super::repository::Repository;
use crate::types::Oid;

/// The beginning of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchText {
    /// At most as many bytes as were asked for.
    pub bytes: Vec<u8>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Repository {
    /// What differs from one commit or tree to another as a patch, renames recognised; binary files are only named.
    /// At most `max` bytes of it are kept, however long it is.
    pub async fn patch_text(&self, from: &Oid, to: &Oid, max: usize) -> Result<PatchText, GitError> {
        let call = self
            .compare("diff-tree")
            .args(["-r", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv"])
            .args(["--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=none"])
            .args([from.as_str(), to.as_str()]);
        let mut patch = PatchText { bytes: Vec::new(), truncated: false };
        self.stream(call, &mut |chunk| {
            let room = max.saturating_sub(patch.bytes.len());
            patch.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            patch.truncated |= chunk.len() > room;
        })
        .await?;
        Ok(patch)
    }
}

#[cfg(test)]
mod tests {
    use crate::git::testing::{Scratch, both_backends};

    both_backends! {
        a_patch_is_whole_or_said_to_be_cut,
    }

    async fn a_patch_is_whole_or_said_to_be_cut() {
        let s = Scratch::new().await;
        s.write("a", "1\n2\n").write("bin", "a\0b");
        let base = s.commit("base").await;
        s.write("a", "1\n3\n").write("bin", "a\0c");
        let work = s.commit("work").await;
        let whole = s.repo.patch_text(&base, &work, 10_000).await.expect("a patch");
        let text = String::from_utf8(whole.bytes.clone()).expect("text");
        assert!(text.contains("--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"), "{text}");
        assert!(text.contains("Binary files a/bin and b/bin differ"), "{text}");
        assert!(!whole.truncated);
        let exact = s.repo.patch_text(&base, &work, whole.bytes.len()).await.expect("a patch");
        assert_eq!(exact, whole);
        let cut = s.repo.patch_text(&base, &work, 20).await.expect("a patch");
        assert_eq!((cut.bytes.as_slice(), cut.truncated), (&whole.bytes[..20], true));
    }
}
