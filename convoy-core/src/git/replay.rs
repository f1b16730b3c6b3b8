//! The commits of a work, put onto another commit one by one.

use super::commit_write::Draft;
use super::error::GitError;
use super::merge::MergeResult;
use super::open::Version;
use super::repository::{Identity, Repository};
use crate::types::Oid;

/// More commits than these are not put down one by one.
const MOST: usize = 1000;

/// The first version that merges with a base that is named.
const MERGE_BASE: Version = Version(2, 40);

/// One commit of a line.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    id: Oid,
    parent: Oid,
    tree: Oid,
    author: Identity,
    /// Seconds and a time zone.
    authored: String,
    message: String,
}

impl Repository {
    /// Writes the commits that `work` has and `onto` does not once more, one after the other on `onto`, each with its
    /// author, time and message, and made by whoever is configured; the last also gets these lines as its last
    /// paragraph. One that changes nothing there is left out. Gives the last one. Moves no ref, touches no file.
    ///
    /// `None` when that is not possible so that the tree at the end is `tree`: where the work has merges in it, where a
    /// commit conflicts on its own, where texts are in another encoding than UTF-8 or an author is none that git
    /// would write, where a message has one of the keys of the last lines, or where there are more than 1,000 commits.
    ///
    /// # Errors
    /// As [`commit_landing`](Self::commit_landing).
    pub async fn replay(
        &self,
        onto: &Oid,
        work: &Oid,
        tree: &Oid,
        last_lines: &str,
    ) -> Result<Option<Oid>, GitError> {
        let Some(base) = self.merge_base(onto, work).await? else { return Ok(None) };
        let Some(line) = self.line(&base, work, last_lines).await? else { return Ok(None) };
        let (mut tip, mut tip_tree) = (onto.clone(), self.tree_of(onto).await?);
        let mut last = None;
        for (at, step) in line.iter().enumerate() {
            let parent_tree = self.tree_of(&step.parent).await?;
            let made = match parent_tree == tip_tree {
                true => Some(step.tree.clone()),
                false => self.merge_from(&step.parent, &tip, &step.id).await?,
            };
            let Some(made) = made else { return Ok(None) };
            if made == tip_tree && step.tree != parent_tree {
                continue;
            }
            if at + 1 == line.len() && made != *tree {
                return Ok(None);
            }
            let lines = (at + 1 == line.len()).then_some(last_lines);
            let written = self.write_step(step, &made, &tip, lines).await?;
            last = Some((step, std::mem::replace(&mut tip, written), lines.is_some()));
            tip_tree = made;
        }
        match last {
            Some((_, _, true)) => Ok(Some(tip)),
            // The last ones were left out.
            Some((step, parent, false)) if tip_tree == *tree => {
                self.write_step(step, tree, &parent, Some(last_lines)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The commits from a base to a work, oldest first; `None` when they are no line that can be written again.
    async fn line(&self, base: &Oid, work: &Oid, last_lines: &str) -> Result<Option<Vec<Step>>, GitError> {
        let (mut line, mut next) = (Vec::new(), work.clone());
        while next != *base {
            let text = self.commit_text(&next).await?;
            let step = parse(next, &text).filter(|step| !has_keys_of(&step.message, last_lines));
            let Some(step) = step.filter(|_| line.len() < MOST) else { return Ok(None) };
            next = step.parent.clone();
            line.push(step);
        }
        line.reverse();
        Ok(Some(line))
    }

    async fn write_step(
        &self,
        step: &Step,
        tree: &Oid,
        parent: &Oid,
        last_lines: Option<&str>,
    ) -> Result<Oid, GitError> {
        let message = match last_lines {
            Some(lines) => format!("{}\n\n{lines}", step.message.trim_end()),
            None => step.message.clone(),
        };
        let draft = Draft {
            tree,
            parents: std::slice::from_ref(parent),
            message: &message,
            author: &step.author,
            authored: Some(&step.authored),
            committer: &self.inner.committer,
            sign: true,
        };
        self.write_draft(&draft).await
    }

    /// The tree of a merge whose base is named; `None` when there are conflicts.
    async fn merge_from(&self, base: &Oid, ours: &Oid, theirs: &Oid) -> Result<Option<Oid>, GitError> {
        let [from, one, other] = [base, ours, theirs].map(Clone::clone);
        let spliced = self.try_fast("merge-tree", move |at| at.splice_from(&from, &one, &other)).await?;
        let result = match spliced {
            Some(tree) => return Ok(Some(tree)),
            None if self.inner.version >= MERGE_BASE => self.merge_by_git(Some(base), ours, theirs).await?,
            None => self.merge_stand_ins(base, ours, theirs).await?,
        };
        Ok(match result {
            MergeResult::Clean { tree } => Some(tree),
            MergeResult::Conflicted { .. } => None,
        })
    }

    /// The same with a git that finds the base itself: with commits of the same trees whose base it is.
    pub(super) async fn merge_stand_ins(
        &self,
        base: &Oid,
        ours: &Oid,
        theirs: &Oid,
    ) -> Result<MergeResult, GitError> {
        let base = self.commit_tree(&self.tree_of(base).await?, &[], "base", None).await?;
        let mut sides = Vec::new();
        for side in [ours, theirs] {
            let (tree, parents) = (self.tree_of(side).await?, std::slice::from_ref(&base));
            sides.push(self.commit_tree(&tree, parents, side.as_str(), None).await?);
        }
        self.merge_by_git(None, &sides[0], &sides[1]).await
    }

    /// The newest commit that `tip` and not `known` reaches by first parents alone and that has this trailer.
    pub async fn commit_with_trailer(
        &self,
        tip: &Oid,
        known: &Oid,
        key: &str,
        value: &str,
    ) -> Result<Option<Oid>, GitError> {
        let line = format!("{key}: {value}");
        let (one, other, wanted) = (tip.clone(), known.clone(), line.clone());
        let candidates = match self.try_fast("rev-list", move |at| at.saying(&one, &other, &wanted)).await? {
            Some(found) => found,
            None => {
                let call = self.call("rev-list").args(["--first-parent", "-F"]).arg(format!("--grep={line}"));
                let answer = self.ok(call.arg(tip.as_str()).arg(format!("^{known}"))).await?;
                let text = String::from_utf8_lossy(&answer.stdout);
                let ids = text.lines().map(|id| Oid::new(id).ok()).collect::<Option<Vec<_>>>();
                ids.ok_or_else(|| GitError::unexpected("rev-list", &answer.stdout))?
            }
        };
        for commit in candidates {
            let trailers = self.commit_info(&commit).await?.trailers();
            if trailers.iter().any(|(other, found)| other == key && found == value) {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }
}

/// Whether a line of a message begins as one of these lines does: nobody may think that it says what they say.
fn has_keys_of(message: &str, lines: &str) -> bool {
    let key = |line: &str| line.split_once(':').map(|(key, _)| key.trim().to_ascii_lowercase());
    let keys: Vec<String> = lines.lines().filter_map(key).collect();
    message.lines().filter_map(key).any(|found| keys.contains(&found))
}

/// Reads a commit that has one parent and nothing unusual about it.
fn parse(id: Oid, raw: &[u8]) -> Option<Step> {
    let text = std::str::from_utf8(raw).ok().filter(|text| !text.contains('\0'))?;
    let (head, message) = text.split_once("\n\n")?;
    let field = |wanted: &str| {
        let mut found =
            head.lines().filter_map(|line| line.split_once(' ')).filter(|(key, _)| *key == wanted);
        let first = found.next().map(|(_, value)| value);
        first.filter(|_| found.next().is_none())
    };
    if head.lines().any(|line| line.starts_with("encoding ")) {
        return None;
    }
    let (who, authored) = field("author")?.split_once("> ")?;
    let (name, email) = who.split_once(" <")?;
    let (seconds, zone) = authored.split_once(' ')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = digits(seconds) && seconds.len() <= 10 && (seconds == "0" || !seconds.starts_with('0'));
    let is_zone =
        zone.len() == 5 && zone.starts_with(['+', '-']) && digits(&zone[1..]) && zone[1..] <= *"1459";
    let is_name = |part: &str| !part.trim().is_empty() && !part.contains(['<', '>']);
    (is_time && is_zone && is_name(name) && is_name(email)).then_some(())?;
    Some(Step {
        id,
        parent: Oid::new(field("parent")?).ok()?,
        tree: Oid::new(field("tree")?).ok()?,
        author: Identity::new(name, email),
        authored: authored.to_owned(),
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ordinary_commit_can_be_written_again() {
        let id = |c: char| Oid::new(c.to_string().repeat(40)).expect("an id");
        let (t, p) = (id('1'), id('2'));
        let head = format!("tree {t}\nparent {p}\n");
        let good = format!(
            "{head}author A Ü <a@b> 1700000000 +0530\ncommitter C <c@d> 1 +0000\n\nsubject\n\nbody\n"
        );
        let step = parse(id('3'), good.as_bytes()).expect("reads");
        assert_eq!((step.parent, step.tree), (p.clone(), t.clone()));
        assert_eq!((step.author, step.authored.as_str()), (Identity::new("A Ü", "a@b"), "1700000000 +0530"));
        assert_eq!(step.message, "subject\n\nbody\n");
        for (what, from, to) in [
            ("a merge", "author ", "parent 3333333333333333333333333333333333333333\nauthor "),
            ("another encoding", "\n\nsubject", "\nencoding latin1\n\nsubject"),
            ("nobody", "A Ü ", " "),
            ("no address", "a@b", ""),
            ("no time", "1700000000", "x"),
            ("another spelling", "1700000000", "01"),
            ("no zone", "+0530", "+9999"),
            ("NUL", "body", "bo\0dy"),
        ] {
            assert_eq!(parse(id('3'), good.replacen(from, to, 1).as_bytes()), None, "{what}");
        }
        let root = good.replace(&format!("parent {p}\n"), "");
        assert_eq!(parse(id('3'), root.as_bytes()), None);
        assert_eq!(parse(id('3'), &[good.as_bytes(), b"\xff"].concat()), None);
    }

    #[test]
    fn a_message_that_speaks_of_landings_is_no_part_of_one() {
        let lines = "Convoy-Task: a\nWork: 1";
        for bad in ["s\n\nconvoy-task: b", "Work : 2", "WORK:"] {
            assert!(has_keys_of(bad, lines), "{bad}");
        }
        assert!(!has_keys_of("Workload: 2\n\nSigned-off-by: x", lines));
    }
}
