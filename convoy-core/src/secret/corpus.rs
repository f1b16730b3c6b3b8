//! How well secrets are told from what looks like them, on lines of either sort.

use proptest::prelude::*;

use super::Redactor;

const SECRETS: &str = include_str!("testdata/secrets.txt");
const CLEAN: &str = include_str!("testdata/clean.txt");
/// How often each line is filled with other random characters.
const FILLINGS: u64 = 10;
const LEAST_PRECISION: f64 = 0.98;
const LEAST_RECALL: f64 = 0.98;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }

    fn text(&mut self, alphabet: &str, len: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..len).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BOTH: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// What stands for `{…}`, or nothing where it stands for itself.
fn filling(inner: &str, random: &mut Random) -> Option<String> {
    if inner == "uuid" {
        let mut part = |len| random.text("0123456789abcdef", len);
        return Some(format!("{}-{}-4{}-a{}-{}", part(8), part(4), part(3), part(3), part(12)));
    }
    let alphabet = match inner.chars().next()? {
        'A' => BOTH,
        'a' => LOWER,
        'U' => UPPER,
        'h' => "0123456789abcdef",
        'H' => "0123456789ABCDEF",
        'd' => DIGITS,
        'b' => BASE64,
        'w' => BASE64_URL,
        'k' => "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
        _ => return None,
    };
    let len = inner[1..].parse().ok()?;
    // A last character that ends a word, as the tokens of most providers have.
    let body = random.text(alphabet, len);
    let last = random.text(if [BASE64, BASE64_URL].contains(&alphabet) { BOTH } else { alphabet }, 1);
    Some(body[..len - 1].to_owned() + &last)
}

fn filled(template: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((head, tail)) = rest.split_once('{') {
        out.push_str(head);
        let filled = tail.split_once('}').and_then(|(inner, after)| Some((filling(inner, random)?, after)));
        match filled {
            Some((text, after)) => {
                out.push_str(&text);
                rest = after;
            }
            None => {
                out.push('{');
                rest = tail;
            }
        }
    }
    out + rest
}

/// The lines of a file, each filled several times.
fn lines(file: &'static str) -> impl Iterator<Item = (&'static str, String)> {
    let templates = file.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
    templates.enumerate().flat_map(|(index, template)| {
        (0..FILLINGS).map(move |n| {
            let mut random = Random((index as u64 + 1) * 1_000_003 + n * 7919);
            random.below(2);
            (template, filled(template, &mut random))
        })
    })
}

/// A line that holds a secret: its template, kind, text before, secret, and text behind.
type Marked = (&'static str, String, [String; 3]);

fn marked() -> Vec<Marked> {
    let parts = lines(SECRETS).map(|(template, line)| {
        let (kind, line) = line.split_once(" | ").expect("KIND | LINE");
        let (head, rest) = line.split_once('«').expect("a start");
        let (secret, tail) = rest.split_once('»').expect("an end");
        (template, kind.to_owned(), [head, secret, tail].map(str::to_owned))
    });
    parts.collect()
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn secrets_are_told_from_what_looks_like_them() {
    let redactor = Redactor::new();
    let (mut hits, mut misses, mut alarms) = (0_usize, Vec::new(), Vec::new());
    for (template, kind, [head, secret, tail]) in marked() {
        let text = [head.as_str(), &secret, &tail].concat();
        let wanted = format!("{head}[REDACTED:{kind}]{tail}");
        match redactor.redact(&text) {
            redacted if redacted == wanted => hits += 1,
            redacted if redacted.contains(&secret) => misses.push(format!("{template}\n    {text}")),
            redacted => alarms.push(format!("{template}\n    {redacted}")),
        }
        assert_eq!(redactor.redact(&wanted), wanted, "redacting twice changes nothing: {template}");
    }
    for (template, text) in lines(CLEAN) {
        alarms.extend(
            redactor.scan(&text).into_iter().map(|found| format!("{template}\n    {found:?} in {text}")),
        );
    }
    let precision = hits as f64 / (hits + alarms.len()) as f64;
    let recall = hits as f64 / (hits + misses.len()) as f64;
    let shown = format!("not found:\n{}\nfound wrongly:\n{}", misses.join("\n"), alarms.join("\n"));
    assert!(hits + misses.len() >= 1_500, "a corpus of {hits} hits is too small");
    assert!(precision >= LEAST_PRECISION && recall >= LEAST_RECALL, "{precision:.4} {recall:.4}\n{shown}");
    // A line that is never found, or found always, is a format that is wrong.
    for template in SECRETS.lines().chain(CLEAN.lines()).filter(|line| !line.is_empty()) {
        let of =
            |wrong: &[String]| wrong.iter().filter(|text| text.split('\n').next() == Some(template)).count();
        let wrong = of(&misses) + of(&alarms);
        assert!(wrong as u64 * 2 < FILLINGS, "{template}\n{shown}");
    }
}

#[test]
fn the_corpus_is_large_and_half_of_it_is_clean() {
    let count = |file: &str| file.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()).count();
    let (secrets, clean) = (count(SECRETS), count(CLEAN));
    assert!(secrets >= 150 && clean >= 150 && clean * 2 >= secrets + clean - 20, "{secrets} {clean}");
}

#[test]
fn every_format_is_in_the_corpus() {
    let kinds: Vec<String> = marked().into_iter().map(|(_, kind, _)| kind).collect();
    let mut missing: Vec<&str> = super::formats::all()
        .map(|format| format.kind)
        .filter(|kind| !kinds.iter().any(|known| known == kind))
        .collect();
    missing.dedup();
    assert_eq!(missing, [""; 0]);
    let providers: std::collections::BTreeSet<&str> =
        super::formats::all().map(|format| format.kind).collect();
    assert!(providers.len() >= 100, "{}", providers.len());
}

#[test]
fn every_format_has_a_line_that_nearly_matches() {
    let kinds: std::collections::BTreeSet<&str> = super::formats::all().map(|format| format.kind).collect();
    let lines: Vec<&str> = CLEAN.lines().filter(|line| !line.starts_with("# ")).collect();
    let nears = |kind: &str| {
        let mut starts =
            super::formats::all().filter(|format| format.kind == kind).flat_map(|format| format.starts);
        starts.any(|start| lines.iter().any(|line| line.contains(start)))
    };
    let missing: Vec<&str> = kinds.into_iter().filter(|kind| !nears(kind)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn samples_from_the_documentation_of_providers_are_found() {
    let cases = [
        ("id AKIAIOSFODNN7EXAMPLE done", "id [REDACTED:aws-access-key] done"),
        (r"a\nASIAIOSFODNN7EXAMPLE\n", r"a\n[REDACTED:aws-access-key]\n"),
        (
            "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key=[REDACTED:assigned-secret]",
        ),
        ("Authorization: Bearer mF_9.B5f-4.1JqMx7Kq2Lz", "Authorization: Bearer [REDACTED:authorization]"),
        ("postgres://user:S3cret99@db:5432/x", "postgres://user:[REDACTED:url-password]@db:5432/x"),
        ("password = \"hunter2hunter3\"", "password = \"[REDACTED:assigned-secret]\""),
        ("secret=da39a3ee5e6b4b0d3255bfef95601890afd80709;", "secret=[REDACTED:assigned-secret];"),
    ];
    for (text, wanted) in cases {
        assert_eq!(Redactor::new().redact(text), wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_split_of_the_corpus_gives_the_same_as_one_piece(
        first in 0_usize..1_500,
        one_line in any::<bool>(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..60),
    ) {
        let between = if one_line { " " } else { "\n" };
        let parts: Vec<String> = marked().into_iter().skip(first).step_by(7).take(60).map(|(_, _, parts)| parts.concat()).collect();
        let text = parts.join(between);
        let redactor = Redactor::new();
        let whole = redactor.redact(&text).into_owned();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let (mut stream, mut out) = (redactor.stream(), Vec::new());
        for pair in cuts.windows(2) {
            stream.push(&text.as_bytes()[pair[0]..pair[1]], &mut out);
        }
        stream.finish(&mut out);
        prop_assert_eq!(String::from_utf8_lossy(&out), whole);
    }
}
