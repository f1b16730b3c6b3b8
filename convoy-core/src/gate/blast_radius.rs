//! `blast_radius`: diffs that are too large to be looked at with care.

use super::diff::Diff;
use super::verdict::Verdict;

const GATE: &str = "blast_radius";

/// From which size on a diff is large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Changed lines, added and deleted.
    pub lines: u32,
    /// Changed files.
    pub files: u32,
}

/// Judges how much was changed: warns from one size on, does not pass from another.
pub fn blast_radius(warn: Size, block: Size, diff: &Diff) -> Verdict {
    let (lines, files) = (diff.lines(), diff.paths.len() as u64);
    let reaches = |size: Size| lines >= u64::from(size.lines) || files >= u64::from(size.files);
    let said = |size: Size| {
        format!(
            "{lines} lines in {files} files are changed, the limit is {} lines or {} files",
            size.lines, size.files
        )
    };
    if reaches(block) {
        Verdict::blocks(GATE, format!("{}; do only what the task asks for", said(block)))
    } else if reaches(warn) {
        Verdict::warns(GATE, said(warn))
    } else {
        Verdict::clean(GATE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::diff::tests::diff;
    use super::*;

    #[test]
    fn lines_or_files_from_the_limit_on_are_too_many() {
        let (warn, block) = (Size { lines: 20, files: 3 }, Size { lines: 50, files: 5 });
        let judged = |paths: usize, lines: u64| {
            let mut diff = diff(&vec!["a"; paths]);
            diff.paths[0].lines = Some((lines - (paths as u64 - 1), 0));
            let verdict = blast_radius(warn, block, &diff);
            (verdict.level.is_some(), verdict.passed)
        };
        assert_eq!(judged(2, 19), (false, true));
        assert_eq!(judged(2, 20), (true, true));
        assert_eq!(judged(3, 3), (true, true));
        assert_eq!(judged(4, 49), (true, true));
        assert_eq!(judged(4, 50), (true, false));
        assert_eq!(judged(5, 5), (true, false));
    }

    #[test]
    fn a_binary_file_counts_as_a_file() {
        let mut diff = diff(&["a"]);
        diff.paths[0].lines = None;
        let limits = Size { lines: 1, files: 1 };
        assert_eq!(
            blast_radius(limits, limits, &diff).output.split(',').next(),
            Some("0 lines in 1 files are changed")
        );
    }
}
