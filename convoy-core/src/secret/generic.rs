//! Secrets without a format of their own: what a password, a token or a key is set to, and what is sent as
//! one. Only what looks random is taken for a secret, so that prose and code stay as they are.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::pattern::regex;

/// The kinds that say how a secret was found, not whose it is.
pub(super) fn is_generic(kind: &str) -> bool {
    [ASSIGNED, AUTHORIZATION, "url-password"].contains(&kind)
}

const ASSIGNED: &str = "assigned-secret";
const AUTHORIZATION: &str = "authorization";

/// Names of secrets, as an expression for any case. Each starts with one of [`STEMS`].
const NAMES: &str = "passwd|password|passphrase|passw|pwd|secret|token|api[-_]?key|access[-_]?key|account[-_]?key|\
                     auth[-_]?key|auth[-_]?token|authorization|credential|private[-_]?key";

/// What the search looks for, in any case.
const STEMS: [&str; 14] = [
    "pass", "pwd", "secr", "toke", "api_", "api-", "apik", "acce", "acco", "auth", "cred", "priv", "bear",
    "basi",
];

/// From the name on: the rest of the name, what assigns, and the value. Quotes may be escaped, because much of
/// what is scanned is JSON that holds text that holds quotes.
const REST: &str = concat!(
    r#"(?<more>[a-z0-9_.-]{0,40})\\{0,3}["']?\]?[ \t]{0,4}(?:=>|:=|=|:)[ \t]{0,4}(?:(?:bearer|basic|token|ssws)[ \t]{1,4})?"#,
    r#"(?:\\{0,3}["'`](?:(?:bearer|basic|token|ssws)[ \t]{1,4})?(?<quoted>[^"'`\\\s]{8,})\\{0,3}["'`]"#,
    r#"|(?<bare>[a-z0-9_+/=.~!@#%^&*-]{8,})(?:[\s"'`\\,;)}\]<|]|$))"#
);

/// The value of an `Authorization` header.
const HEADER: &str = r"(?i-u)^(?:bearer|basic)[ \t]{1,4}(?<bare>[a-z0-9._~+/-]{16,}={0,2})";

/// How far behind the name the assignment stands at most.
const FARTHEST_SIGN: usize = 64;

static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| regex(&format!("(?i-u)^(?<name>{NAMES}){REST}")));
static HEADER_VALUE: LazyLock<Regex> = LazyLock::new(|| regex(HEADER));

/// The literals that [`find`] is tried at: the stems as they may be written.
pub(super) fn stems() -> Vec<String> {
    STEMS.iter().flat_map(|stem| cases(stem)).collect()
}

/// The text with every letter in either case.
fn cases(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for c in text.chars() {
        let both = [c.to_ascii_lowercase(), c.to_ascii_uppercase()];
        let ways = if c.is_ascii_alphabetic() { &both[..] } else { &both[..1] };
        all = all.iter().flat_map(|head| ways.iter().map(move |c| format!("{head}{c}"))).collect();
    }
    all
}

/// The secret that the name here is given, if it is: where it starts and ends, and its kind. `stem` is the
/// length of the literal that was found.
pub(super) fn find(slice: &[u8], stem: usize) -> Option<(usize, usize, &'static str)> {
    let scheme = slice[0].eq_ignore_ascii_case(&b'b');
    if scheme {
        let spaced = slice.iter().take(8).any(|byte| matches!(byte, b' ' | b'\t'));
        let value = spaced.then(|| HEADER_VALUE.captures(slice)).flatten()?.name("bare")?;
        let secret = is_random(value.as_bytes(), 3.0) && !is_placeholder(value.as_bytes());
        return secret.then(|| (value.start(), value.end(), AUTHORIZATION));
    }
    if !may_assign(&slice[stem.min(slice.len())..]) {
        return None;
    }
    let captures = ASSIGNMENT.captures(slice)?;
    let (name, more) = (captures.name("name")?.as_bytes(), captures.name("more")?.as_bytes());
    if is_about(name, more) {
        return None;
    }
    let (value, secret) = match (captures.name("quoted"), captures.name("bare")) {
        (Some(value), _) => (value, is_quoted_secret(value.as_bytes())),
        (None, value) => (value?, is_bare_secret(name, value?.as_bytes())),
    };
    if !secret || is_placeholder(value.as_bytes()) || is_reference(value.as_bytes()) {
        return None;
    }
    let kind = if name.eq_ignore_ascii_case(b"authorization") { AUTHORIZATION } else { ASSIGNED };
    Some((value.start(), value.end(), kind))
}

/// Whether something may be assigned here: most names are followed by what ends them.
fn may_assign(rest: &[u8]) -> bool {
    for byte in rest.iter().take(FARTHEST_SIGN) {
        match byte {
            b'=' | b':' => return true,
            b'"' | b'\'' | b'\\' | b']' | b' ' | b'\t' | b'_' | b'.' | b'-' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return false,
        }
    }
    false
}

/// Whether the name goes on so that it names something about a secret: its type, where it is kept.
fn is_about(name: &[u8], more: &[u8]) -> bool {
    const WORDS: [&str; 31] = [
        "id",
        "type",
        "name",
        "url",
        "uri",
        "path",
        "file",
        "filename",
        "field",
        "ttl",
        "expiry",
        "expires",
        "expiration",
        "length",
        "count",
        "pattern",
        "regex",
        "header",
        "prefix",
        "suffix",
        "version",
        "endpoint",
        "label",
        "placeholder",
        "env",
        "ref",
        "hint",
        "description",
        "provider",
        "format",
        "algorithm",
    ];
    let more = String::from_utf8_lossy(more);
    let last = more.rsplit(['_', '-', '.']).next().unwrap_or_default();
    // The last part of snake_case, or the last word of camelCase.
    let word = last.rfind(|c: char| c.is_ascii_uppercase()).filter(|at| *at > 0 || last.len() > 1);
    let camel = word.map_or(last, |at| &last[at..]);
    // The id of a key names it; a secret id is a secret.
    let id = [last, camel].iter().any(|text| text.eq_ignore_ascii_case("id"));
    let secret_id = name.eq_ignore_ascii_case(b"secret") && id;
    let is_word = |text: &str| WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    !secret_id && (is_word(last) || is_word(camel))
}

fn is_quoted_secret(value: &[u8]) -> bool {
    let several = value.iter().any(|byte| matches!(byte, b'.' | b'_' | b'-' | b'/' | b':'));
    is_random(value, 2.5) && !(several && is_path_of_names(value))
}

fn is_bare_secret(name: &[u8], value: &[u8]) -> bool {
    let password = name.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'p'))
        && !name.get(1).is_some_and(|second| second.eq_ignore_ascii_case(&b'r'));
    let random = if value.len() >= 16 { is_random(value, 3.3) } else { password && is_random(value, 2.5) };
    random && !is_path_of_names(value) && !is_identifier(value)
}

/// Whether text mixes letters and digits with at least this many bits of entropy a byte: English words
/// and identifiers do not.
pub(super) fn is_random(text: &[u8], bits: f64) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits > 0 && text.iter().any(u8::is_ascii_alphabetic) && entropy(text) >= bits
}

/// [`is_random`] for what has the format of a token: a long one may happen to have no digit, and is told from
/// names by how often its letters change from small to capital.
pub(super) fn is_random_token(text: &[u8], bits: f64) -> bool {
    is_random(text, bits) || (text.len() >= 16 && changes(text) * 3 >= text.len() && entropy(text) >= bits)
}

/// How often a byte is of another class than the one before.
fn changes(text: &[u8]) -> usize {
    let class = |byte: &u8| (byte.is_ascii_lowercase(), byte.is_ascii_uppercase(), byte.is_ascii_digit());
    text.windows(2).filter(|pair| class(&pair[0]) != class(&pair[1])).count()
}

/// The entropy of a text in bits a byte.
#[expect(clippy::cast_precision_loss, reason = "lengths stay far below 2^53")]
pub(super) fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = text.len() as f64;
    let share = |count: &usize| *count as f64 / total;
    -counts.iter().filter(|count| **count > 0).map(share).map(|p| p * p.log2()).sum::<f64>()
}

/// Whether a token is only filled up: `xxxxxxxx`, `00000000`, `12121212`.
pub(super) fn is_filler(token: &[u8]) -> bool {
    const RUN: usize = 8;
    if token.len() >= 256 {
        // A part of a long text may well be filled up.
        return false;
    }
    let mut seen = [false; 256];
    token[token.len().saturating_sub(16)..].iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let filled = |run: &[u8]| {
        run.iter().all(|byte| *byte == run[0]) && matches!(run[0], b'x' | b'X' | b'0' | b'*' | b'.')
    };
    seen.iter().filter(|seen| **seen).count() <= 2 || token.windows(RUN).any(filled)
}

/// Whether a value is plainly an example, a variable or already redacted.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 27] = [
        "example",
        "changeme",
        "change_me",
        "change-me",
        "placeholder",
        "redacted",
        "dummy",
        "your_",
        "your-",
        "yourp",
        "yours",
        "yourt",
        "my_",
        "my-",
        "xxxx",
        "****",
        "...",
        "${",
        "{{",
        "$(",
        "sample",
        "insert",
        "replace",
        "todo",
        "fixme",
        "foobar",
        "notasecret",
    ];
    // Mixed case is random text that happens to hold a word, as in the widely used sample keys.
    let text = String::from_utf8_lossy(value);
    let capitals = !value.iter().any(u8::is_ascii_lowercase);
    let lower = if capitals { text.to_ascii_lowercase() } else { text.into_owned() };
    let simple = ["password", "passwd", "secret", "pass"].contains(&lower.as_str());
    simple
        || WORDS.iter().any(|word| lower.contains(word))
        || lower.starts_with(['$', '<', '%', '{', '[', '#'])
        || lower.bytes().all(|byte| Some(byte) == lower.bytes().next())
}

/// Whether a value says where the secret is kept.
fn is_reference(value: &[u8]) -> bool {
    const STARTS: [&str; 9] = ["arn:", "projects/", "vault:", "env:", "file:", "ssm:", "/", "./", "../"];
    let text = String::from_utf8_lossy(value);
    STARTS.iter().any(|start| text.starts_with(start)) || text.contains("://") || text.contains('(')
}

/// Whether a value reads as code (`config.auth2.token`, `next_token_v2`), not as a token: every
/// part is a word, perhaps with a number of at most two digits at its end.
fn is_path_of_names(value: &[u8]) -> bool {
    value.split(|byte| matches!(byte, b'.' | b'_' | b'-' | b'/' | b':')).all(|part| {
        let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        digits <= 2 && part[..part.len() - digits].iter().all(u8::is_ascii_alphabetic)
    })
}

/// Whether a bare value reads as one name of a program (`fts5CreateTokenizer_v2`): more than a third of it are
/// words, and in random text every other byte is of another class than the one before or, in hexadecimal, most
/// are digits.
fn is_identifier(value: &[u8]) -> bool {
    let name = value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let alike = |a: &u8, b: &u8| {
        (a.is_ascii_lowercase() && b.is_ascii_lowercase())
            || (a.is_ascii_uppercase() && b.is_ascii_uppercase())
    };
    let words: usize = value.chunk_by(alike).map(<[u8]>::len).filter(|len| *len >= 4).sum();
    name && digits * 4 < value.len() && changes(value) * 2 < value.len() && words * 3 > value.len()
}
