//! `secret_scan`: secrets in what was added.

use std::fmt;

use super::diff::Diff;
use super::verdict::{Verdict, listed};
use crate::git::{Added, GitError, Repository};
use crate::secret::{EscapeFilter, Redactor, ScanConfig};

const GATE: &str = "secret_scan";

/// Bytes of added text that are looked at together. What is left of them is looked at with what follows.
const BLOCK: usize = 1024 * 1024;

/// Bytes of a block that are looked at again with what follows: more than the longest secret.
const OVERLAP: usize = 64 * 1024;

/// Where a secret is. Never what it is.
struct Place {
    kind: String,
    /// The commit that it was added in, where it is not in the last one.
    commit: Option<String>,
    path: String,
    line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}:{}", self.kind, self.path, self.line)?;
        match &self.commit {
            Some(commit) => write!(f, " (added by commit {commit}, gone later; the history keeps it)"),
            None => Ok(()),
        }
    }
}

/// Looks for secrets in every line that the work added, however much it is, binary files included, and in the names
/// of its files; also in the messages and headers (who made it, and what else stands there) of its commits and in what
/// an earlier commit added and a later one took away, because they land with it. It names them by kind and place, never by their text. What the repository allows is read from `judge`, a commit
/// that the work cannot have changed.
///
/// # Errors
/// When git cannot tell what was added.
pub async fn secret_scan(
    repository: &Repository,
    redactor: &Redactor,
    judge: &crate::types::Oid,
    diff: &Diff,
) -> Result<Verdict, GitError> {
    let (config, notes) = config(repository, judge).await?;
    let mut search = Search::new(redactor, &config);
    repository.added(&diff.from, &diff.commit, &diff.paths, &mut |piece| search.take(piece)).await?;
    search.finish_part();
    let mut whole = true;
    if search.places.is_empty() {
        whole = repository.added_before(&diff.from, &diff.commit, &mut |piece| search.take(piece)).await?;
        search.finish_part();
    }
    Ok(if !search.places.is_empty() {
        let line = "secrets in the work; take them out, also out of earlier commits of it:";
        Verdict::blocks(GATE, listed(line, &search.places))
    } else if !whole {
        let text = "a file of an earlier commit of the work is too large to be looked at; make it one commit";
        Verdict::blocks(GATE, text)
    } else if notes.is_empty() {
        Verdict::clean(GATE)
    } else {
        Verdict::warns(
            GATE,
            listed("a part of the repository's configuration of the scan has no effect:", &notes),
        )
    })
}

/// What the repository says of its own secrets, and what of it cannot be used.
async fn config(
    repository: &Repository,
    judge: &crate::types::Oid,
) -> Result<(ScanConfig, Vec<String>), GitError> {
    // One byte more than is read of either says that it is too long.
    let read = async |name| {
        let found = repository.file_at(judge, name, BLOCK + 1).await?;
        Ok::<_, GitError>(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let (allow, gitleaks) = (read(ScanConfig::ALLOW_FILE).await?, read(ScanConfig::GITLEAKS_FILE).await?);
    Ok(ScanConfig::from_texts(allow.as_deref(), gitleaks.as_deref()))
}

fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

struct Search<'a> {
    redactor: &'a Redactor,
    config: &'a ScanConfig,
    commit: Option<String>,
    path: String,
    /// Lines that stand together, as far as they are not looked at; the first has the number `line`.
    text: Vec<u8>,
    line: u64,
    places: Vec<Place>,
}

impl<'a> Search<'a> {
    fn new(redactor: &'a Redactor, config: &'a ScanConfig) -> Self {
        let (text, path) = (Vec::new(), String::new());
        Self { redactor, config, commit: None, path, text, line: 1, places: Vec::new() }
    }

    fn take(&mut self, piece: Added<'_>) {
        match piece {
            Added::Commit(id) => {
                self.finish_part();
                self.commit = Some(short(id));
            }
            Added::Header(id) => self.begin_text("the headers", id),
            Added::Message(id) => self.begin_text("the message", id),
            Added::File(path) => {
                self.finish_part();
                "the name of a file".clone_into(&mut self.path);
                self.line = 1;
                self.text.extend_from_slice(path.as_bytes());
                self.finish_part();
                path.clone_into(&mut self.path);
            }
            Added::Lines(first) => {
                self.finish_part();
                self.line = first;
            }
            Added::Text(text) => {
                self.text.extend_from_slice(text);
                if self.text.len() >= BLOCK {
                    let rest = &self.text[self.text.len() - OVERLAP..];
                    // A line that has no end within reach is cut where it is.
                    let cut = rest.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    self.look(self.text.len() - OVERLAP + cut);
                }
            }
        }
    }

    /// What follows is a part of what a commit says of itself.
    fn begin_text(&mut self, part: &str, commit: &str) {
        self.finish_part();
        (self.commit, self.line) = (None, 1);
        self.path = format!("{part} of commit {}", short(commit));
    }

    fn finish_part(&mut self) {
        self.look(self.text.len());
    }

    /// Adds the secrets that begin in the first `limit` bytes of a text, by line and kind, but for those of a line that
    /// are known.
    fn scan(&self, text: &str, limit: usize, found: &mut Vec<(usize, String)>) {
        let known = found.len();
        for finding in self.redactor.scan_file(&self.path, text, self.config) {
            let is_known = found[..known]
                .iter()
                .any(|(line, kind)| (*line, kind.as_str()) == (finding.line, &*finding.kind));
            if finding.range.start < limit && !is_known {
                found.push((finding.line, finding.kind.into_owned()));
            }
        }
    }

    /// Looks at the text, takes what begins in the first so many bytes, and forgets these.
    fn look(&mut self, end: usize) {
        if end == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&self.text);
        // Where the bytes end in the text, in which others stand for those that are no UTF-8.
        let limit = if end == self.text.len() {
            text.len()
        } else {
            String::from_utf8_lossy(&self.text[..end]).len()
        };
        let mut found: Vec<(usize, String)> = Vec::new();
        self.scan(&text, limit, &mut found);
        // What a terminal does not show keeps no secret from being read there. Both are looked at, because what looks
        // like a sequence may be part of one; taking sequences out leaves every line where it is.
        if let Some(shown) = without_escapes(&self.text) {
            let limit = without_escapes(&self.text[..end]).map_or(limit, |text| text.len());
            self.scan(&shown, limit, &mut found);
        }
        found.sort_by_key(|(line, _)| *line);
        for (line, kind) in found {
            let (commit, path) = (self.commit.clone(), self.path.clone());
            self.places.push(Place { kind, commit, path, line: self.line + line as u64 - 1 });
        }
        let lines = self.text[..end].iter().filter(|byte| **byte == b'\n').count();
        self.line += lines as u64;
        self.text.drain(..end);
    }
}

/// The text without terminal escape sequences; `None` when it has none.
fn without_escapes(text: &[u8]) -> Option<String> {
    let (mut filter, mut shown) = (EscapeFilter::default(), Vec::with_capacity(text.len()));
    filter.push(text, &mut shown);
    filter.finish(&mut shown);
    (shown.len() < text.len()).then(|| String::from_utf8_lossy(&shown).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::Scratch;

    fn token() -> String {
        ["ghp_", "0123456789abcdefghij", "ABCDEFGHIJ012345"].concat()
    }

    async fn judged(s: &Scratch, base: &crate::types::Oid) -> Verdict {
        let commit = s.commit("work").await;
        let diff = Diff::read(&s.repo, base, &commit).await.expect("a diff");
        secret_scan(&s.repo, &Redactor::new(), base, &diff).await.expect("scans")
    }

    #[tokio::test]
    async fn only_what_was_added_counts_and_it_is_named_by_place_alone() {
        let s = Scratch::new().await;
        s.write("old", &format!("1\nkey {}\n3\n", token())).write("moved", &format!("{}\n", token()));
        let base = s.commit("base").await;
        s.write("old", &format!("1\nkey {}\n3 changed\n", token())).rename("moved", "elsewhere");
        assert_eq!(judged(&s, &base).await, Verdict::clean(GATE));
        let text = format!("a\nb\n\nkey = {}\n", token());
        s.write("dir/new file", &text).write("old", &format!("1\nkey {0}\n3\n4\n5 {0}\n", token()));
        let verdict = judged(&s, &base).await;
        assert!(!verdict.passed && !verdict.output.contains(&token()), "{}", verdict.output);
        let places: Vec<&str> = verdict.output.lines().skip(1).collect();
        assert_eq!(places, ["github-token in dir/new file:4", "github-token in old:5"]);
    }

    #[tokio::test]
    async fn a_token_that_escape_sequences_cut_in_two_is_found_and_one_beside_them_only_once() {
        let s = Scratch::new().await;
        let base = s.commit("base").await;
        let (head, tail) = (&token()[..10], &token()[10..]);
        s.write("coloured", &format!("1\n\u{1b}[1mkey\u{1b}[m {head}\u{1b}[01;31m\u{1b}[K{tail}\n"));
        s.write("json", &format!("{{\"out\":\"{head}\\u001b[m{tail}\"}}\n"));
        s.write("both", &format!("\u{1b}[m{0} {0}\n\u{9b}1mx {head}\u{9b}m{tail}\n", token()));
        // What never ends hides nothing that follows.
        s.write("title", &format!("\u{1b}]0;{}\n", token()));
        let verdict = judged(&s, &base).await;
        let places: Vec<&str> = verdict.output.lines().skip(1).collect();
        let wanted = ["both:1", "both:1", "both:2", "coloured:2", "json:1", "title:1"];
        assert_eq!(places, wanted.map(|place| format!("github-token in {place}")));
        assert!(!verdict.output.contains(tail));
    }

    #[tokio::test]
    async fn a_diff_of_any_size_and_binary_files_are_looked_at_to_the_end() {
        let s = Scratch::new().await;
        let base = s.commit("base").await;
        let mut large = "a line that is long enough to be no trouble at all\n".repeat(60_000);
        large.push_str(&format!("{}\n", token()));
        s.write("large", &large).write("bin", &format!("\0\u{1}\n{}\0", token()));
        let verdict = judged(&s, &base).await;
        let places: Vec<&str> = verdict.output.lines().skip(1).collect();
        assert_eq!(places, ["github-token in bin:2", "github-token in large:60001"]);
    }

    #[tokio::test]
    async fn what_is_only_in_the_history_of_the_work_is_found_too() {
        let s = Scratch::new().await;
        let base = s.commit("base").await;
        s.write("a", &format!("1\n{}\n", token()));
        let first = s.commit("first").await;
        s.write("a", "1\n");
        let verdict = judged(&s, &base).await;
        let place = format!("github-token in a:2 (added by commit {}", &first.as_str()[..10]);
        assert!(!verdict.passed && verdict.output.contains(&place), "{}", verdict.output);
    }

    #[tokio::test]
    async fn messages_of_commits_and_names_of_files_are_looked_at() {
        let s = Scratch::new().await;
        let base = s.commit("base").await;
        s.write(&format!("a/{}.txt", token()), "1\n");
        let verdict = judged(&s, &base).await;
        assert_eq!(
            verdict.output.lines().skip(1).collect::<Vec<_>>(),
            ["github-token in the name of a file:1"]
        );
        let base = s.commit("empty").await;
        let leak = s.write("b", "1\n").commit(&format!("Say more\n\nwith {}", token())).await;
        s.write("c", "1\n");
        let verdict = judged(&s, &base).await;
        let place = format!("github-token in the message of commit {}:3", &leak.as_str()[..10]);
        assert_eq!(verdict.output.lines().skip(1).collect::<Vec<_>>(), [place]);
    }

    #[tokio::test]
    async fn whatever_stands_in_front_of_the_message_of_a_commit_is_looked_at() {
        let s = Scratch::new().await;
        let base = s.commit("base").await;
        let tree = s.repo.tree_of(&base).await.expect("a tree");
        let header = |author: &str, more: &str| {
            let made = format!("author {author} <a@b.invalid> 1 +0000\ncommitter c <c@d.invalid> 1 +0000\n");
            format!("tree {tree}\nparent {base}\n{made}{more}\nNothing to see\n")
        };
        let tag = format!(
            "mergetag object {base}\n type commit\n tag v1\n tagger t <t@u.invalid> 1 +0000\n \n {}\n",
            token()
        );
        for (text, line) in [
            (header(&token(), ""), 3),
            (header("a", &format!("note {}\n", token())), 5),
            (header("a", &tag), 10),
        ] {
            let file = s.outside().join("commit");
            std::fs::write(&file, text).expect("writes");
            let args = ["hash-object", "-t", "commit", "-w", file.to_str().expect("UTF-8")];
            let work = crate::types::Oid::new(s.git(&args).await.trim()).expect("an id");
            let diff = Diff::read(&s.repo, &base, &work).await.expect("a diff");
            let verdict = secret_scan(&s.repo, &Redactor::new(), &base, &diff).await.expect("scans");
            let place = format!("github-token in the headers of commit {}:{line}", &work.as_str()[..10]);
            assert_eq!(verdict.output.lines().skip(1).collect::<Vec<_>>(), [place]);
        }
    }

    #[tokio::test]
    async fn what_is_allowed_is_read_from_before_the_work() {
        let s = Scratch::new().await;
        let allow = format!("allowlist:\n  - literal: {}\n    reason: a fixture\n", token());
        let base = s.commit("base").await;
        s.write("secret-scan-config.yml", &allow).write("a", &format!("{}\n", token()));
        let verdict = judged(&s, &base).await;
        let places: Vec<&str> = verdict.output.lines().skip(1).collect();
        assert_eq!(places, ["github-token in a:1", "github-token in secret-scan-config.yml:2"]);
        s.remove("a");
        let base = s.commit("allowed from here on").await;
        s.write("b", &format!("{}\n", token()));
        assert_eq!(judged(&s, &base).await, Verdict::clean(GATE));
    }

    #[tokio::test]
    async fn a_secret_where_two_blocks_meet_is_found_once() {
        let redactor = Redactor::new();
        let config = ScanConfig::default();
        let filler = "twelve bytes".repeat(8) + "\n";
        for shift in [0, 1, 20, 39, 40, 41] {
            let mut search = Search::new(&redactor, &config);
            search.take(Added::Lines(1));
            let before = BLOCK - OVERLAP - shift;
            let mut text = filler.repeat(before / filler.len() + 1);
            text.truncate(before - 1);
            text.push('\n');
            let line = text.lines().count() as u64 + 1;
            text.push_str(&format!("{}\n", token()));
            text.push_str(&filler.repeat(2 * BLOCK / filler.len()));
            text.as_bytes().chunks(10_000).for_each(|chunk| search.take(Added::Text(chunk)));
            search.finish_part();
            let lines: Vec<u64> = search.places.iter().map(|place| place.line).collect();
            assert_eq!(lines, [line], "{shift}");
        }
    }

    #[tokio::test]
    async fn a_private_key_over_several_lines_is_one_secret() {
        let s = Scratch::new().await;
        let base = s.commit("base").await;
        let body = "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI\n".repeat(4);
        let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----");
        s.write("key.pem", &format!("x\n{begin}\n{body}{end}\n"));
        let verdict = judged(&s, &base).await;
        assert_eq!(verdict.output.lines().skip(1).collect::<Vec<_>>(), ["private-key in key.pem:2"]);
    }
}
