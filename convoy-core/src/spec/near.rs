//! The nearest known name to a misspelt one.

/// The candidate within edit distance 2 that is nearest, the first of equals.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = distance(word, candidate);
        if distance <= 2 && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Names that people write for fields of ours although they are not near them.
/// Being ignored would leave work unjudged, or begin it too early.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("after", "depends_on"),
    ("dependencies", "depends_on"),
    ("dependency", "depends_on"),
    ("depends", "depends_on"),
    ("deps", "depends_on"),
    ("needs", "depends_on"),
    ("requires", "depends_on"),
    ("max_attempts", "max_retries"),
    ("max_retry", "max_retries"),
    ("retries", "max_retries"),
    ("parallel", "concurrency"),
    ("approval", "approve"),
    ("approvals", "approve"),
    ("manual_approval", "approve"),
    ("needs_approval", "approve"),
    ("require_approval", "approve"),
    ("requires_approval", "approve"),
    ("acceptance", "gates"),
    ("check", "gates"),
    ("checks", "gates"),
    ("quality_gates", "gates"),
    ("test", "gates"),
    ("tests", "gates"),
    ("validate", "gates"),
    ("validation", "gates"),
    ("verify", "gates"),
    ("code_review", "review"),
    ("needs_review", "review"),
    ("require_review", "review"),
    ("requires_review", "review"),
];

/// The candidate that is meant by this other word for it.
pub(crate) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (_, known) = OTHER_WORDS.iter().find(|(other, _)| *other == word)?;
    candidates.into_iter().find(|candidate| candidate == known)
}

/// Levenshtein distance; 3 stands for "3 or more".
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 8 {
        return 3;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
        if row.iter().min().is_some_and(|least| *least > 2) {
            return 3;
        }
    }
    row[b.len()].min(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_within_two_edits_are_near() {
        let known = ["timeout", "gates", "gate_timeout", "id"];
        let cases = [
            ("timout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("Timeout", Some("timeout")),
            ("gate", Some("gates")),
            ("gatess", Some("gates")),
            ("gate_timeouts", Some("gate_timeout")),
            ("ID", Some("id")),
            ("notes", Some("gates")),
            ("comment", None),
            ("", Some("id")),
            ("ünïcöde", None),
        ];
        for (word, near) in cases {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }

    #[test]
    fn other_words_stand_for_the_key_where_there_is_one() {
        let known = ["max_retries", "depends_on", "approve", "gates", "review"];
        let cases = [
            ("max_retry", known.first()),
            ("needs", known.get(1)),
            ("needs_approval", known.get(2)),
            ("checks", known.get(3)),
            ("requires_review", known.get(4)),
            ("parallel", None),
            ("mine", None),
        ];
        for (word, wanted) in cases {
            assert_eq!(meant(word, known), wanted.copied(), "{word}");
        }
    }
}
