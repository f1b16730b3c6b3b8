//! A rule of `.gitleaks.toml`, and the lists of what is allowed that it and the whole file have.

use std::ops::Range;

use regex::bytes::Regex;

use super::allow::Subject;
use crate::secret::generic::entropy;

/// What a rule found.
#[derive(Debug)]
pub(super) struct Found<'r> {
    pub(super) rule: &'r Rule,
    pub(super) secret: Range<usize>,
    pub(super) whole: Range<usize>,
}

/// A rule of the file.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    /// `None`: every file at `path` is a finding.
    pub(super) regex: Option<Regex>,
    pub(super) path: Option<Regex>,
    /// The group that is the secret; `None`: the first that is not empty, or all.
    pub(super) group: Option<usize>,
    /// Bits a byte that the secret has more of.
    pub(super) entropy: Option<f64>,
    /// One of these, in any case, stands in the text, if there are any.
    pub(super) keywords: Vec<String>,
    pub(super) allowlists: Vec<Allowlist>,
}

/// A list of what is allowed.
#[derive(Debug)]
pub(super) struct Allowlist {
    pub(super) paths: Vec<Regex>,
    pub(super) regexes: Vec<Regex>,
    pub(super) target: Target,
    /// Lower case.
    pub(super) stopwords: Vec<String>,
    /// Whether everything that is given must hold, or one of it.
    pub(super) all: bool,
    /// Whether it names commits, which a change that is judged is none of.
    pub(super) commits: bool,
    /// The rules it is for; empty: all.
    pub(super) rules: Vec<String>,
}

/// What the expressions of a list are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Secret,
    Match,
    Line,
}

impl Allowlist {
    pub(super) fn allows(&self, subject: &Subject<'_>) -> bool {
        let path = self.paths.iter().any(|regex| regex.is_match(subject.path.as_bytes()));
        let regex = self.regexes.iter().any(|regex| self.target.matches(regex, subject));
        let secret = String::from_utf8_lossy(subject.secret()).to_lowercase();
        let word = self.stopwords.iter().any(|word| secret.contains(word.as_str()));
        if !self.all {
            return path || regex || word;
        }
        let given = !self.paths.is_empty() || !self.regexes.is_empty() || !self.stopwords.is_empty();
        given
            && !self.commits
            && (path || self.paths.is_empty())
            && (regex || self.regexes.is_empty())
            && (word || self.stopwords.is_empty())
    }
}

impl Target {
    fn matches(self, regex: &Regex, subject: &Subject<'_>) -> bool {
        let text = subject.text.as_bytes();
        match (self, &subject.whole) {
            (Self::Secret, _) => regex.is_match(subject.secret()),
            (Self::Match, Some(whole)) => regex.is_match(&text[whole.clone()]),
            // Our own formats do not say what belongs to the match beside the secret.
            (Self::Match, None) => subject.overlapped_by(regex),
            (Self::Line, _) => regex.is_match(&text[subject.lines()]),
        }
    }
}

impl Rule {
    /// Whether the rule's own lists allow it.
    pub(super) fn allows(&self, subject: &Subject<'_>) -> bool {
        self.allowlists.iter().any(|list| list.allows(subject))
    }

    /// Everything it finds in the text of this file, at the borders of characters.
    pub(super) fn find<'r>(&'r self, path: &str, text: &str, out: &mut Vec<Found<'r>>) {
        if self.path.as_ref().is_some_and(|regex| !regex.is_match(path.as_bytes())) {
            return;
        }
        let Some(regex) = &self.regex else {
            out.push(Found { rule: self, secret: 0..0, whole: 0..0 });
            return;
        };
        for captures in regex.captures_iter(text.as_bytes()) {
            let Some(whole) = captures.get(0) else { continue };
            let secret = match self.group {
                Some(group) => captures.get(group),
                None => captures.iter().skip(1).flatten().find(|group| !group.is_empty()),
            };
            let secret = secret.unwrap_or(whole);
            if secret.is_empty() || self.entropy.is_some_and(|least| entropy(secret.as_bytes()) <= least) {
                continue;
            }
            let secret = whole_characters(text, secret.range());
            out.push(Found { rule: self, secret, whole: whole_characters(text, whole.range()) });
        }
    }
}

/// The range, widened to the borders of characters: an expression for bytes may match a part of one.
fn whole_characters(text: &str, mut range: Range<usize>) -> Range<usize> {
    while !text.is_char_boundary(range.start) {
        range.start -= 1;
    }
    while !text.is_char_boundary(range.end) {
        range.end += 1;
    }
    range
}
